//! The waypoints that could get a connection, each with its plugin configuration.

use std::path::Path;

use serde_json::{Map, Value};
use waypoint_l4_compile::{
    ClusterDomain, Fault, Host, InvalidManifest, Listener, ObjectId, ObjectName, Objects, Plan,
    Refused, Source, UnknownKinds,
};
use waypoint_l4_config::{Config, parse};

use crate::files;
use crate::output::report;

/// What there is to explain.
pub(crate) struct Mesh {
    pub(crate) waypoints: Vec<Waypoint>,
    /// What clients can connect to; none where that was not given.
    pub(crate) hosts: Option<Vec<Host>>,
}

pub(crate) struct Waypoint {
    /// None where its configuration was given in place of manifests.
    pub(crate) name: Option<ObjectName>,
    pub(crate) config: Config,
    /// What the configuration was made of.
    planned: Vec<Listener>,
}

impl Waypoint {
    /// The object that a rule comes from, as far as that is known.
    pub(crate) fn origin(&self, chain: &str, rule: usize) -> Option<&ObjectId> {
        let listener = self.planned.iter().find(|one| one.chain == chain)?;
        listener.rules.get(rule).map(|rule| &rule.origin)
    }
}

/// Those of the manifests, or the one that is wanted. Notes are reported: an object without effect is
/// often what one looks for.
pub(crate) fn of_manifests(
    sources: &[Source],
    unknown_kinds: UnknownKinds,
    domain: &ClusterDomain,
    wanted: Option<&ObjectName>,
) -> Result<Mesh, Refused> {
    let objects = Objects::read_for(wanted, sources, unknown_kinds)?;
    let plan = Plan::new(&objects, domain);
    for note in &plan.notes {
        report(&format!("note: {note}"));
    }
    if let Some(wanted) = wanted
        && !plan.waypoints.contains_key(wanted)
    {
        return Err(refused(Fault::NoSuchWaypoint {
            wanted: wanted.clone(),
            known: plan.waypoints.keys().cloned().collect(),
        }));
    }
    let names = plan.waypoints.iter();
    let chosen = names.filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    let mut waypoints = Vec::new();
    for (name, planned) in chosen {
        let config = plan.config(name, false).transpose();
        let config = config.map_err(|cause| {
            refused(Fault::InvalidOutput {
                what: format!("the configuration of waypoint {name}"),
                cause,
            })
        })?;
        waypoints.push(Waypoint {
            name: Some(name.clone()),
            config: config.unwrap_or_default(),
            planned: planned.clone(),
        });
    }
    Ok(Mesh {
        waypoints,
        hosts: Some(objects.hosts(domain)),
    })
}

/// The one that has this plugin configuration.
pub(crate) fn of_config(file: &Path) -> Result<Mesh, String> {
    let Source { name, content } = files::read(file);
    let json = content.map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let config = parse(&json).map_err(|error| match is_bare(&json) {
        true => format!("{name}: {error}"),
        false => format!(
            "{name}: expected the JSON of pluginConfig, as compile --output config writes it: {error}"
        ),
    })?;
    Ok(Mesh {
        waypoints: vec![Waypoint {
            name: None,
            config,
            planned: Vec::new(),
        }],
        hosts: None,
    })
}

/// Whether it is the configuration by itself, right or wrong, and not an object that has one.
fn is_bare(json: &[u8]) -> bool {
    let fields: Result<Map<String, Value>, _> = serde_json::from_slice(json);
    fields.is_ok_and(|fields| !fields.contains_key("apiVersion"))
}

fn refused(fault: Fault) -> Refused {
    Refused(vec![InvalidManifest {
        place: None,
        object: None,
        fault,
    }])
}
