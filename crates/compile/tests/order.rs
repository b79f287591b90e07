//! The order of the documents does not show: the same objects give the same bytes.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml exempts test functions, not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use waypoint_l4_compile::{Options, Source, compile};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn does_not_show(shuffled in case().prop_shuffle()) {
        let mut sorted = shuffled.clone();
        sorted.sort();
        prop_assert_eq!(compiled(&shuffled), compiled(&sorted));
    }
}

/// The documents of one of the golden cases.
fn case() -> impl Strategy<Value = Vec<String>> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/compile");
    let mut inputs: Vec<PathBuf> = fs::read_dir(testdata)
        .unwrap()
        .map(|case| case.unwrap().path().join("input.yaml"))
        .filter(|input| input.exists())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    prop::sample::select(inputs).prop_map(|input| {
        let text = fs::read_to_string(input).unwrap();
        text.split("---\n").map(str::to_owned).collect()
    })
}

/// Each document as a file of its own.
fn compiled(documents: &[String]) -> (String, Vec<String>) {
    let sources = documents.iter().map(|document| Source {
        name: String::from("input.yaml"),
        content: Ok(document.clone().into_bytes()),
    });
    let compiled = compile(&sources.collect::<Vec<_>>(), &Options::default()).unwrap();
    let notes = compiled.notes.iter().map(ToString::to_string);
    (compiled.manifests, notes.collect())
}
