//! What the user should know although nothing is wrong with the input: what has no effect, and
//! what is needed besides.

mod display;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use crate::manifest::{Missing, Place};
use crate::object::{ObjectId, ObjectName};
use crate::plan::Refusal;
use crate::route::RouteKind;
use crate::service::Addressing;
use crate::waypoint::NoWaypoint;

pub(crate) use display::remedy;

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

/// The notes of a run, each once. By object, so that the order of the input does not show, and those
/// on no object last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    on_objects: BTreeMap<ObjectId, Vec<Remark>>,
    others: Vec<Remark>,
}

impl From<Vec<Note>> for Notes {
    fn from(notes: Vec<Note>) -> Self {
        let mut all = Self::default();
        for Note { object, remark } in notes {
            all.add(object, remark);
        }
        all
    }
}

impl Notes {
    pub(crate) fn add(&mut self, object: Option<ObjectId>, remark: Remark) {
        let remarks = match object {
            Some(object) => self.on_objects.entry(object).or_default(),
            None => &mut self.others,
        };
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
    }

    pub(crate) fn sorted(self) -> Vec<Note> {
        let on_objects = self.on_objects.into_iter().flat_map(|(object, remarks)| {
            let note = move |remark| Note {
                object: Some(object.clone()),
                remark,
            };
            remarks.into_iter().map(note)
        });
        let others = self.others.into_iter().map(|remark| Note {
            object: None,
            remark,
        });
        on_objects.chain(others).collect()
    }
}

/// What there is to remark. Paths are those of the object that the note is on.
#[derive(Clone, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[non_exhaustive]
pub enum Remark {
    UnknownField {
        path: String,
    },
    /// An annotation of this program on an object that is no route of connections.
    StrayAnnotation {
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
    /// What is wrong with a route that another waypoint is concerned with.
    LeftOut {
        fault: String,
    },
    NoParents,
    ForeignParent {
        path: String,
        parent: ObjectId,
    },
    /// What else an object is for, which is hidden from istiod along with the rest.
    OtherUses {
        uses: String,
    },
    NoSuchHost {
        path: String,
        host: String,
    },
    /// A port that a condition names and no host has.
    NoSuchPort {
        path: String,
        port: NonZeroU16,
    },
    NoMatchingParent {
        path: String,
        service: ObjectId,
        port: Option<NonZeroU16>,
        section: Option<String>,
    },
    NoTcpPort {
        path: String,
        service: ObjectId,
    },
    UnsupportedParent {
        path: String,
        service: ObjectId,
        addressing: Addressing,
    },
    NoWaypoint {
        path: String,
        service: ObjectId,
        cause: NoWaypoint,
    },
    HttpPort {
        service: ObjectId,
        port: NonZeroU16,
    },
    DetectedPort {
        service: ObjectId,
        port: NonZeroU16,
    },
    Outranked {
        /// Of the object; empty for all of it.
        part: String,
        service: ObjectId,
        port: NonZeroU16,
        winner: ObjectId,
    },
    /// Another route has the connections that this one would get, not for the same conditions.
    Covered {
        /// Of the object; empty for all of it.
        part: String,
        service: ObjectId,
        port: NonZeroU16,
        winner: ObjectId,
    },
    /// Items of an annotation for clients that the route is not for.
    OutsideNamespaces {
        path: String,
        items: String,
        namespaces: String,
        /// Where that are all of them, so that nobody is left whom the route is for.
        left_out_of: Option<ObjectId>,
    },
    NoServerName {
        path: String,
        service: ObjectId,
        port: NonZeroU16,
    },
    /// What holds for a port as a whole, where another route says something else.
    Overruled {
        annotation: &'static str,
        service: ObjectId,
        port: NonZeroU16,
        winner: ObjectId,
    },
    /// `otherwise`, where a route without conditions leaves nothing over.
    NothingLeftOver {
        service: ObjectId,
        port: NonZeroU16,
        taker: ObjectId,
    },
    /// What holds for a port as a whole, asked for by a consumer route.
    OthersConnections {
        annotation: &'static str,
        service: ObjectId,
    },
    FurtherRules {
        kind: String,
        count: usize,
    },
    /// A condition of which an earlier one of the object leaves nothing.
    Shadowed {
        path: String,
    },
    SourceLabels {
        path: String,
    },
    UnknownAddress {
        path: String,
        service: ObjectId,
    },
    NobodyLeft {
        path: String,
    },
    NotExported {
        service: ObjectId,
    },
    NoCanary {
        service: ObjectId,
        cause: NoWaypoint,
    },
    /// A backend that the waypoint does not serve.
    Anchored {
        path: String,
        service: ObjectId,
        waypoint: ObjectName,
        anchor: ObjectName,
    },
    AnchorAtHttp {
        service: ObjectId,
    },
    /// No VirtualService is written, where one is needed.
    NoAnchor {
        host: String,
        destinations: String,
    },
    InvalidBackend {
        path: String,
        reason: Refusal,
        cause: String,
    },
    NoShare {
        path: String,
    },
    ReadByIstiod {
        kind: RouteKind,
        /// The only one whose istiods read it; none if all do.
        revision: Option<String>,
    },
    AssumedWaypoint,
    Large {
        bytes: usize,
        contributors: String,
    },
    ServerSideApply {
        bytes: usize,
    },
    NoRoute,
    NotForServices {
        traffic: String,
    },
    NoWaypoints,
}
