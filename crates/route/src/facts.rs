use alloc::string::String;
use core::cell::OnceCell;
use core::net::{IpAddr, SocketAddr};

/// What the host can tell of a connection, each in the words of Envoy; none if it does not know.
///
/// Each is asked for at most once for a connection, and only if a rule needs it.
pub trait Facts {
    /// `connection.requested_server_name`.
    fn server_name(&self) -> Option<String>;

    /// `source.address`: `10.1.2.3:41234` or `[fd00::1]:41234`.
    fn source_address(&self) -> Option<String>;

    /// `filter_state["io.istio.peer_principal"]`: `spiffe://cluster.local/ns/shop/sa/web`.
    fn source_principal(&self) -> Option<String>;
}

/// The facts of one connection, once they have been asked for.
pub(crate) struct Known<'a, F> {
    facts: &'a F,
    server_name: OnceCell<Option<String>>,
    source_ip: OnceCell<Option<IpAddr>>,
    source_principal: OnceCell<Option<Principal>>,
}

impl<'a, F: Facts> Known<'a, F> {
    pub(crate) fn new(facts: &'a F) -> Self {
        Self {
            facts,
            server_name: OnceCell::new(),
            source_ip: OnceCell::new(),
            source_principal: OnceCell::new(),
        }
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        let ask = || self.facts.server_name().filter(|name| !name.is_empty());
        self.server_name.get_or_init(ask).as_deref()
    }

    /// The client's address without its port, which for connections that share a tunnel says nothing;
    /// IPv4 if it is IPv4-mapped.
    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        let ask = || {
            let address = self.facts.source_address()?.parse::<SocketAddr>().ok()?;
            Some(address.ip().to_canonical())
        };
        *self.source_ip.get_or_init(ask)
    }

    pub(crate) fn source_principal(&self) -> Option<&Principal> {
        let ask = || self.facts.source_principal().and_then(Principal::parse);
        self.source_principal.get_or_init(ask).as_ref()
    }
}

/// A SPIFFE identity of Kubernetes: `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`.
pub(crate) struct Principal {
    text: String,
}

impl Principal {
    fn parse(text: String) -> Option<Self> {
        let principal = Self { text };
        principal.parts().map(|_| ())?;
        Some(principal)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn namespace(&self) -> &str {
        self.parts().map_or("", |(namespace, _)| namespace)
    }

    pub(crate) fn service_account(&self) -> &str {
        self.parts().map_or("", |(_, account)| account)
    }

    fn parts(&self) -> Option<(&str, &str)> {
        let mut parts = self.text.strip_prefix("spiffe://")?.split('/');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (_, ns, namespace, sa, account) = (next()?, next()?, next()?, next()?, next()?);
        let whole = ns == "ns" && sa == "sa" && parts.next().is_none();
        whole.then_some((namespace, account))
    }
}
