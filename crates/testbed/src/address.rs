//! A loopback network of its own for each testbed.
//!
//! The ports of a mesh are fixed (15008 for HBONE, 9000 for the echo service), so testbeds that run
//! at the same time, in one process or in several, differ in their addresses: each takes a network
//! 127.A.B.0/24. Linux answers on all of 127.0.0.0/8 without any set-up.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};

/// The port on which ztunnels and waypoints accept HBONE.
pub const HBONE_PORT: u16 = 15008;

const ATTEMPTS: usize = 100;

/// A network that no other testbed uses as long as this value lives.
#[derive(Debug)]
pub struct Network {
    prefix: [u8; 3],
    /// Whoever has bound this port on the network's last address owns the network.
    _claim: TcpListener,
}

impl Network {
    pub fn claim() -> Result<Self> {
        let mut taken = None;
        for _ in 0..ATTEMPTS {
            // 127.0.x is where other software listens.
            let prefix = [127, fastrand::u8(64..), fastrand::u8(..)];
            match TcpListener::bind((last(prefix), HBONE_PORT)) {
                Ok(claim) => {
                    return Ok(Self {
                        prefix,
                        _claim: claim,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AddrInUse => taken = Some(error),
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("cannot listen on {}:{HBONE_PORT}", last(prefix))
                    });
                }
            }
        }
        bail!(
            "no free loopback network after {ATTEMPTS} attempts, does something listen on \
             0.0.0.0:{HBONE_PORT}? Last error: {taken:?}"
        );
    }

    pub fn waypoint(&self) -> Ipv4Addr {
        self.host(1)
    }

    pub fn pod_one(&self) -> Ipv4Addr {
        self.host(11)
    }

    pub fn pod_two(&self) -> Ipv4Addr {
        self.host(12)
    }

    /// Where clients come from: `number` 0 to 99, each another source address.
    pub fn client(&self, number: u8) -> Ipv4Addr {
        assert!(
            number < 100,
            "a testbed has 100 client addresses, asked for number {number}"
        );
        self.host(100 + number)
    }

    fn host(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, last)
    }
}

fn last([a, b, c]: [u8; 3]) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, 254)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_differ() {
        let networks: Vec<_> = (0..50).map(|_| Network::claim().unwrap()).collect();
        let mut prefixes: Vec<_> = networks.iter().map(|network| network.prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        assert_eq!(prefixes.len(), networks.len());
    }

    #[test]
    fn a_claim_ends_with_its_network() {
        let network = Network::claim().unwrap();
        let address = (last(network.prefix), HBONE_PORT);
        assert_eq!(
            TcpListener::bind(address).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
        drop(network);
        TcpListener::bind(address).unwrap();
    }
}
