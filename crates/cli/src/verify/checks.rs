//! What of a plan is not so in a config dump. Pure: no files, no cluster.

use std::collections::{BTreeMap, BTreeSet};

use waypoint_l4_compile::{Listener, Note, ObjectId, ObjectName, Target};
use waypoint_l4_config::Config;

use super::difference::difference;
use super::dump::{Dump, Endpoints, Filter, Kind};
use super::findings::{Finding, Matter, Report};
use super::istiod::Readers;
use super::plugins::{Place, Plugin, plugins, wasm_plugin};
use super::wire::TcpProxy;

/// What the manifests make of a waypoint.
pub(crate) struct Expected<'p> {
    pub(crate) waypoint: &'p ObjectName,
    pub(crate) listeners: &'p [Listener],
    pub(crate) notes: &'p [Note],
    /// What `compile` would print.
    pub(crate) config: Config,
}

pub(crate) fn check(dump: &Dump, expected: &Expected<'_>) -> Report {
    let mut checks = Checks {
        dump,
        expected,
        plugins: &plugins(dump, expected.waypoint),
        findings: Vec::new(),
        notes: Vec::new(),
    };
    checks.plugins();
    for listener in expected.listeners {
        checks.chain(listener);
        checks.clusters(listener);
    }
    checks.further_chains();
    let chains = expected.listeners.iter();
    Report {
        waypoint: expected.waypoint.clone(),
        chains: chains.map(|listener| listener.chain.clone()).collect(),
        findings: checks.findings,
        notes: checks.notes,
    }
}

struct Checks<'d> {
    dump: &'d Dump,
    expected: &'d Expected<'d>,
    plugins: &'d BTreeMap<Place<'d>, Plugin>,
    findings: Vec<Finding>,
    notes: Vec<String>,
}

impl<'d> Checks<'d> {
    fn find(&mut self, chain: Option<&str>, objects: Vec<ObjectId>, matter: Matter) {
        self.findings.push(Finding {
            chain: chain.map(str::to_owned),
            objects,
            matter,
        });
    }

    fn plugin(&self, place: Option<Place<'_>>) -> Vec<ObjectId> {
        let object = place.and_then(Place::object);
        vec![object.unwrap_or_else(|| wasm_plugin(self.expected.waypoint))]
    }

    /// What holds for the plugin in whatever chain it is.
    fn plugins(&mut self) {
        if self.plugins.is_empty() {
            self.find(None, self.plugin(None), Matter::NoPlugin);
        }
        for (place, plugin) in self.plugins {
            let name = place.plugin_name().to_owned();
            let matter = match plugin {
                Plugin::Configured(config) => {
                    self.note_revision(&name, config);
                    let annotates = config.annotate;
                    if annotates == self.expected.config.annotate {
                        continue;
                    }
                    Matter::Annotate {
                        plugin: name,
                        annotates,
                    }
                }
                Plugin::Refused(cause) => Matter::Refused {
                    plugin: name,
                    cause: cause.to_string(),
                },
                Plugin::Replaced => Matter::Replaced { plugin: name },
                Plugin::Absent => Matter::Absent { plugin: name },
            };
            self.find(None, self.plugin(Some(*place)), matter);
        }
    }

    fn note_revision(&mut self, plugin: &str, config: &Config) {
        let expected = &self.expected.config.revision;
        if let (Some(found), Some(expected)) = (&config.revision, expected)
            && found != expected
        {
            self.notes.push(format!(
                "plugin {plugin} has revision {found}, the manifests give {expected}"
            ));
        }
    }

    fn chain(&mut self, listener: &Listener) {
        let Some((chain, filters)) = self.dump.chains.get_key_value(&listener.chain) else {
            let matter = Matter::NoChain {
                service: listener.service.clone(),
                port: listener.port,
            };
            let objects = vec![listener.service.clone()];
            return self.find(Some(&listener.chain), objects, matter);
        };
        let tcp_proxy = |filter| match self.dump.kind(filter) {
            Some(Kind::TcpProxy(tcp_proxy)) => Some(tcp_proxy),
            _ => None,
        };
        let place = |filter: &'d Filter| Place::new(chain, filter);
        let is_ours = |place: &Place<'_>| self.plugins.contains_key(place);
        let mut rest = filters.iter();
        let before = rest
            .by_ref()
            .take_while(|filter| tcp_proxy(filter).is_none());
        let before: Vec<_> = before.map(place).filter(is_ours).collect();
        let behind = rest.map(place).find(is_ours);
        let tcp_proxy = filters.iter().find_map(tcp_proxy);

        match tcp_proxy {
            Some(tcp_proxy) => self.tcp_proxy(listener, tcp_proxy),
            None => self.find(Some(chain), Vec::new(), Matter::NoTcpProxy),
        }
        if let Some(place) = behind {
            let plugin = place.plugin_name().to_owned();
            let matter = Matter::BehindTcpProxy { plugin };
            self.find(Some(chain), self.plugin(Some(place)), matter);
        } else if before.is_empty() && !self.plugins.is_empty() {
            self.find(Some(chain), self.plugin(None), Matter::NoPluginHere);
        }
        for place in before.into_iter().chain(behind) {
            self.config(place, listener);
        }
    }

