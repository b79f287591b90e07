//! What the Gateway API wants to be told of a route: whether each of its parents took it up, and
//! whether its backends are what they should be.

use std::fmt::Write;

use serde::Serialize;

use crate::Objects;
use crate::backend::resolve;
use crate::hosts::Hosts;
use crate::object::ObjectId;
use crate::parent::{Cause, Found, Frontend, Parent};
use crate::plan::Refusal;
use crate::protocol::Protocol;
use crate::route::{ParentRef, Route};
use crate::rules::Routings;

/// The name under which conditions are written; those of other controllers are theirs.
pub const CONTROLLER_NAME: &str = "waypoint-l4.io/controller";

/// The entries of this program in `status.parents` of a route.
#[derive(Clone, Debug)]
pub struct RouteStatus {
    pub route: ObjectId,
    pub api_version: &'static str,
    pub parents: Vec<ParentStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    pub parent_ref: ParentReference,
    pub controller_name: &'static str,
    /// Without `lastTransitionTime`, which only who writes them knows.
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    pub group: String,
    pub kind: String,
    /// As in the spec: absent for the route's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    pub r#type: &'static str,
    pub status: &'static str,
    pub reason: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    fn new(r#type: &'static str, holds: bool, reason: &str, message: String) -> Self {
        Self {
            r#type,
            status: if holds { "True" } else { "False" },
            reason: reason.to_owned(),
            message,
            observed_generation: None,
        }
    }
}

/// The statuses of all routes that have one: a parent without a waypoint is nobody's here, and
/// VirtualServices have no such status.
pub(crate) fn statuses(
    routings: &Routings<'_>,
    objects: &Objects,
    hosts: &Hosts<'_>,
) -> Vec<RouteStatus> {
    let mut statuses = Vec::new();
    for (id, parents) in &routings.parents {
        let Some(route) = objects.routes.get(*id) else {
            continue;
        };
        let Some(version) = route.version else {
            continue;
        };
        let entries = parents.iter().filter_map(|parent| {
            let reference = parent.reference?;
            let mut conditions = vec![accepted(route, parent, routings)?];
            let frontend = parent.outcome.as_ref().ok().and_then(first);
            conditions.push(resolved(route, frontend, objects, hosts));
            conditions.extend(partially_invalid(route));
            for condition in &mut conditions {
                condition.observed_generation = route.generation;
            }
            Some(ParentStatus {
                parent_ref: reference.into(),
                controller_name: CONTROLLER_NAME,
                conditions,
            })
        });
        let parents: Vec<_> = entries.collect();
        if !parents.is_empty() {
            statuses.push(RouteStatus {
                route: route.id.clone(),
                api_version: version.api_version(),
                parents,
            });
        }
    }
    statuses
}

fn first<'a>(found: &'a Found<'_>) -> Option<&'a Frontend> {
    found.frontends.first().map(|port| &port.frontend)
}

/// None where it is not for this program to say.
fn accepted(route: &Route, parent: &Parent<'_>, routings: &Routings<'_>) -> Option<Condition> {
    let accepted =
        |holds, reason, message| Some(Condition::new("Accepted", holds, reason, message));
    match &parent.outcome {
        Err(failed) => {
            let reason = match failed.cause {
                Cause::NotOurs => return None,
                Cause::NoMatchingParent => "NoMatchingParent",
                Cause::NotAllowed => "NotAllowedByListeners",
                Cause::Unsupported => "UnsupportedValue",
            };
            accepted(false, reason, failed.remark.to_string())
        }
        Ok(found) if found.frontends.is_empty() => {
            let remarks = found.remarks.iter().map(ToString::to_string);
            let message = remarks.collect::<Vec<_>>().join("; ");
            accepted(false, "NotAllowedByListeners", message)
        }
        Ok(found) if !can_match(route, found) => {
            let message = "spec.hostnames: none of the ports is declared as TLS, so Istio does not \
                           read server names there";
            accepted(false, "NotAllowedByListeners", String::from(message))
        }
        Ok(found) => {
            let winners = found.frontends.iter().map(|port| {
                let key = (route.id.clone(), port.frontend.clone());
                routings.losers.get(&key)
            });
            match winners.collect::<Option<Vec<_>>>().as_deref() {
                Some([winner, ..]) if winner.kind == route.id.kind => {
                    let message = format!("route is accepted, but {winner} takes precedence");
                    accepted(true, "Accepted", message)
                }
                Some([winner, ..]) => {
                    let message = format!("{winner}, of a kind that goes before, takes all");
                    accepted(false, "Conflicted", message)
                }
                Some([]) | None => accepted(true, "Accepted", String::from("route is accepted")),
            }
        }
    }
}

/// Whether server names, if the route asks for some, are known at one of the ports.
fn can_match(route: &Route, found: &Found<'_>) -> bool {
    let mut conditions = route
        .effective_rules()
        .iter()
        .flat_map(|rule| &rule.conditions);
    let by_name = conditions.all(|one| !one.matches.sni.is_empty());
    !by_name
        || found
            .frontends
            .iter()
            .any(|port| port.protocol == Protocol::Tls)
}

/// What is wrong with the backends does not depend on the port, but for its namespace's subsets.
fn resolved(
    route: &Route,
    frontend: Option<&Frontend>,
    objects: &Objects,
    hosts: &Hosts<'_>,
) -> Condition {
    let mut reason = None::<Refusal>;
    let mut message = String::new();
    for rule in route.effective_rules() {
        for (index, backend) in rule.backends.iter().enumerate() {
            if let Err((refusal, cause)) = resolve(backend, frontend, objects, hosts) {
                let separator = if message.is_empty() { "" } else { "; " };
                let path = format!("{}[{index}]", rule.backends_path);
                // Writing to a string does not fail.
                let _ = write!(message, "{separator}{path}: {cause}");
                reason.get_or_insert(refusal);
            }
        }
    }
    match reason {
        Some(reason) => Condition::new("ResolvedRefs", false, reason.as_str(), message),
        None => {
            let message = String::from("all references are resolved");
            Condition::new("ResolvedRefs", true, "ResolvedRefs", message)
        }
    }
}

fn partially_invalid(route: &Route) -> Option<Condition> {
    let effective = route.effective_rules().len();
    let dropped = route.rules.get(effective..)?;
    let paths: Vec<_> = dropped.iter().map(|rule| rule.path.as_str()).collect();
    (!paths.is_empty()).then(|| {
        let message = format!(
            "Dropped Rule {}: only the first rule of a {} can be reached",
            paths.join(", "),
            route.id.kind
        );
        Condition::new("PartiallyInvalid", true, "UnsupportedValue", message)
    })
}

impl From<&ParentRef> for ParentReference {
    fn from(reference: &ParentRef) -> Self {
        Self {
            group: reference.group.clone(),
            kind: reference.kind.clone(),
            namespace: reference
                .names_namespace
                .then(|| reference.name.namespace.clone()),
            name: reference.name.name.clone(),
            section_name: reference.section.clone(),
            port: reference.port.map(std::num::NonZeroU16::get),
        }
    }
}
