use alloc::vec::Vec;

use waypoint_l4_config::{Config, Otherwise, Rule, Target};
use xxhash_rust::xxh64::xxh64;

/// Which clusters of which chains a configuration sends connections to.
///
/// Small and made of bytes, so that the plugin of an earlier configuration can be told what a later
/// one has left of the backends of its connections. Names are kept as hashes of 64 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Sorted.
    entries: Vec<u64>,
}

impl Live {
    pub fn new(config: &Config) -> Self {
        let mut live = Self::default();
        for listener in &config.listeners {
            let chain = &listener.chain;
            live.insert(chain_entry(chain));
            let takes_all = |rule: &Rule| rule.matches.is_default();
            if listener.otherwise == Otherwise::Default && !listener.rules.iter().any(takes_all) {
                live.insert(cluster_entry(chain, chain));
            }
            for backend in listener.rules.iter().flat_map(|rule| &rule.backends) {
                if let Target::Cluster(cluster) = &backend.target
                    && backend.weight.value() > 0
                {
                    live.insert(cluster_entry(chain, cluster));
                }
            }
        }
        live
    }

    /// Whether connections of the chain may be sent to the cluster.
    ///
    /// Connections that no rule takes stay with tcp_proxy's own cluster, which on a waypoint has the
    /// name of the chain.
    pub fn holds(&self, chain: &str, cluster: &str) -> bool {
        let is_named = |chain| self.has(chain_entry(chain));
        let listener = if is_named(chain) { chain } else { "*" };
        let is_left_alone = !is_named(listener);
        let is_own = cluster == chain;
        self.has(cluster_entry(listener, cluster))
            || is_own && (is_left_alone || self.has(cluster_entry(listener, listener)))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.entries
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect()
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (entries, _) = bytes.as_chunks();
        Self {
            entries: entries
                .iter()
                .map(|entry| u64::from_le_bytes(*entry))
                .collect(),
        }
    }

    fn insert(&mut self, entry: u64) {
        if let Err(place) = self.entries.binary_search(&entry) {
            self.entries.insert(place, entry);
        }
    }

    fn has(&self, entry: u64) -> bool {
        self.entries.binary_search(&entry).is_ok()
    }
}

fn chain_entry(chain: &str) -> u64 {
    xxh64(chain.as_bytes(), 0)
}

fn cluster_entry(chain: &str, cluster: &str) -> u64 {
    xxh64(cluster.as_bytes(), chain_entry(chain))
}
