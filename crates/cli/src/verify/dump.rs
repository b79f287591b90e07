//! Reads a config dump: what the working of the plugin depends on, and nothing else of it.
//!
//! There are two spellings. istiod prints the names of fields in camelCase, Envoy's admin interface
//! (and so `istioctl proxy-config all -o json`, which hands on what that says) in snake_case. The
//! latter are turned into the former, so that the types are there once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire;

pub(crate) struct Dump {
    /// By name: the filter chains of all listeners that are in force.
    pub(crate) chains: BTreeMap<String, Vec<Filter>>,
    /// By name.
    pub(crate) clusters: BTreeMap<String, Endpoints>,
    /// By name: filters whose configuration comes by ECDS.
    discovered: BTreeMap<String, Kind>,
}

/// A network filter.
pub(crate) struct Filter {
    pub(crate) name: String,
    /// None if its configuration comes by ECDS, under its name.
    inline: Option<Kind>,
}

pub(crate) enum Kind {
    /// A Wasm plugin with this configuration.
    Wasm(String),
    TcpProxy(wire::TcpProxy),
    Other,
}

/// Those of a cluster.
pub(crate) enum Endpoints {
    /// So many that may be picked, not counting those that are known to be unhealthy.
    Usable(usize),
    /// The cluster goes where the connection was bound for.
    NotNeeded,
    /// They are not in the dump.
    Unknown,
}

/// Why this is no config dump.
#[derive(Debug)]
pub(crate) struct InvalidDump(String);

impl fmt::Display for InvalidDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected the config dump of a waypoint, as `istioctl proxy-config all -o json` prints \
             it: {}",
            self.0
        )
    }
}

impl Dump {
    pub(crate) fn read(json: &[u8]) -> Result<Self, InvalidDump> {
        let json = serde_json::from_slice(json).map_err(|error| InvalidDump(error.to_string()))?;
        let whole = Whole::try_from(camel_case(json))?;
        let listeners: Vec<wire::ListenersConfigDump> = whole.sections("ListenersConfigDump")?;
        let clusters: Vec<wire::ClustersConfigDump> = whole.sections("ClustersConfigDump")?;
        // Else everything would be found missing that was only not asked for.
        for (name, is_there) in [
            ("ListenersConfigDump", !listeners.is_empty()),
            ("ClustersConfigDump", !clusters.is_empty()),
        ] {
            if !is_there {
                return Err(InvalidDump(format!("it has no {name}")));
            }
        }
        let endpoints = whole.sections("EndpointsConfigDump")?;
        Ok(Self {
            chains: chains(listeners)?,
            clusters: with_endpoints(clusters, endpoints),
            discovered: discovered(whole.sections("EcdsConfigDump")?)?,
        })
    }

    /// What a filter is; none if its configuration comes by ECDS and has not come.
    pub(crate) fn kind<'d>(&'d self, filter: &'d Filter) -> Option<&'d Kind> {
        let inline = filter.inline.as_ref();
        inline.or_else(|| self.discovered.get(&filter.name))
    }
}

impl Filter {
    pub(crate) fn is_discovered(&self) -> bool {
        self.inline.is_none()
    }
}

/// Messages of several types, each a google.protobuf.Any.
struct Whole(Vec<Value>);

impl TryFrom<Value> for Whole {
    type Error = InvalidDump;

    fn try_from(mut json: Value) -> Result<Self, InvalidDump> {
        match json.get_mut("configs").map(Value::take) {
            Some(Value::Array(configs)) => Ok(Self(configs)),
            _ => Err(InvalidDump(String::from("it has no list `configs`"))),
        }
    }
}

impl Whole {
    fn sections<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, InvalidDump> {
        let type_name = format!("envoy.admin.v3.{name}");
        let sections = self.0.iter().filter(|any| is(any, &type_name));
        sections.map(|any| read(name, any)).collect()
    }
}

fn chains(
    sections: Vec<wire::ListenersConfigDump>,
) -> Result<BTreeMap<String, Vec<Filter>>, InvalidDump> {
    let mut chains = BTreeMap::new();
    for section in sections {
        let dynamic = section.dynamic_listeners.into_iter();
        // One that is warming or draining gets no connections.
        let dynamic = dynamic.filter_map(|listener| listener.active_state);
        let listeners = dynamic.chain(section.static_listeners);
        for chain in listeners.flat_map(|state| state.listener.filter_chains) {
            let filters = chain.filters.into_iter().map(filter);
            chains.insert(chain.name, filters.collect::<Result<_, _>>()?);
        }
    }
    Ok(chains)
}

