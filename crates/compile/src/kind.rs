//! Which kinds of objects are read, which are passed over, and which are none.

use std::ops::RangeInclusive;

use crate::error::Fault;
use crate::route::{ISTIO_NETWORKING, RouteKind};

pub(crate) const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// What a kind is to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    GatewayRoute(RouteVersion),
    /// It routes the requests of a connection, so connections are not to be routed.
    HttpRoute,
    VirtualService,
    DestinationRule,
    Service,
    ServiceEntry,
    Gateway,
    Namespace,
    /// It may carry a filter to a waypoint.
    Plugin,
    /// It routes connections, and this version does not honour it.
    NotHonoured,
    /// It does not route: manifests of an application hold many such objects.
    Bystander,
}

/// A route of the Gateway API, and the version it was written in: they differ in what they must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVersion {
    TcpV1,
    TcpV1Alpha2,
    TlsV1,
    TlsV1Alpha3,
    TlsV1Alpha2,
}

impl RouteVersion {
    pub(crate) fn kind(self) -> RouteKind {
        match self {
            Self::TcpV1 | Self::TcpV1Alpha2 => RouteKind::TcpRoute,
            Self::TlsV1 | Self::TlsV1Alpha3 | Self::TlsV1Alpha2 => RouteKind::TlsRoute,
        }
    }

    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::TcpV1 | Self::TlsV1 => "gateway.networking.k8s.io/v1",
            Self::TlsV1Alpha3 => "gateway.networking.k8s.io/v1alpha3",
            Self::TcpV1Alpha2 | Self::TlsV1Alpha2 => "gateway.networking.k8s.io/v1alpha2",
        }
    }

    /// How many rules there may be.
    pub(crate) fn rules(self) -> RangeInclusive<usize> {
        match self {
            Self::TcpV1 | Self::TlsV1 | Self::TlsV1Alpha3 => 1..=1,
            Self::TcpV1Alpha2 | Self::TlsV1Alpha2 => 1..=16,
        }
    }

    /// How many hostnames there may be; none where there is no such field.
    pub(crate) fn hostnames(self) -> Option<RangeInclusive<usize>> {
        match self {
            Self::TcpV1 | Self::TcpV1Alpha2 => None,
            Self::TlsV1 | Self::TlsV1Alpha3 => Some(1..=1024),
            Self::TlsV1Alpha2 => Some(0..=1024),
        }
    }
}

pub(crate) fn role(api_version: &str, kind: &str) -> Result<Role, Fault> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let role = match (group, version, kind) {
        (GATEWAY_API, "v1", "TCPRoute") => Role::GatewayRoute(RouteVersion::TcpV1),
        (GATEWAY_API, "v1alpha2", "TCPRoute") => Role::GatewayRoute(RouteVersion::TcpV1Alpha2),
        (GATEWAY_API, "v1", "TLSRoute") => Role::GatewayRoute(RouteVersion::TlsV1),
        (GATEWAY_API, "v1alpha3", "TLSRoute") => Role::GatewayRoute(RouteVersion::TlsV1Alpha3),
        (GATEWAY_API, "v1alpha2", "TLSRoute") => Role::GatewayRoute(RouteVersion::TlsV1Alpha2),
        (GATEWAY_API, "v1" | "v1beta1", "HTTPRoute") => Role::HttpRoute,
        (GATEWAY_API, "v1", "GRPCRoute") => Role::HttpRoute,
        (GATEWAY_API, "v1" | "v1beta1", "Gateway") => Role::Gateway,
        (ISTIO_NETWORKING, "v1" | "v1beta1" | "v1alpha3", kind) => match kind {
            "VirtualService" => Role::VirtualService,
            "DestinationRule" => Role::DestinationRule,
            "ServiceEntry" => Role::ServiceEntry,
            kind => return other(group, api_version, kind),
        },
        ("extensions.istio.io", _, "WasmPlugin" | "TrafficExtension") => Role::Plugin,
        ("", "v1", "Service") => Role::Service,
        ("", "v1", "Namespace") => Role::Namespace,
        _ => return other(group, api_version, kind),
    };
    Ok(role)
}

/// The role of a kind that is not read.
fn other(group: &str, api_version: &str, kind: &str) -> Result<Role, Fault> {
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
        ignorable: !ROUTES.contains(&kind) && kinds_of(group).next().is_none(),
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
    let of = |group: &str, versions: &[&str]| {
        let versions = versions.iter().map(|version| format!("{group}/{version}"));
        format!("a {kind} of {}", versions.collect::<Vec<_>>().join(" or "))
    };
    match (group, kind) {
        (_, "TCPRoute") => of(GATEWAY_API, &["v1", "v1alpha2"]),
        (_, "TLSRoute") => of(GATEWAY_API, &["v1", "v1alpha3", "v1alpha2"]),
        (GATEWAY_API, "Gateway" | "HTTPRoute") => of(GATEWAY_API, &["v1", "v1beta1"]),
        (GATEWAY_API, "GRPCRoute") => of(GATEWAY_API, &["v1"]),
        (_, "VirtualService") | (ISTIO_NETWORKING, "DestinationRule" | "ServiceEntry") => {
            of(ISTIO_NETWORKING, &["v1", "v1beta1", "v1alpha3"])
        }
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
    (
        GATEWAY_API,
        &["TCPRoute", "TLSRoute", "HTTPRoute", "GRPCRoute", "Gateway"],
    ),
    ("", &["Service", "Namespace"]),
    (
        ISTIO_NETWORKING,
        &["VirtualService", "DestinationRule", "ServiceEntry"],
    ),
];

/// Kinds that nobody else has: with another group they are misspelt.
pub(crate) const ROUTES: [&str; 3] = ["TCPRoute", "TLSRoute", "VirtualService"];

const NOT_HONOURED: Table = &[(GATEWAY_API, &["UDPRoute"])];

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
    ("kustomize.config.k8s.io", &["Component", "Kustomization"]),
    ("networking.k8s.io", &["IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodDisruptionBudget"]),
    ("policy.networking.k8s.io", &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
    (GATEWAY_API, &["BackendTLSPolicy", "GatewayClass", "ListenerSet", "ReferenceGrant"]),
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
        assert_eq!(tcp_route("v1"), Role::GatewayRoute(RouteVersion::TcpV1));
        assert_eq!(
            tcp_route("v1alpha2"),
            Role::GatewayRoute(RouteVersion::TcpV1Alpha2)
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
        ] {
            assert_eq!(role(version, kind).unwrap(), Role::Bystander, "{kind}");
        }
        let udp_route = role("gateway.networking.k8s.io/v1alpha2", "UDPRoute");
        assert_eq!(udp_route.unwrap(), Role::NotHonoured);
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
