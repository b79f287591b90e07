//! Envoy's configuration before it is known where it will run: `${NAME}` stands for an address, a
//! path or a setting, and [`Placement`] fills it in.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::envoy::replace;

/// How the filter chain of the Service that is routed begins; the domain of the mesh follows.
const PARENT: &str = "inbound-vip|9000|tcp|tcp-echo.";

/// What the waypoint is to do with connections to tcp-echo:9000.
#[derive(Clone, Debug)]
pub enum Routing {
    /// Nothing: the Service's own endpoints.
    None,
    /// What the plugin says. `config` is its JSON.
    Plugin { wasm: PathBuf, config: String },
    /// What istiod makes of a TCPRoute that it reads itself: backends by Service name and weight.
    Native { weights: Vec<(String, u32)> },
}

/// What Envoy starts with, and what it takes from files while it runs: listeners, clusters and the
/// plugin.
#[derive(Clone, Debug)]
pub struct Templates {
    bootstrap: Value,
    listeners: Value,
    clusters: Value,
    filter: Option<Value>,
}

/// Where one waypoint, its pods and its files are.
#[derive(Clone, Debug)]
pub struct Placement {
    pub waypoint: Ipv4Addr,
    pub admin_port: u16,
    pub pod_one: Ipv4Addr,
    pub pod_two: Ipv4Addr,
    /// The directory of all files, by the path under which Envoy sees it.
    pub directory: PathBuf,
    pub access_log: PathBuf,
}

impl Templates {
    /// The mesh of this project's folder `envoy/`.
    pub fn own() -> Result<Self> {
        let listeners = include_str!("../../../envoy/listeners.yaml");
        let clusters = include_str!("../../../envoy/clusters.yaml");
        let filter = include_str!("../../../envoy/filter.yaml");
        Self::new(
            yaml("listeners.yaml", listeners)?,
            yaml("clusters.yaml", clusters)?,
            Some(yaml("filter.yaml", filter)?),
        )
    }

    /// With access logs of this form: a `logFormat`, as Envoy has it.
    pub fn log_format(mut self, format: &Value) -> Self {
        each_object(&mut self.listeners, &mut |object| {
            if let Some(current) = object.get_mut("logFormat") {
                current.clone_from(format);
            }
        });
        self
    }

    /// With this `statsConfig` in the bootstrap.
    pub fn stats_config(mut self, config: Value) -> Self {
        self.bootstrap["statsConfig"] = config;
        self
    }

    /// With this variable in the environment of the plugin's VM; in the value, `${PLUGIN_CONFIG}` stands
    /// for the plugin's configuration.
    pub fn plugin_environment(mut self, name: &str, value: &str) -> Self {
        if let Some(filter) = &mut self.filter {
            let vm = &mut filter["resources"][0]["typedConfig"]["config"]["vmConfig"];
            vm["environmentVariables"]["keyValues"][name] = Value::from(value);
        }
        self
    }

    pub(crate) fn new(listeners: Value, clusters: Value, filter: Option<Value>) -> Result<Self> {
        let bootstrap = include_str!("../../../envoy/bootstrap.yaml");
        Ok(Self {
            bootstrap: yaml("bootstrap.yaml", bootstrap)?,
            listeners,
            clusters,
            filter,
        })
    }

    /// The listeners, as an answer of LDS.
    pub fn listeners(&self) -> &Value {
        &self.listeners
    }

    /// The clusters, as an answer of CDS.
    pub fn clusters(&self) -> &Value {
        &self.clusters
    }

    /// The plugin, as an answer of ECDS.
    pub fn filter(&self) -> Result<&Value> {
        self.filter.as_ref().context("this mesh has no plugin")
    }

    /// By which name ECDS knows the plugin.
    pub fn filter_name(&self) -> Result<&str> {
        let name = &self.filter()?["resources"][0]["name"];
        name.as_str().context("the plugin has no name")
    }
}

impl Placement {
    pub fn bootstrap(&self, templates: &Templates) -> Result<Value> {
        self.fill(&templates.bootstrap, &[])
    }

