//! Plugins among the manifests, which may stand where a release of Istio does not look for them.

use serde_json::{Map, Value};

use super::istio::{FIRST_FAIL_RELOAD, FIRST_TRAFFIC_EXTENSION, Istio, ServiceTarget};
use super::{Code, Finding};
use crate::object::ObjectId;

/// A WasmPlugin or TrafficExtension, as far as it bears on connections.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    id: ObjectId,
    targets: Vec<String>,
    has_selector: bool,
    is_network: bool,
    fail_strategy: Option<String>,
}

impl Plugin {
    /// Reads what can be read: it is not for this program to judge the rest.
    pub(crate) fn read(id: ObjectId, content: &Map<String, Value>) -> Self {
        let spec = content.get("spec").unwrap_or(&Value::Null);
        let wasm = match spec.get("wasm") {
            Some(wasm) if id.kind == "TrafficExtension" => wasm,
            _ => spec,
        };
        let targets = spec.get("targetRefs").and_then(Value::as_array);
        let target = spec.get("targetRef").into_iter();
        let targets = targets.into_iter().flatten().chain(target);
        let kinds = targets.filter_map(|target| target.get("kind")?.as_str());
        let text = |name| wasm.get(name).and_then(Value::as_str);
        Self {
            targets: kinds.map(str::to_owned).collect(),
            has_selector: spec.get("selector").is_some(),
            is_network: text("type") == Some("NETWORK"),
            fail_strategy: text("failStrategy").map(str::to_owned),
            id,
        }
    }

    pub(super) fn findings(&self, istio: Istio) -> Vec<Finding> {
        let version = istio.version;
        let mut findings = Vec::new();
        let mut find = |code, message: String| {
            findings.push(Finding {
                object: Some(self.id.clone()),
                code,
                message,
            });
        };
        if self.id.kind == "TrafficExtension" && version < FIRST_TRAFFIC_EXTENSION {
            find(
                Code::TrafficExtensionUnknown,
                format!(
                    "Istio {version} knows no TrafficExtension ({FIRST_TRAFFIC_EXTENSION} does): \
                     write a WasmPlugin"
                ),
            );
        }
        if !self.is_network {
            return findings;
        }
        if self.targets.is_empty() {
            let place = if self.has_selector {
                "spec.selector: waypoints pass it over"
            } else {
                "spec.targetRefs: none"
            };
            find(
                Code::NoTargetRef,
                format!("{place}, so no waypoint gets it: name the Gateway in spec.targetRefs"),
            );
        }
        for (index, target) in self.targets.iter().enumerate() {
            let path = format!("spec.targetRefs[{index}]");
            let remedy = "name the waypoint's Gateway instead";
            match (target.as_str(), istio.service_target()) {
                ("Service" | "ServiceEntry", ServiceTarget::NotElsewhere) => find(
                    Code::TargetRefUnsupported,
                    format!(
                        "{path}: Istio {version} looks for plugins of a {target} in the namespace \
                         of the waypoint only: {remedy}"
                    ),
                ),
                ("Service" | "ServiceEntry", ServiceTarget::CrashLoop) => find(
                    Code::TargetRefUnsupported,
                    format!(
                        "{path}: with Istio {version} the waypoint of a {target} in another \
                         namespace never gets ready (istio issue 60530): {remedy}"
                    ),
                ),
                ("GatewayClass", _) if !istio.has_gateway_class_target() => find(
                    Code::TargetRefUnsupported,
                    format!("{path}: Istio {version} knows no plugins of a GatewayClass: {remedy}"),
                ),
                _ => {}
            }
        }
        if self.fail_strategy.as_deref() == Some("FAIL_RELOAD") && version < FIRST_FAIL_RELOAD {
            find(
                Code::FailReloadUnknown,
                format!("Istio {version} knows no FAIL_RELOAD ({FIRST_FAIL_RELOAD} does)"),
            );
        }
        findings
    }
}
