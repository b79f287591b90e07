//! Which filter chain gets a connection.

use std::fmt;

use waypoint_l4_compile::{ClusterDomain, ObjectName};

use super::destination::Destination;
use super::host;
use super::waypoint::{Mesh, Waypoint};

/// What gets a connection.
pub(crate) struct Place<'m> {
    /// None where it could be any of several, none of which has a listener for it, or where there is
    /// none.
    pub(crate) waypoint: Option<&'m Waypoint>,
    /// The filter chain, or why there is none that the filter is in.
    pub(crate) chain: Result<String, String>,
    /// What there are listeners for, where there is none for this.
    pub(crate) others: Vec<String>,
    /// Why the waypoint does not look for the server name, if it does not.
    pub(crate) sni_unread: Option<String>,
}

impl<'m> Place<'m> {
    /// The filter chain of that name.
    pub(crate) fn of_chain(
        chain: &str,
        mesh: &'m Mesh,
        waypoint: Option<&ObjectName>,
    ) -> Result<Self, NoPlace> {
        if let Some(hosts) = &mesh.hosts
            && chain != DIRECT
        {
            let destination = port_of_chain(chain).ok_or_else(|| NoPlace::NoSuchChain {
                asked: chain.to_owned(),
            })?;
            return host::place(&destination, [destination.whole()], hosts, mesh, waypoint);
        }
        let found = Self::only(chain, &mesh.waypoints, |other| other == chain)?;
        Ok(found.unwrap_or_else(|| Self::without_listener(chain.to_owned(), &mesh.waypoints)))
    }

    /// The filter chain of the destination's host.
    pub(crate) fn of_destination(
        destination: &Destination,
        mesh: &'m Mesh,
        waypoint: Option<&ObjectName>,
        domain: &ClusterDomain,
    ) -> Result<Self, NoPlace> {
        let ways = destination.ways(domain);
        if let Some(hosts) = &mesh.hosts {
            return host::place(destination, ways, hosts, mesh, waypoint);
        }
        let Destination { host, port } = destination;
        let prefix = format!("inbound-vip|{port}|tcp|");
        for way in ways {
            let is_meant = |chain: &str| chain.strip_prefix(prefix.as_str()).is_some_and(&way);
            if let Some(place) = Self::only(&destination.to_string(), &mesh.waypoints, is_meant)? {
                return Ok(place);
            }
        }
        let chain = format!("{prefix}{host}");
        Ok(Self::without_listener(chain, &mesh.waypoints))
    }

    pub(crate) fn only(
        asked: &str,
        waypoints: impl IntoIterator<Item = &'m Waypoint>,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Option<Self>, NoPlace> {
        let found = waypoints.into_iter().flat_map(chains);
        let found: Vec<_> = found.filter(|(_, chain)| is_meant(chain)).collect();
        match found.as_slice() {
            [] => Ok(None),
            [(waypoint, chain)] => Ok(Some(Self {
                waypoint: Some(waypoint),
                chain: Ok((*chain).to_owned()),
                others: Vec::new(),
                sni_unread: None,
            })),
            _ => Err(NoPlace::Ambiguous {
                asked: asked.to_owned(),
                what: "filter chain",
                found: found.iter().map(describe).collect(),
            }),
        }
    }

    /// None that names it, that is: `*` may be for it.
    pub(crate) fn without_listener(chain: String, waypoints: &'m [Waypoint]) -> Self {
        Self {
            waypoint: match waypoints {
                [only] => Some(only),
                _ => None,
            },
            chain: Ok(chain),
            others: waypoints
                .iter()
                .flat_map(chains)
                .map(|one| describe(&one))
                .collect(),
            sni_unread: None,
        }
    }

    pub(crate) fn unseen(because: String) -> Self {
        Self {
            waypoint: None,
            chain: Err(because),
            others: Vec::new(),
            sni_unread: None,
        }
    }
}

/// The chain of connections to no Service.
const DIRECT: &str = "direct-tcp";

/// What `inbound-vip|9000|tcp|tcp-echo.demo.svc.cluster.local` is for.
fn port_of_chain(chain: &str) -> Option<Destination> {
    let (port, host) = chain.strip_prefix("inbound-vip|")?.split_once("|tcp|")?;
    Some(Destination {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

fn chains(waypoint: &Waypoint) -> impl Iterator<Item = (&Waypoint, &str)> {
    let listeners = waypoint.config.listeners.iter();
    listeners.map(move |listener| (waypoint, listener.chain.as_str()))
}

fn describe((waypoint, chain): &(&Waypoint, &str)) -> String {
    match &waypoint.name {
        Some(name) => format!("{chain} at waypoint {name}"),
        None => (*chain).to_owned(),
    }
}

/// Why there is nothing to explain.
#[derive(Debug)]
pub(crate) enum NoPlace {
    /// There is more than one that could be meant.
    Ambiguous {
        asked: String,
        what: &'static str,
        found: Vec<String>,
    },
    NoSuchChain {
        asked: String,
    },
    NoSuchHost {
        asked: String,
        /// The likest first.
        known: Vec<String>,
    },
    NoSuchPort {
        /// `Service demo/tcp-echo has no port 9001; it has 9000`.
        lacks: Vec<String>,
    },
}

/// Enough to see what a name was mistaken for.
pub(crate) const SHOWN: usize = 10;

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { asked, what, found } => write!(
                f,
                "{asked}: expected one {what}, found {}: give the whole host, or choose with \
                 --waypoint",
                found.join(", ")
            ),
            Self::NoSuchChain { asked } => write!(
                f,
                "{asked}: expected a filter chain that the filter is in, inbound-vip|PORT|tcp|HOST or \
                 {DIRECT}"
            ),
            Self::NoSuchHost { asked, known } => {
                write!(
                    f,
                    "no Service or ServiceEntry of host {asked} among the manifests; there is "
                )?;
                let shown: Vec<_> = known.iter().take(SHOWN).map(String::as_str).collect();
                match known.len().saturating_sub(SHOWN) {
                    _ if known.is_empty() => f.write_str("none"),
                    0 => f.write_str(&shown.join(", ")),
                    more => write!(f, "{} and {more} more", shown.join(", ")),
                }
            }
            Self::NoSuchPort { lacks } => f.write_str(&lacks.join("; ")),
        }
    }
}
