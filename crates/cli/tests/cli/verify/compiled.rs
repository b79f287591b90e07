//! Dumps that were taken while the plugin had a configuration of something else: it is replaced here
//! by what compile prints for the manifests. All the rest is istiod's.

use std::fs;

use serde_json::{Value, json};

use crate::verify::{CHAIN, ISTIO, dump, findings};
use crate::{Run, run, run_with};

/// The mesh and these manifests next to the dump.
fn verify(name: &str, manifests: &[&str]) -> Run {
    let mesh = format!("{ISTIO}/manifests/00-mesh.yaml");
    let mut files = vec!["-f", &mesh];
    for manifest in manifests {
        files.extend(["-f", manifest]);
    }
    let compiled = run(&[&["compile", "--output", "config"], &files[..]].concat());
    assert_eq!(compiled.code, 0, "{compiled:?}");
    let text = fs::read_to_string(dump(name)).unwrap();
    let mut dump: Value = serde_json::from_str(&text).unwrap();
    let config = "/configs/3/ecdsFilters/0/ecdsFilter/typedConfig/config/configuration/value";
    *dump.pointer_mut(config).unwrap() = json!(compiled.stdout);
    let arguments = ["verify", "--config-dump", "-"];
    run_with(
        &[&arguments, &files[..]].concat(),
        dump.to_string().as_bytes(),
    )
}

fn manifest(name: &str) -> String {
    format!("{ISTIO}/manifests/{name}.yaml")
}

#[test]
fn a_virtual_service_that_istiod_reads_is_named() {
    let found = verify("1.31/virtualservice", &[&manifest("virtualservice")]);
    let expected = format!(
        "{CHAIN}: Inert: istiod routes it natively and the plugin has no effect, as tcp_proxy has \
         weighted_clusters: 80 inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local, \
         20 inbound-vip|9000|tcp|tcp-echo-v2.demo.svc.cluster.local; put the label istio.io/rev: \
         waypoint-l4 on VirtualService demo/tcp-echo, at a quiet time and when the plugin has its \
         configuration"
    );
    assert_eq!(findings(&found), [expected]);
}

#[test]
fn subsets_have_clusters_of_their_own() {
    let rule = manifest("subsets-destinationrule");
    let service = manifest("subsets-virtualservice-labelled");
    let well = verify("1.31/subsets-labelled", &[&rule, &service]);
    // It is for every port of the Service.
    let expected = "waypoint demo/waypoint: all is well, filter chains: 2\n";
    assert_eq!((well.code, well.stdout.as_str()), (0, expected));
    assert_eq!(well.stderr, "");
}

#[test]
fn a_backend_that_the_waypoint_does_not_serve_needs_its_anchor() {
    let route = fs::read_to_string(manifest("tcproute")).unwrap();
    let outside = route.replace("name: tcp-echo-v2", "name: outside, namespace: shop");
    let file = format!("{}/outside.yaml", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, outside).unwrap();
    let cluster = "outbound|9000||outside.shop.svc.cluster.local";

    let without = verify("1.31/tcproute-labelled", &[&file]);
    let expected = format!(
        "{CHAIN}: ClusterMissing: the waypoint has no cluster {cluster}: its share of the \
         connections is refused; apply what `waypoint-l4 compile` prints, the VirtualService too, \
         and see that the backend's Service is in the cluster"
    );
    assert_eq!(findings(&without), [expected]);

    // Nothing ran in namespace shop when that dump was taken.
    let with = verify("1.31/anchor", &[&file]);
    let expected = format!(
        "{CHAIN}: NoEndpoints: cluster {cluster} has no healthy endpoint: its share of the \
         connections fails; see that pods of the backend's Service are ready"
    );
    assert_eq!(findings(&with), [expected]);
}
