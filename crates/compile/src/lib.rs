//! The compiler: Kubernetes objects in, WasmPlugins for Istio's waypoints out.
//!
//! Serves what routes TCP connections in a mesh: TCPRoutes and TLSRoutes of the Gateway API whose
//! parents are Services or ServiceEntries, and the L4 part of Istio's VirtualServices. It is pure: no
//! files, no cluster, no clock; the same objects give the same bytes, in whatever order they come.
//!
//! ```text
//! Source ──manifests──> Objects ──routings──> Plan ───────────> output
//!          YAML, JSON    Route, Service,       per waypoint:     WasmPlugin, TrafficExtension,
//!                        Gateway, Namespace,   listeners,        plugin configuration, status
//!                        DestinationRule       anchors
//!                             │                   │
//!                          Refused              Notes
//! ```
//!
//! There are two ways to be told that something is amiss. Input that is wrong, or lacks what decides
//! about a route, is [`Refused`] as a whole, with everything that is wrong with it. Input that is right but does not do all that it
//! says (a backend that does not exist, a route that another outranks) is compiled, and a [`Note`]
//! names what has no effect.

mod absent;
mod anchor;
mod annotation;
mod backend;
mod check;
mod claim;
mod cluster;
mod concern;
mod conditions;
mod destination_rule;
mod error;
mod hosts;
mod image;
mod kind;
mod manifest;
mod note;
mod object;
mod objects;
mod output;
mod parent;
mod plan;
mod port_wide;
mod protocol;
mod route;
mod rules;
mod service;
mod service_entry;
mod status;
mod waypoint;

use crate::note::Notes;

pub use anchor::{Anchor, AnchorDestination};
pub use check::{Code, Finding, InvalidIstioVersion, Istio, IstioVersion, check};
pub use cluster::{ClusterDomain, InvalidClusterDomain};
pub use error::{Fault, InvalidManifest, InvalidOutput, Refused};
pub use hosts::{Host, HostPort};
pub use image::{ImageUrl, InvalidImageUrl};
pub use manifest::{Missing, Place, Source};
pub use note::{Note, Remark};
pub use object::{InvalidName, ObjectId, ObjectName};
pub use objects::{Objects, UnknownKinds};
pub use output::{FailStrategy, plugin_name};
pub use plan::{Backend, Listener, Plan, Refusal, Rule, Target};
pub use protocol::Protocol;
pub use route::{Route, RouteKind};
pub use service::{Addressing, Service};
pub use status::{CONTROLLER_NAME, Condition, ParentReference, ParentStatus, RouteStatus};
pub use waypoint::{Gateway, Namespace, NoWaypoint};

/// What to make of the manifests.
#[derive(Clone, Debug)]
pub struct Options {
    pub output: Output,
    pub image: ImageUrl,
    pub fail_strategy: FailStrategy,
    /// Only this one.
    pub waypoint: Option<ObjectName>,
    pub cluster_domain: ClusterDomain,
    pub unknown_kinds: UnknownKinds,
    /// Write the VirtualServices that istiod makes clusters for, of backends which a waypoint does
    /// not serve.
    pub anchors: bool,
    /// Have access logs tell the rule and the backend of each connection.
    pub annotate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            output: Output::default(),
            image: ImageUrl::default(),
            fail_strategy: FailStrategy::default(),
            waypoint: None,
            cluster_domain: ClusterDomain::default(),
            unknown_kinds: UnknownKinds::default(),
            anchors: true,
            annotate: false,
        }
    }
}

impl Options {
    /// Whether there are VirtualServices in what is printed, or would be but for its being the status.
    fn writes_anchors(&self) -> bool {
        self.anchors && !matches!(self.output, Output::Config | Output::Envoy)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A WasmPlugin for each waypoint, as YAML documents, and the VirtualServices that it takes.
    #[default]
    WasmPlugin,
    /// A TrafficExtension in place of each WasmPlugin, for Istio 1.30 or later.
    TrafficExtension,
    /// The plugin configuration of one waypoint, as JSON.
    Config,
    /// The network filter for the listener of an Envoy that is no waypoint, as YAML.
    Envoy,
    /// The status of each route of the Gateway API.
    Status,
}

#[derive(Clone, Debug)]
pub struct Compiled {
    /// What to apply; empty if there is no waypoint.
    pub manifests: String,
    pub notes: Vec<Note>,
}

/// Compiles manifests.
pub fn compile(sources: &[Source], options: &Options) -> Result<Compiled, Refused> {
    let wanted = options.waypoint.as_ref();
    let objects = Objects::read_for(wanted, sources, options.unknown_kinds)?;
    let plan = Plan::new(&objects, &options.cluster_domain);
    let chosen = chosen(&plan, options).map_err(InvalidManifest::of_all)?;
    let mut notes = plan.notes.clone();
    if !options.writes_anchors() {
        notes.retain(|note| !matches!(note.remark, Remark::Anchored { .. }));
    }
    let mut notes = Notes::from(notes);
    let manifests = output::write(&plan, &chosen, options, &mut notes);
    let manifests = manifests.map_err(InvalidManifest::of_all)?;
    // Right for a first install; else something was left out, and what is printed undoes it.
    let empty = |waypoint: &&&ObjectName| plan.waypoints.get(**waypoint).is_some_and(Vec::is_empty);
    for waypoint in chosen.iter().filter(empty) {
        notes.add(Some(ObjectId::new("Gateway", waypoint)), Remark::NoRoute);
    }
    Ok(Compiled {
        manifests,
        notes: notes.sorted(),
    })
}

fn chosen<'p>(plan: &'p Plan, options: &Options) -> Result<Vec<&'p ObjectName>, Fault> {
    let known = || plan.waypoints.keys().cloned().collect();
    let chosen: Vec<_> = match &options.waypoint {
        None => plan.waypoints.keys().collect(),
        Some(wanted) => plan
            .waypoints
            .keys()
            .filter(|name| *name == wanted)
            .collect(),
    };
    let one = matches!(options.output, Output::Config | Output::Envoy);
    match &options.waypoint {
        Some(wanted) if chosen.is_empty() => Err(Fault::NoSuchWaypoint {
            wanted: wanted.clone(),
            known: known(),
        }),
        _ if one && chosen.len() > 1 => Err(Fault::SeveralWaypoints { known: known() }),
        _ => Ok(chosen),
    }
}
