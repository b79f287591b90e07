//! Reading of everything: sources in, the objects that matter out, or all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use gateway_api::gateways::GatewaySpec;
use k8s_openapi::api::core::v1::{NamespaceSpec, ServiceSpec};
use serde_json::{Map, Value};

use crate::absent::absences;
use crate::annotation;
use crate::check::Plugin;
use crate::concern::concerns;
use crate::destination_rule::{DestinationRule, DestinationRuleSpec};
use crate::error::{Fault, InvalidManifest, Refused};
use crate::kind::{ROUTES, Role, RouteVersion, role};
use crate::manifest::{Manifest, Place, Source, manifests};
use crate::note::{Notes, Remark};
use crate::object::{self, ObjectId, ObjectName, Typed};
use crate::route::{GatewayRouteSpec, HttpRoute, HttpRouteSpec, VirtualServiceSpec};
use crate::service_entry::{self, ServiceEntrySpec};
use crate::{Gateway, Namespace, Route, Service};

/// The objects that decide about routing, parsed.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub(crate) routes: BTreeMap<ObjectId, Route>,
    pub(crate) http_routes: Vec<HttpRoute>,
    /// The hosts of each ServiceEntry.
    pub(crate) entries: BTreeMap<ObjectName, Vec<Service>>,
    pub(crate) destination_rules: BTreeMap<ObjectName, DestinationRule>,
    pub(crate) services: BTreeMap<ObjectName, Service>,
    pub(crate) gateways: BTreeMap<ObjectName, Gateway>,
    pub(crate) namespaces: BTreeMap<String, Namespace>,
    pub(crate) plugins: Vec<Plugin>,
    /// The waypoint that they are read for, if it is one alone.
    pub(crate) only: Option<ObjectName>,
    /// Routes that do not concern it.
    pub(crate) others: BTreeSet<ObjectId>,
    pub(crate) notes: Notes,
}

/// What to do with an object of a kind that nobody here has heard of, or with a document that says
/// no kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownKinds {
    #[default]
    Refuse,
    /// Leave it out with a note; still refused where the kind looks like a misspelt one.
    Note,
}

impl Objects {
    pub fn read(sources: &[Source], unknown_kinds: UnknownKinds) -> Result<Self, Refused> {
        Self::read_for(None, sources, unknown_kinds)
    }

    /// What is wrong with the routes of other waypoints than one is no reason to refuse the input, and a
    /// plan has no notes on them.
    pub fn read_for(
        waypoint: Option<&ObjectName>,
        sources: &[Source],
        unknown_kinds: UnknownKinds,
    ) -> Result<Self, Refused> {
        let mut reading = Reading::default();
        let mut none = true;
        for (place, manifest) in sources.iter().flat_map(manifests) {
            none = false;
            match manifest {
                Ok(manifest) => reading.take(&place, manifest, unknown_kinds),
                Err(Fault::NoKind {
                    missing,
                    ignorable: true,
                }) if unknown_kinds == UnknownKinds::Note => {
                    let remark = Remark::NoKind { place, missing };
                    reading.objects.notes.add(None, remark);
                }
                Err(fault) => {
                    reading.lost = true;
                    reading.refuse(&place, None, vec![fault]);
                }
            }
        }
        if none {
            return Err(Refused::from(InvalidManifest::of_all(Fault::NoManifests)));
        }
        reading.check_absences();
        if let Some(waypoint) = waypoint {
            reading.leave_out_others(waypoint);
            reading.objects.only = Some(waypoint.clone());
        }
        if !reading.invalid.is_empty() {
            return Err(Refused(reading.invalid));
        }
        Ok(reading.objects)
    }
}

#[derive(Default)]
struct Reading {
    objects: Objects,
    invalid: Vec<InvalidManifest>,
    /// Where each object was first seen, and what it said.
    seen: BTreeMap<ObjectId, (Place, Map<String, Value>)>,
    /// Whether there is a manifest that could not even be told what it is.
    lost: bool,
}

