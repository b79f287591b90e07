//! Output: the plugin configuration of a waypoint, and the WasmPlugin that carries it.

use serde::Serialize;
use sha2::{Digest, Sha256};
use waypoint_l4_config::{Backend, Config, Drain, InvalidReason, Listener, Rule, Target};

use crate::error::InvalidOutput;
use crate::kind::GATEWAY_API;
use crate::object::ObjectName;
use crate::{Options, plan};

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

/// The YAML of the WasmPlugin of a waypoint.
pub(crate) fn wasm_plugin(
    waypoint: &ObjectName,
    listeners: &[plan::Listener],
    options: &Options,
) -> Result<String, InvalidOutput> {
    let config = config(listeners, options.annotate)?;
    let plugin = WasmPlugin {
        api_version: "extensions.istio.io/v1alpha1",
        kind: "WasmPlugin",
        metadata: Metadata {
            name: format!("{}-l4", waypoint.name),
            namespace: &waypoint.namespace,
            labels: Labels {
                managed_by: "waypoint-l4",
            },
        },
        spec: Spec {
            // A Service as target crash-loops the waypoints of Istio 1.25 to 1.29.
            target_refs: [TargetRef {
                group: GATEWAY_API,
                kind: "Gateway",
                name: &waypoint.name,
            }],
            r#type: "NETWORK",
            // After authorization: who may not connect shall not be routed.
            phase: "STATS",
            url: options.image.as_str(),
            fail_strategy: options.fail_strategy,
            plugin_config: &config,
        },
    };
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(&plugin, options)
        .map_err(|error| InvalidOutput::Yaml(error.to_string()))?;
    let read_back: serde_json::Value =
        serde_saphyr::from_str(&yaml).map_err(|error| InvalidOutput::Yaml(error.to_string()))?;
    let carried = read_back.pointer("/spec/pluginConfig");
    acceptable(&config, &serde_json::to_vec(&carried)?)?;
    Ok(yaml)
}

/// The JSON of the plugin configuration of a waypoint.
pub(crate) fn plugin_config(
    listeners: &[plan::Listener],
    annotate: bool,
) -> Result<String, InvalidOutput> {
    let config = config(listeners, annotate)?;
    let mut json = serde_json::to_string_pretty(&config)?;
    json.push('\n');
    acceptable(&config, json.as_bytes())?;
    Ok(json)
}

/// What is printed must be what the filter accepts: a first configuration that it refuses closes
/// every connection.
fn acceptable(config: &Config, json: &[u8]) -> Result<(), InvalidOutput> {
    let read_back = waypoint_l4_config::parse(json)?;
    if read_back != *config {
        return Err(InvalidOutput::Differs);
    }
    Ok(())
}

pub(crate) fn config(
    listeners: &[plan::Listener],
    annotate: bool,
) -> Result<Config, InvalidOutput> {
    let mut config = Config {
        annotate,
        listeners: listeners.iter().map(listener).collect::<Result<_, _>>()?,
        ..Config::default()
    };
    let digest = Sha256::digest(serde_json::to_vec(&config)?);
    let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
    config.revision = Some(digits.collect());
    Ok(config)
}

fn listener(planned: &plan::Listener) -> Result<Listener, InvalidReason> {
    Ok(Listener {
        chain: planned.chain.clone(),
        otherwise: planned.otherwise,
        drain: planned.drain.map(|on_removal| Drain { on_removal }),
        rules: planned.rules.iter().map(rule).collect::<Result<_, _>>()?,
    })
}

fn rule(planned: &plan::Rule) -> Result<Rule, InvalidReason> {
    Ok(Rule {
        name: planned.name.clone(),
        matches: planned.matches.clone(),
        pick: planned.pick.clone(),
        backends: planned
            .backends
            .iter()
            .map(backend)
            .collect::<Result<_, _>>()?,
    })
}

fn backend(planned: &plan::Backend) -> Result<Backend, InvalidReason> {
    Ok(Backend {
        name: planned.name.clone(),
        target: match &planned.target {
            plan::Target::Cluster(cluster) => Target::Cluster(cluster.clone()),
            plan::Target::Refuse(refusal) => {
                Target::Refuse(refusal.as_str().to_owned().try_into()?)
            }
        },
        weight: planned.weight,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmPlugin<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: String,
    namespace: &'a str,
    labels: Labels<'a>,
}

#[derive(Serialize)]
struct Labels<'a> {
    #[serde(rename = "app.kubernetes.io/managed-by")]
    managed_by: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    target_refs: [TargetRef<'a>; 1],
    r#type: &'a str,
    phase: &'a str,
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
