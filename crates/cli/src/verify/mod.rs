//! `waypoint-l4 verify`: whether a waypoint does what the manifests say.
//!
//! ```text
//! manifests ──compile──> Plan, Config ──┐
//!                                       ├─ checks ──> Report: findings, notes
//! config dump ──────────> Dump ─────────┘
//! ```

mod checks;
mod difference;
mod dump;
mod findings;
mod istiod;
mod plugins;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use waypoint_l4_compile::{Fault, InvalidManifest, ObjectName, Objects, Plan, Refused};

use crate::files::{read, read_stdin_once, show};
use crate::manifests::Manifests;
use crate::output::{Format, print, print_json, report};
use checks::{Expected, check};
use dump::Dump;
use findings::{Finding, Report};

/// Tell whether a waypoint does what the manifests say, by its config dump.
///
/// Finds a plugin that is missing, has another configuration or is without effect because istiod
/// routes natively, and clusters that are missing or without endpoints. The exit code is 0 if all is
/// well, 1 if not. `istioctl proxy-config all -o json` prints the dump of a waypoint; istiod's
/// /debug/config_dump is read too.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,

    /// The config dump of the waypoint, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    config_dump: PathBuf,

    /// Whose dump it is, if the manifests have more than one waypoint
    #[arg(long, value_name = "NAMESPACE/NAME")]
    waypoint: Option<ObjectName>,

    /// The plugin was compiled with --annotate
    #[arg(long)]
    annotate: bool,

    /// How to tell it: a line for each finding, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is told in JSON where there was nothing to verify, as `check` does.
#[derive(Serialize)]
struct Failed {
    findings: [Finding; 0],
    errors: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let manifests = &arguments.manifests;
    let dump = &arguments.config_dump;
    read_stdin_once(manifests.filenames().chain([dump.as_path()]));
    let wanted = arguments.waypoint.as_ref();
    let objects = Objects::read_for(wanted, &manifests.sources(), manifests.unknown_kinds());
    let plan = objects.map(|objects| Plan::new(&objects, &manifests.cluster_domain));
    let expected = plan.as_ref().map_err(|refused| manifests.errors(refused));
    let expected = expected
        .and_then(|plan| planned(plan, arguments).map_err(|refused| manifests.errors(&refused)));
    // Also after errors, so that all of them are told at once.
    match (expected, read_dump(dump)) {
        (Ok(expected), Ok(dump)) => tell(&check(&dump, &expected), arguments.format),
        (expected, dump) => {
            let errors = expected.err().into_iter().flatten().chain(dump.err());
            fail(errors.collect(), arguments.format)
        }
    }
}

fn planned<'p>(plan: &'p Plan, arguments: &Arguments) -> Result<Expected<'p>, Refused> {
    let refused = |fault| {
        Refused::from(InvalidManifest {
            place: None,
            object: None,
            fault,
        })
    };
    let waypoint = chosen(plan, arguments.waypoint.as_ref()).map_err(refused)?;
    let listeners = plan.waypoints.get(waypoint).map(Vec::as_slice);
    let config = plan.config(waypoint, arguments.annotate);
    let config = config.transpose().map_err(|cause| {
        let what = format!("the configuration of waypoint {waypoint}");
        refused(Fault::InvalidOutput { what, cause })
    })?;
    Ok(Expected {
        waypoint,
        listeners: listeners.unwrap_or_default(),
        notes: &plan.notes,
        config: config.unwrap_or_default(),
    })
}

fn chosen<'p>(plan: &'p Plan, wanted: Option<&ObjectName>) -> Result<&'p ObjectName, Fault> {
    let names: Vec<_> = plan.waypoints.keys().collect();
    let known = || names.iter().copied().cloned().collect();
    match (wanted, names.as_slice()) {
        (Some(wanted), names) => {
            let found = names.iter().find(|name| **name == wanted);
            found.copied().ok_or_else(|| Fault::NoSuchWaypoint {
                wanted: wanted.clone(),
                known: known(),
            })
        }
        (None, [only]) => Ok(only),
        (None, []) => Err(Fault::Field {
            path: String::new(),
            expected: String::from("a waypoint among the manifests"),
            found: String::from("none"),
        }),
        (None, _) => Err(Fault::SeveralWaypoints { known: known() }),
    }
}

fn read_dump(path: &Path) -> Result<Dump, String> {
    let name = show(path);
    let content = read(path).content;
    let json = content.map_err(|error| format!("{name}: cannot be read: {error}"))?;
    Dump::read(&json).map_err(|invalid| format!("{name}: {invalid}"))
}

fn tell(found: &Report, format: Format) -> ExitCode {
    let code = if found.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    match format {
        Format::Text => {
            for note in &found.notes {
                report(&format!("note: {note}"));
            }
            print(&found.to_string(), code)
        }
        Format::Json => print_json(found, code),
    }
}

fn fail(errors: Vec<String>, format: Format) -> ExitCode {
    match format {
        Format::Text => {
            for error in errors {
                report(&format!("error: {error}"));
            }
            ExitCode::FAILURE
        }
        Format::Json => {
            let findings = [];
            print_json(&Failed { findings, errors }, ExitCode::FAILURE)
        }
    }
}