    pub fn listeners(&self, templates: &Templates, routing: &Routing) -> Result<Value> {
        let mut listeners = templates.listeners.clone();
        if !matches!(routing, Routing::Plugin { .. }) {
            for chain in filter_chains(&mut listeners) {
                filters(chain).retain(|filter| filter.get("configDiscovery").is_none());
            }
        }
        if let Routing::Native { weights } = routing {
            route_natively(&mut listeners, weights)?;
        }
        self.fill(&listeners, &[])
    }

    pub fn clusters(&self, templates: &Templates) -> Result<Value> {
        self.fill(&templates.clusters, &[])
    }

    /// `failure_policy` is Envoy's word: FAIL_OPEN, FAIL_CLOSED or FAIL_RELOAD.
    pub fn filter(
        &self,
        templates: &Templates,
        wasm: &Path,
        config: &str,
        failure_policy: &str,
    ) -> Result<Value> {
        let settings = [
            ("WASM_FILE", wasm.display().to_string()),
            ("PLUGIN_CONFIG", config.to_string()),
            ("FAILURE_POLICY", failure_policy.to_string()),
        ];
        self.fill(templates.filter()?, &settings)
    }

    /// Writes all of Envoy's files to a directory, which need not be the path that Envoy sees.
    pub fn write(
        &self,
        directory: &Path,
        templates: &Templates,
        routing: &Routing,
        failure_policy: &str,
    ) -> Result<()> {
        let file = |name: &str| directory.join(name);
        replace(&file("bootstrap.json"), &self.bootstrap(templates)?)?;
        replace(
            &file("listeners.json"),
            &self.listeners(templates, routing)?,
        )?;
        replace(&file("clusters.json"), &self.clusters(templates)?)?;
        if let Routing::Plugin { wasm, config } = routing {
            let filter = self.filter(templates, wasm, config, failure_policy)?;
            replace(&file("filter.json"), &filter)?;
        }
        Ok(())
    }

    fn fill(&self, template: &Value, settings: &[(&str, String)]) -> Result<Value> {
        let file = |name: &str| self.directory.join(name).display().to_string();
        let mut names = BTreeMap::from([
            ("WAYPOINT_IP", self.waypoint.to_string()),
            ("ADMIN_PORT", self.admin_port.to_string()),
            ("POD_ONE_IP", self.pod_one.to_string()),
            ("POD_TWO_IP", self.pod_two.to_string()),
            ("CERTIFICATES", file("certificates")),
            ("LISTENERS_FILE", file("listeners.json")),
            ("CLUSTERS_FILE", file("clusters.json")),
            ("FILTER_FILE", file("filter.json")),
            ("ACCESS_LOG", self.access_log.display().to_string()),
        ]);
        names.extend(settings.iter().cloned());
        let mut filled = template.clone();
        fill(&mut filled, &names)?;
        Ok(filled)
    }
}

/// The filter chains of `main_internal`.
pub fn filter_chains(listeners: &mut Value) -> impl Iterator<Item = &mut Value> {
    let listeners = listeners["resources"].as_array_mut().into_iter().flatten();
    listeners
        .filter(|listener| listener["name"] == "main_internal")
        .filter_map(|listener| listener["filterChains"].as_array_mut())
        .flatten()
}

fn filters(chain: &mut Value) -> &mut Vec<Value> {
    chain["filters"]
        .as_array_mut()
        .expect("a filter chain has filters")
}

/// A weight of zero leaves the list, and a single backend is no choice: as istiod prints it.
fn route_natively(listeners: &mut Value, weights: &[(String, u32)]) -> Result<()> {
    let chain = filter_chains(listeners)
        .find(|chain| {
            chain["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(PARENT))
        })
        .with_context(|| format!("no filter chain {PARENT}..."))?;
    let domain = chain["name"].as_str().unwrap_or_default()[PARENT.len()..].to_string();
    let clusters: Vec<_> = weights
        .iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(service, weight)| {
            json!({"name": format!("inbound-vip|9000|tcp|{service}.{domain}"), "weight": weight})
        })
        .collect();
    let proxy = filters(chain)
        .iter_mut()
        .find(|filter| filter["name"] == "envoy.filters.network.tcp_proxy")
        .and_then(|filter| filter["typedConfig"].as_object_mut())
        .context("the chain has no tcp_proxy")?;
    proxy.remove("cluster");
    proxy.remove("weightedClusters");
    match clusters.as_slice() {
        [] => bail!("no backend has a weight"),
        [only] => proxy.insert("cluster".to_string(), only["name"].clone()),
        _ => proxy.insert(
            "weightedClusters".to_string(),
            json!({"clusters": clusters}),
        ),
    };
    Ok(())
}

