//! Names of hosts, clusters and filter chains, as istiod makes them.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::object::{ObjectName, is_subdomain};
use crate::protocol::Protocol;

/// The DNS domain of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDomain(String);

impl Default for ClusterDomain {
    fn default() -> Self {
        Self(String::from("cluster.local"))
    }
}

impl FromStr for ClusterDomain {
    type Err = InvalidClusterDomain;

    fn from_str(domain: &str) -> Result<Self, InvalidClusterDomain> {
        if is_subdomain(domain) {
            Ok(Self(domain.to_owned()))
        } else {
            Err(InvalidClusterDomain)
        }
    }
}

impl fmt::Display for ClusterDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a DNS name such as cluster.local")]
pub struct InvalidClusterDomain;

/// The filter chain of a port of an owned host, and the cluster behind it: istiod gives them one
/// name. A port whose protocol is detected has a chain for each of TCP and HTTP; TCP is meant then.
pub(crate) fn inbound_vip(
    host: &str,
    port: NonZeroU16,
    protocol: Protocol,
    subset: Option<&str>,
) -> String {
    let chain = match protocol {
        Protocol::Http => "http",
        Protocol::Tcp | Protocol::Tls | Protocol::Detected | Protocol::NotTcp => "tcp",
    };
    let (separator, subset) = subset.map_or(("", ""), |subset| ("/", subset));
    format!("inbound-vip|{port}|{chain}{separator}{subset}|{host}")
}

/// The cluster of a port of a host that the waypoint does not serve.
pub(crate) fn outbound(host: &str, port: NonZeroU16, subset: Option<&str>) -> String {
    format!("outbound|{port}|{}|{host}", subset.unwrap_or_default())
}

/// The Service that a host means, which may be short for one of a namespace if there is one, whatever
/// the cluster's domain is.
pub(crate) fn service_of_host(host: &str, namespace: Option<&str>) -> Option<ObjectName> {
    let mut labels = host.split('.');
    let name = labels.next()?;
    let namespace = match (labels.next(), labels.next()) {
        (None, _) => namespace?,
        (Some(namespace), Some("svc")) => namespace,
        _ => return None,
    };
    let is_pattern = name.contains('*') || namespace.contains('*');
    (!is_pattern).then(|| ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
