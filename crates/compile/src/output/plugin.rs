//! The objects that carry a plugin configuration to a waypoint.

use serde::Serialize;
use waypoint_l4_config::Config;

use super::{Labels, Metadata};
use crate::Options;
use crate::kind::GATEWAY_API;
use crate::object::ObjectName;

/// What becomes of connections while the filter cannot be loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailStrategy {
    /// They go to the Service that the client asked for. The default: under the other, one failed
    /// download of the image makes the waypoint refuse every new connection.
    #[default]
    FailOpen,
    /// They are refused.
    FailClose,
}

/// A WasmPlugin, or the TrafficExtension that takes its place from Istio 1.30 on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plugin<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    target_refs: [TargetRef<'a>; 1],
    #[serde(flatten)]
    rest: Rest<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Rest<'a> {
    WasmPlugin(Wasm<'a>),
    TrafficExtension { phase: &'a str, wasm: Wasm<'a> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wasm<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    url: &'a str,
    fail_strategy: FailStrategy,
    plugin_config: &'a Config,
}

#[derive(Serialize)]
struct TargetRef<'a> {
    group: &'a str,
    kind: &'a str,
    name: &'a str,
}

/// What the plugin of a waypoint is called, whatever kind it is of.
pub fn plugin_name(waypoint: &ObjectName) -> String {
    format!("{}-l4", waypoint.name)
}

/// After authorization: who may not connect shall not be routed.
const PHASE: &str = "STATS";

impl<'a> Plugin<'a> {
    pub(super) fn wasm_plugin(
        waypoint: &'a ObjectName,
        config: &'a Config,
        options: &'a Options,
    ) -> Self {
        let wasm = wasm(config, options, Some(PHASE));
        Self::new("WasmPlugin", waypoint, Rest::WasmPlugin(wasm))
    }

    pub(super) fn traffic_extension(
        waypoint: &'a ObjectName,
        config: &'a Config,
        options: &'a Options,
    ) -> Self {
        let wasm = wasm(config, options, None);
        let rest = Rest::TrafficExtension { phase: PHASE, wasm };
        Self::new("TrafficExtension", waypoint, rest)
    }

    fn new(kind: &'a str, waypoint: &'a ObjectName, rest: Rest<'a>) -> Self {
        Self {
            api_version: "extensions.istio.io/v1alpha1",
            kind,
            metadata: Metadata {
                name: plugin_name(waypoint),
                namespace: &waypoint.namespace,
                labels: Labels::OWN,
            },
            spec: Spec {
                // A Service as target crash-loops the waypoints of Istio 1.25 to 1.29.
                target_refs: [TargetRef {
                    group: GATEWAY_API,
                    kind: "Gateway",
                    name: &waypoint.name,
                }],
                rest,
            },
        }
    }
}

fn wasm<'a>(config: &'a Config, options: &'a Options, phase: Option<&'a str>) -> Wasm<'a> {
    Wasm {
        r#type: "NETWORK",
        phase,
        url: options.image.as_str(),
        fail_strategy: options.fail_strategy,
        plugin_config: config,
    }
}
