//! Many such connections, one after the other.

use std::num::NonZeroU32;
use std::ptr;

use serde::Serialize;
use waypoint_l4_route::{Decision, Listener};

use super::connection::Connection;
use super::rule::Backend;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Simulation {
    pub(crate) connections: NonZeroU32,
    pub(crate) seed: u64,
    pub(crate) counts: Vec<Count>,
}

/// How many came to a backend.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    /// None where none is picked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    /// Why they are refused there, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refuse: Option<String>,
    pub(crate) connections: u32,
    pub(crate) percent: f64,
}

impl Simulation {
    /// `backends` are those of the rule that decides.
    pub(crate) fn new<P>(
        listener: &mut Listener<P>,
        backends: &[Backend],
        connection: &Connection,
        connections: NonZeroU32,
        seed: u64,
        mut draw: impl FnMut() -> u64,
    ) -> Self {
        let mut counts = vec![0_u32; backends.len()];
        let mut without = 0_u32;
        for _ in 0..connections.get() {
            let picked = match listener.decide(connection, &mut draw) {
                // By its place: names need not differ.
                Decision::Backend { rule, backend } => {
                    let mut backends = rule.backends().iter();
                    backends.position(|one| ptr::eq(one, backend))
                }
                _ => None,
            };
            let count = picked.and_then(|index| counts.get_mut(index));
            let count = count.unwrap_or(&mut without);
            *count = count.saturating_add(1);
        }
        let counts = backends
            .iter()
            .map(Some)
            .zip(counts)
            .chain((without > 0).then_some((None, without)));
        let counts = counts.map(|(backend, count)| Count {
            backend: backend.map(|backend| backend.name.clone()),
            refuse: backend.and_then(|backend| backend.refuse.clone()),
            connections: count,
            percent: f64::from(count) * 100.0 / f64::from(connections.get()),
        });
        Self {
            connections,
            seed,
            counts: counts.collect(),
        }
    }
}
