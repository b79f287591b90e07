//! What a real istiod sent to a waypoint (`testdata/istio/`), made fit for a stock Envoy.
//!
//! The answer of istiod to `/debug/config_dump` is changed in these points and no others:
//!
//! 1. Filters that only Istio's build of Envoy has are left out.
//! 2. The factory `istio.hashable_string` becomes `envoy.string`, for the same reason.
//! 3. Certificates come from files instead of SDS.
//! 4. Endpoints stand in the cluster (`STATIC`) instead of EDS.
//! 5. The plugin comes by ECDS from a file instead of ADS. Its code is a local file and the
//!    environment variable with the resource version is gone: what Istio's agent does before Envoy
//!    sees it.
//! 6. Addresses: the waypoint listens on the testbed's address, and the pods 10.20.0.1 and 10.20.0.2
//!    are the testbed's. The access log is a file.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::template::{Templates, each_object};

const ISTIO_ONLY: [&str; 4] = [
    "istio.metadata_exchange",
    "istio.stats",
    "waypoint_downstream_peer_metadata",
    "waypoint_upstream_peer_metadata",
];

/// A config dump of istiod.
pub struct Dump {
    configs: Vec<Value>,
}

impl Dump {
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let dump: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        let configs = dump["configs"].as_array();
        let configs = configs.with_context(|| format!("{} has no configs", path.display()))?;
        Ok(Self {
            configs: configs.clone(),
        })
    }

    /// The listeners as istiod printed them.
    pub fn listeners(&self) -> impl Iterator<Item = &Value> {
        self.section("ListenersConfigDump", "dynamicListeners")
            .map(|listener| &listener["activeState"]["listener"])
    }

    /// The clusters as istiod printed them.
    pub fn clusters(&self) -> impl Iterator<Item = &Value> {
        self.section("ClustersConfigDump", "dynamicActiveClusters")
            .map(|cluster| &cluster["cluster"])
    }

    /// The endpoints as istiod printed them.
    pub fn endpoints(&self) -> impl Iterator<Item = &Value> {
        self.section("EndpointsConfigDump", "dynamicEndpointConfigs")
            .map(|endpoints| &endpoints["endpointConfig"])
    }

    /// The plugins as istiod printed them.
    pub fn filters(&self) -> impl Iterator<Item = &Value> {
        self.section("EcdsConfigDump", "ecdsFilters")
            .map(|filter| &filter["ecdsFilter"])
    }

    /// The config of the only plugin, as istiod passes it on.
    pub fn plugin_config(&self) -> Result<&str> {
        let filter = self.filters().next().context("the dump has no plugin")?;
        filter["typedConfig"]["config"]["configuration"]["value"]
            .as_str()
            .context("the plugin has no config")
    }

    /// Files for a stock Envoy.
    pub fn templates(&self) -> Result<Templates> {
        let mut listeners: Vec<Value> = self.listeners().cloned().collect();
        let mut clusters: Vec<Value> = self.clusters().cloned().collect();
        let mut filters: Vec<Value> = self.filters().cloned().collect();
        let endpoints: HashMap<_, _> = self
            .endpoints()
            .filter_map(|endpoints| Some((endpoints["clusterName"].as_str()?, endpoints)))
            .collect();
        for cluster in &mut clusters {
            endpoints_in_place(cluster, &endpoints);
        }
        for filter in &mut filters {
            plugin_from_file(filter);
        }
        for resource in listeners.iter_mut().chain(&mut clusters) {
            each_object(resource, &mut for_stock_envoy);
            each_string(resource, &mut to_placeholders);
        }
        let answer = |resources: Vec<Value>| json!({"resources": resources});
        let filter = (!filters.is_empty()).then(|| answer(filters));
        Templates::new(answer(listeners), answer(clusters), filter)
    }

    fn section<'a>(&'a self, kind: &'a str, list: &'a str) -> impl Iterator<Item = &'a Value> {
        let named =
            move |config: &&Value| config["@type"].as_str().is_some_and(|t| t.ends_with(kind));
        let section = self.configs.iter().filter(named);
        section
            .filter_map(move |config| config[list].as_array())
            .flatten()
    }
}

