//! What the docs show is what the parts take.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, and clippy sees none without a harness"
)]

use std::fs;
use std::path::Path;

use serde_json::Value;
use waypoint_l4_config::parse;

#[test]
fn the_configuration_in_the_reference_is_one() {
    let blocks = yaml_blocks("docs/CONFIG.md");
    assert_eq!(blocks.len(), 1);
    let config: Value = serde_saphyr::from_str(&blocks[0]).unwrap();
    let config = parse(config.to_string().as_bytes()).unwrap();
    assert_eq!(config.listeners.len(), 1);
}

fn yaml_blocks(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}
