//! Which routes may bear on one waypoint, and which notes do. A cluster has those of many tenants, and what
//! is wrong with one of another waypoint is not to keep this one's from being compiled.

use serde_json::{Map, Value};

use crate::Objects;
use crate::cluster::service_of_host;
use crate::note::{Note, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::waypoint::{NoWaypoint, is_owner, owner};

/// Whether a route, which need not be a right one, may ask for connections that a waypoint sees.
pub(crate) fn concerns(
    waypoint: &ObjectName,
    route: &ObjectId,
    content: &Map<String, Value>,
    objects: &Objects,
) -> bool {
    let Some(parents) = parents(route, content) else {
        return true;
    };
    parents.iter().any(|parent| match parent {
        Parent::Service(name) => match objects.services.get(name) {
            Some(service) => {
                let unknown = owner(service, objects);
                is_owner(waypoint, service, objects)
                    || matches!(unknown, Err(NoWaypoint::NamespaceUnknown(_)))
            }
            None => may_be_served(waypoint, &name.namespace, objects),
        },
        Parent::ServiceEntry(name) => match objects.entries.get(name) {
            Some(hosts) => hosts.iter().any(|host| is_owner(waypoint, host, objects)),
            None => may_be_served(waypoint, &name.namespace, objects),
        },
    })
}

/// Whether a note bears on the waypoint that the objects were read for, or tells what was left out for its
/// sake.
pub(crate) fn bears_on(note: &Note, objects: &Objects) -> bool {
    let (Some(waypoint), Some(object)) = (&objects.only, &note.object) else {
        return true;
    };
    let is_others = objects.others.contains(object)
        || (object.kind == "Gateway" && *object != ObjectId::new("Gateway", waypoint));
    !is_others || matches!(note.remark, Remark::LeftOut { .. })
}

/// Whether Services of a namespace, of which nothing else is known, may be served by a waypoint.
fn may_be_served(waypoint: &ObjectName, namespace: &str, objects: &Objects) -> bool {
    let namespace = objects.namespaces.get(namespace);
    namespace.is_none_or(|namespace| namespace.waypoints().ask_for(waypoint))
}

enum Parent {
    Service(ObjectName),
    ServiceEntry(ObjectName),
}

/// The parents in the mesh, as far as they are written; none where that cannot be told.
fn parents(route: &ObjectId, content: &Map<String, Value>) -> Option<Vec<Parent>> {
    let own = route.namespace.as_deref()?;
    let spec = content.get("spec")?.as_object()?;
    if route.kind == "VirtualService" {
        let hosts = spec.get("hosts")?.as_array()?.iter();
        // A host of another form is a ServiceEntry's, or a pattern: anybody's.
        return hosts
            .map(|host| service_of_host(host.as_str()?, Some(own)).map(Parent::Service))
            .collect();
    }
    let references = match spec.get("parentRefs") {
        None => return Some(Vec::new()),
        Some(references) => references.as_array()?.iter(),
    };
    let mut parents = Vec::new();
    for reference in references {
        let text = |field| reference.get(field).map(Value::as_str);
        let name = ObjectName {
            namespace: text("namespace").unwrap_or(Some(own))?.to_owned(),
            name: text("name")??.to_owned(),
        };
        match text("kind") {
            Some(Some("Service")) => parents.push(Parent::Service(name)),
            Some(Some("ServiceEntry")) => parents.push(Parent::ServiceEntry(name)),
            Some(None) => return None,
            Some(Some(_)) | None => {}
        }
    }
    Some(parents)
}
