//! What is wrong with manifests, or will not do what one thinks, on a given release of Istio.

mod istio;
mod plugin;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::note::{Note, Remark, remedy};
use crate::object::ObjectId;
use crate::route::Route;
use crate::waypoint::{USE_WAYPOINT_CANARY, owner};
use crate::{Objects, Options, Output, Plan, Refused, Source};

pub use istio::{InvalidIstioVersion, Istio, IstioVersion};
pub(crate) use plugin::Plugin;

/// Something to be put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    pub code: Code,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// What kind of finding it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// istiod routes the object too, and then the filter's choice counts for nothing.
    RoutedByIstiod,
    /// The object serves others as well, from whom the label would hide it.
    SplitNeeded,
    ApiVersionNotServed,
    IstioTooOld,
    TrafficExtensionUnknown,
    NoTargetRef,
    TargetRefUnsupported,
    FailReloadUnknown,
    CanaryUnknown,
    NoAddress,
    /// What `compile` says in a note, by the name of the remark.
    Remark(&'static str),
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoutedByIstiod => "RoutedByIstiod",
            Self::SplitNeeded => "SplitNeeded",
            Self::ApiVersionNotServed => "ApiVersionNotServed",
            Self::IstioTooOld => "IstioTooOld",
            Self::TrafficExtensionUnknown => "TrafficExtensionUnknown",
            Self::NoTargetRef => "NoTargetRef",
            Self::TargetRefUnsupported => "TargetRefUnsupported",
            Self::FailReloadUnknown => "FailReloadUnknown",
            Self::CanaryUnknown => "CanaryUnknown",
            Self::NoAddress => "NoAddress",
            Self::Remark(name) => name,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Looks for all there is to find; manifests that cannot be compiled are refused.
pub fn check(sources: &[Source], options: &Options, istio: Istio) -> Result<Vec<Finding>, Refused> {
    let objects = Objects::read(sources, options.unknown_kinds)?;
    let plan = Plan::new(&objects, &options.cluster_domain);
    let mut findings = Vec::new();
    if istio.version < istio::OLDEST {
        findings.push(Finding {
            object: None,
            code: Code::IstioTooOld,
            message: format!(
                "Istio {}: waypoints are set up as the filter needs it from {} on",
                istio.version,
                istio::OLDEST
            ),
        });
    }
    if options.output == Output::TrafficExtension && istio.version < istio::FIRST_TRAFFIC_EXTENSION
    {
        findings.push(Finding {
            object: None,
            code: Code::TrafficExtensionUnknown,
            message: format!(
                "--output trafficextension: Istio {} knows none ({} does): write WasmPlugins",
                istio.version,
                istio::FIRST_TRAFFIC_EXTENSION
            ),
        });
    }
    for note in &plan.notes {
        let route = note.object.as_ref().and_then(|id| objects.routes.get(id));
        findings.extend(of_note(note, route, istio));
    }
    for route in objects.routes.values() {
        findings.extend(of_route(route, istio));
    }
    findings.extend(of_services(&objects, istio));
    for plugin in &objects.plugins {
        findings.extend(plugin.findings(istio));
    }
    findings.sort_by_cached_key(|finding| (finding.object.is_none(), finding.object.clone()));
    // Plugins may be among the manifests twice.
    findings.dedup();
    Ok(findings)
}

/// A note is a finding, unless it tells of what was done, or of other releases.
fn of_note(note: &Note, route: Option<&Route>, istio: Istio) -> Option<Finding> {
    let is_native = route.is_some_and(|route| istio.routes(route.kind));
    let (code, message) = match &note.remark {
        Remark::ReadByIstiod { .. } if !is_native => return None,
        Remark::ReadByIstiod { revision, .. } => (
            Code::RoutedByIstiod,
            format!(
                "Istio {} routes it natively and the plugin has no effect{}",
                istio.version,
                remedy(revision.as_deref())
            ),
        ),
        Remark::OtherUses { .. } => {
            let is_hidden = route.is_some_and(Route::is_hidden_from_istiod);
            if !is_native && !is_hidden {
                return None;
            }
            (Code::SplitNeeded, note.remark.to_string())
        }
        Remark::Anchored { .. } | Remark::AssumedWaypoint | Remark::NoRoute => return None,
        remark => (Code::Remark(remark.into()), remark.to_string()),
    };
    Some(Finding {
        object: note.object.clone(),
        code,
        message,
    })
}

fn of_route(route: &Route, istio: Istio) -> Option<Finding> {
    let api_version = route.version?.api_version();
    istio.has_dropped(route.kind, api_version).then(|| Finding {
        object: Some(route.id.clone()),
        code: Code::ApiVersionNotServed,
        message: format!(
            "{api_version}: the standard channel of the Gateway API that Istio {} goes with serves \
             only gateway.networking.k8s.io/v1: write that",
            istio.version
        ),
    })
}

/// Labels and addresses that a release does not know of.
fn of_services(objects: &Objects, istio: Istio) -> Vec<Finding> {
    let mut findings = Vec::new();
    let entries = objects.entries.values().filter_map(|hosts| hosts.first());
    let services = objects.services.values().chain(entries);
    let canaries = services.clone().map(|one| (one.id.clone(), &one.waypoints));
    let namespaces = objects.namespaces.iter();
    let namespaces = namespaces.map(|(name, one)| (ObjectId::namespace(name), one.waypoints()));
    for (id, waypoints) in canaries.chain(namespaces) {
        if waypoints.has_canary() && istio.version < istio::FIRST_CANARY {
            findings.push(Finding {
                object: Some(id),
                code: Code::CanaryUnknown,
                message: format!(
                    "metadata.labels[{}]: Istio {} does not read it ({} does)",
                    USE_WAYPOINT_CANARY,
                    istio.version,
                    istio::FIRST_CANARY
                ),
            });
        }
    }
    for hosts in objects.entries.values() {
        let mut without = hosts.iter().filter(|host| host.addresses.is_empty());
        if let Some(host) = without.find(|host| owner(host, objects).is_ok())
            && istio.version < istio::FIRST_AUTO_ALLOCATION
        {
            findings.push(Finding {
                object: Some(host.id.clone()),
                code: Code::NoAddress,
                message: format!(
                    "spec.addresses: none, and Istio {} gives it none ({} does), so no waypoint \
                     sees its connections",
                    istio.version,
                    istio::FIRST_AUTO_ALLOCATION
                ),
            });
        }
    }
    findings
}
