//! Manifests in, manifests and notes out, compared with files.
//!
//! Each folder of `testdata/compile` is a case: `input.yaml` (or several files `input*`) compiles
//! to `output.yaml` with the notes in `notes.txt` and the statuses of the routes in `status.yaml`,
//! which is absent where no route has one. Each folder of `testdata/compile/refused` is refused with
//! `error.txt`. `options.txt` holds options of `waypoint-l4 compile`, one to a line.
//! `REFRESH_GOLDEN=1` writes what is compared with; read the diff.

#![allow(
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy sees none without a harness"
)]

mod schema;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use similar::TextDiff;
use waypoint_l4_compile::{Options, Output, Source, compile};

/// Cases whose inputs are not what the schemas allow, and compile all the same.
const OUTSIDE_THE_SCHEMA: [&str; 3] = [
    "same-parent-twice",
    "unapplied-metadata",
    "unknown-field-outside-spec",
];

/// The kinds that have schemas, by group, and how the files of `testdata/crds` for them begin. Of what
/// else there may be among the inputs nothing is read.
const SCHEMAS: [(&str, &str, &[&str]); 3] = [
    (
        "gateway.networking.k8s.io",
        "gateway-api-1.6.1-experimental",
        &["TCPRoute", "TLSRoute", "HTTPRoute", "GRPCRoute", "Gateway"],
    ),
    (
        "networking.istio.io",
        "istio-1.31",
        &["VirtualService", "DestinationRule", "ServiceEntry"],
    ),
    (PLUGINS, "istio-1.31", &["WasmPlugin", "TrafficExtension"]),
];

/// The group of what is written and not read.
const PLUGINS: &str = "extensions.istio.io";

