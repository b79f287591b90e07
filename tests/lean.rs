//! The module has what it uses and nothing else: Envoy calls each export that it finds, on every
//! connection and every buffer, and each import is a host function that must exist.

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::{Parser, Payload};

const EXPORTS: [&str; 9] = [
    "_initialize",
    // By which the host hands over what it is asked for.
    "malloc",
    "memory",
    // Tells the host which version of the ABI this is; empty.
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_new_connection",
    "proxy_on_tick",
];

const IMPORTS: [&str; 17] = [
    "env.proxy_call_foreign_function",
    "env.proxy_close_stream",
    "env.proxy_continue_stream",
    "env.proxy_define_metric",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_log_level",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_set_effective_context",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
    // Both clocks, the one of the day and the one that is never put back.
    "wasi_snapshot_preview1.clock_time_get",
    "wasi_snapshot_preview1.random_get",
];

/// It is to fit a ConfigMap, with room for the rest, and a quick download.
const LARGEST: usize = 150_000;

#[test]
fn exports_are_those_that_envoy_is_to_call() {
    let mut exports = BTreeSet::new();
    for payload in payloads(&module()) {
        if let Payload::ExportSection(section) = payload {
            exports.extend(
                section
                    .into_iter()
                    .map(|export| export.unwrap().name.to_string()),
            );
        }
    }
    assert_eq!(exports, EXPORTS.map(str::to_string).into());
}

#[test]
fn imports_are_those_that_are_called() {
    let mut imports = BTreeSet::new();
    for payload in payloads(&module()) {
        if let Payload::ImportSection(section) = payload {
            imports.extend(section.into_imports().map(|import| {
                let import = import.unwrap();
                format!("{}.{}", import.module, import.name)
            }));
        }
    }
    assert_eq!(imports, IMPORTS.map(str::to_string).into());
}

#[test]
fn the_module_is_small() {
    let size = module().len();
    assert!(size <= LARGEST, "{size} bytes, of {LARGEST} allowed");
}

/// Where it was built has no place in what is shipped.
#[test]
fn the_module_names_no_path_of_the_machine_that_built_it() {
    let module = module();
    for home in [Some(env!("CARGO_MANIFEST_DIR")), option_env!("HOME")] {
        // A root directory says nothing.
        let Some(home) = home.filter(|home| home.len() > 3) else {
            continue;
        };
        let found = module
            .windows(home.len())
            .any(|bytes| bytes == home.as_bytes());
        assert!(!found, "the module contains {home}");
    }
}

fn module() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/waypoint-l4.wasm");
    assert!(
        path.is_file(),
        "{} is missing: run `make build`",
        path.display()
    );
    std::fs::read(&path).unwrap_or_default()
}

fn payloads(module: &[u8]) -> Vec<Payload<'_>> {
    Parser::new(0)
        .parse_all(module)
        .map(Result::unwrap)
        .collect()
}
