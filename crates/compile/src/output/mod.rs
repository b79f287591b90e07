//! What is printed: manifests to apply, or parts of them.

mod anchor;
mod config;
mod envoy;
mod plugin;
mod size;

use serde::Serialize;
use serde_json::Value;
use waypoint_l4_config::Config;

use crate::error::{Fault, InvalidOutput};
use crate::note::{Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::plan::{Listener, Plan};
use crate::status::{ParentStatus, RouteStatus};
use crate::{Options, Output};

pub(crate) use config::config;
pub use plugin::{FailStrategy, plugin_name};

#[derive(Serialize)]
struct Metadata<'a> {
    name: String,
    namespace: &'a str,
    labels: Labels,
}

#[derive(Serialize)]
struct Labels {
    #[serde(rename = "app.kubernetes.io/managed-by")]
    managed_by: &'static str,
}

impl Labels {
    const OWN: Self = Self {
        managed_by: "waypoint-l4",
    };
}

/// The documents for the waypoints that are chosen.
pub(crate) fn write(
    plan: &Plan,
    chosen: &[&ObjectName],
    options: &Options,
    notes: &mut Notes,
) -> Result<String, Fault> {
    if options.output == Output::Status {
        let statuses = plan.statuses.iter().map(status);
        let documents = statuses.collect::<Result<Vec<_>, _>>();
        return documents.map(join).map_err(|cause| Fault::InvalidOutput {
            what: String::from("the status of the routes"),
            cause,
        });
    }
    let mut documents = Vec::new();
    for waypoint in chosen {
        let listeners = plan.waypoints.get(*waypoint);
        let listeners = listeners.map_or(&[][..], Vec::as_slice);
        let invalid = |cause| Fault::InvalidOutput {
            what: format!("the configuration of waypoint {waypoint}"),
            cause,
        };
        let config = config(listeners, options.annotate).map_err(invalid)?;
        let document = match options.output {
            Output::Config => {
                documents.extend(anchor(plan, waypoint, options, notes).map_err(invalid)?);
                json(&config).map_err(invalid)?
            }
            Output::Envoy => {
                let file = options.image.file().ok_or(Fault::NoImageFile)?;
                envoy(waypoint, file, &config, options).map_err(invalid)?
            }
            Output::WasmPlugin | Output::TrafficExtension | Output::Status => {
                documents.extend(anchor(plan, waypoint, options, notes).map_err(invalid)?);
                let plugin = match options.output {
                    Output::TrafficExtension => {
                        plugin::Plugin::traffic_extension(waypoint, &config, options)
                    }
                    _ => plugin::Plugin::wasm_plugin(waypoint, &config, options),
                };
                let bytes = serde_json::to_vec(&plugin)
                    .map_err(|e| invalid(e.into()))?
                    .len();
                check_size(waypoint, listeners, bytes, notes)?;
                let yaml = yaml(&plugin).map_err(invalid)?;
                let carried = carried(&yaml, options.output).map_err(invalid)?;
                config::acceptable(&config, &carried).map_err(invalid)?;
                yaml
            }
        };
        documents.push(document);
    }
    Ok(join(documents))
}

fn join(documents: Vec<String>) -> String {
    documents.join("---\n")
}

fn check_size(
    waypoint: &ObjectName,
    listeners: &[Listener],
    bytes: usize,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let contributors = || size::contributors(listeners);
    if bytes > size::LIMIT {
        return Err(Fault::TooLarge {
            waypoint: waypoint.clone(),
            bytes,
            contributors: contributors(),
        });
    }
    let id = ObjectId::new("Gateway", waypoint);
    if bytes > size::WARNING {
        let contributors = contributors();
        let remark = Remark::Large {
            bytes,
            contributors,
        };
        notes.add(Some(id), remark);
    } else if bytes > size::LAST_APPLIED {
        notes.add(Some(id), Remark::ServerSideApply { bytes });
    }
    Ok(())
}

fn anchor(
    plan: &Plan,
    waypoint: &ObjectName,
    options: &Options,
    notes: &mut Notes,
) -> Result<Option<String>, InvalidOutput> {
    let Some(anchor) = plan.anchors.get(waypoint) else {
        return Ok(None);
    };
    if options.writes_anchors() {
        return yaml(&anchor::VirtualService::new(waypoint, anchor)).map(Some);
    }
    let destinations = anchor.destinations.iter().map(|destination| {
        let subset = destination.subset.as_ref();
        let subset = subset.map_or_else(String::new, |subset| format!(" subset {subset}"));
        format!("{}:{}{subset}", destination.host, destination.port)
    });
    let remark = Remark::NoAnchor {
        host: anchor.host.clone(),
        destinations: destinations.collect::<Vec<_>>().join(", "),
    };
    notes.add(Some(ObjectId::new("Gateway", waypoint)), remark);
    Ok(None)
}

fn json(config: &Config) -> Result<String, InvalidOutput> {
    let mut json = serde_json::to_string_pretty(config)?;
    json.push('\n');
    config::acceptable(config, json.as_bytes())?;
    Ok(json)
}

fn envoy(
    waypoint: &ObjectName,
    file: &str,
    config: &Config,
    options: &Options,
) -> Result<String, InvalidOutput> {
    let json = serde_json::to_string(config)?;
    config::acceptable(config, json.as_bytes())?;
    let strategy = options.fail_strategy;
    yaml(&envoy::NetworkFilter::new(waypoint, file, json, strategy))
}

fn yaml(object: &impl Serialize) -> Result<String, InvalidOutput> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(object, options)
        .map_err(|error| InvalidOutput::Yaml(error.to_string()))
}

/// The plugin configuration as it is read from the YAML.
fn carried(yaml: &str, output: Output) -> Result<Vec<u8>, InvalidOutput> {
    let object: Value =
        serde_saphyr::from_str(yaml).map_err(|error| InvalidOutput::Yaml(error.to_string()))?;
    let path = match output {
        Output::TrafficExtension => "/spec/wasm/pluginConfig",
        _ => "/spec/pluginConfig",
    };
    Ok(serde_json::to_vec(&object.pointer(path))?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusDocument<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: StatusMetadata<'a>,
    status: StatusParents<'a>,
}

#[derive(Serialize)]
struct StatusMetadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

#[derive(Serialize)]
struct StatusParents<'a> {
    parents: &'a [ParentStatus],
}

fn status(status: &RouteStatus) -> Result<String, InvalidOutput> {
    yaml(&StatusDocument {
        api_version: status.api_version,
        kind: &status.route.kind,
        metadata: StatusMetadata {
            name: &status.route.name,
            namespace: status.route.namespace.as_deref(),
        },
        status: StatusParents {
            parents: &status.parents,
        },
    })
}
