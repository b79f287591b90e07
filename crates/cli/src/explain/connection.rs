//! What is known of a connection.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use waypoint_l4_route::{Condition, Facts};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sni: Option<String>,
    /// Why the waypoint does not look for the server name, if it does not.
    #[serde(skip)]
    pub(crate) sni_unread: Option<String>,
}

const NO_IDENTITY: &str = "no identity of Kubernetes, spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME";

impl Facts for Connection {
    fn server_name(&self) -> Option<String> {
        match self.sni_unread {
            Some(_) => None,
            None => self.sni.clone(),
        }
    }

    /// With some port, as Envoy has it.
    fn source_address(&self) -> Option<String> {
        let address = self.source_ip.map(|ip| SocketAddr::new(ip, 0));
        address.map(|address| address.to_string())
    }

    fn source_principal(&self) -> Option<String> {
        self.principal.clone()
    }
}

impl Connection {
    /// What is wrong with the client's identity: the filter takes it for none, and so do the rules.
    pub(crate) fn doubt(&self) -> Option<String> {
        let principal = self.principal.as_deref()?;
        let parts: Vec<_> = principal.split('/').collect();
        let is_identity = match parts.as_slice() {
            ["spiffe:", "", domain, "ns", namespace, "sa", account] => {
                ![domain, namespace, account].contains(&&"")
            }
            _ => false,
        };
        (!is_identity).then(|| {
            format!("--principal {principal:?} is {NO_IDENTITY}: the filter takes it for none")
        })
    }

    /// What a condition is held against; `known` says whether the filter can make something of it.
    pub(crate) fn fact(&self, condition: Condition, known: bool) -> String {
        if let (Condition::Sni, Some(why)) = (condition, &self.sni_unread) {
            return format!("the server name is not known, as {why}");
        }
        let (name, given, option, useless) = match condition {
            Condition::Sni => ("server name", self.sni.clone(), "--sni", "none"),
            Condition::SourceNamespaces | Condition::SourceServiceAccounts => (
                "principal",
                self.principal.clone(),
                "--principal",
                NO_IDENTITY,
            ),
            Condition::SourceCidrs => {
                let address = self.source_ip.map(|ip| ip.to_string());
                ("address", address, "--from-ip", "none")
            }
        };
        match given {
            None => format!("the {name} is not known ({option})"),
            Some(given) if known => format!("the {name} is {given}"),
            Some(given) => format!("the {name} {given:?} is {useless}"),
        }
    }
}