fn filter(filter: wire::Filter) -> Result<Filter, InvalidDump> {
    let inline = match (filter.config_discovery, filter.typed_config) {
        (Some(_), _) => None,
        (None, typed_config) => Some(kind(&typed_config)?),
    };
    Ok(Filter {
        name: filter.name,
        inline,
    })
}

fn kind(typed_config: &Value) -> Result<Kind, InvalidDump> {
    const WASM: &str = "envoy.extensions.filters.network.wasm.v3.Wasm";
    const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    if is(typed_config, WASM) {
        let wasm: wire::Wasm = read(WASM, typed_config)?;
        // As the plugin gets it: the text, or a Struct as JSON; nothing if there is none.
        Ok(Kind::Wasm(match wasm.config.configuration.value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        }))
    } else if is(typed_config, TCP_PROXY) {
        Ok(Kind::TcpProxy(read(TCP_PROXY, typed_config)?))
    } else {
        Ok(Kind::Other)
    }
}

fn discovered(sections: Vec<wire::EcdsConfigDump>) -> Result<BTreeMap<String, Kind>, InvalidDump> {
    let filters = sections.into_iter().flat_map(|all| all.ecds_filters);
    let filters = filters.filter_map(|filter| filter.ecds_filter);
    filters
        .map(|filter| Ok((filter.name, kind(&filter.typed_config)?)))
        .collect()
}

fn with_endpoints(
    clusters: Vec<wire::ClustersConfigDump>,
    endpoints: Vec<wire::EndpointsConfigDump>,
) -> BTreeMap<String, Endpoints> {
    let are_dumped = !endpoints.is_empty();
    let endpoints = endpoints
        .into_iter()
        .flat_map(|all| [all.static_endpoint_configs, all.dynamic_endpoint_configs])
        .flatten()
        .map(|one| {
            (
                one.endpoint_config.cluster_name.clone(),
                one.endpoint_config,
            )
        });
    let endpoints: BTreeMap<_, _> = endpoints.collect();
    let clusters = clusters
        .into_iter()
        .flat_map(|all| [all.static_clusters, all.dynamic_active_clusters])
        .flatten();
    let judged = clusters.map(|state| {
        let cluster = state.cluster;
        let counted = |assignment| Endpoints::Usable(usable(assignment));
        let found = match (&cluster.load_assignment, cluster.r#type.as_str()) {
            (Some(assignment), _) => counted(assignment),
            (None, "ORIGINAL_DST") => Endpoints::NotNeeded,
            (None, "EDS") if are_dumped => {
                let name = &cluster.eds_cluster_config.service_name;
                let name = if name.is_empty() { &cluster.name } else { name };
                endpoints.get(name).map_or(Endpoints::Usable(0), counted)
            }
            (None, _) => Endpoints::Unknown,
        };
        (cluster.name, found)
    });
    judged.collect()
}

fn usable(assignment: &wire::ClusterLoadAssignment) -> usize {
    let unusable = |status: &Value| {
        ["UNHEALTHY", "DRAINING", "TIMEOUT"]
            .iter()
            .any(|one| status == one)
    };
    let endpoints = assignment
        .endpoints
        .iter()
        .flat_map(|one| &one.lb_endpoints);
    endpoints
        .filter(|one| !unusable(&one.health_status))
        .count()
}

/// Whether a google.protobuf.Any holds a message of this type.
fn is(any: &Value, type_name: &str) -> bool {
    let type_url = any.get("@type").and_then(Value::as_str);
    type_url.and_then(|url| url.strip_prefix("type.googleapis.com/")) == Some(type_name)
}

fn read<T: DeserializeOwned>(what: &str, message: &Value) -> Result<T, InvalidDump> {
    serde_path_to_error::deserialize(message)
        .map_err(|error| InvalidDump(format!("{what}: {error}")))
}

/// Field names as istiod spells them.
fn camel_case(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (camel_case_name(&name), camel_case(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(camel_case).collect(),
        other => other,
    }
}

fn camel_case_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.extend(letters);
    }
    camel
}
