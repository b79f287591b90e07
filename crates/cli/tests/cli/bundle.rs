//! `bundle`: the filter in a ConfigMap.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{Run, run_with};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn bundle(more: &[&str], module: &[u8]) -> Run {
    let mut arguments = vec!["bundle", "--wasm", "-", "--waypoint", "demo/waypoint"];
    arguments.extend(more);
    run_with(&arguments, module)
}

fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

#[test]
fn one_config_map_holds_the_module_and_another_mounts_it() {
    let bundled = bundle(&[], MODULE);
    assert_eq!(bundled.code, 0);
    let maps: Vec<Value> = serde_saphyr::from_multiple(&bundled.stdout).unwrap();
    let [module, mount] = maps.as_slice() else {
        panic!("{maps:?}")
    };
    let encoded = at(module, "/binaryData/waypoint-l4.wasm").as_str().unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap(), MODULE);
    assert_eq!(at(module, "/immutable"), true);
    assert_eq!(at(module, "/metadata/namespace"), "demo");

    // The name changes with the module, so that a change makes new pods.
    let name = at(module, "/metadata/name").as_str().unwrap();
    let other = bundle(&[], b"\0asm\x01\0\0\0\0\x01\0").stdout;
    assert!(name.starts_with("waypoint-l4-0.1.0-") && !other.contains(name));

    assert_eq!(at(mount, "/metadata/name"), "waypoint-l4-mount");
    let deployment = at(mount, "/data/deployment").as_str().unwrap();
    let deployment: Value = serde_saphyr::from_str(deployment).unwrap();
    let pod = at(&deployment, "/spec/template/spec");
    assert_eq!(at(pod, "/volumes/0/configMap/name"), name);
    assert_eq!(
        at(pod, "/containers/0"),
        &json!({"name": "istio-proxy", "volumeMounts": [
            {"name": "waypoint-l4", "mountPath": "/var/lib/waypoint-l4", "readOnly": true},
        ]})
    );
    let told = "--image file:///var/lib/waypoint-l4/waypoint-l4.wasm";
    assert!(bundled.stderr.contains(told), "{}", bundled.stderr);
}

#[test]
fn the_patch_has_the_gateway_use_it() {
    let patch = bundle(&["--output", "patch"], MODULE);
    assert_eq!((patch.code, patch.stderr.as_str()), (0, ""));
    let patch: Value = serde_json::from_str(&patch.stdout).unwrap();
    assert_eq!(
        at(&patch, "/spec/infrastructure/parametersRef"),
        &json!({"group": "", "kind": "ConfigMap", "name": "waypoint-l4-mount"})
    );
}

#[test]
fn what_is_no_module_or_too_large_is_refused() {
    let mut large = MODULE.to_vec();
    large.resize(1_048_577, 0);
    for (module, error) in [
        (
            &b"<html>"[..],
            "expected a Wasm module, found something else",
        ),
        (
            &large,
            "expected at most 1048576 bytes, which is what a ConfigMap may hold, found 1048577",
        ),
    ] {
        let refused = bundle(&[], module);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert_eq!(refused.stderr, format!("error: stdin: {error}\n"));
    }
}
