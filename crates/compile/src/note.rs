//! What the user should know although nothing is wrong with the input: what has no effect, and
//! what is needed besides.

use std::fmt;
use std::num::NonZeroU16;

use crate::annotation::{OTHERWISE, SNI, path};
use crate::manifest::{Missing, Place};
use crate::object::{ObjectId, ObjectName};
use crate::plan::Refusal;
use crate::service::Addressing;
use crate::waypoint::NoWaypoint;

/// A remark on an object, or on the input as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub object: Option<ObjectId>,
    pub remark: Remark,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{object}: {}", self.remark),
            None => self.remark.fmt(f),
        }
    }
}

/// The notes of a run, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl From<Vec<Note>> for Notes {
    fn from(notes: Vec<Note>) -> Self {
        Self(notes)
    }
}

impl Notes {
    pub(crate) fn add(&mut self, object: Option<ObjectId>, remark: Remark) {
        let note = Note { object, remark };
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// By object, so that the order of the input does not show, and those on no object last.
    pub(crate) fn sorted(mut self) -> Vec<Note> {
        self.0
            .sort_by_cached_key(|note| (note.object.is_none(), note.object.clone()));
        self.0
    }
}

/// What there is to remark. Paths are those of the object that the note is on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    UnknownField {
        path: String,
    },
    /// A kind, or a field with this path, that is read but has no effect yet.
    NotHonoured {
        path: Option<String>,
    },
    UnknownKind {
        api_version: String,
        kind: String,
    },
    NoKind {
        place: Place,
        missing: Missing,
    },
    NoParents,
    ForeignParent {
        path: String,
        parent: ObjectId,
    },
    MixedParents,
    NoMatchingParent {
        path: String,
        service: ObjectName,
        port: Option<NonZeroU16>,
        section: Option<String>,
    },
    NoTcpPort {
        path: String,
        service: ObjectName,
    },
    UnsupportedParent {
        path: String,
        service: ObjectName,
        addressing: Addressing,
    },
    NoWaypoint {
        path: String,
        service: ObjectName,
        cause: NoWaypoint,
    },
    HttpPort {
        service: ObjectName,
        port: NonZeroU16,
    },
    DetectedPort {
        service: ObjectName,
        port: NonZeroU16,
    },
    Outranked {
        service: ObjectName,
        port: NonZeroU16,
        winner: ObjectName,
    },
    /// Another route has the connections that this one would get, not for the same conditions.
    Covered {
        service: ObjectName,
        port: NonZeroU16,
        winner: ObjectName,
    },
    /// Items of an annotation for clients that the route is not for.
    OutsideNamespaces {
        annotation: &'static str,
        items: String,
        namespaces: String,
        /// Where that are all of them, so that nobody is left whom the route is for.
        left_out_of: Option<ObjectName>,
    },
    NoServerName {
        service: ObjectName,
        port: NonZeroU16,
    },
    /// What holds for a port as a whole, where another route says something else.
    Overruled {
        annotation: &'static str,
        service: ObjectName,
        port: NonZeroU16,
        winner: ObjectName,
    },
    /// `otherwise`, where a route without conditions leaves nothing over.
    NothingLeftOver {
        service: ObjectName,
        port: NonZeroU16,
        taker: ObjectName,
    },
    /// What holds for a port as a whole, asked for by a consumer route.
    OthersConnections {
        annotation: &'static str,
        service: ObjectName,
    },
    FurtherRules {
        count: usize,
    },
    InvalidBackend {
        path: String,
        reason: Refusal,
        cause: String,
    },
    NoShare,
    ReadByIstiod,
    AssumedWaypoint,
    NoRoute,
    NotForServices {
        traffic: String,
    },
    NoWaypoints,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { path } => write!(f, "{path}: unknown field, not honoured"),
            Self::NotHonoured { path: None } => f.write_str("not honoured by this version"),
            Self::NotHonoured { path: Some(path) } => {
                write!(f, "{path}: not honoured by this version")
            }
            Self::UnknownKind { api_version, kind } => {
                write!(f, "left out: unknown kind {api_version} {kind}")
            }
            Self::NoKind { place, missing } => {
                write!(f, "{place}: left out: it lacks {missing}")
            }
            Self::NoParents => f.write_str("no parentRefs: no effect"),
            Self::ForeignParent { path, parent } => {
                write!(
                    f,
                    "{path}: {parent}: no effect there, only Services are served"
                )
            }
            Self::MixedParents => f.write_str(
                "it has Services and others for parents; the label istio.io/rev: waypoint-l4 \
                 hides the whole object from istiod, so from the others too: split it",
            ),
            Self::NoMatchingParent {
                path,
                service,
                port,
                section,
            } => {
                write!(f, "{path}: NoMatchingParent: Service {service} has no port")?;
                if let Some(port) = port {
                    write!(f, " {port}")?;
                }
                match section {
                    Some(section) => write!(f, " named {section}"),
                    None => Ok(()),
                }
            }
            Self::NoTcpPort { path, service } => {
                write!(
                    f,
                    "{path}: no TCP port of Service {service} matches: no effect there"
                )
            }
            Self::UnsupportedParent {
                path,
                service,
                addressing,
            } => write!(
                f,
                "{path}: Service {service} is {addressing}: no effect there, as it has no virtual \
                 IP for a waypoint to stand behind"
            ),
            Self::NoWaypoint {
                path,
                service,
                cause,
            } => write!(f, "{path}: Service {service} has no waypoint: {cause}"),
            Self::HttpPort { service, port } => write!(
                f,
                "port {port} of Service {service} is HTTP: no effect there, as a waypoint has no \
                 TCP filter chain for it"
            ),
            Self::DetectedPort { service, port } => write!(
                f,
                "port {port} of Service {service} has no declared protocol: connections whose \
                 first bytes look like HTTP bypass the filter; name the port tcp-... or set \
                 appProtocol: tcp"
            ),
            Self::Outranked {
                service,
                port,
                winner,
            } => write!(
                f,
                "port {port} of Service {service}: no effect there, as TCPRoute {winner} takes \
                 precedence (the oldest route, then the first by namespace and name)"
            ),
            Self::Covered {
                service,
                port,
                winner,
            } => write!(
                f,
                "port {port} of Service {service}: no effect there, as TCPRoute {winner} comes \
                 first and takes every connection that meets its conditions"
            ),
            Self::OutsideNamespaces {
                annotation,
                items,
                namespaces,
                left_out_of,
            } => {
                write!(
                    f,
                    "{}: {items}: no effect, as the route is only for clients of namespace \
                     {namespaces}",
                    path(annotation)
                )?;
                match left_out_of {
                    Some(service) => write!(
                        f,
                        "; that leaves nobody, so the route is left out of Service {service}"
                    ),
                    None => Ok(()),
                }
            }
            Self::NoServerName { service, port } => write!(
                f,
                "{}: port {port} of Service {service} is not declared as TLS, so Istio does not \
                 read the server name there and the route matches no connection; name the port \
                 tls-... or set appProtocol: tls",
                path(SNI)
            ),
            Self::Overruled {
                annotation,
                service,
                port,
                winner,
            } => write!(
                f,
                "{}: port {port} of Service {service}: no effect there, as TCPRoute {winner}, \
                 which comes first, has another value",
                path(annotation)
            ),
            Self::NothingLeftOver {
                service,
                port,
                taker,
            } => write!(
                f,
                "{}: port {port} of Service {service}: no effect there, as TCPRoute {taker} has no \
                 conditions and leaves no connection over",
                path(OTHERWISE)
            ),
            Self::OthersConnections {
                annotation,
                service,
            } => write!(
                f,
                "{}: no effect at Service {service}, as only a route of the Service's own \
                 namespace decides for clients of all namespaces",
                path(annotation)
            ),
            Self::FurtherRules { count } => write!(
                f,
                "spec.rules: only the first rule has an effect, as rules of a TCPRoute have no \
                 match to choose by; left out: {count}"
            ),
            Self::InvalidBackend {
                path,
                reason,
                cause,
            } => write!(
                f,
                "{path}: {reason}: {cause}; its share of the connections is refused"
            ),
            Self::NoShare => {
                f.write_str("spec.rules[0]: all weights are 0: every connection is refused")
            }
            Self::ReadByIstiod => f.write_str(
                "Istio 1.31+ (1.26-1.30 with PILOT_ENABLE_ALPHA_GATEWAY_API) routes it natively \
                 and this plugin has no effect: add the label istio.io/rev: waypoint-l4",
            ),
            Self::AssumedWaypoint => f.write_str(
                "not among the manifests: assumed to be an istio-waypoint that serves Services",
            ),
            Self::NoRoute => f.write_str("no route: its plugin leaves every connection alone"),
            Self::NotForServices { traffic } => write!(
                f,
                "istio.io/waypoint-for: {traffic}: no plugin, as it does not serve Services"
            ),
            Self::NoWaypoints => f.write_str("no waypoint among the manifests: nothing to write"),
        }
    }
}
