//! The compiler: Kubernetes objects in, WasmPlugins for Istio's waypoints out.
//!
//! Serves TCPRoutes of the Gateway API whose parents are Services (GAMMA). It is pure: no files, no
//! cluster, no clock; the same objects give the same bytes, in whatever order they come.
//!
//! ```text
//! Source ──manifests──> Objects ──────────────> Plan ──────────> WasmPlugin
//!          YAML, JSON    Route, Service,         per waypoint:    or its bare
//!                        Gateway, Namespace      listeners        plugin configuration
//!                             │                    │
//!                          Refused               Notes
//! ```
//!
//! There are two ways to be told that something is amiss. Input that is wrong, or lacks what decides
//! about a route, is [`Refused`] as a whole, with everything that is wrong with it. Input that is right but does not do all that it
//! says (a backend that does not exist, a route that another outranks) is compiled, and a [`Note`]
//! names what has no effect.

mod absent;
mod annotation;
mod backend;
mod cluster;
mod error;
mod image;
mod kind;
mod manifest;
mod note;
mod object;
mod objects;
mod parent;
mod plan;
mod plugin;
mod protocol;
mod route;
mod rules;
mod service;
mod waypoint;

use std::collections::BTreeMap;

use crate::note::Notes;

pub use cluster::{ClusterDomain, InvalidClusterDomain};
pub use error::{Fault, InvalidManifest, InvalidOutput, Refused};
pub use image::{ImageUrl, InvalidImageUrl};
pub use manifest::{Missing, Place, Source};
pub use note::{Note, Remark};
pub use object::{InvalidName, ObjectId, ObjectName};
pub use objects::{Objects, UnknownKinds};
pub use plan::{Backend, Listener, Plan, Refusal, Rule, Target};
pub use plugin::FailStrategy;
pub use route::Route;
pub use service::{Addressing, Service};
pub use waypoint::{Gateway, Namespace, NoWaypoint};

/// What to make of the manifests.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub output: Output,
    pub image: ImageUrl,
    pub fail_strategy: FailStrategy,
    /// Only this one.
    pub waypoint: Option<ObjectName>,
    pub cluster_domain: ClusterDomain,
    pub unknown_kinds: UnknownKinds,
    /// Have access logs tell the rule and the backend of each connection.
    pub annotate: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// A WasmPlugin for each waypoint, as YAML documents.
    #[default]
    WasmPlugin,
    /// The plugin configuration of one waypoint, as JSON.
    Config,
}

#[derive(Clone, Debug)]
pub struct Compiled {
    /// What to apply; empty if there is no waypoint.
    pub manifests: String,
    pub notes: Vec<Note>,
}

/// Compiles manifests.
pub fn compile(sources: &[Source], options: &Options) -> Result<Compiled, Refused> {
    let objects = Objects::read(sources, options.unknown_kinds)?;
    let Plan { waypoints, notes } = Plan::new(&objects, &options.cluster_domain);
    let chosen = chosen(&waypoints, options).map_err(InvalidManifest::of_all)?;
    let manifests = output(&chosen, options).map_err(InvalidManifest::of_all)?;
    let mut notes = Notes::from(notes);
    // Right for a first install; else something was left out, and what is printed undoes it.
    for (waypoint, _) in chosen.iter().filter(|(_, listeners)| listeners.is_empty()) {
        notes.add(Some(ObjectId::new("Gateway", waypoint)), Remark::NoRoute);
    }
    Ok(Compiled {
        manifests,
        notes: notes.sorted(),
    })
}

type Waypoint<'p> = (&'p ObjectName, &'p [Listener]);

fn chosen<'p>(
    waypoints: &'p BTreeMap<ObjectName, Vec<Listener>>,
    options: &Options,
) -> Result<Vec<Waypoint<'p>>, Fault> {
    let known = || waypoints.keys().cloned().collect();
    let all = waypoints
        .iter()
        .map(|(name, listeners)| (name, listeners.as_slice()));
    let chosen: Vec<_> = match &options.waypoint {
        None => all.collect(),
        Some(wanted) => all.filter(|(name, _)| *name == wanted).collect(),
    };
    match &options.waypoint {
        Some(wanted) if chosen.is_empty() => Err(Fault::NoSuchWaypoint {
            wanted: wanted.clone(),
            known: known(),
        }),
        _ if options.output == Output::Config && chosen.len() > 1 => {
            Err(Fault::SeveralWaypoints { known: known() })
        }
        _ => Ok(chosen),
    }
}

fn output(chosen: &[Waypoint<'_>], options: &Options) -> Result<String, Fault> {
    let mut documents = Vec::new();
    for (waypoint, listeners) in chosen {
        let document = match options.output {
            Output::Config => plugin::plugin_config(listeners, options.annotate),
            Output::WasmPlugin => plugin::wasm_plugin(waypoint, listeners, options),
        };
        documents.push(document.map_err(|cause| Fault::InvalidOutput {
            waypoint: (*waypoint).clone(),
            cause,
        })?);
    }
    Ok(documents.join("---\n"))
}