impl Reading {
    fn take(&mut self, place: &Place, manifest: Manifest, unknown_kinds: UnknownKinds) {
        let role = match role(&manifest.api_version, &manifest.kind) {
            Ok(Role::Bystander) => {
                return self.note_annotations(&stranger(&manifest), &manifest.content);
            }
            Ok(Role::Plugin) => {
                // Like a bystander it is not judged: what is compiled does not depend on it.
                let plugin = Plugin::read(stranger(&manifest), &manifest.content);
                return self.objects.plugins.push(plugin);
            }
            Ok(role) => role,
            Err(Fault::UnknownKind {
                ignorable: true, ..
            }) if unknown_kinds == UnknownKinds::Note => {
                let remark = Remark::UnknownKind {
                    api_version: manifest.api_version.clone(),
                    kind: manifest.kind.clone(),
                };
                return self.objects.notes.add(Some(stranger(&manifest)), remark);
            }
            Err(fault) => return self.refuse(place, None, vec![fault]),
        };
        let name = match object::name(&manifest.kind, &manifest.content) {
            Ok(name) => name,
            Err(fault) => {
                self.lost = true;
                return self.refuse(place, None, vec![fault]);
            }
        };
        let mut id = ObjectId::new(&manifest.kind, &name);
        if role == Role::Namespace {
            id.namespace = None;
        }
        let checks = [
            object::label("metadata.namespace", &name.namespace),
            object::subdomain("metadata.name", &name.name),
        ];
        let faults: Vec<_> = checks.into_iter().filter_map(Result::err).collect();
        if !faults.is_empty() {
            return self.refuse(place, Some(id), faults);
        }
        if let Some((first, content)) = self.seen.get(&id) {
            if *content != manifest.content {
                let first = first.clone();
                self.refuse(place, Some(id), vec![Fault::Duplicate { first }]);
            }
            return;
        }
        let seen = (place.clone(), manifest.content.clone());
        self.seen.insert(id.clone(), seen);
        let content = &manifest.content;
        if !matches!(role, Role::GatewayRoute(_) | Role::VirtualService) {
            self.note_annotations(&id, content);
        }
        let added = match role {
            Role::GatewayRoute(version) => self.add_gateway_route(&id, name, version, content),
            Role::HttpRoute => self.add_http_route(&id, name, content),
            Role::VirtualService => self.add_virtual_service(&id, name, content),
            Role::DestinationRule => self.add_destination_rule(name, content),
            Role::Service => self.add_service(name, content),
            Role::ServiceEntry => self.add_service_entry(name, content),
            Role::Gateway => self.add_gateway(name, content),
            Role::Namespace => self.add_namespace(name.name, content),
            Role::NotHonoured | Role::Plugin | Role::Bystander => {
                let remark = Remark::NotHonoured { path: None };
                self.objects.notes.add(Some(id.clone()), remark);
                Ok(())
            }
        };
        if let Err(faults) = added {
            self.refuse(place, Some(id), faults);
        }
    }

    fn refuse(&mut self, place: &Place, object: Option<ObjectId>, faults: Vec<Fault>) {
        for fault in faults {
            self.invalid.push(InvalidManifest {
                place: Some(place.clone()),
                object: object.clone(),
                fault,
            });
        }
    }

    fn add_gateway_route(
        &mut self,
        id: &ObjectId,
        name: ObjectName,
        version: RouteVersion,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let mut typed = Typed::<GatewayRouteSpec>::read(content)?;
        // A misspelt weight is a default weight: other shares than those that were meant.
        typed.refuse_unknown("spec", &format!("a field of a {}", id.kind));
        self.note_unknown(id, &mut typed.unknown);
        let parse = |object| Route::parse_gateway_api(id.clone(), name, version, object);
        let route = typed.parse(parse)?;
        self.objects.routes.insert(id.clone(), route);
        Ok(())
    }

    fn add_http_route(
        &mut self,
        id: &ObjectId,
        name: ObjectName,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let typed = Typed::<HttpRouteSpec>::read(content)?;
        let route = typed.parse(|object| HttpRoute::parse(id.clone(), name, object))?;
        self.objects.http_routes.push(route);
        Ok(())
    }

    fn add_virtual_service(
        &mut self,
        id: &ObjectId,
        name: ObjectName,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let mut typed = Typed::<VirtualServiceSpec>::read(content)?;
        typed.refuse_unknown("spec", "a field of a VirtualService");
        self.note_unknown(id, &mut typed.unknown);
        let parse = |object| Route::parse_virtual_service(id.clone(), name, object);
        match typed.parse(parse)? {
            Some(route) => drop(self.objects.routes.insert(id.clone(), route)),
            None => self.note_annotations(id, content),
        }
        Ok(())
    }

