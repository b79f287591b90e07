//! The annotations of a route. They ask for what a TCPRoute has no field for, in the words of the
//! plugin configuration, whose types judge them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde_json::{Map, Value};
use waypoint_l4_config::{InvalidMatch, Match, Otherwise, Pick, StickyKey, Time};

use crate::error::Fault;

#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) pick: Option<Pick>,
    /// Lists are sorted, so that equal conditions are equal.
    pub(crate) matches: Match,
    pub(crate) otherwise: Option<Otherwise>,
    /// How long connections of a removed backend may go on.
    pub(crate) drain: Option<Time>,
    /// Whether there is one that means something, but not to this version.
    pub(crate) failover: bool,
}

pub(crate) const SNI: &str = "waypoint-l4.io/sni";
pub(crate) const SOURCE_NAMESPACES: &str = "waypoint-l4.io/source-namespaces";
pub(crate) const SOURCE_SERVICE_ACCOUNTS: &str = "waypoint-l4.io/source-service-accounts";
pub(crate) const OTHERWISE: &str = "waypoint-l4.io/otherwise";
pub(crate) const DRAIN: &str = "waypoint-l4.io/drain-on-removal";
pub(crate) const FAILOVER: &str = "waypoint-l4.io/failover";
const SOURCE_CIDRS: &str = "waypoint-l4.io/source-cidrs";
const PICK: &str = "waypoint-l4.io/pick";
const PREFIX: &str = "waypoint-l4.io/";
const ALL: [&str; 8] = [
    PICK,
    OTHERWISE,
    DRAIN,
    FAILOVER,
    SNI,
    SOURCE_NAMESPACES,
    SOURCE_SERVICE_ACCOUNTS,
    SOURCE_CIDRS,
];

/// The path of an annotation.
pub(crate) fn path(name: &str) -> String {
    format!("metadata.annotations[{name}]")
}

impl Annotations {
    pub(crate) fn parse(annotations: &BTreeMap<String, String>) -> Result<Self, Vec<Fault>> {
        let mut asked = Self::default();
        let mut faults = Vec::new();
        for (name, value) in annotations {
            let matches = &mut asked.matches;
            match name.as_str() {
                PICK => match pick(value.trim()) {
                    Some(pick) => asked.pick = Some(pick),
                    None => faults.push(unfit(
                        name,
                        "random, exact, sticky/sourceAddress or sticky/sourcePrincipal",
                        value,
                    )),
                },
                OTHERWISE => match word(value.trim()) {
                    Some(otherwise) => asked.otherwise = Some(otherwise),
                    None => faults.push(unfit(name, "default or refuse", value)),
                },
                DRAIN => match Time::try_from(value.trim().to_owned()) {
                    Ok(time) => asked.drain = Some(time),
                    Err(_) => faults.push(unfit(name, "a time such as 30s, 5m or 1h30m", value)),
                },
                SNI => matches.sni = list(name, value, &mut faults),
                SOURCE_NAMESPACES => matches.source_namespaces = list(name, value, &mut faults),
                SOURCE_SERVICE_ACCOUNTS => {
                    matches.source_service_accounts = list(name, value, &mut faults);
                }
                SOURCE_CIDRS => matches.source_cidrs = list(name, value, &mut faults),
                FAILOVER => asked.failover = true,
                // A condition that is lost gives the route connections it was not meant to get.
                other if other.starts_with(PREFIX) => faults.push(Fault::Field {
                    path: path(name),
                    expected: format!(
                        "one of {PREFIX}pick, otherwise, drain-on-removal, sni, source-namespaces, \
                         source-service-accounts and source-cidrs"
                    ),
                    found: String::from("an unknown one"),
                }),
                other => faults.extend(near_miss(other)),
            }
        }
        if faults.is_empty() {
            Ok(asked)
        } else {
            Err(faults)
        }
    }
}

/// The paths of this program's annotations on an object of whatever kind.
pub(crate) fn paths(content: &Map<String, Value>) -> impl Iterator<Item = String> {
    let annotations = content
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations")?.as_object());
    let names = annotations.into_iter().flat_map(Map::keys);
    names
        .filter(|name| name.starts_with(PREFIX))
        .map(|name| path(name))
}

/// An annotation of a name that is known, with a prefix that was hardly meant to be somebody else's:
/// `waypoint-l4/pick`.
fn near_miss(name: &str) -> Option<Fault> {
    let (prefix, rest) = name.split_once('/')?;
    let is_known = ALL.iter().any(|own| own.strip_prefix(PREFIX) == Some(rest));
    let is_near = prefix.contains("waypoint") || prefix.contains("l4");
    (is_known && is_near).then(|| Fault::Field {
        path: path(name),
        expected: format!("{PREFIX}{rest}"),
        found: String::from("another prefix"),
    })
}

fn pick(text: &str) -> Option<Pick> {
    match text {
        "random" => Some(Pick::Random),
        "exact" => Some(Pick::Exact),
        _ => {
            let by = word::<StickyKey>(text.strip_prefix("sticky/")?)?;
            Some(Pick::Sticky { by })
        }
    }
}

/// One of the words that the configuration has for a choice.
fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(text)).ok()
}

/// A list of which each item is judged; an empty one has a single, empty item.
fn list<T>(name: &str, value: &str, faults: &mut Vec<Fault>) -> Vec<T>
where
    T: TryFrom<String, Error = InvalidMatch> + Ord,
{
    let mut items = Vec::new();
    for item in value.split(',') {
        match T::try_from(item.trim().to_owned()) {
            Ok(item) => items.push(item),
            Err(cause) => faults.push(Fault::Condition {
                path: path(name),
                cause,
            }),
        }
    }
    items.sort();
    items.dedup();
    items
}

fn unfit(name: &str, expected: &str, found: &str) -> Fault {
    Fault::Field {
        path: path(name),
        expected: expected.to_owned(),
        found: format!("{found:?}"),
    }
}
