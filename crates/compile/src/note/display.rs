//! The words of the remarks.

use std::fmt;

use super::Remark;
use crate::annotation::{OTHERWISE, path};
use crate::object::ObjectId;
use crate::route::RouteKind;

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { path } => write!(f, "{path}: unknown field, not honoured"),
            Self::StrayAnnotation { path } => write!(
                f,
                "{path}: no effect there, only on TCPRoutes, TLSRoutes and VirtualServices with tls or \
                 tcp rules for the mesh"
            ),
            Self::NotHonoured { path: None } => f.write_str("not honoured by this version"),
            Self::NotHonoured { path: Some(path) } => {
                write!(f, "{path}: not honoured by this version")
            }
            Self::UnknownKind { api_version, kind } => {
                write!(f, "left out: unknown kind {api_version} {kind}")
            }
            Self::NoKind { place, missing } => {
                write!(f, "{place}: left out: it lacks {missing}")
            }
            Self::LeftOut { fault } => write!(
                f,
                "left out, as it is wrong; it does not concern the waypoint: {fault}"
            ),
            Self::NoParents => f.write_str("no parentRefs: no effect"),
            Self::ForeignParent { path, parent } => {
                write!(
                    f,
                    "{path}: {parent}: no effect there, only Services and ServiceEntries are served"
                )
            }
            Self::OtherUses { uses } => write!(
                f,
                "{uses}, and the label istio.io/rev: waypoint-l4 hides the whole object from \
                 istiod: split it"
            ),
            Self::NoSuchHost { path, host } => write!(
                f,
                "{path}: no Service or ServiceEntry of host {host} is among the manifests: no \
                 effect there"
            ),
            Self::NoSuchPort { path, port } => write!(
                f,
                "{path}: matches no connection, as no host of spec.hosts has a TCP port {port}"
            ),
            Self::NoMatchingParent {
                path,
                service,
                port,
                section,
            } => {
                write!(f, "{path}: NoMatchingParent: {service} has no port")?;
                if let Some(port) = port {
                    write!(f, " {port}")?;
                }
                match section {
                    Some(section) => write!(f, " named {section}"),
                    None => Ok(()),
                }
            }
            Self::NoTcpPort { path, service } => {
                write!(
                    f,
                    "{path}: no TCP port of {service} matches: no effect there"
                )
            }
            Self::UnsupportedParent {
                path,
                service,
                addressing,
            } => write!(
                f,
                "{path}: {service} is {addressing}: no effect there, as it has no virtual \
                 IP for a waypoint to stand behind"
            ),
            Self::NoWaypoint {
                path,
                service,
                cause,
            } => write!(f, "{path}: {service} has no waypoint: {cause}"),
            Self::HttpPort { service, port } => write!(
                f,
                "port {port} of {service} is HTTP: no effect there, as a waypoint has no \
                 TCP filter chain for it"
            ),
            Self::DetectedPort { service, port } => write!(
                f,
                "port {port} of {service} has no declared protocol: connections whose \
                 first bytes look like HTTP bypass the filter; {}",
                declare(service, "tcp")
            ),
            Self::Outranked {
                part,
                service,
                port,
                winner,
            } => write!(
                f,
                "{}port {port} of {service}: no effect there, as {winner} takes \
                 precedence ({})",
                prefix(part),
                match winner.kind.as_str() {
                    "HTTPRoute" | "GRPCRoute" => "a route of HTTP goes before one of TCP or TLS",
                    "VirtualService" => "the oldest object, then the first by name and namespace",
                    _ => "the oldest route, then the first by namespace and name",
                }
            ),
            Self::Covered {
                part,
                service,
                port,
                winner,
            } => write!(
                f,
                "{}port {port} of {service}: no effect there, as {winner} comes \
                 first and takes every connection that meets its conditions",
                prefix(part)
            ),
            Self::OutsideNamespaces {
                path,
                items,
                namespaces,
                left_out_of,
            } => {
                write!(
                    f,
                    "{path}: {items}: no effect, as the route is only for clients of namespace \
                     {namespaces}"
                )?;
                match left_out_of {
                    Some(service) => write!(
                        f,
                        "; that leaves nobody, so the route is left out of {service}"
                    ),
                    None => Ok(()),
                }
            }
            Self::NoServerName {
                path,
                service,
                port,
            } => write!(
                f,
                "{path}: port {port} of {service} is not declared as TLS, so Istio does not \
                 read the server name there and the route matches no connection; {}",
                declare(service, "tls")
            ),
            Self::Overruled {
                annotation,
                service,
                port,
                winner,
            } => write!(
                f,
                "{}: port {port} of {service}: no effect there, as {winner}, \
                 which comes first, has another value",
                path(annotation)
            ),
            Self::NothingLeftOver {
                service,
                port,
                taker,
            } => write!(
                f,
                "{}: port {port} of {service}: no effect there, as {taker} has no \
                 conditions and leaves no connection over",
                path(OTHERWISE)
            ),
            Self::OthersConnections {
                annotation,
                service,
            } => write!(
                f,
                "{}: no effect at {service}, as only a route of the Service's own \
                 namespace decides for clients of all namespaces",
                path(annotation)
            ),
            Self::FurtherRules { kind, count } => write!(
                f,
                "spec.rules: only the first rule has an effect, as rules of a {kind} have no \
                 match to choose by; left out: {count}"
            ),
            Self::InvalidBackend {
                path,
                reason,
                cause,
            } => write!(
                f,
                "{path}: {reason}: {cause}; its share of the connections is refused"
            ),
            Self::Shadowed { path } => write!(
                f,
                "{path}: no effect, as an earlier rule of the object takes every connection that \
                 meets it"
            ),
            Self::SourceLabels { path } => write!(
                f,
                "{path}.sourceLabels: matches no connection, as a waypoint does not know the \
                 labels of its clients; sourceNamespace and the annotation \
                 waypoint-l4.io/source-service-accounts tell clients apart"
            ),
            Self::UnknownAddress { path, service } => write!(
                f,
                "{path}.destinationSubnets: matches no connection, as the manifest of {service} \
                 has no IP address"
            ),
            Self::NobodyLeft { path } => write!(
                f,
                "{path}: matches no connection, as none meets both this and the object's \
                 annotations"
            ),
            Self::NotExported { service } => write!(
                f,
                "spec.exportTo: no effect at {service}, as the object is of another namespace and \
                 not exported to its own clients"
            ),
            Self::NoCanary { service, cause } => {
                write!(f, "{service} has no canary waypoint: {cause}")
            }
            Self::Anchored {
                path,
                service,
                waypoint,
                anchor,
            } => write!(
                f,
                "{path}: waypoint {waypoint} does not serve {service}: istiod makes a cluster for \
                 it once VirtualService {anchor} is applied; until then its share is refused"
            ),
            Self::AnchorAtHttp { service } => write!(
                f,
                "its VirtualService for clusters is one for {service}, which has HTTP ports: if \
                 another VirtualService or an HTTPRoute of it is younger, istiod passes that over"
            ),
            Self::NoAnchor { host, destinations } => write!(
                f,
                "it needs a VirtualService for {host} that names {destinations}, which this \
                 output does not have; until there is one their share is refused"
            ),
            Self::NoShare { path } => {
                write!(f, "{path}: all weights are 0: every connection is refused")
            }
            Self::ReadByIstiod { kind, revision } => {
                let versions = match kind {
                    RouteKind::TcpRoute => "1.31+ (1.26-1.30 with PILOT_ENABLE_ALPHA_GATEWAY_API)",
                    RouteKind::TlsRoute => "1.30+ (1.26-1.29 with PILOT_ENABLE_ALPHA_GATEWAY_API)",
                    RouteKind::VirtualService => "1.26+",
                };
                write!(
                    f,
                    "Istio {versions} routes it natively and this plugin has no effect{}",
                    remedy(revision.as_deref())
                )
            }
            Self::AssumedWaypoint => f.write_str(
                "not among the manifests: assumed to be an istio-waypoint that serves Services",
            ),
            Self::Large {
                bytes,
                contributors,
            } => write!(
                f,
                "its plugin has {bytes} bytes, and Kubernetes takes 1572864; the largest are \
                 {contributors}; apply it with kubectl apply --server-side"
            ),
            Self::ServerSideApply { bytes } => write!(
                f,
                "its plugin has {bytes} bytes: kubectl apply puts it into an annotation too, which \
                 takes 262144, so apply it with --server-side"
            ),
            Self::NoRoute => f.write_str("no route: its plugin leaves every connection alone"),
            Self::NotForServices { traffic } => write!(
                f,
                "istio.io/waypoint-for: {traffic}: no plugin, as it does not serve Services"
            ),
            Self::NoWaypoints => f.write_str("no waypoint among the manifests: nothing to write"),
        }
    }
}

/// How a route is hidden from istiod, by the label that it has.
pub(crate) fn remedy(revision: Option<&str>) -> String {
    match revision {
        None => String::from(": add the label istio.io/rev: waypoint-l4"),
        Some(revision) => format!(
            ", where the revision is {revision}: the label istio.io/rev: {revision} hides it only from \
             istiods of other revisions; istio.io/rev: waypoint-l4 hides it from all"
        ),
    }
}

/// How a port is declared to be of a protocol.
fn declare(service: &ObjectId, protocol: &str) -> String {
    match service.kind.as_str() {
        "ServiceEntry" => format!("set its protocol: {}", protocol.to_ascii_uppercase()),
        _ => format!("name the port {protocol}-... or set appProtocol: {protocol}"),
    }
}

fn prefix(part: &str) -> String {
    match part {
        "" => String::new(),
        part => format!("{part}: "),
    }
}