fn main() -> ExitCode {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compile");
    let refused = testdata.join("refused");
    let mut trials = Vec::new();
    for folder in folders(&testdata)
        .into_iter()
        .filter(|folder| *folder != refused)
    {
        trials.push(trial("compiled", folder, compiled));
    }
    for folder in folders(&refused) {
        trials.push(trial("refused", folder, is_refused));
    }
    let none = trials.is_empty();
    trials.push(Trial::test("there are cases", move || {
        if none {
            Err("found none".into())
        } else {
            Ok(())
        }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(kind: &str, folder: PathBuf, run: fn(&Path) -> Result<(), Failed>) -> Trial {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    Trial::test(format!("{kind}::{name}"), move || run(&folder))
}

fn compiled(folder: &Path) -> Result<(), Failed> {
    only(
        folder,
        &["output.yaml", "notes.txt", "status.yaml", "options.txt"],
    )?;
    let options = options(folder)?;
    let sources = inputs(folder)?;
    if !OUTSIDE_THE_SCHEMA.iter().any(|name| folder.ends_with(name)) {
        for source in &sources {
            inputs_fit_their_schemas(source)?;
        }
    }
    let compiled = compile(&sources, &options).map_err(|refused| refused.to_string())?;
    if ![Output::Config, Output::Envoy].contains(&options.output) {
        outputs_fit_their_schemas(&compiled.manifests)?;
    }
    let of_status = Options {
        output: Output::Status,
        ..options
    };
    let status = compile(&sources, &of_status).map_err(|refused| refused.to_string())?;
    statuses_fit_their_schemas(&status.manifests)?;
    let golden = folder.join("status.yaml");
    match status.manifests.as_str() {
        "" if golden.exists() => return Err("a status.yaml, and no route has a status".into()),
        "" => {}
        status => equal(&golden, status)?,
    }
    let notes = compiled.notes.iter().map(|note| format!("note: {note}\n"));
    equal(&folder.join("output.yaml"), &compiled.manifests)?;
    equal(&folder.join("notes.txt"), &notes.collect::<String>())
}

fn is_refused(folder: &Path) -> Result<(), Failed> {
    only(folder, &["error.txt", "options.txt"])?;
    match compile(&inputs(folder)?, &options(folder)?) {
        Ok(compiled) => Err(format!("compiled:\n{}", compiled.manifests).into()),
        Err(refused) => {
            let errors = refused
                .0
                .iter()
                .map(|invalid| format!("error: {invalid}\n"));
            equal(&folder.join("error.txt"), &errors.collect::<String>())
        }
    }
}

fn inputs(folder: &Path) -> Result<Vec<Source>, Failed> {
    let inputs: Vec<_> = names(folder)?
        .into_iter()
        .filter(|name| is_input(name))
        .collect();
    if inputs.is_empty() {
        return Err("no input".into());
    }
    let sources = inputs.into_iter().map(|name| Source {
        content: fs::read(folder.join(&name)).map_err(|error| error.to_string()),
        name,
    });
    Ok(sources.collect())
}

fn options(folder: &Path) -> Result<Options, Failed> {
    let text = fs::read_to_string(folder.join("options.txt")).unwrap_or_default();
    let mut options = Options::default();
    for line in text.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("--output", "trafficextension") => options.output = Output::TrafficExtension,
            ("--output", "config") => options.output = Output::Config,
            ("--output", "envoy") => options.output = Output::Envoy,
            ("--image", image) => options.image = image.parse()?,
            ("--waypoint", name) => options.waypoint = Some(name.parse()?),
            ("--cluster-domain", domain) => options.cluster_domain = domain.parse()?,
            ("--no-anchors", "") => options.anchors = false,
            _ => return Err(format!("options.txt: unknown option {line}").into()),
        }
    }
    Ok(options)
}

/// A file that nobody compares is a mistake: a misspelt name, or a leftover.
fn only(folder: &Path, goldens: &[&str]) -> Result<(), Failed> {
    for name in names(folder)? {
        if !is_input(&name) && !goldens.contains(&name.as_str()) {
            return Err(format!("unknown file {name}").into());
        }
    }
    Ok(())
}

fn is_input(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    name.starts_with("input") && matches!(extension, Some("yaml" | "yml" | "json"))
}

fn names(folder: &Path) -> Result<Vec<String>, Failed> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn equal(golden: &Path, found: &str) -> Result<(), Failed> {
    if env::var_os("REFRESH_GOLDEN").is_some() {
        return Ok(fs::write(golden, found)?);
    }
    let expected = fs::read_to_string(golden)
        .map_err(|error| format!("{}: {error}; REFRESH_GOLDEN=1 writes it", golden.display()))?;
    if expected == found {
        return Ok(());
    }
    let diff = TextDiff::from_lines(expected.as_str(), found);
    let mut diff = diff.unified_diff();
    let name = golden.display().to_string();
    Err(diff.header(&name, "found").to_string().into())
}

fn inputs_fit_their_schemas(source: &Source) -> Result<(), Failed> {
    let text = source.content.clone()?;
    let text = String::from_utf8(text)?;
    let documents: Vec<Value> = if source.name.ends_with(".json") {
        let documents = serde_json::Deserializer::from_str(&text).into_iter();
        documents.collect::<Result<_, _>>()?
    } else {
        serde_saphyr::from_multiple(&text).map_err(|error| error.to_string())?
    };
    let (lists, documents): (Vec<_>, Vec<_>) = documents
        .into_iter()
        .partition(|document| document["items"].is_array());
    let items = lists
        .iter()
        .filter_map(|list| list["items"].as_array())
        .flatten();
    for object in documents.iter().chain(items) {
        let group = object["apiVersion"].as_str().unwrap_or_default();
        match schema_of(object) {
            Some(file) if !group.starts_with(PLUGINS) => schema::check(&file, object)?,
            _ => {}
        }
    }
    Ok(())
}

fn outputs_fit_their_schemas(manifests: &str) -> Result<(), Failed> {
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(manifests).map_err(|error| error.to_string())?;
    for object in &objects {
        let file = schema_of(object).ok_or_else(|| format!("no schema for {}", object["kind"]))?;
        schema::check(&file, object)?;
    }
    Ok(())
}

fn statuses_fit_their_schemas(statuses: &str) -> Result<(), Failed> {
    let mut objects: Vec<Value> =
        serde_saphyr::from_multiple(statuses).map_err(|error| error.to_string())?;
    for object in &mut objects {
        // What a status lacks to be an object: who writes it adds the time, and the spec is there.
        object["spec"] = json!({ "rules": [{ "backendRefs": [{ "name": "a", "port": 1 }] }] });
        if object["kind"] == "TLSRoute" {
            object["spec"]["hostnames"] = json!(["a"]);
        }
        let parents = object["status"]["parents"].as_array_mut();
        for parent in parents.into_iter().flatten() {
            let conditions = parent["conditions"].as_array_mut();
            for condition in conditions.into_iter().flatten() {
                condition["lastTransitionTime"] = json!("2026-01-31T12:00:00Z");
            }
        }
        let file = schema_of(object).ok_or_else(|| format!("no schema for {}", object["kind"]))?;
        schema::check(&file, object)?;
    }
    Ok(())
}

/// The file of `testdata/crds` that holds the schema of an object.
fn schema_of(object: &Value) -> Option<String> {
    let (group, _version) = object["apiVersion"].as_str()?.split_once('/')?;
    let kind = object["kind"].as_str()?;
    let mut schemas = SCHEMAS.iter();
    let (_, file, _) = schemas.find(|(of, _, kinds)| *of == group && kinds.contains(&kind))?;
    Some(format!("{file}-{kind}.json"))
}