/// Changes 1, 2, 3 and the first halves of 5 and 6, wherever they apply.
fn for_stock_envoy(object: &mut Map<String, Value>) {
    for list in ["filters", "httpFilters"] {
        if let Some(filters) = object.get_mut(list).and_then(Value::as_array_mut) {
            filters.retain(|filter| !ISTIO_ONLY.iter().any(|name| filter["name"] == *name));
        }
    }
    if object
        .get("factoryKey")
        .is_some_and(|key| key == "istio.hashable_string")
    {
        object.insert("factoryKey".to_string(), json!("envoy.string"));
    }
    if object.remove("tlsCertificateSdsSecretConfigs").is_some() {
        object.insert(
            "tlsCertificates".to_string(),
            json!([{
                "certificateChain": {"filename": "${CERTIFICATES}/waypoint.pem"},
                "privateKey": {"filename": "${CERTIFICATES}/waypoint-key.pem"},
            }]),
        );
    }
    if let Some(mut combined) = object.remove("combinedValidationContext") {
        let mut context = combined["defaultValidationContext"].take();
        context["trustedCa"] = json!({"filename": "${CERTIFICATES}/ca.pem"});
        object.insert("validationContext".to_string(), context);
    }
    // Where to listen; not the 0.0.0.0 that stands for a headless Service in the matcher.
    if let Some(socket) = object.get_mut("socketAddress")
        && socket["address"] == "0.0.0.0"
    {
        socket["address"] = json!("${WAYPOINT_IP}");
    }
    if let Some(source) = object
        .get_mut("configDiscovery")
        .and_then(|discovery| discovery.get_mut("configSource"))
        .and_then(Value::as_object_mut)
    {
        source.remove("ads");
        source.insert(
            "pathConfigSource".to_string(),
            json!({"path": "${FILTER_FILE}"}),
        );
    }
}

/// The second half of change 6.
fn to_placeholders(text: &mut String) {
    if text == "/dev/stdout" {
        *text = "${ACCESS_LOG}".to_string();
    } else {
        for (pod, name) in [
            ("10.20.0.1", "${POD_ONE_IP}"),
            ("10.20.0.2", "${POD_TWO_IP}"),
        ] {
            let is_pod = text
                .strip_prefix(pod)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
            if is_pod {
                *text = text.replacen(pod, name, 1);
            }
        }
    }
}

/// Change 4.
fn endpoints_in_place(cluster: &mut Value, endpoints: &HashMap<&str, &Value>) {
    if cluster["type"] != "EDS" {
        return;
    }
    let service = cluster["edsClusterConfig"]["serviceName"]
        .as_str()
        .unwrap_or_default();
    let assignment = match endpoints.get(service) {
        Some(endpoints) => {
            let mut assignment = (*endpoints).clone();
            // Here its type is known from where it stands.
            assignment
                .as_object_mut()
                .map(|fields| fields.remove("@type"));
            assignment
        }
        None => json!({"clusterName": service}),
    };
    cluster["type"] = json!("STATIC");
    cluster["loadAssignment"] = assignment;
    cluster
        .as_object_mut()
        .map(|fields| fields.remove("edsClusterConfig"));
}

/// The second half of change 5.
fn plugin_from_file(filter: &mut Value) {
    let plugin = &mut filter["typedConfig"]["config"];
    plugin["vmConfig"]["code"] = json!({"local": {"filename": "${WASM_FILE}"}});
    plugin["vmConfig"]
        .as_object_mut()
        .map(|vm| vm.remove("environmentVariables"));
    plugin["configuration"]["value"] = json!("${PLUGIN_CONFIG}");
    plugin["failurePolicy"] = json!("${FAILURE_POLICY}");
}

fn each_string(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_string(item, change)),
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|field| each_string(field, change));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_replaced_only_as_a_whole() {
        for (before, after) in [
            ("10.20.0.1:9000", "${POD_ONE_IP}:9000"),
            ("10.20.0.2", "${POD_TWO_IP}"),
            ("10.20.0.10:9000", "10.20.0.10:9000"),
            ("0.0.0.0", "0.0.0.0"),
        ] {
            let mut text = before.to_string();
            to_placeholders(&mut text);
            assert_eq!(text, after);
        }
    }

    #[test]
    fn certificates_come_from_files_and_keep_their_matchers() {
        let mut context = json!({
            "tlsCertificateSdsSecretConfigs": [{"name": "default"}],
            "combinedValidationContext": {
                "defaultValidationContext": {"matchTypedSubjectAltNames": [{"sanType": "URI"}]},
                "validationContextSdsSecretConfig": {"name": "ROOTCA"},
            },
        });
        each_object(&mut context, &mut for_stock_envoy);
        assert_eq!(
            context["validationContext"],
            json!({
                "matchTypedSubjectAltNames": [{"sanType": "URI"}],
                "trustedCa": {"filename": "${CERTIFICATES}/ca.pem"},
            })
        );
        assert!(context.get("combinedValidationContext").is_none());
        assert!(context["tlsCertificates"][0]["privateKey"].is_object());
    }
}
