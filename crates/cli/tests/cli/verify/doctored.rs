//! One change to a dump in which all is well, and what is found.

use std::fs;

use serde_json::{Value, json};

use crate::Run;
use crate::verify::{CHAIN, ISTIO, WELL, assert_well, dump, findings, verify, verify_route};

/// Parts of the dumps in `verify/`.
const CLUSTERS: &str = "/configs/0/dynamicActiveClusters";
const ENDPOINTS: &str = "/configs/1/dynamicEndpointConfigs";
const CHAINS: &str = "/configs/2/dynamicListeners/0/activeState/listener/filterChains";
const PLUGIN: &str = "/configs/3/ecdsFilters/0/ecdsFilter";

fn doctored(change: impl FnOnce(&mut Value)) -> Run {
    doctored_with(change, &[])
}

fn doctored_with(change: impl FnOnce(&mut Value), further: &[&str]) -> Run {
    let text = fs::read_to_string(dump("1.31/tcproute-labelled")).unwrap();
    let mut dump: Value = serde_json::from_str(&text).unwrap();
    change(&mut dump);
    verify("-", &dump.to_string(), further)
}

fn at<'d>(dump: &'d mut Value, path: &str) -> &'d mut Value {
    dump.pointer_mut(path).unwrap()
}

fn items<'d>(dump: &'d mut Value, path: &str) -> &'d mut Vec<Value> {
    at(dump, path).as_array_mut().unwrap()
}

/// The filters of the chain that the route is for.
fn filters(dump: &mut Value) -> &mut Vec<Value> {
    items(dump, &format!("{CHAINS}/0/filters"))
}

/// The plugin's place among them, before istio.stats and tcp_proxy.
const PLUGIN_PLACE: usize = 2;

/// The text of the plugin's configuration.
fn config(dump: &mut Value) -> &mut Value {
    at(
        dump,
        &format!("{PLUGIN}/typedConfig/config/configuration/value"),
    )
}

fn edit_config(from: &str, to: &str) -> Run {
    doctored(|dump| {
        let text = config(dump).as_str().unwrap();
        assert!(text.contains(from));
        *config(dump) = json!(text.replace(from, to));
    })
}

/// Just this, which may go on.
fn has_found(run: &Run, expected: &str) {
    let findings = findings(run);
    let are_expected = findings.iter().all(|line| line.starts_with(expected));
    assert!(findings.len() == 1 && are_expected, "{findings:?}");
}

