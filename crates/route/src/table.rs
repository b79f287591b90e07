use alloc::collections::BTreeMap;
use alloc::string::String;

use waypoint_l4_config::Config;

use crate::{Listener, Outcome};

/// A configuration, ready to decide.
///
/// `P` is what the host needs in order to carry an outcome out, prepared once for each of them instead
/// of once for each connection.
#[derive(Clone, Debug)]
pub struct Table<P> {
    by_chain: BTreeMap<String, Listener<P>>,
    any_chain: Option<Listener<P>>,
}

impl<P> Table<P> {
    /// Builds the table. `prepare` is given each outcome that a decision can have; `draw` gives
    /// numbers that are uniform over all of u64.
    pub fn new(
        config: Config,
        mut prepare: impl FnMut(Outcome<'_>) -> P,
        mut draw: impl FnMut() -> u64,
    ) -> Self {
        let mut table = Self {
            by_chain: BTreeMap::new(),
            any_chain: None,
        };
        for listener in config.listeners {
            let chain = listener.chain.clone();
            let listener = Listener::new(listener, &mut prepare, &mut draw);
            if chain == "*" {
                table.any_chain = Some(listener);
            } else {
                table.by_chain.insert(chain, listener);
            }
        }
        table
    }

    /// The listener of a filter chain; none if its connections are to be left alone.
    pub fn listener(&mut self, chain: &str) -> Option<&mut Listener<P>> {
        self.by_chain.get_mut(chain).or(self.any_chain.as_mut())
    }

    /// The number of listeners.
    pub fn len(&self) -> usize {
        self.by_chain
            .len()
            .saturating_add(usize::from(self.any_chain.is_some()))
    }

    /// Whether the connections of every chain are to be left alone.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of rules of all listeners.
    pub fn rules(&self) -> usize {
        self.by_chain
            .values()
            .chain(&self.any_chain)
            .map(|listener| listener.rules().len())
            .sum()
    }
}
