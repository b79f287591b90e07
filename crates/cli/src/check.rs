//! `waypoint-l4 check`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use waypoint_l4_compile::{Finding, Istio, IstioVersion, Options, Output, check};

use crate::files::read_stdin_once;
use crate::manifests::Manifests;
use crate::output::{Format, print, print_json, report};

/// Tell what is wrong with manifests, or will not do what one thinks, on a release of Istio.
///
/// Reads what `compile` reads, and the WasmPlugins and TrafficExtensions beside it. The exit code is 0
/// where there is nothing to tell, and else 1.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,

    /// The release of Istio that the manifests are for, as istioctl version prints it
    #[arg(long, value_name = "VERSION")]
    istio_version: IstioVersion,

    /// istiod has PILOT_ENABLE_ALPHA_GATEWAY_API=true
    #[arg(long)]
    istio_alpha: bool,

    /// The kind of plugin that is to be written
    #[arg(long, value_enum, default_value_t)]
    output: PluginKind,

    /// How to tell it: a line for each finding, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum PluginKind {
    #[default]
    #[value(name = "wasmplugin")]
    WasmPlugin,
    #[value(name = "trafficextension")]
    TrafficExtension,
}

#[derive(Default, Serialize)]
struct Report {
    findings: Vec<Finding>,
    /// Why there was nothing to check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let options = Options {
        output: match arguments.output {
            PluginKind::WasmPlugin => Output::WasmPlugin,
            PluginKind::TrafficExtension => Output::TrafficExtension,
        },
        cluster_domain: arguments.manifests.cluster_domain.clone(),
        unknown_kinds: arguments.manifests.unknown_kinds(),
        ..Options::default()
    };
    let istio = Istio {
        version: arguments.istio_version,
        alpha: arguments.istio_alpha,
    };
    read_stdin_once(arguments.manifests.filenames());
    let sources = arguments.manifests.sources();
    let report = match check(&sources, &options, istio) {
        Ok(findings) => Report {
            findings,
            ..Report::default()
        },
        Err(refused) => Report {
            errors: arguments.manifests.errors(&refused),
            ..Report::default()
        },
    };
    let is_clean = report.findings.is_empty() && report.errors.is_empty();
    let code = if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    match arguments.format {
        Format::Text => text(&report, code),
        Format::Json => print_json(&report, code),
    }
}

fn text(found: &Report, code: ExitCode) -> ExitCode {
    for error in &found.errors {
        report(&format!("error: {error}"));
    }
    let findings = found.findings.iter();
    let lines: String = findings
        .map(|finding| format!("finding: {finding}\n"))
        .collect();
    print(&lines, code)
}
