//! `waypoint-l4 bundle`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};
use waypoint_l4_compile::{ObjectName, Source};

use crate::files::read;
use crate::output::{print, report};

/// Put the filter into a ConfigMap, for waypoints that are to depend on no registry.
///
/// Writes two ConfigMaps: one holds the module, the other mounts it in the waypoint's pods. What makes
/// the Gateway use them is told on standard error, and is what --output patch writes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The module, as make build leaves it in target/waypoint-l4.wasm, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    wasm: PathBuf,

    /// Which waypoint is to have it
    #[arg(long, value_name = "NAMESPACE/NAME")]
    waypoint: ObjectName,

    /// What to write: the ConfigMaps, or the merge patch for the Gateway
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Output {
    #[default]
    #[value(name = "configmaps")]
    ConfigMaps,
    Patch,
}

/// What a ConfigMap may hold.
const LIMIT: usize = 1_048_576;

const FOLDER: &str = "/var/lib/waypoint-l4";
const FILE: &str = "waypoint-l4.wasm";

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let Source { name, content } = read(&arguments.wasm);
    let written = content
        .map_err(|error| format!("cannot be read: {error}"))
        .and_then(|module| write(&module, arguments));
    match written {
        Ok(text) => print(&text, ExitCode::SUCCESS),
        Err(error) => {
            report(&format!("error: {name}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write(module: &[u8], arguments: &Arguments) -> Result<String, String> {
    check(module)?;
    let ObjectName { namespace, name } = &arguments.waypoint;
    let mount = format!("{name}-l4-mount");
    let patch = serde_json::json!({"spec": {"infrastructure": {"parametersRef": {
        "group": "", "kind": "ConfigMap", "name": mount,
    }}}});
    if matches!(arguments.output, Output::Patch) {
        return Ok(format!("{patch}\n"));
    }
    let digest = Sha256::digest(module);
    let digits: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let module_name = format!("waypoint-l4-{}-{digits}", env!("CARGO_PKG_VERSION"));
    let deployment = yaml(&Deployment::mounting(&module_name))?;
    let module = ConfigMap {
        binary_data: BTreeMap::from([(FILE, STANDARD.encode(module))]),
        // A change of it would reach running pods, and is no change that Envoy would see.
        immutable: Some(true),
        ..ConfigMap::new(module_name, namespace)
    };
    let mount = ConfigMap {
        data: BTreeMap::from([("deployment", deployment)]),
        ..ConfigMap::new(mount, namespace)
    };
    report(&format!(
        "note: apply them (--server-side), then kubectl patch gtw -n {namespace} {name} --type merge -p '{patch}', at a \
         quiet time, as that makes new pods; then compile with --image file://{FOLDER}/{FILE}"
    ));
    Ok(format!("{}---\n{}", yaml(&module)?, yaml(&mount)?))
}

fn check(module: &[u8]) -> Result<(), String> {
    if !module.starts_with(b"\0asm") {
        return Err(String::from("expected a Wasm module, found something else"));
    }
    if module.len() > LIMIT {
        return Err(format!(
            "expected at most {LIMIT} bytes, which is what a ConfigMap may hold, found {}",
            module.len()
        ));
    }
    Ok(())
}

fn yaml(object: &impl Serialize) -> Result<String, String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(object, options).map_err(|error| error.to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    immutable: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    binary_data: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: String,
    namespace: &'a str,
    labels: BTreeMap<&'static str, &'static str>,
}

impl<'a> ConfigMap<'a> {
    fn new(name: String, namespace: &'a str) -> Self {
        Self {
            api_version: "v1",
            kind: "ConfigMap",
            metadata: Metadata {
                name,
                namespace,
                labels: BTreeMap::from([("app.kubernetes.io/managed-by", "waypoint-l4")]),
            },
            immutable: None,
            data: BTreeMap::new(),
            binary_data: BTreeMap::new(),
        }
    }
}

/// What Istio merges into the Deployment that it makes for the Gateway.
#[derive(Serialize)]
struct Deployment<'a> {
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    template: Template<'a>,
}

#[derive(Serialize)]
struct Template<'a> {
    spec: PodSpec<'a>,
}

#[derive(Serialize)]
struct PodSpec<'a> {
    containers: [Container<'a>; 1],
    volumes: [Volume<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    name: &'a str,
    volume_mounts: [VolumeMount<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMount<'a> {
    name: &'a str,
    mount_path: &'a str,
    read_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume<'a> {
    name: &'a str,
    config_map: ConfigMapName<'a>,
}

#[derive(Serialize)]
struct ConfigMapName<'a> {
    name: &'a str,
}

impl<'a> Deployment<'a> {
    fn mounting(module: &'a str) -> Self {
        const NAME: &str = "waypoint-l4";
        let mount = VolumeMount {
            name: NAME,
            mount_path: FOLDER,
            read_only: true,
        };
        let volume = Volume {
            name: NAME,
            config_map: ConfigMapName { name: module },
        };
        let spec = PodSpec {
            containers: [Container {
                name: "istio-proxy",
                volume_mounts: [mount],
            }],
            volumes: [volume],
        };
        Self {
            spec: Spec {
                template: Template { spec },
            },
        }
    }
}