#[test]
fn another_configuration_is_found() {
    let found = edit_config(r#""weight":90"#, r#""weight":50"#);
    let expected =
        format!("{CHAIN}: ConfigDiffers: plugin demo.waypoint-l4~istio-translated-wasmplugin has");
    assert!(
        !findings(&found)[0].starts_with(&expected),
        "a name as the user knows it"
    );
    has_found(
        &found,
        &format!(
            "{CHAIN}: ConfigDiffers: plugin demo.waypoint-l4 has another configuration than the \
             manifests give: rules[0].backends[0].weight: 90 in the manifests, 50 in the dump; \
             apply what `waypoint-l4 compile` prints"
        ),
    );
    let found = edit_config(r#""weight":10"#, r#""weight":1"#);
    has_found(
        &found,
        &format!(
            "{CHAIN}: ConfigDiffers: plugin demo.waypoint-l4 has another configuration than the \
             manifests give: rules[0].backends[1].weight: 10 in the manifests, unset or default in \
             the dump; "
        ),
    );
    let found = edit_config(
        r#""name":"demo/tcp-echo""#,
        r#""name":"demo/old","pick":{"exact":{}}"#,
    );
    has_found(
        &found,
        &format!(
            "{CHAIN}: ConfigDiffers: plugin demo.waypoint-l4 has another configuration than the \
             manifests give: rules[0].name: \"demo/tcp-echo\" in the manifests, \"demo/old\" in the \
             dump, rules[0].pick: unset or default in the manifests, {{\"exact\":{{}}}} in the dump; "
        ),
    );
}

#[test]
fn chains_that_only_one_side_names_are_found() {
    let other = "inbound-vip|9001|tcp|tcp-echo.demo.svc.cluster.local";
    let found = edit_config(CHAIN, other);
    let findings = findings(&found);
    let named = format!(
        "{CHAIN}: ConfigDiffers: the configuration of plugin demo.waypoint-l4 does not name this \
         chain; apply what `waypoint-l4 compile` prints"
    );
    let further = format!(
        "{other}: ConfigDiffers: plugin demo.waypoint-l4 routes this chain, and the manifests do \
         not; see that the manifests hold all routes of the waypoint, and apply what `waypoint-l4 \
         compile` prints"
    );
    assert_eq!(findings, [named, further]);
}

#[test]
fn a_configuration_of_the_same_meaning_is_the_same() {
    // Doubles, as istiod makes them of numbers, and defaults that somebody wrote.
    assert_well(&edit_config(r#""weight":90"#, r#""weight":90.0"#));
    let defaults = r#","pick":{"random":{}},"match":{}}],"otherwise":"default"}"#;
    assert_well(&edit_config("}]}", defaults));
}

#[test]
fn another_revision_is_noted() {
    let noted = edit_config(r#""version":1"#, r#""version":1,"revision":"0123456789ab""#);
    assert_eq!((noted.code, noted.stdout.as_str()), (0, WELL));
    assert_eq!(
        noted.stderr,
        "note: plugin demo.waypoint-l4 has revision 0123456789ab, the manifests give f68934f75f20\n"
    );
}

#[test]
fn a_configuration_that_the_filter_refuses_is_found() {
    let found = edit_config(r#""weight":90"#, r#""weight":-1"#);
    has_found(
        &found,
        "waypoint demo/waypoint: ConfigDiffers: the filter refuses the configuration of plugin \
         demo.waypoint-l4: listeners[0].rules[0].backends[0].weight: ",
    );
}

#[test]
fn annotate_is_part_of_the_configuration() {
    let with = |dump: &mut Value| {
        let text = config(dump).as_str().unwrap();
        *config(dump) = json!(text.replace(r#""version":1"#, r#""version":1,"annotate":true"#));
    };
    assert_well(&doctored_with(with, &["--annotate"]));
    let message = "waypoint demo/waypoint: ConfigDiffers: plugin demo.waypoint-l4 was compiled";
    has_found(&doctored(with), &format!("{message} with --annotate; "));
    let without = doctored_with(|_| (), &["--annotate"]);
    has_found(&without, &format!("{message} without --annotate; "));
}

#[test]
fn a_plugin_out_of_its_place_is_found() {
    let behind = doctored(|dump| {
        let plugin = filters(dump).remove(PLUGIN_PLACE);
        filters(dump).push(plugin);
    });
    has_found(
        &behind,
        &format!(
            "{CHAIN}: PluginBehindTcpProxy: plugin demo.waypoint-l4 comes after tcp_proxy, so it \
             decides nothing; "
        ),
    );
    let missing = doctored(|dump| drop(filters(dump).remove(PLUGIN_PLACE)));
    has_found(
        &missing,
        &format!("{CHAIN}: PluginMissing: it lacks the plugin, which other filter chains have; "),
    );
}

#[test]
fn a_plugin_that_did_not_come_is_found() {
    let absent = doctored(|dump| items(dump, "/configs/3/ecdsFilters").clear());
    has_found(
        &absent,
        "waypoint demo/waypoint: PluginNotLoaded: filter chains name plugin demo.waypoint-l4 and \
         the dump does not hold it: ",
    );
    // What Istio's agent does when it cannot fetch the image.
    let replaced = doctored(|dump| {
        let rbac = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
        *at(dump, &format!("{PLUGIN}/typedConfig")) = json!({"@type": rbac, "rules": {}});
    });
    has_found(
        &replaced,
        "waypoint demo/waypoint: PluginNotLoaded: another filter stands in for plugin \
         demo.waypoint-l4: ",
    );
}

#[test]
fn a_plugin_is_known_by_its_configuration_too() {
    // A WasmPlugin that kustomize gave another name, and no ECDS at all.
    assert_well(&doctored(|dump| {
        *at(dump, &format!("{PLUGIN}/name")) = json!("prod");
        for chain in items(dump, CHAINS) {
            for filter in chain["filters"].as_array_mut().unwrap() {
                if filter.get("configDiscovery").is_some() {
                    filter["name"] = json!("prod");
                }
            }
        }
    }));
    assert_well(&doctored(|dump| {
        let plugin = at(dump, PLUGIN).take();
        filters(dump)[PLUGIN_PLACE] = json!({
            "name": "envoy.filters.network.wasm",
            "typedConfig": plugin["typedConfig"],
        });
        items(dump, CHAINS).truncate(1);
        items(dump, "/configs/3/ecdsFilters").clear();
    }));
}

/// Findings name the object that istiod took the plugin from.
#[test]
fn the_plugin_is_told_by_its_own_kind_and_name() {
    for (kind, filter) in [
        ("WasmPlugin", "wasmplugin/demo.waypoint-l4"),
        ("TrafficExtension", "trafficextension/demo.waypoint-l4"),
    ] {
        let change = |dump: &mut Value| {
            let text = dump.to_string();
            let old = "trafficextension/demo.waypoint-l4~istio-translated-wasmplugin";
            *dump = serde_json::from_str(&text.replace(old, filter)).unwrap();
            items(dump, "/configs/3/ecdsFilters").clear();
        };
        let found = doctored_with(change, &["--format", "json"]);
        let report: Value = serde_json::from_str(&found.stdout).unwrap();
        let expected = json!([{"kind": kind, "namespace": "demo", "name": "waypoint-l4"}]);
        assert_eq!(report["findings"][0]["objects"], expected);
    }
}

#[test]
fn a_native_route_to_one_backend_is_found_before_it_has_two() {
    let found = doctored(|dump| {
        let tcp_proxy = filters(dump).last_mut().unwrap();
        tcp_proxy["typedConfig"]["cluster"] =
            json!("inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local");
    });
    let expected = format!(
        "{CHAIN}: RoutedByIstiod: istiod routes it natively, to \
         inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local alone: the plugin has an effect \
         only until the route has a second backend; put the label istio.io/rev: waypoint-l4 on \
         TCPRoute demo/tcp-echo, "
    );
    has_found(&found, &expected);
}

#[test]
fn a_chain_without_tcp_proxy_or_none_at_all_is_found() {
    let without = doctored(|dump| drop(filters(dump).pop()));
    has_found(&without, &format!("{CHAIN}: TcpProxyMissing: "));
    let none = doctored(|dump| drop(items(dump, CHAINS).remove(0)));
    has_found(
        &none,
        &format!(
            "{CHAIN}: ChainMissing: the waypoint has no such filter chain for port 9000 of Service \
             demo/tcp-echo; "
        ),
    );
}

#[test]
fn a_cluster_that_is_not_there_is_found() {
    let found = doctored(|dump| drop(items(dump, CLUSTERS).remove(0)));
    has_found(
        &found,
        &format!(
            "{CHAIN}: ClusterMissing: the waypoint has no cluster \
             inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local: its share of the connections \
             is refused; "
        ),
    );
}

#[test]
fn endpoints_that_are_gone_or_ill_are_found() {
    let expected = format!(
        "{CHAIN}: NoEndpoints: cluster inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local has \
         no healthy endpoint: its share of the connections fails; see that pods of the backend's \
         Service are ready"
    );
    let endpoints = format!("{ENDPOINTS}/0/endpointConfig/endpoints");
    let none = doctored(|dump| items(dump, &endpoints).clear());
    assert_eq!(findings(&none), [&expected]);
    let ill = doctored(|dump| {
        *at(dump, &format!("{endpoints}/0/lbEndpoints/0/healthStatus")) = json!("UNHEALTHY");
    });
    assert_eq!(findings(&ill), [&expected]);
    // Those in the cluster itself count like those that come by EDS.
    let inline = doctored(|dump| {
        let cluster = at(dump, &format!("{CLUSTERS}/0/cluster"));
        cluster["type"] = json!("STATIC");
        cluster["loadAssignment"] = json!({"clusterName": cluster["name"]});
    });
    assert_eq!(findings(&inline), [&expected]);
}

#[test]
fn a_dump_without_endpoints_leaves_them_open() {
    let noted = doctored(|dump| drop(items(dump, "/configs").remove(1)));
    assert_eq!((noted.code, noted.stdout.as_str()), (0, WELL));
    assert_eq!(noted.stderr.lines().count(), 2);
    assert!(noted.stderr.starts_with(
        "note: whether cluster inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local has endpoints \
         is not in the dump "
    ));
}

#[test]
fn a_backend_without_a_share_may_be_scaled_to_zero() {
    let route = fs::read_to_string(format!("{ISTIO}/manifests/tcproute.yaml")).unwrap();
    let text = fs::read_to_string(dump("1.31/tcproute-labelled")).unwrap();
    let mut dump: Value =
        serde_json::from_str(&text.replace(r#"weight\":10"#, r#"weight\":0"#)).unwrap();
    items(
        &mut dump,
        &format!("{ENDPOINTS}/1/endpointConfig/endpoints"),
    )
    .clear();
    let file = format!("{}/scaled-to-zero.json", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, dump.to_string()).unwrap();
    let route = route.replace("weight: 10", "weight: 0");
    assert_well(&verify_route(&file, &route));
}