    /// Envoy asks the filter state only where tcp_proxy has a single cluster, and istiod gives it
    /// one of the chain's own name where it does not route.
    fn tcp_proxy(&mut self, listener: &Listener, tcp_proxy: &TcpProxy) {
        let weighted = tcp_proxy.weighted_clusters.clusters.iter();
        let clusters: Vec<_> = weighted
            .map(|one| format!("{} {}", one.weight, one.name))
            .collect();
        let Expected {
            waypoint, notes, ..
        } = self.expected;
        let readers = Readers::of(listener, waypoint, notes);
        let objects = readers.objects();
        let matter = if !clusters.is_empty() {
            Matter::WeightedClusters { clusters, readers }
        } else if tcp_proxy.cluster != listener.chain {
            let cluster = tcp_proxy.cluster.clone();
            Matter::OtherCluster { cluster, readers }
        } else {
            return;
        };
        self.find(Some(&listener.chain), objects, matter);
    }

    fn config(&mut self, place: Place<'d>, listener: &Listener) {
        let Some(Plugin::Configured(config)) = self.plugins.get(&place) else {
            return;
        };
        let chain = &listener.chain;
        let of_chain = |config: &'d Config| config.listeners.iter().find(|one| one.chain == *chain);
        let plugin = place.plugin_name().to_owned();
        let matter = match (of_chain(&self.expected.config), of_chain(config)) {
            (Some(manifests), Some(dump)) if manifests == dump => return,
            (Some(manifests), Some(dump)) => {
                let difference = difference(manifests, dump);
                Matter::Differs { plugin, difference }
            }
            _ => Matter::NotNamed { plugin },
        };
        self.find(Some(chain), self.plugin(Some(place)), matter);
    }

    /// What the plugin routes and the manifests do not.
    fn further_chains(&mut self) {
        let planned = self.expected.listeners.iter();
        let planned: BTreeSet<_> = planned.map(|listener| &listener.chain).collect();
        for (place, plugin) in self.plugins {
            let Plugin::Configured(config) = plugin else {
                continue;
            };
            let chains = config.listeners.iter().map(|listener| &listener.chain);
            for chain in chains.filter(|chain| !planned.contains(chain)) {
                let plugin = place.plugin_name().to_owned();
                let matter = Matter::RoutedFurther { plugin };
                self.find(Some(chain), self.plugin(Some(*place)), matter);
            }
        }
    }

    fn clusters(&mut self, listener: &Listener) {
        let mut clusters = BTreeMap::<&str, Uses>::new();
        for rule in &listener.rules {
            for backend in &rule.backends {
                if let Target::Cluster(cluster) = &backend.target {
                    let uses = clusters.entry(cluster).or_default();
                    uses.have_share |= backend.weight.value() > 0;
                    uses.origins.insert(rule.origin.clone());
                }
            }
        }
        for (cluster, uses) in clusters {
            self.cluster(&listener.chain, cluster, uses);
        }
    }

    fn cluster(&mut self, chain: &str, cluster: &str, uses: Uses) {
        let objects = uses.origins.into_iter().collect();
        let cluster = cluster.to_owned();
        match self.dump.clusters.get(&cluster) {
            None => self.find(Some(chain), objects, Matter::NoCluster { cluster }),
            // A backend without a share may well be scaled to zero.
            Some(Endpoints::Usable(0)) if uses.have_share => {
                self.find(Some(chain), objects, Matter::NoEndpoints { cluster });
            }
            Some(Endpoints::Unknown) => {
                let note = format!(
                    "whether cluster {cluster} has endpoints is not in the dump (Envoy's admin \
                     interface prints them for /config_dump?include_eds)"
                );
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
            Some(Endpoints::Usable(_) | Endpoints::NotNeeded) => {}
        }
    }
}

/// What a chain's rules want of a cluster.
#[derive(Default)]
struct Uses {
    have_share: bool,
    origins: BTreeSet<ObjectId>,
}
