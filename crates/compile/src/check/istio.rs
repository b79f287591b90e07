//! What a release of Istio does with routes and plugins.

use std::fmt;
use std::str::FromStr;

use crate::route::RouteKind;

/// A release of Istio, and how it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Istio {
    pub version: IstioVersion,
    /// Whether istiod has `PILOT_ENABLE_ALPHA_GATEWAY_API`.
    pub alpha: bool,
}

/// As 1.28: patch releases do not differ in what counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IstioVersion {
    major: u32,
    minor: u32,
}

impl FromStr for IstioVersion {
    type Err = InvalidIstioVersion;

    fn from_str(version: &str) -> Result<Self, InvalidIstioVersion> {
        let mut parts = version.strip_prefix('v').unwrap_or(version).split('.');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        match (number(), number()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(InvalidIstioVersion),
        }
    }
}

impl fmt::Display for IstioVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a version of Istio such as 1.28")]
pub struct InvalidIstioVersion;

/// A release of the first major version.
const fn minor(minor: u32) -> IstioVersion {
    IstioVersion { major: 1, minor }
}

/// The first release whose waypoints are set up as the filter needs it.
pub(super) const OLDEST: IstioVersion = minor(24);
pub(super) const FIRST_CANARY: IstioVersion = minor(31);
/// From here on addresses are given to ServiceEntries without.
pub(super) const FIRST_AUTO_ALLOCATION: IstioVersion = minor(25);
pub(super) const FIRST_TRAFFIC_EXTENSION: IstioVersion = minor(30);
pub(super) const FIRST_FAIL_RELOAD: IstioVersion = minor(27);
const FIRST_GATEWAY_CLASS_TARGET: IstioVersion = minor(25);
const FIRST_NATIVE: IstioVersion = minor(26);
const FIRST_TLS_ROUTE_V1: IstioVersion = minor(30);
const FIRST_TCP_ROUTE_V1: IstioVersion = minor(31);

/// What becomes of a plugin that targets a Service or ServiceEntry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceTarget {
    /// Found in the namespace of the waypoint and the root namespace only.
    NotElsewhere,
    /// In another namespace than the waypoint's, its proxy never gets ready.
    CrashLoop,
    Works,
}

impl Istio {
    /// Whether istiod routes such a route by itself in a waypoint.
    pub(super) fn routes(self, kind: RouteKind) -> bool {
        let always = match kind {
            RouteKind::VirtualService => FIRST_NATIVE,
            RouteKind::TlsRoute => FIRST_TLS_ROUTE_V1,
            RouteKind::TcpRoute => FIRST_TCP_ROUTE_V1,
        };
        self.version >= always || (self.alpha && self.version >= FIRST_NATIVE)
    }

    /// The version of a route's API that is left, where the Gateway API which the release goes with
    /// serves the route's own no more in its standard channel.
    pub(super) fn has_dropped(self, kind: RouteKind, api_version: &str) -> bool {
        let first_without = match kind {
            RouteKind::TlsRoute => FIRST_TLS_ROUTE_V1,
            RouteKind::TcpRoute => FIRST_TCP_ROUTE_V1,
            RouteKind::VirtualService => return false,
        };
        self.version >= first_without && !api_version.ends_with("/v1")
    }

    pub(super) fn service_target(self) -> ServiceTarget {
        if self.version < FIRST_GATEWAY_CLASS_TARGET {
            ServiceTarget::NotElsewhere
        } else if self.version < FIRST_TRAFFIC_EXTENSION {
            ServiceTarget::CrashLoop
        } else {
            ServiceTarget::Works
        }
    }

    pub(super) fn has_gateway_class_target(self) -> bool {
        self.version >= FIRST_GATEWAY_CLASS_TARGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn istio(version: &str, alpha: bool) -> Istio {
        let version = version.parse().unwrap();
        Istio { version, alpha }
    }

    #[test]
    fn reads_what_istioctl_prints() {
        for text in ["1.28", "1.28.3", "v1.28", "1.28-alpha.0"] {
            let parsed = text.parse::<IstioVersion>();
            if text == "1.28-alpha.0" {
                assert_eq!(parsed, Err(InvalidIstioVersion));
            } else {
                assert_eq!(parsed.unwrap().to_string(), "1.28", "{text}");
            }
        }
        assert_eq!("latest".parse::<IstioVersion>(), Err(InvalidIstioVersion));
    }

    #[test]
    fn knows_since_when_istiod_routes_by_itself() {
        for (version, alpha, tcp, tls, virtual_service) in [
            ("1.24", true, false, false, false),
            ("1.26", false, false, false, true),
            ("1.26", true, true, true, true),
            ("1.30", false, false, true, true),
            ("1.31", false, true, true, true),
        ] {
            let istio = istio(version, alpha);
            let found = [
                RouteKind::TcpRoute,
                RouteKind::TlsRoute,
                RouteKind::VirtualService,
            ]
            .map(|kind| istio.routes(kind));
            assert_eq!(found, [tcp, tls, virtual_service], "{version} {alpha}");
        }
    }
}