    /// Where nobody looks for them.
    fn note_annotations(&mut self, id: &ObjectId, content: &Map<String, Value>) {
        for path in annotation::paths(content) {
            let remark = Remark::StrayAnnotation { path };
            self.objects.notes.add(Some(id.clone()), remark);
        }
    }

    fn note_unknown(&mut self, id: &ObjectId, paths: &mut Vec<String>) {
        for path in std::mem::take(paths) {
            let remark = Remark::UnknownField { path };
            self.objects.notes.add(Some(id.clone()), remark);
        }
    }

    fn add_destination_rule(
        &mut self,
        name: ObjectName,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let typed = Typed::<DestinationRuleSpec>::read(content)?;
        let rule = typed.parse(|object| DestinationRule::parse(name.clone(), object))?;
        self.objects.destination_rules.insert(name, rule);
        Ok(())
    }

    fn add_service_entry(
        &mut self,
        name: ObjectName,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let typed = Typed::<ServiceEntrySpec>::read(content)?;
        let hosts = typed.parse(|object| service_entry::parse(&name, object))?;
        self.objects.entries.insert(name, hosts);
        Ok(())
    }

    fn add_service(
        &mut self,
        name: ObjectName,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let typed = Typed::<ServiceSpec>::read(content)?;
        let service = typed.parse(|object| Service::parse(name.clone(), object))?;
        self.objects.services.insert(name, service);
        Ok(())
    }

    fn add_gateway(
        &mut self,
        name: ObjectName,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let typed = Typed::<GatewaySpec>::read(content)?;
        let gateway = typed.parse(|object| Gateway::parse(name.clone(), object))?;
        self.objects.gateways.insert(name, gateway);
        Ok(())
    }

    fn add_namespace(
        &mut self,
        name: String,
        content: &Map<String, Value>,
    ) -> Result<(), Vec<Fault>> {
        let typed = Typed::<NamespaceSpec>::read(content)?;
        let namespace = typed.parse(|object| Namespace::parse(&name, &object))?;
        self.objects.namespaces.insert(name, namespace);
        Ok(())
    }

    /// Makes notes of what is wrong with routes that do not concern a waypoint.
    fn leave_out_others(&mut self, waypoint: &ObjectName) {
        let is_route = |id: &ObjectId| ROUTES.contains(&id.kind.as_str());
        let routes = self.seen.iter().filter(|(id, _)| is_route(id));
        let others =
            routes.filter(|(id, (_, content))| !concerns(waypoint, id, content, &self.objects));
        self.objects.others = others.map(|(id, _)| id.clone()).collect();
        for InvalidManifest {
            place,
            object,
            fault,
        } in std::mem::take(&mut self.invalid)
        {
            match object {
                Some(id) if self.objects.others.contains(&id) => {
                    let remark = Remark::LeftOut {
                        fault: fault.to_string(),
                    };
                    self.objects.notes.add(Some(id), remark);
                }
                object => self.invalid.push(InvalidManifest {
                    place,
                    object,
                    fault,
                }),
            }
        }
    }

    /// Without a manifest that cannot be told what it is, nobody knows what is absent.
    fn check_absences(&mut self) {
        if self.lost {
            return;
        }
        for (object, fault) in absences(&self.objects, |id| self.seen.contains_key(id)) {
            self.invalid.push(InvalidManifest {
                place: self.seen.get(&object).map(|(place, _)| place.clone()),
                object: Some(object),
                fault,
            });
        }
    }
}

/// An object of an unknown kind, which may have no namespace and need not have a name.
fn stranger(manifest: &Manifest) -> ObjectId {
    let metadata = manifest.content.get("metadata");
    let field = |name| {
        let text = metadata.and_then(|metadata| metadata.get(name)?.as_str());
        text.map(str::to_owned)
    };
    ObjectId {
        kind: manifest.kind.clone(),
        namespace: field("namespace"),
        name: field("name").unwrap_or_else(|| String::from("(without name)")),
    }
}
