use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::matches::at_least_one;
use crate::number::Integer;
use crate::object::objects;
use crate::{Backend, Drain, Match, Pick};

/// The whole plugin configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Config {
    /// 1.
    pub version: Version,
    /// Identifies this configuration in logs and metrics; never judged. `compile` writes the first
    /// 12 hex digits of the SHA-256 of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Writes the rule and the backend of each connection into its filter state, for access logs:
    /// `%FILTER_STATE(wasm.waypoint_l4_rule:PLAIN)%` and `wasm.waypoint_l4_backend`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub annotate: bool,
    /// One for each filter chain.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "distinct_chains"
    )]
    pub listeners: Vec<Listener>,
}

/// The version of the wire form: 1, the only one there is. It stays 1 as long as an old
/// configuration means the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "u32")
)]
pub struct Version;

impl Version {
    const NUMBER: u32 = 1;
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_u32(Integer { expected: "1" })?;
        if number != Self::NUMBER {
            return Err(de::Error::invalid_value(
                de::Unexpected::Unsigned(number.into()),
                &"1",
            ));
        }
        Ok(Self)
    }
}

/// What happens to the connections of one filter chain. A chain that no listener names is left
/// alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listener {
    /// Equals Envoy's property `xds.filter_chain_name`; `*` is any chain that no other listener
    /// names.
    pub chain: String,
    /// What happens when no rule matches: `default`, if absent.
    #[serde(default, skip_serializing_if = "Otherwise::is_default")]
    pub otherwise: Otherwise,
    /// Never, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// In order: the first whose match holds decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// What becomes of a connection that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Otherwise {
    /// Leave the connection to tcp_proxy's own cluster.
    #[default]
    Default,
    /// Refuse the connection.
    Refuse,
}

impl Otherwise {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which connections, and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rule {
    /// Where the rule comes from, `namespace/route`; shown in logs, metrics and `explain`.
    pub name: String,
    /// Every connection, if absent.
    #[serde(default, rename = "match", skip_serializing_if = "Match::is_default")]
    pub matches: Match,
    /// By chance, if absent.
    #[serde(default, skip_serializing_if = "Pick::is_default")]
    pub pick: Pick,
    /// One at least.
    #[serde(deserialize_with = "at_least_one")]
    pub backends: Vec<Backend>,
}

objects!(Config, Listener, Rule);

/// Two listeners of one chain would leave it to their order which of them decides.
fn distinct_chains<'de, D>(deserializer: D) -> Result<Vec<Listener>, D::Error>
where
    D: Deserializer<'de>,
{
    let listeners = Vec::<Listener>::deserialize(deserializer)?;
    let mut places = BTreeMap::new();
    for (place, listener) in listeners.iter().enumerate() {
        if listener.chain.is_empty() {
            return Err(de::Error::custom(format!(
                "[{place}].chain: expected a filter chain's name or `*`, found an empty string"
            )));
        }
        if let Some(first) = places.insert(listener.chain.as_str(), place) {
            return Err(de::Error::custom(format!(
                "expected one listener for each chain, found `{}` at [{first}] and [{place}]",
                listener.chain
            )));
        }
    }
    Ok(listeners)
}
