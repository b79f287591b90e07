use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::fmt;

use waypoint_l4_config::{Config, Match, Pick};

use crate::Listener;

/// A configuration, ready to decide.
///
/// `P` is what the host needs in order to send a connection to a cluster, prepared once for each
/// backend instead of once for each connection.
#[derive(Clone, Debug)]
pub struct Table<P> {
    by_chain: BTreeMap<String, Listener<P>>,
    any_chain: Option<Listener<P>>,
}

impl<P> Table<P> {
    /// Builds the table; `prepare` is given the name of each cluster that a decision can name.
    pub fn new(config: Config, mut prepare: impl FnMut(&str) -> P) -> Result<Self, NotHonoured> {
        honoured(&config)?;
        let mut by_chain = BTreeMap::new();
        for listener in config.listeners {
            let chain = listener.chain.clone();
            by_chain.insert(chain, Listener::new(listener, &mut prepare));
        }
        let any_chain = by_chain.remove("*");
        Ok(Self {
            by_chain,
            any_chain,
        })
    }

    /// The listener of a filter chain; none if its connections are to be left alone.
    pub fn listener(&self, chain: &str) -> Option<&Listener<P>> {
        self.by_chain.get(chain).or(self.any_chain.as_ref())
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

/// A field of the wire form that this version reads but cannot honour. Ignoring it would send
/// connections where their owner did not mean them to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHonoured {
    /// Where, as `listeners[0].rules[1].match.sni`.
    pub path: String,
}

impl fmt::Display for NotHonoured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: not honoured by this version", self.path)
    }
}

impl core::error::Error for NotHonoured {}

fn honoured(config: &Config) -> Result<(), NotHonoured> {
    for (l, listener) in config.listeners.iter().enumerate() {
        for (r, rule) in listener.rules.iter().enumerate() {
            if let Some(field) = condition(&rule.matches).or(other_than_random(&rule.pick)) {
                return Err(NotHonoured {
                    path: format!("listeners[{l}].rules[{r}].{field}"),
                });
            }
        }
    }
    Ok(())
}

fn condition(matches: &Match) -> Option<&'static str> {
    let conditions = [
        ("match.sni", matches.sni.is_empty()),
        (
            "match.sourceNamespaces",
            matches.source_namespaces.is_empty(),
        ),
        (
            "match.sourceServiceAccounts",
            matches.source_service_accounts.is_empty(),
        ),
        ("match.sourceCidrs", matches.source_cidrs.is_empty()),
    ];
    conditions
        .into_iter()
        .find_map(|(field, absent)| (!absent).then_some(field))
}

fn other_than_random(pick: &Pick) -> Option<&'static str> {
    match pick {
        Pick::Random {} => None,
        Pick::Exact {} => Some("pick.exact"),
        Pick::Sticky { .. } => Some("pick.sticky"),
    }
}
