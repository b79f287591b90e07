//! Each test runs natively and, through `wasm_bindgen_test`, on wasm32: usize is 32 bits wide there,
//! and the logarithm another.

mod connections;
mod exact;
mod live;
mod random;
mod sticky;
mod table;
mod unknown;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use waypoint_l4_config::{Weight, parse};

use crate::{Facts, Outcome, Table};

/// A connection of which this is known, and what was asked of it.
#[derive(Default)]
struct Connection {
    server_name: Option<String>,
    source_address: Option<String>,
    source_principal: Option<String>,
    asked: RefCell<Vec<&'static str>>,
}

impl Facts for Connection {
    fn server_name(&self) -> Option<String> {
        self.asked.borrow_mut().push("server_name");
        self.server_name.clone()
    }

    fn source_address(&self) -> Option<String> {
        self.asked.borrow_mut().push("source_address");
        self.source_address.clone()
    }

    fn source_principal(&self) -> Option<String> {
        self.asked.borrow_mut().push("source_principal");
        self.source_principal.clone()
    }
}

fn weights(weights: &[u32]) -> impl Iterator<Item = Weight> {
    weights
        .iter()
        .map(|weight| Weight::try_from(*weight).unwrap())
}

fn table(listeners: &str) -> Table<String> {
    let json = format!(r#"{{"version":1,"listeners":[{listeners}]}}"#);
    let config = parse(json.as_bytes()).unwrap();
    let cluster = |outcome: Outcome<'_>| outcome.cluster.unwrap_or("-").to_string();
    Table::new(config, cluster, || 0)
}
