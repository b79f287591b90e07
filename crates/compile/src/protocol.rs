//! The protocol of a Service port, as Istio decides it: which filter chains and clusters the port
//! has in a waypoint.

/// What Istio takes a Service port for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP, or something inside it that Envoy does not route by, such as a database. One TCP filter
    /// chain.
    Tcp,
    /// TLS that is not ended here. One TCP filter chain, for which Envoy looks for the server name.
    Tls,
    /// One HTTP filter chain, in which no network filter runs.
    Http,
    /// Not declared, so Envoy looks at the first bytes: a filter chain for each of TCP and HTTP.
    Detected,
    /// UDP or SCTP: no filter chain.
    NotTcp,
}

impl Protocol {
    /// Follows `ConvertProtocol` of Istio: the transport, then `appProtocol`, and the port's name
    /// only where there is no `appProtocol`.
    pub(crate) fn of_port(
        transport: Option<&str>,
        app_protocol: Option<&str>,
        name: Option<&str>,
        number: u16,
    ) -> Self {
        if !matches!(transport, None | Some("" | "TCP")) {
            return Self::NotTcp;
        }
        let declared = match app_protocol {
            Some("kubernetes.io/h2c" | "kubernetes.io/ws") => "http",
            Some("kubernetes.io/wss") => "https",
            Some(other) => other,
            None => name.unwrap_or_default(),
        };
        // `grpc-web` needs no case of its own: what stands before its hyphen is HTTP too.
        match Self::named(declared.split('-').next().unwrap_or_default()) {
            Some(protocol) => protocol,
            None if TCP_BY_NUMBER.contains(&number) => Self::Tcp,
            None => Self::Detected,
        }
    }

    /// Of a port of a ServiceEntry, whose name and number do not count.
    pub(crate) fn of_entry(protocol: Option<&str>) -> Self {
        Self::named(protocol.unwrap_or_default()).unwrap_or(Self::Detected)
    }

    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "tcp" | "mongo" | "redis" | "mysql" => Some(Self::Tcp),
            "tls" | "https" => Some(Self::Tls),
            "http" | "http2" | "http_proxy" | "grpc" | "grpc-web" => Some(Self::Http),
            "udp" => Some(Self::NotTcp),
            _ => None,
        }
    }
}

/// SMTP, DNS, MySQL and MongoDB: looking at the first bytes would break them, as the server or
/// nobody speaks first.
const TCP_BY_NUMBER: [u16; 4] = [25, 53, 3306, 27017];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Protocol {
        Protocol::of_port(None, None, Some(name), 9000)
    }

    fn declared(app_protocol: &str) -> Protocol {
        Protocol::of_port(Some("TCP"), Some(app_protocol), Some("tcp-echo"), 9000)
    }

    #[test]
    fn takes_what_stands_before_the_first_hyphen_of_the_name() {
        for name in ["tcp", "TCP-echo", "mongo", "redis-0", "mysql"] {
            assert_eq!(named(name), Protocol::Tcp, "{name}");
        }
        for name in ["tls-db", "https", "HTTPS-web"] {
            assert_eq!(named(name), Protocol::Tls, "{name}");
        }
        for name in [
            "http",
            "http2-x",
            "HTTP_PROXY",
            "grpc",
            "grpc-web",
            "grpc-web-ui",
        ] {
            assert_eq!(named(name), Protocol::Http, "{name}");
        }
        for name in ["", "echo", "tcpecho", "web-http"] {
            assert_eq!(named(name), Protocol::Detected, "{name}");
        }
        assert_eq!(named("udp-dns"), Protocol::NotTcp);
    }

    #[test]
    fn asks_the_name_only_without_app_protocol() {
        assert_eq!(declared("http"), Protocol::Http);
        assert_eq!(declared("kubernetes.io/h2c"), Protocol::Http);
        assert_eq!(declared("kubernetes.io/ws"), Protocol::Http);
        assert_eq!(declared("kubernetes.io/wss"), Protocol::Tls);
        assert_eq!(declared("tls"), Protocol::Tls);
        assert_eq!(declared("example.com/own"), Protocol::Detected);
        assert_eq!(declared(""), Protocol::Detected);
    }

    #[test]
    fn knows_some_numbers() {
        for number in TCP_BY_NUMBER {
            let protocol = Protocol::of_port(None, Some("own"), None, number);
            assert_eq!(protocol, Protocol::Tcp);
        }
        assert_eq!(
            Protocol::of_port(None, None, Some("http"), 25),
            Protocol::Http
        );
    }

    #[test]
    fn the_transport_comes_first() {
        let of = |transport| Protocol::of_port(Some(transport), None, Some("tcp"), 53);
        assert_eq!(of("UDP"), Protocol::NotTcp);
        assert_eq!(of("SCTP"), Protocol::NotTcp);
        assert_eq!(of("TCP"), Protocol::Tcp);
    }
}
