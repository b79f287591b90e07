//! How large a plugin may become, and what is said before that.

use waypoint_l4_compile::{Options, Refused, Source, compile};

/// The notes on a waypoint of Services that have a TLSRoute each, with as many names as one may have.
fn notes(services: usize) -> Result<Vec<String>, Refused> {
    let mut manifests = String::from(
        "
{apiVersion: v1, kind: Namespace, metadata: {name: demo, labels: {istio.io/use-waypoint: waypoint}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: demo}
spec:
  gatewayClassName: istio-waypoint
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
",
    );
    let long = ["a", "b", "c"].map(|letter| letter.repeat(63)).join(".");
    for service in 0..services {
        // The earlier, the longer, so that their order by size is known.
        let hostnames = (service..1024).map(|name| format!("n{name}.{long}"));
        let hostnames = hostnames.collect::<Vec<_>>().join(", ");
        manifests += &format!(
            "
---
apiVersion: v1
kind: Service
metadata: {{name: db-{service}, namespace: demo}}
spec: {{ports: [{{name: tls, port: 5432}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {{name: db-{service}, namespace: demo, labels: {{istio.io/rev: waypoint-l4}}}}
spec:
  parentRefs: [{{group: '', kind: Service, name: db-{service}}}]
  hostnames: [{hostnames}]
  rules: [{{backendRefs: [{{name: db-{service}, port: 5432}}]}}]
"
        );
    }
    let source = Source {
        name: String::from("input.yaml"),
        content: Ok(manifests.into_bytes()),
    };
    let compiled = compile(&[source], &Options::default())?;
    Ok(compiled.notes.iter().map(ToString::to_string).collect())
}

/// A text without the numbers of bytes, which change with every word of the output.
fn sizeless(text: &str) -> String {
    let pieces = text.split(" bytes");
    let pieces = pieces.map(|piece| piece.trim_end_matches(|end: char| end.is_ascii_digit()));
    pieces.collect::<Vec<_>>().join(" bytes")
}

#[test]
fn a_small_plugin_has_no_note() {
    assert_eq!(notes(1).unwrap(), [""; 0]);
}

#[test]
fn above_256_kib_it_takes_server_side_apply() {
    let notes = notes(2).unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!(
        sizeless(&notes[0]),
        "Gateway demo/waypoint: its plugin has  bytes: kubectl apply puts it into an annotation too, \
         which takes 262144, so apply it with --server-side"
    );
}

#[test]
fn above_1_mib_the_largest_are_named() {
    let notes = notes(6).unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!(
        sizeless(&notes[0]),
        "Gateway demo/waypoint: its plugin has  bytes, and Kubernetes takes 1572864; the largest are \
         TLSRoute demo/db-0 ( bytes), TLSRoute demo/db-1 ( bytes), TLSRoute demo/db-2 ( bytes); apply \
         it with kubectl apply --server-side"
    );
}

#[test]
fn above_what_kubernetes_takes_it_is_refused() {
    let refused = notes(8).unwrap_err();
    assert_eq!(
        sizeless(&refused.to_string()),
        "the plugin of waypoint demo/waypoint has  bytes, more than the 1572864 that Kubernetes \
         takes; the largest are TLSRoute demo/db-0 ( bytes), TLSRoute demo/db-1 ( bytes), TLSRoute \
         demo/db-2 ( bytes): give some Services another waypoint"
    );
}