pub(crate) fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Value::Object(fields) => {
            change(fields);
            fields
                .values_mut()
                .for_each(|field| each_object(field, change));
        }
        _ => {}
    }
}

fn yaml(name: &str, text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).with_context(|| format!("envoy/{name} is no YAML"))
}

fn fill(value: &mut Value, names: &BTreeMap<&str, String>) -> Result<()> {
    match value {
        Value::String(text) => *text = fill_text(text, names)?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, names))?,
        Value::Object(fields) => fields
            .values_mut()
            .try_for_each(|field| fill(field, names))?,
        _ => {}
    }
    Ok(())
}

fn fill_text(text: &str, names: &BTreeMap<&str, String>) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .with_context(|| format!("no }} in {text}"))?;
        let value = names
            .get(name)
            .with_context(|| format!("nothing to fill in for ${{{name}}}"))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement() -> Placement {
        Placement {
            waypoint: Ipv4Addr::new(127, 1, 2, 1),
            admin_port: 15000,
            pod_one: Ipv4Addr::new(127, 1, 2, 11),
            pod_two: Ipv4Addr::new(127, 1, 2, 12),
            directory: "/etc/waypoint".into(),
            access_log: "/var/log/access.log".into(),
        }
    }

    fn tcp_echo(listeners: &mut Value) -> &mut Value {
        filter_chains(listeners).next().unwrap()
    }

    #[test]
    fn every_placeholder_is_filled() {
        let templates = Templates::own().unwrap();
        let placement = placement();
        let wasm = Path::new("/plugin.wasm");
        for value in [
            placement.bootstrap(&templates).unwrap(),
            placement.listeners(&templates, &Routing::None).unwrap(),
            placement.clusters(&templates).unwrap(),
            placement
                .filter(&templates, wasm, r#"{"version":1}"#, "FAIL_OPEN")
                .unwrap(),
        ] {
            assert!(!value.to_string().contains("${"), "{value:#}");
        }
    }

    #[test]
    fn a_placeholder_without_a_value_is_an_error() {
        let error = placement()
            .fill(&json!({"path": "${NOWHERE}/x"}), &[])
            .unwrap_err();
        assert_eq!(error.to_string(), "nothing to fill in for ${NOWHERE}");
    }

    #[test]
    fn native_weights_replace_the_cluster() {
        let templates = Templates::own().unwrap();
        let weights = |one, two| Routing::Native {
            weights: vec![("tcp-echo-v1".into(), one), ("tcp-echo-v2".into(), two)],
        };
        let mut split = placement().listeners(&templates, &weights(90, 10)).unwrap();
        let proxy = &filters(tcp_echo(&mut split)).last().unwrap()["typedConfig"];
        assert_eq!(proxy["weightedClusters"]["clusters"][0]["weight"], 90);
        assert_eq!(proxy.get("cluster"), None);

        let mut single = placement().listeners(&templates, &weights(0, 10)).unwrap();
        let proxy = &filters(tcp_echo(&mut single)).last().unwrap()["typedConfig"];
        let cluster =
            "inbound-vip|9000|tcp|tcp-echo-v2.istio-io-tcp-traffic-shifting.svc.cluster.local";
        assert_eq!(proxy["cluster"], cluster);
        assert_eq!(proxy.get("weightedClusters"), None);
    }

    #[test]
    fn the_plugin_is_in_the_chains_only_if_asked_for() {
        let templates = Templates::own().unwrap();
        let plugin = Routing::Plugin {
            wasm: "/plugin.wasm".into(),
            config: String::new(),
        };
        let mut with = placement().listeners(&templates, &plugin).unwrap();
        let mut without = placement().listeners(&templates, &Routing::None).unwrap();
        let name = templates.filter_name().unwrap();
        let has_plugin = |chain: &mut Value| filters(chain).iter().any(|f| f["name"] == name);
        assert!(filter_chains(&mut with).all(has_plugin));
        assert!(!filter_chains(&mut without).any(has_plugin));
    }
}
