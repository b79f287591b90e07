//! The plugins of this program in a config dump.

use std::collections::{BTreeMap, BTreeSet};

use waypoint_l4_compile::{ObjectId, ObjectName, plugin_name};
use waypoint_l4_config::{Config, InvalidConfig, parse};

use super::dump::{Dump, Filter, Kind};

/// A filter that comes by ECDS is the same one in all chains, one that stands in the chain is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<'d> {
    chain: Option<&'d str>,
    filter: &'d str,
}

pub(crate) enum Plugin {
    Configured(Config),
    /// The filter does not take its configuration.
    Refused(InvalidConfig),
    /// Something else stands where the filter should be.
    Replaced,
    /// ECDS has not brought it.
    Absent,
}

impl<'d> Place<'d> {
    pub(crate) fn new(chain: &'d str, filter: &'d Filter) -> Self {
        Self {
            chain: (!filter.is_discovered()).then_some(chain),
            filter: &filter.name,
        }
    }

    /// `demo.waypoint-l4`: without what istiod puts before and after it.
    pub(crate) fn plugin_name(self) -> &'d str {
        let name = self.filter.rsplit('/').next().unwrap_or(self.filter);
        let translated = "~istio-translated-wasmplugin";
        name.strip_suffix(translated).unwrap_or(name)
    }

    /// The object that istiod made it of; none where the filter was not named by istiod.
    pub(crate) fn object(self) -> Option<ObjectId> {
        let (_, extension) = self.filter.split_once("extensions.istio.io/")?;
        let (kind, _) = extension.split_once('/')?;
        let (namespace, name) = self.plugin_name().split_once('.')?;
        let is_own = kind == "trafficextension" && self.filter.ends_with(name);
        Some(ObjectId {
            kind: String::from(if is_own {
                "TrafficExtension"
            } else {
                WASM_PLUGIN
            }),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        })
    }
}

const WASM_PLUGIN: &str = "WasmPlugin";

/// The plugins of this program: by the name that compile gives them, and under any other name by
/// a configuration that is one of theirs.
pub(crate) fn plugins<'d>(dump: &'d Dump, waypoint: &ObjectName) -> BTreeMap<Place<'d>, Plugin> {
    let expected = format!("{}.{}", waypoint.namespace, plugin_name(waypoint));
    let mut plugins = BTreeMap::new();
    let mut others = BTreeSet::new();
    for (chain, filters) in &dump.chains {
        for filter in filters {
            let place = Place::new(chain, filter);
            if plugins.contains_key(&place) || others.contains(&place) {
                continue;
            }
            let is_named = place.plugin_name() == expected;
            let plugin = match dump.kind(filter) {
                Some(Kind::Wasm(text)) => match parse(text.as_bytes()) {
                    // Every plugin without a configuration has this one.
                    Ok(config) => {
                        (is_named || !text.is_empty()).then_some(Plugin::Configured(config))
                    }
                    Err(invalid) => is_named.then_some(Plugin::Refused(invalid)),
                },
                Some(_) => is_named.then_some(Plugin::Replaced),
                None => is_named.then_some(Plugin::Absent),
            };
            match plugin {
                Some(plugin) => drop(plugins.insert(place, plugin)),
                None => drop(others.insert(place)),
            }
        }
    }
    plugins
}

/// What `compile` writes for a waypoint, unless it is asked for another kind.
pub(crate) fn wasm_plugin(waypoint: &ObjectName) -> ObjectId {
    ObjectId {
        kind: WASM_PLUGIN.to_owned(),
        namespace: Some(waypoint.namespace.clone()),
        name: plugin_name(waypoint),
    }
}
