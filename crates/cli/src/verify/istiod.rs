//! Who makes istiod route a Service port by itself.

use std::collections::BTreeSet;

use waypoint_l4_compile::{Listener, Note, ObjectId, ObjectName, Remark};

/// The manifests' routes for a Service port, as far as istiod looks at their namespace.
pub(crate) struct Readers {
    /// It reads these.
    pub(crate) unlabelled: Vec<ObjectId>,
    /// It should not read these, which have the label in the manifests.
    pub(crate) labelled: Vec<ObjectId>,
}

impl Readers {
    pub(crate) fn of(listener: &Listener, waypoint: &ObjectName, notes: &[Note]) -> Self {
        let origins = listener.rules.iter().map(|rule| &rule.origin);
        // Also those that lose the port to another route here: istiod does not know that they do.
        let losers = notes.iter().filter_map(|note| match &note.remark {
            Remark::Outranked { service, port, .. } | Remark::Covered { service, port, .. }
                if *service == listener.service && *port == listener.port =>
            {
                note.object.as_ref()
            }
            _ => None,
        });
        // It passes over routes of third namespaces.
        let waypoint = Some(waypoint.namespace.clone());
        let namespaces = [&listener.service.namespace, &waypoint];
        let read = origins.chain(losers);
        let read = read.filter(|id| namespaces.contains(&&id.namespace));
        let read: BTreeSet<_> = read.cloned().collect();
        let is_unlabelled = |id: &ObjectId| {
            let of_it = |note: &&Note| note.object.as_ref() == Some(id);
            let mut notes = notes.iter().filter(of_it);
            notes.any(|note| matches!(note.remark, Remark::ReadByIstiod { .. }))
        };
        let (unlabelled, labelled) = read.into_iter().partition(is_unlabelled);
        Self {
            unlabelled,
            labelled,
        }
    }

    /// Those to look at.
    pub(crate) fn objects(&self) -> Vec<ObjectId> {
        if self.unlabelled.is_empty() {
            self.labelled.clone()
        } else {
            self.unlabelled.clone()
        }
    }

    pub(crate) fn remedy(&self) -> String {
        match (self.unlabelled.as_slice(), self.labelled.as_slice()) {
            ([], []) => String::from(
                "find the TCPRoute, TLSRoute or VirtualService of this Service that istiod reads, \
                 and put the label istio.io/rev: waypoint-l4 on it",
            ),
            ([], labelled) => format!(
                "{} has the label istio.io/rev: waypoint-l4 in the manifests, and istiod has not \
                 taken that up: apply it; if that is done, find another TCPRoute, TLSRoute or \
                 VirtualService of this Service that istiod reads, and label that",
                list(labelled)
            ),
            (unlabelled, _) => format!(
                "put the label istio.io/rev: waypoint-l4 on {}, at a quiet time and when the plugin \
                 has its configuration",
                list(unlabelled)
            ),
        }
    }
}

fn list(ids: &[ObjectId]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.join(", ")
}
