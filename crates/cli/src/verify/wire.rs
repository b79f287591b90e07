//! Envoy's messages as JSON, with the fields that are read. What is not set is not printed.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListenersConfigDump {
    pub(super) static_listeners: Vec<ListenerState>,
    pub(super) dynamic_listeners: Vec<DynamicListener>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DynamicListener {
    pub(super) active_state: Option<ListenerState>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListenerState {
    pub(super) listener: Listener,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Listener {
    pub(super) filter_chains: Vec<FilterChain>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FilterChain {
    pub(super) name: String,
    pub(super) filters: Vec<Filter>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) typed_config: Value,
    pub(super) config_discovery: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TcpProxy {
    pub(super) cluster: String,
    /// Without any it asks the filter state.
    pub(super) weighted_clusters: WeightedClusters,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WeightedClusters {
    pub(super) clusters: Vec<WeightedCluster>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WeightedCluster {
    pub(super) name: String,
    pub(super) weight: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wasm {
    pub(super) config: PluginConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PluginConfig {
    pub(super) configuration: Configuration,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Configuration {
    pub(super) value: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EcdsConfigDump {
    pub(super) ecds_filters: Vec<EcdsFilterConfig>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EcdsFilterConfig {
    pub(super) ecds_filter: Option<Filter>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClustersConfigDump {
    pub(super) static_clusters: Vec<ClusterState>,
    pub(super) dynamic_active_clusters: Vec<ClusterState>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClusterState {
    pub(super) cluster: Cluster,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) eds_cluster_config: EdsClusterConfig,
    pub(super) load_assignment: Option<ClusterLoadAssignment>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EdsClusterConfig {
    pub(super) service_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EndpointsConfigDump {
    pub(super) static_endpoint_configs: Vec<EndpointConfig>,
    pub(super) dynamic_endpoint_configs: Vec<EndpointConfig>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EndpointConfig {
    pub(super) endpoint_config: ClusterLoadAssignment,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClusterLoadAssignment {
    pub(super) cluster_name: String,
    pub(super) endpoints: Vec<LocalityLbEndpoints>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LocalityLbEndpoints {
    pub(super) lb_endpoints: Vec<LbEndpoint>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LbEndpoint {
    pub(super) health_status: Value,
}
