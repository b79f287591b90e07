//! The manifests in `deploy/`: an API server takes them, and the plugin is what `compile` prints.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, and clippy sees none without a harness"
)]

#[allow(
    dead_code,
    reason = "each test that has schemas has its own part of them"
)]
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service};
use serde::de::DeserializeOwned;
use serde_json::Value;
use waypoint_l4_compile::{Options, Source, compile};

const EXAMPLE: &str = "deploy/examples/tcp-echo";

#[test]
fn an_api_server_takes_every_manifest() {
    let mut manifests = 0;
    for file in ["deploy/base", EXAMPLE, "deploy/examples/tcp-echo-testers"]
        .into_iter()
        .flat_map(files)
    {
        for object in objects(&file) {
            let taken = match object["kind"].as_str().unwrap() {
                "Kustomization" => resources_are_there(&file, &object),
                "Namespace" => is_whole::<Namespace>(&object),
                "Service" => is_whole::<Service>(&object),
                "Deployment" => is_whole::<Deployment>(&object),
                "Gateway" => schema::check("gateway-api-1.6.1-experimental-Gateway.json", &object),
                "TCPRoute" => schema::check("gateway-api-1.6.1-standard-TCPRoute.json", &object),
                "WasmPlugin" => schema::check("istio-1.31-WasmPlugin.json", &object),
                other => Err(format!("nobody knows {other}")),
            };
            taken.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            manifests += 1;
        }
    }
    assert!(manifests > 10, "only {manifests}");
}

#[test]
fn the_plugin_of_the_example_is_what_compile_prints() {
    let names = [
        "namespace.yaml",
        "waypoint.yaml",
        "tcp-echo.yaml",
        "tcproute.yaml",
    ];
    let printed = printed(&names.map(|name| Path::new(EXAMPLE).join(name)));
    let file = root().join(EXAMPLE).join("wasmplugin.yaml");
    assert_eq!(fs::read_to_string(file).unwrap(), printed);
}

/// But for the namespace and the revision, which an overlay and compile know.
#[test]
fn the_base_is_what_compile_prints_for_a_waypoint_without_routes() {
    let printed = printed(&[Path::new(EXAMPLE).join("waypoint.yaml")]);
    let mut printed: Value = serde_saphyr::from_str(&printed).unwrap();
    printed["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("namespace");
    let config = printed["spec"]["pluginConfig"].as_object_mut().unwrap();
    config.remove("revision");
    assert_eq!(
        objects(&root().join("deploy/base/wasmplugin.yaml")),
        [printed]
    );
}

fn printed(files: &[PathBuf]) -> String {
    let sources = files.iter().map(|file| Source {
        name: file.display().to_string(),
        content: Ok(fs::read(root().join(file)).unwrap()),
    });
    let sources: Vec<_> = sources.collect();
    compile(&sources, &Options::default()).unwrap().manifests
}

/// Whether the type of an object has all of its fields.
fn is_whole<T: DeserializeOwned>(object: &Value) -> Result<(), String> {
    let mut unknown = Vec::new();
    let note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
    let typed: Result<T, _> = serde_ignored::deserialize(object, note);
    typed.map_err(|error| error.to_string())?;
    match unknown.as_slice() {
        [] => Ok(()),
        unknown => Err(format!("unknown fields: {}", unknown.join(", "))),
    }
}

fn resources_are_there(file: &Path, kustomization: &Value) -> Result<(), String> {
    let folder = file.parent().unwrap();
    let resources = kustomization["resources"].as_array().unwrap();
    let named: Vec<_> = resources
        .iter()
        .map(|name| folder.join(name.as_str().unwrap()))
        .collect();
    let mut others = files(folder);
    others.retain(|other| other != file);
    let mut sorted = named.clone();
    sorted.sort();
    match sorted == others {
        true => Ok(()),
        false => Err(format!("resources {named:?}, files {others:?}")),
    }
}

fn files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn objects(file: &Path) -> Vec<Value> {
    serde_saphyr::from_multiple(&fs::read_to_string(file).unwrap()).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
