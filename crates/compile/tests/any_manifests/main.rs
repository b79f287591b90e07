//! What holds for any manifests at all: nothing panics, what is compiled is what the filter takes, and
//! the order of the manifests does not show.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy.toml exempts test functions, not what they call"
)]

mod breakage;
mod core;
mod gateway_api;
mod istio;
mod manifests;
mod names;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRunner};
use serde_json::Value;
use waypoint_l4_compile::{
    Fault, Istio, ObjectName, Options, Output, Refused, Source, check, compile,
};
use waypoint_l4_config::parse;

use manifests::{manifests, sources};
use names::{NAMESPACES, WAYPOINTS};

/// The plugins that are printed hold configurations that the filter takes, and nothing of it depends on
/// the order of the manifests.
#[test]
fn what_is_compiled_is_what_the_filter_takes() {
    const CASES: u32 = 10_000;
    let compiled = Cell::new(0_u32);
    run(CASES, (manifests(), any::<u64>()), |(manifests, order)| {
        let [one, other] = [manifests.clone(), manifests.in_order(order)]
            .map(|manifests| compile_as(Output::WasmPlugin, None, &sources(&manifests)));
        let one = one?;
        prop_assert_eq!(&one, &other?);
        let Ok((manifests, _)) = one else {
            return Ok(());
        };
        compiled.set(compiled.get().saturating_add(1));
        for config in plugin_configs(&manifests) {
            let json = serde_json::to_vec(&config).unwrap();
            prop_assert!(parse(&json).is_ok(), "{:?}: {}", parse(&json), config);
        }
        Ok(())
    });
    // Else the manifests are broken so often that little is tried.
    let compiled = compiled.get();
    assert!(compiled > CASES / 2, "{compiled} of {CASES} compiled");
}

#[test]
fn other_outputs_and_checks_are_no_less_robust() {
    let releases = prop::sample::select(vec!["1.24", "1.26", "1.29", "1.31"]);
    let cases = (manifests(), releases, any::<bool>());
    run(2_000, cases, |(manifests, version, alpha)| {
        let sources = sources(&manifests);
        for output in [Output::TrafficExtension, Output::Status] {
            let _ = compile_as(output, None, &sources)?;
        }
        for namespace in NAMESPACES {
            let waypoint = format!("{namespace}/{}", WAYPOINTS[0]).parse().unwrap();
            let config = compile_as(Output::Config, Some(waypoint), &sources)?;
            if let Ok((json, _)) = config {
                prop_assert!(parse(json.as_bytes()).is_ok(), "{}", json);
            }
        }
        let istio = Istio {
            version: version.parse().unwrap(),
            alpha,
        };
        let _ = check(&sources, &Options::default(), istio);
        Ok(())
    });
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 5_000,
        // The default one is for secrets, and slow.
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("{error}");
    }
}

/// The output and the notes, or why the manifests are refused; that it is the fault of the output must
/// not be the reason.
type Compiled = Result<(String, Vec<String>), Vec<String>>;

fn compile_as(
    output: Output,
    waypoint: Option<ObjectName>,
    sources: &[Source],
) -> Result<Compiled, TestCaseError> {
    let options = Options {
        output,
        waypoint,
        ..Options::default()
    };
    match compile(sources, &options) {
        Ok(compiled) => {
            let notes = compiled.notes.iter().map(ToString::to_string);
            Ok(Ok((compiled.manifests, notes.collect())))
        }
        Err(refused) => {
            prop_assert!(!refused.0.is_empty());
            let mut faults = refused.0.iter().map(|invalid| &invalid.fault);
            let own = faults.find(|fault| matches!(fault, Fault::InvalidOutput { .. }));
            prop_assert!(own.is_none(), "{}", refused);
            Ok(Err(faults_of(&refused)))
        }
    }
}

/// Sorted, as they come in the order of the manifests. Of two objects of one name it is the second that
/// is at fault.
fn faults_of(refused: &Refused) -> Vec<String> {
    let faults = refused.0.iter().map(|invalid| match invalid.fault {
        Fault::Duplicate { .. } => String::from("duplicate"),
        _ => invalid.to_string(),
    });
    let mut faults: Vec<_> = faults.collect();
    faults.sort();
    faults
}

/// Those of the WasmPlugins that are printed.
fn plugin_configs(manifests: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
    let plugins = documents
        .into_iter()
        .filter(|one| one["kind"] == "WasmPlugin");
    plugins
        .map(|mut plugin| plugin["spec"]["pluginConfig"].take())
        .collect()
}
