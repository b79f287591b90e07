//! `waypoint-l4 compile`.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum, error};
use waypoint_l4_compile::{
    ClusterDomain, FailStrategy, ImageUrl, ObjectName, Options, Output, UnknownKinds, compile,
};

use crate::files::{Found, STDIN, find, show};

/// Compile routes of TCP connections into a WasmPlugin for each waypoint.
///
/// Reads TCPRoutes, TLSRoutes, VirtualServices, DestinationRules, Services, ServiceEntries, Gateways
/// and Namespaces; other objects of Kubernetes and Istio may be among them. Writes the manifests to
/// standard output, and to standard error what has no effect.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A file of YAML or JSON, a directory of them, or - for standard input
    #[arg(
        short = 'f',
        long = "filename",
        required = true,
        value_name = "FILE|DIR|-"
    )]
    filenames: Vec<PathBuf>,

    /// Read directories with all that is below them
    #[arg(short = 'R', long)]
    recursive: bool,

    /// What to write: a WasmPlugin for each waypoint; a TrafficExtension instead, for Istio 1.30+; the
    /// bare configuration of one; the network filter of a plain Envoy; or the status of the routes
    #[arg(long, value_enum, default_value_t)]
    output: OutputName,

    /// Where waypoints load the filter from: oci://, https://, http:// or file://
    #[arg(long, value_name = "URL", default_value_t)]
    image: ImageUrl,

    /// What becomes of connections while the filter cannot be loaded: FAIL_OPEN sends them to the
    /// Service that the client asked for, FAIL_CLOSE refuses them
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    fail_strategy: FailStrategyName,

    /// Write only what is for this waypoint
    #[arg(long, value_name = "NAMESPACE/NAME")]
    waypoint: Option<ObjectName>,

    /// The DNS domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value_t)]
    cluster_domain: ClusterDomain,

    /// Leave out, with a note, objects of unknown kinds and documents without apiVersion or kind
    #[arg(long)]
    ignore_unknown_kinds: bool,

    /// Leave out the VirtualServices that make istiod give a waypoint clusters of Services which it
    /// does not serve
    #[arg(long)]
    no_anchors: bool,

    /// Have access logs tell the rule and the backend of each connection, by
    /// %FILTER_STATE(wasm.waypoint_l4_rule:PLAIN)% and wasm.waypoint_l4_backend
    #[arg(long)]
    annotate: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum OutputName {
    #[default]
    #[value(name = "wasmplugin")]
    WasmPlugin,
    #[value(name = "trafficextension")]
    TrafficExtension,
    Config,
    Envoy,
    Status,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum FailStrategyName {
    #[default]
    #[value(name = "FAIL_OPEN")]
    FailOpen,
    #[value(name = "FAIL_CLOSE")]
    FailClose,
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            output: match self.output {
                OutputName::WasmPlugin => Output::WasmPlugin,
                OutputName::TrafficExtension => Output::TrafficExtension,
                OutputName::Config => Output::Config,
                OutputName::Envoy => Output::Envoy,
                OutputName::Status => Output::Status,
            },
            image: self.image.clone(),
            fail_strategy: match self.fail_strategy {
                FailStrategyName::FailOpen => FailStrategy::FailOpen,
                FailStrategyName::FailClose => FailStrategy::FailClose,
            },
            waypoint: self.waypoint.clone(),
            cluster_domain: self.cluster_domain.clone(),
            unknown_kinds: if self.ignore_unknown_kinds {
                UnknownKinds::Note
            } else {
                UnknownKinds::Refuse
            },
            anchors: !self.no_anchors,
            annotate: self.annotate,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let stdin = arguments.filenames.iter().filter(|name| **name == *STDIN);
    if stdin.count() > 1 {
        let message = "standard input (-f -) can be read only once";
        crate::Arguments::command()
            .error(error::ErrorKind::ArgumentConflict, message)
            .exit();
    }
    let Found { sources, unread } = find(&arguments.filenames, arguments.recursive);
    // Also before errors: what is absent could be there.
    for directory in unread {
        report(&format!("note: {directory}"));
    }
    match compile(&sources, &arguments.options()) {
        Ok(compiled) => {
            for note in compiled.notes {
                report(&format!("note: {note}"));
            }
            print(&compiled.manifests)
        }
        Err(refused) => {
            let origin = origin(&arguments.filenames);
            for invalid in refused.0 {
                match (&invalid.place, &origin) {
                    (None, Some(origin)) => report(&format!("error: {origin}: {invalid}")),
                    _ => report(&format!("error: {invalid}")),
                }
            }
            ExitCode::FAILURE
        }
    }
}

/// Where errors of no one manifest come from, if that is one place.
fn origin(filenames: &[PathBuf]) -> Option<String> {
    match filenames {
        [only] => Some(show(only)),
        _ => None,
    }
}

fn print(manifests: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(manifests.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        // Who reads it has seen enough, like `head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("error: standard output: {error}"));
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// Unlike `eprintln!` it does not panic where nobody can be told.
fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
