use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::object::objects;

/// The conditions of a rule: every field that is given must hold, and a list holds when any of its
/// items does. A fact that is not known (no SNI, no principal) makes a condition on it fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Match {
    /// Server names of the TLS ClientHello.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_least_one"
    )]
    pub sni: Vec<SniPattern>,
    /// Namespaces of the client's SPIFFE identity.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_least_one"
    )]
    pub source_namespaces: Vec<Namespace>,
    /// Service accounts of the client's SPIFFE identity.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_least_one"
    )]
    pub source_service_accounts: Vec<ServiceAccount>,
    /// Networks of the client's address.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "at_least_one"
    )]
    pub source_cidrs: Vec<Cidr>,
}

objects!(Match);

impl Match {
    /// Whether this is the match without conditions, which every connection meets.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A server name, or `*.` and the suffix that one or more labels may stand before. Kept in lower
/// case: server names know no case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String")
)]
pub struct SniPattern(String);

impl SniPattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SniPattern {
    type Error = InvalidMatch;

    fn try_from(name: String) -> Result<Self, InvalidMatch> {
        let suffix = name.strip_prefix("*.").unwrap_or(&name);
        if name.len() > 253 || !suffix.split('.').all(is_label) {
            return Err(InvalidMatch::Sni(name));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl From<SniPattern> for String {
    fn from(pattern: SniPattern) -> Self {
        pattern.0
    }
}

/// A Kubernetes namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String")
)]
pub struct Namespace(String);

impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Namespace {
    type Error = InvalidMatch;

    fn try_from(name: String) -> Result<Self, InvalidMatch> {
        if !is_label(&name) || name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidMatch::Namespace(name));
        }
        Ok(Self(name))
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0
    }
}

/// A Kubernetes service account, `namespace/name` on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String")
)]
pub struct ServiceAccount {
    pub namespace: Namespace,
    pub name: String,
}

impl TryFrom<String> for ServiceAccount {
    type Error = InvalidMatch;

    fn try_from(account: String) -> Result<Self, InvalidMatch> {
        if let Some((namespace, name)) = account.split_once('/')
            && let Ok(namespace) = Namespace::try_from(namespace.to_string())
            && name.len() <= 253
            && name.split('.').all(is_label)
        {
            return Ok(Self {
                namespace,
                name: name.to_string(),
            });
        }
        Err(InvalidMatch::ServiceAccount(account))
    }
}

impl From<ServiceAccount> for String {
    fn from(account: ServiceAccount) -> Self {
        let mut text = account.namespace.0;
        text.push('/');
        text.push_str(&account.name);
        text
    }
}

/// An IP network, `address/prefix length` on the wire. An IPv4-mapped one is the network
/// of IPv4 that it maps, as an IPv4-mapped address is one of IPv4. `::/0` is any IPv6 address, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "String")
)]
pub struct Cidr(pub IpNet);

impl TryFrom<String> for Cidr {
    type Error = InvalidMatch;

    fn try_from(text: String) -> Result<Self, InvalidMatch> {
        // By core's own parser of addresses, which the filter has anyhow.
        let network = text.split_once('/').and_then(|(address, length)| {
            let length = length
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then_some(length)?;
            IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()
        });
        network
            .map(canonical)
            .map(Self)
            .ok_or(InvalidMatch::Cidr(text))
    }
}

fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(net) = network
        && let Some(length) = net.prefix_len().checked_sub(96)
        && let IpAddr::V4(address) = IpAddr::V6(net.addr()).to_canonical()
        && let Ok(net) = Ipv4Net::new(address, length)
    {
        return IpNet::V4(net);
    }
    network
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.0.to_string()
    }
}

/// What is wrong with an item of a match; each variant carries what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidMatch {
    Sni(String),
    Namespace(String),
    ServiceAccount(String),
    Cidr(String),
}

impl fmt::Display for InvalidMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = match self {
            Self::Sni(found) => ("a host name such as db.example.com or *.example.com", found),
            Self::Namespace(found) => ("a namespace such as shop", found),
            Self::ServiceAccount(found) => ("namespace/name such as shop/web", found),
            Self::Cidr(found) => ("a network such as 10.0.0.0/8 or fd00::/8", found),
        };
        write!(f, "expected {expected}, found `{found}`")
    }
}

impl core::error::Error for InvalidMatch {}

/// Whether this is one label of a DNS name.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A condition without items would never hold and a rule without backends leads nowhere, which is
/// hardly what their author meant.
pub(crate) fn at_least_one<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let items = Vec::deserialize(deserializer)?;
    if items.is_empty() {
        return Err(de::Error::invalid_length(0, &"at least one item"));
    }
    Ok(items)
}
