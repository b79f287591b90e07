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

/// The filter chain of a Service port, and the cluster behind it: istiod gives them one name.
/// A port whose protocol is detected has a chain for each of TCP and HTTP; TCP is meant then.
pub(crate) fn inbound_vip(
    service: &ObjectName,
    port: NonZeroU16,
    protocol: Protocol,
    domain: &ClusterDomain,
) -> String {
    let chain = match protocol {
        Protocol::Http => "http",
        Protocol::Tcp | Protocol::Tls | Protocol::Detected | Protocol::NotTcp => "tcp",
    };
    format!("inbound-vip|{port}|{chain}|{}", host(service, domain))
}

fn host(service: &ObjectName, domain: &ClusterDomain) -> String {
    format!("{}.{}.svc.{domain}", service.name, service.namespace)
}
