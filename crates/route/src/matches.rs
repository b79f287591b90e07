use alloc::string::String;
use alloc::vec::Vec;

use ipnet::IpNet;
use waypoint_l4_config as config;

use crate::facts::{Facts, Known};

/// The conditions of a rule, ready to be held against a connection.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    sni: Vec<ServerName>,
    namespaces: Vec<config::Namespace>,
    service_accounts: Vec<config::ServiceAccount>,
    networks: Vec<IpNet>,
}

impl Conditions {
    pub(crate) fn new(matches: config::Match) -> Self {
        Self {
            sni: matches.sni.iter().map(ServerName::new).collect(),
            namespaces: matches.source_namespaces,
            service_accounts: matches.source_service_accounts,
            networks: matches
                .source_cidrs
                .into_iter()
                .map(|cidr| cidr.0)
                .collect(),
        }
    }

    /// Whether every condition holds. One on a fact that is not known does not.
    pub(crate) fn hold(&self, known: &Known<'_, impl Facts>) -> bool {
        Condition::ALL
            .into_iter()
            .all(|condition| self.holds(condition, known))
    }

    /// The conditions that do not hold.
    pub(crate) fn unmet(&self, known: &Known<'_, impl Facts>) -> Vec<Unmet> {
        let unmet = |condition| Unmet {
            condition,
            known: match condition {
                Condition::Sni => known.server_name().is_some(),
                Condition::SourceNamespaces | Condition::SourceServiceAccounts => {
                    known.source_principal().is_some()
                }
                Condition::SourceCidrs => known.source_ip().is_some(),
            },
        };
        Condition::ALL
            .into_iter()
            .filter(|condition| !self.holds(*condition, known))
            .map(unmet)
            .collect()
    }

    fn holds(&self, condition: Condition, known: &Known<'_, impl Facts>) -> bool {
        match condition {
            Condition::Sni => any(&self.sni, |pattern| {
                known
                    .server_name()
                    .is_some_and(|name| pattern.matches(name))
            }),
            Condition::SourceNamespaces => any(&self.namespaces, |namespace| {
                known
                    .source_principal()
                    .is_some_and(|own| own.namespace() == namespace.as_str())
            }),
            Condition::SourceServiceAccounts => any(&self.service_accounts, |account| {
                known.source_principal().is_some_and(|own| {
                    own.namespace() == account.namespace.as_str()
                        && own.service_account() == account.name
                })
            }),
            Condition::SourceCidrs => any(&self.networks, |network| {
                known.source_ip().is_some_and(|ip| network.contains(&ip))
            }),
        }
    }
}

/// What a rule can ask of a connection: the fields of its `match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Sni,
    SourceNamespaces,
    SourceServiceAccounts,
    SourceCidrs,
}

impl Condition {
    /// In the order in which they are asked.
    pub const ALL: [Self; 4] = [
        Self::Sni,
        Self::SourceNamespaces,
        Self::SourceServiceAccounts,
        Self::SourceCidrs,
    ];
}

/// A condition that a connection does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet {
    pub condition: Condition,
    /// Whether the fact that it is about is known at all.
    pub known: bool,
}

/// Whether any of them holds, or none is asked for.
fn any<T>(conditions: &[T], holds: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

#[derive(Clone, Debug)]
enum ServerName {
    Exact(String),
    /// What stands behind one or more labels, with its dot: `.example.com`.
    Suffix(String),
}

impl ServerName {
    fn new(pattern: &config::SniPattern) -> Self {
        match pattern.as_str().strip_prefix('*') {
            Some(suffix) => Self::Suffix(suffix.into()),
            None => Self::Exact(pattern.as_str().into()),
        }
    }

    /// Server names know no case.
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name.eq_ignore_ascii_case(exact),
            Self::Suffix(suffix) => {
                let labels = name.len().checked_sub(suffix.len());
                labels.is_some_and(|labels| {
                    labels > 0
                        && name
                            .get(labels..)
                            .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
                })
            }
        }
    }
}
