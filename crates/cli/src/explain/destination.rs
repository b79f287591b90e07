//! Where a client connects to, and which filter chain gets that.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use waypoint_l4_compile::ClusterDomain;

use super::waypoint::Waypoint;

/// A port of a host, which may be cut short.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    /// In lower case, without the dot at the end.
    host: String,
    port: NonZeroU16,
}

/// What gets a connection.
pub(crate) struct Place<'w> {
    /// None where it could be any of several, none of which has a listener for it.
    pub(crate) waypoint: Option<&'w Waypoint>,
    pub(crate) chain: String,
    /// What there are listeners for, where there is none for this.
    pub(crate) others: Vec<String>,
}

impl<'w> Place<'w> {
    /// The filter chain of that name.
    pub(crate) fn of_chain(chain: &str, waypoints: &'w [Waypoint]) -> Result<Self, Ambiguous> {
        let found = Self::only(chain, waypoints, |other| other == chain)?;
        Ok(found.unwrap_or_else(|| Self::without_listener(chain.to_owned(), waypoints)))
    }

    /// The filter chain of the destination's host, whole or completed as cluster DNS does: the first
    /// way that leads to a listener counts.
    pub(crate) fn of_destination(
        destination: &Destination,
        waypoints: &'w [Waypoint],
        domain: &ClusterDomain,
    ) -> Result<Self, Ambiguous> {
        let Destination { host, port } = destination;
        let prefix = format!("inbound-vip|{port}|tcp|");
        let in_some_namespace = |other: &str| {
            let rest = other.strip_prefix(host.as_str());
            let rest = rest.and_then(|rest| rest.strip_prefix('.'));
            let namespace = rest.and_then(|rest| rest.strip_suffix(&format!(".svc.{domain}")));
            namespace.is_some_and(|namespace| !namespace.contains('.'))
        };
        let ways: [&dyn Fn(&str) -> bool; 4] = [
            &|other| other == host,
            &|other| other == format!("{host}.{domain}"),
            &|other| other == format!("{host}.svc.{domain}"),
            &in_some_namespace,
        ];
        for way in ways {
            let is_meant = |chain: &str| chain.strip_prefix(prefix.as_str()).is_some_and(way);
            if let Some(place) = Self::only(&destination.to_string(), waypoints, is_meant)? {
                return Ok(place);
            }
        }
        let chain = format!("{prefix}{host}");
        Ok(Self::without_listener(chain, waypoints))
    }

    fn only(
        asked: &str,
        waypoints: &'w [Waypoint],
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Option<Self>, Ambiguous> {
        let found: Vec<_> = chains(waypoints)
            .filter(|(_, chain)| is_meant(chain))
            .collect();
        match found.as_slice() {
            [] => Ok(None),
            [(waypoint, chain)] => Ok(Some(Self {
                waypoint: Some(waypoint),
                chain: (*chain).to_owned(),
                others: Vec::new(),
            })),
            _ => Err(Ambiguous {
                asked: asked.to_owned(),
                found: found.iter().map(describe).collect(),
            }),
        }
    }

    /// None that names it, that is: `*` may be for it.
    fn without_listener(chain: String, waypoints: &'w [Waypoint]) -> Self {
        Self {
            waypoint: match waypoints {
                [only] => Some(only),
                _ => None,
            },
            chain,
            others: chains(waypoints).map(|one| describe(&one)).collect(),
        }
    }
}

fn chains(waypoints: &[Waypoint]) -> impl Iterator<Item = (&Waypoint, &str)> {
    waypoints.iter().flat_map(|waypoint| {
        let listeners = waypoint.config.listeners.iter();
        listeners.map(move |listener| (waypoint, listener.chain.as_str()))
    })
}

fn describe((waypoint, chain): &(&Waypoint, &str)) -> String {
    match &waypoint.name {
        Some(name) => format!("{chain} at waypoint {name}"),
        None => (*chain).to_owned(),
    }
}

/// There is more than one filter chain that could be meant.
#[derive(Debug)]
pub(crate) struct Ambiguous {
    asked: String,
    found: Vec<String>,
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected one filter chain, found {}: give the whole host, or choose with --waypoint",
            self.asked,
            self.found.join(", ")
        )
    }
}

impl FromStr for Destination {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected HOST:PORT such as tcp-echo.demo:9000";
        let (host, port) = text.rsplit_once(':').ok_or(expected)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err("expected the name of a host, as filter chains have it, found an address");
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let of_name = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if host.is_empty() || !host.chars().all(of_name) {
            return Err(expected);
        }
        let port = port
            .parse()
            .map_err(|_| "expected a port from 1 to 65535 after the last colon")?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
