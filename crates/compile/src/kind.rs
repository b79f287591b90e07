//! Which kinds of objects are read, which are passed over, and which are none.

use crate::error::Fault;

pub(crate) const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// What a kind is to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    TcpRoute(RouteVersion),
    Service,
    Gateway,
    Namespace,
    /// It routes connections, and this version does not honour it.
    NotHonoured,
    /// It does not route: manifests of an application hold many such objects.
    Bystander,
}

/// The version a TCPRoute was written in: they differ in the number of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVersion {
    V1,
    V1Alpha2,
}

pub(crate) fn role(api_version: &str, kind: &str) -> Result<Role, Fault> {
    match (api_version, kind) {
        ("gateway.networking.k8s.io/v1", "TCPRoute") => {
            return Ok(Role::TcpRoute(RouteVersion::V1));
        }
        ("gateway.networking.k8s.io/v1alpha2", "TCPRoute") => {
            return Ok(Role::TcpRoute(RouteVersion::V1Alpha2));
        }
        ("gateway.networking.k8s.io/v1" | "gateway.networking.k8s.io/v1beta1", "Gateway") => {
            return Ok(Role::Gateway);
        }
        ("v1", "Service") => return Ok(Role::Service),
        ("v1", "Namespace") => return Ok(Role::Namespace),
        _ => {}
    }
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    if names(NOT_HONOURED, group, kind) {
        return Ok(Role::NotHonoured);
    }
    if names(BYSTANDERS, group, kind) {
        return Ok(Role::Bystander);
    }
    Err(Fault::UnknownKind {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        expected: expected(group, kind),
        ignorable: kind != "TCPRoute" && kinds_of(group).next().is_none(),
    })
}

/// Whether a document that lacks one of them, or both, is likelier no Kubernetes object at all (the
/// values of a Helm chart, a kustomization) than one of those that decide about routing.
pub(crate) fn is_stray(api_version: Option<&str>, kind: Option<&str>) -> bool {
    let group = api_version.and_then(|version| Some(version.rsplit_once('/')?.0));
    let decides = |kind| READ.iter().any(|(_, kinds)| kinds.contains(&kind));
    group != Some(GATEWAY_API) && !kind.is_some_and(decides)
}

fn expected(group: &str, kind: &str) -> String {
    match (group, kind) {
        (_, "TCPRoute") => String::from(
            "a TCPRoute of gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/v1alpha2",
        ),
        (GATEWAY_API, "Gateway") => String::from(
            "a Gateway of gateway.networking.k8s.io/v1 or gateway.networking.k8s.io/v1beta1",
        ),
        ("", "Service" | "Namespace") => format!("a {kind} of v1"),
        _ => {
            let known: Vec<_> = kinds_of(group).collect();
            match known.as_slice() {
                [] => String::from(
                    "a TCPRoute, Service, Gateway, Namespace or another kind of Kubernetes, \
                     the Gateway API or Istio",
                ),
                known => format!("one of {}", known.join(", ")),
            }
        }
    }
}

/// Every kind of a group that this program has heard of.
fn kinds_of(group: &str) -> impl Iterator<Item = &'static str> {
    let tables = [READ, NOT_HONOURED, BYSTANDERS];
    let rows = tables.into_iter().flatten();
    let rows = rows.filter(move |(of, _)| *of == group);
    rows.flat_map(|(_, kinds)| kinds.iter().copied())
}

fn names(table: Table, group: &str, kind: &str) -> bool {
    table
        .iter()
        .any(|(of, kinds)| *of == group && kinds.contains(&kind))
}

/// Kinds by API group, the core group being empty.
type Table = &'static [(&'static str, &'static [&'static str])];

const READ: Table = &[
    (GATEWAY_API, &["TCPRoute", "Gateway"]),
    ("", &["Service", "Namespace"]),
];

const NOT_HONOURED: Table = &[
    (
        GATEWAY_API,
        &[
            "TLSRoute",
            "HTTPRoute",
            "GRPCRoute",
            "UDPRoute",
            "ReferenceGrant",
        ],
    ),
    (
        "networking.istio.io",
        &["VirtualService", "DestinationRule", "ServiceEntry"],
    ),
];

#[rustfmt::skip]
const BYSTANDERS: Table = &[
    ("", &["Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "ServiceAccount"]),
    ("admissionregistration.k8s.io", &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("batch", &["CronJob", "Job"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle", "PodCertificateRequest"]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("events.k8s.io", &["Event"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("networking.k8s.io", &["IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodDisruptionBudget"]),
    ("policy.networking.k8s.io", &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
    (GATEWAY_API, &["BackendTLSPolicy", "GatewayClass", "ListenerSet"]),
    ("extensions.istio.io", &["TrafficExtension", "WasmPlugin"]),
    ("install.istio.io", &["IstioOperator"]),
    ("networking.istio.io", &["EnvoyFilter", "Gateway", "ProxyConfig", "Sidecar", "WorkloadEntry", "WorkloadGroup"]),
    ("security.istio.io", &["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"]),
    ("telemetry.istio.io", &["Telemetry"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions_of_tcproute_and_gateway() {
        let tcp_route = |version| role(&format!("{GATEWAY_API}/{version}"), "TCPRoute").unwrap();
        assert_eq!(tcp_route("v1"), Role::TcpRoute(RouteVersion::V1));
        assert_eq!(
            tcp_route("v1alpha2"),
            Role::TcpRoute(RouteVersion::V1Alpha2)
        );
        for version in ["v1", "v1beta1"] {
            let gateway = role(&format!("{GATEWAY_API}/{version}"), "Gateway").unwrap();
            assert_eq!(gateway, Role::Gateway);
        }
    }

    #[test]
    fn passes_over_what_does_not_route() {
        for (version, kind) in [
            ("apps/v1", "Deployment"),
            ("v1", "ConfigMap"),
            ("networking.istio.io/v1", "Gateway"),
            ("extensions.istio.io/v1alpha1", "WasmPlugin"),
        ] {
            assert_eq!(role(version, kind).unwrap(), Role::Bystander, "{kind}");
        }
        let virtual_service = role("networking.istio.io/v1beta1", "VirtualService");
        assert_eq!(virtual_service.unwrap(), Role::NotHonoured);
    }

    #[test]
    fn half_a_route_is_not_stray() {
        assert!(is_stray(None, None));
        assert!(is_stray(Some("v2"), None), "Chart.yaml");
        assert!(is_stray(None, Some("Kustomization")));
        assert!(!is_stray(None, Some("TCPRoute")));
        assert!(!is_stray(None, Some("Namespace")));
        assert!(!is_stray(Some("gateway.networking.k8s.io/v1"), None));
    }

    #[test]
    fn a_misspelt_name_is_never_ignorable() {
        let ignorable = |version: &str, kind: &str| match role(version, kind) {
            Err(Fault::UnknownKind { ignorable, .. }) => ignorable,
            other => panic!("{other:?}"),
        };
        assert!(!ignorable("gateway.networking.k8s.io/v1", "TCPRouet"));
        assert!(!ignorable("gateway.networking.k8s.io/v1beta9", "TCPRoute"));
        assert!(!ignorable("gateway.networking.k8s.o/v1", "TCPRoute"));
        assert!(!ignorable("v2", "Service"));
        assert!(!ignorable("apps/v1", "Deploymet"));
        assert!(ignorable("argoproj.io/v1alpha1", "Rollout"));
        assert!(ignorable("serving.knative.dev/v1", "Service"));
    }
}
