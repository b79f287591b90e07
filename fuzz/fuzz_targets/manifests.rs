//! Any bytes for manifests: nothing panics, and what is compiled is what the filter takes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waypoint_l4_compile::{
    ClusterDomain, Fault, Objects, Options, Output, Plan, Source, UnknownKinds, compile,
};
use waypoint_l4_config::parse;

fuzz_target!(|bytes: &[u8]| {
    let sources = [Source {
        name: String::from("input"),
        content: Ok(bytes.to_vec()),
    }];
    // Else most of what is tried ends at a misspelt kind.
    let unknown_kinds = UnknownKinds::Note;
    let Ok(objects) = Objects::read(&sources, unknown_kinds) else {
        return;
    };
    let plan = Plan::new(&objects, &ClusterDomain::default());
    for waypoint in plan.waypoints.keys() {
        let config = plan.config(waypoint, false).unwrap().unwrap();
        let json = serde_json::to_vec(&config).unwrap();
        assert_eq!(parse(&json), Ok(config));
    }
    for output in [Output::WasmPlugin, Output::TrafficExtension, Output::Status] {
        let options = Options {
            output,
            unknown_kinds,
            ..Options::default()
        };
        if let Err(refused) = compile(&sources, &options) {
            let mut faults = refused.0.iter().map(|invalid| &invalid.fault);
            let is_own = faults.any(|fault| matches!(fault, Fault::InvalidOutput { .. }));
            assert!(!is_own, "{refused}");
        }
    }
});
