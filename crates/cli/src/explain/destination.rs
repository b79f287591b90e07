//! Where a client connects to, as `--to` has it.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use waypoint_l4_compile::ClusterDomain;

/// A port of a host, which may be cut short.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    /// In lower case, without the dot at the end.
    pub(crate) host: String,
    pub(crate) port: NonZeroU16,
}

/// Whether a host, which is whole, is meant.
pub(crate) type IsMeant<'d> = Box<dyn Fn(&str) -> bool + 'd>;

impl Destination {
    /// What the host may mean, whole or completed as cluster DNS does; the first way that leads to
    /// something counts.
    pub(crate) fn ways<'d>(&'d self, domain: &'d ClusterDomain) -> [IsMeant<'d>; 4] {
        let host = self.host.as_str();
        let in_some_namespace = move |other: &str| {
            let rest = other.strip_prefix(host);
            let rest = rest.and_then(|rest| rest.strip_prefix('.'));
            let namespace = rest.and_then(|rest| rest.strip_suffix(&format!(".svc.{domain}")));
            namespace.is_some_and(|namespace| !namespace.contains('.'))
        };
        [
            self.whole(),
            Box::new(move |other| other == format!("{host}.{domain}")),
            Box::new(move |other| other == format!("{host}.svc.{domain}")),
            Box::new(in_some_namespace),
        ]
    }

    pub(crate) fn whole(&self) -> IsMeant<'_> {
        Box::new(|other| other == self.host)
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
