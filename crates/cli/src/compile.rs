//! `waypoint-l4 compile`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use waypoint_l4_compile::{FailStrategy, ImageUrl, ObjectName, Options, Output, compile};

use crate::files::read_stdin_once;
use crate::manifests::Manifests;
use crate::output::{print, report};

/// Compile routes of TCP connections into a WasmPlugin for each waypoint.
///
/// Reads TCPRoutes, TLSRoutes, VirtualServices, DestinationRules, Services, ServiceEntries, Gateways
/// and Namespaces, and HTTPRoutes and GRPCRoutes, which go before those of TCP; other objects of
/// Kubernetes and Istio may be among them. Writes the manifests to standard output, and to standard
/// error what has no effect.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,

    /// What to write: a WasmPlugin for each waypoint; a TrafficExtension instead, for Istio 1.30+; the
    /// bare configuration of one; the network filter of a plain Envoy; or the status of the routes
    #[arg(long, value_enum, default_value_t)]
    output: OutputName,

    /// Where waypoints load the filter from: oci://, https://, http:// or file://; without it from
    /// ghcr.io/waypoint-l4/waypoint-l4, where nothing is published yet
    #[arg(long, value_name = "URL")]
    image: Option<ImageUrl>,

    /// What becomes of connections while the filter cannot be loaded: FAIL_OPEN sends them to the
    /// Service that the client asked for, FAIL_CLOSE refuses them
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    fail_strategy: FailStrategyName,

    /// Write only what is for this waypoint
    #[arg(long, value_name = "NAMESPACE/NAME")]
    waypoint: Option<ObjectName>,

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
            image: self.image.clone().unwrap_or_default(),
            fail_strategy: match self.fail_strategy {
                FailStrategyName::FailOpen => FailStrategy::FailOpen,
                FailStrategyName::FailClose => FailStrategy::FailClose,
            },
            waypoint: self.waypoint.clone(),
            cluster_domain: self.manifests.cluster_domain.clone(),
            unknown_kinds: self.manifests.unknown_kinds(),
            anchors: !self.no_anchors,
            annotate: self.annotate,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    read_stdin_once(arguments.manifests.filenames());
    let options = arguments.options();
    let names_image = matches!(
        options.output,
        Output::WasmPlugin | Output::TrafficExtension
    );
    match compile(&arguments.manifests.sources(), &options) {
        Ok(compiled) => {
            for note in compiled.notes {
                report(&format!("note: {note}"));
            }
            if arguments.image.is_none() && names_image && !compiled.manifests.is_empty() {
                report(&format!(
                    "note: {} is not published yet, so the plugin cannot be loaded from there: tell \
                     with --image where the filter is",
                    options.image
                ));
            }
            print(&compiled.manifests, ExitCode::SUCCESS)
        }
        Err(refused) => {
            arguments.manifests.refuse(&refused);
            ExitCode::FAILURE
        }
    }
}
