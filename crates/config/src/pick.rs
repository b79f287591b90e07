use core::fmt;

use serde::{Deserialize, Serialize};

use crate::object::objects;

/// How a rule picks one of its backends: just one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "Wire")
)]
pub enum Pick {
    /// Each connection by chance, in proportion to the weights.
    #[default]
    Random,
    /// Each connection by a low-discrepancy sequence: after n connections of a worker each backend
    /// is within one connection of its share.
    Exact,
    /// The same client always to the same backend, by weighted rendezvous hashing.
    Sticky { by: StickyKey },
}

impl Pick {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// By what a client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StickyKey {
    /// The client's IP address, without its port.
    SourceAddress,
    /// The client's SPIFFE identity.
    SourcePrincipal,
}

/// `{random: {}}`, `{exact: {}}` or `{sticky: {by: ...}}`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Wire {
    /// Each connection by chance, in proportion to the weights. The default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    random: Option<Empty>,
    /// In turn: after n connections of an Envoy worker each backend is within one connection of its
    /// share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact: Option<Empty>,
    /// The same client always to the same backend, by weighted rendezvous hashing: of a change of
    /// weights only the share that changes moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sticky: Option<Sticky>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Empty {}

/// What makes clients the same.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Sticky {
    /// A client of which that is not known goes by chance.
    by: StickyKey,
}

objects!(Wire, Empty, Sticky);

impl TryFrom<Wire> for Pick {
    type Error = InvalidPick;

    fn try_from(wire: Wire) -> Result<Self, InvalidPick> {
        match (wire.random, wire.exact, wire.sticky) {
            (Some(_), None, None) => Ok(Self::Random),
            (None, Some(_), None) => Ok(Self::Exact),
            (None, None, Some(sticky)) => Ok(Self::Sticky { by: sticky.by }),
            _ => Err(InvalidPick),
        }
    }
}

impl From<Pick> for Wire {
    fn from(pick: Pick) -> Self {
        let mut wire = Self {
            random: None,
            exact: None,
            sticky: None,
        };
        match pick {
            Pick::Random => wire.random = Some(Empty {}),
            Pick::Exact => wire.exact = Some(Empty {}),
            Pick::Sticky { by } => wire.sticky = Some(Sticky { by }),
        }
        wire
    }
}

/// There is not just one of the picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InvalidPick;

impl fmt::Display for InvalidPick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected one of `random`, `exact` and `sticky`")
    }
}
