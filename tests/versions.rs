//! Numbers that stand in several places are the same everywhere.

use std::fs;
use std::path::Path;

#[test]
fn docker_files_name_the_pinned_envoy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let version = fs::read_to_string(root.join("envoy/VERSION")).unwrap();
    let image = format!("envoyproxy/envoy:v{}", version.trim());
    for file in ["envoy/Dockerfile", "envoy/docker-compose.yaml"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&image), "{file} does not name {image}");
        assert_eq!(text.matches("envoyproxy/envoy:").count(), 1, "{file}");
    }
}

#[test]
fn the_test_runner_is_of_the_library_version() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let after = lock
        .split("name = \"wasm-bindgen\"\nversion = \"")
        .nth(1)
        .unwrap();
    let version = after.split('"').next().unwrap();
    let makefile = fs::read_to_string(root.join("Makefile")).unwrap();
    assert!(
        makefile.contains(&format!("WASM_BINDGEN_VERSION := {version}\n")),
        "{version}"
    );
}
