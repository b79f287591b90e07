//! `waypoint-l4 explain`: the filter's core, asked about one connection.

mod connection;
mod destination;
mod explanation;
mod host;
mod outcome;
mod place;
mod rule;
mod simulation;
mod text;
mod waypoint;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use waypoint_l4_compile::ObjectName;

use crate::files::read_stdin_once;
use crate::manifests::Manifests;
use crate::output::{Format, print, report};
use connection::Connection;
use destination::Destination;
use explanation::Explanation;
use place::Place;
use waypoint::{Mesh, of_config, of_manifests};

/// Tell what becomes of a connection, and why.
///
/// Decides by the code that decides in the waypoint. What is not told of the connection is not known of
/// it, and a condition on it does not hold. Reads manifests as compile does, or a plugin configuration.
/// Writes the explanation to standard output, and to standard error what of the manifests has no effect.
#[derive(Args)]
#[command(
    group(ArgGroup::new("input").args(["filenames", "config"]).required(true)),
    group(ArgGroup::new("target").args(["to", "chain"]).required(true)),
    mut_arg("filenames", |filenames| filenames.required(false))
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,

    /// A plugin configuration in place of manifests, as compile --output config writes it, or - for
    /// standard input
    #[arg(
        long,
        value_name = "FILE|-",
        conflicts_with_all = ["recursive", "ignore_unknown_kinds", "waypoint"]
    )]
    config: Option<PathBuf>,

    /// Where the client connects to, such as tcp-echo.demo:9000: the host of a ServiceEntry, or that of a
    /// Service, of which the end may be left out
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<Destination>,

    /// The filter chain that gets the connection, in place of --to
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,

    /// The client's address
    #[arg(long, value_name = "IP")]
    from_ip: Option<IpAddr>,

    /// The client's identity, such as spiffe://cluster.local/ns/shop/sa/web
    #[arg(long, value_name = "SPIFFE_URI")]
    principal: Option<String>,

    /// The server name in the client's TLS ClientHello; the waypoint looks for it only on ports that are
    /// declared as TLS
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,

    /// Decide so many such connections, one after the other, and count where they go
    #[arg(long, value_name = "N")]
    connections: Option<NonZeroU32>,

    /// What chance begins with: of the same seed come the same counts
    #[arg(long, value_name = "N", default_value_t, requires = "connections")]
    seed: u64,

    /// Only what is for this waypoint
    #[arg(long, value_name = "NAMESPACE/NAME")]
    waypoint: Option<ObjectName>,

    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let manifests = &arguments.manifests;
    let explained = match &arguments.config {
        Some(file) => of_config(file).and_then(|mesh| arguments.explain(&mesh)),
        None => {
            read_stdin_once(manifests.filenames());
            let sources = manifests.sources();
            let (unknown_kinds, domain) = (manifests.unknown_kinds(), &manifests.cluster_domain);
            match of_manifests(&sources, unknown_kinds, domain, arguments.waypoint.as_ref()) {
                Ok(mesh) => arguments.explain(&mesh),
                Err(refused) => {
                    manifests.refuse(&refused);
                    return ExitCode::FAILURE;
                }
            }
        }
    };
    match explained {
        Ok(text) => print(&text, ExitCode::SUCCESS),
        Err(error) => {
            report(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn explain(&self, mesh: &Mesh) -> Result<String, String> {
        let domain = &self.manifests.cluster_domain;
        let waypoint = self.waypoint.as_ref();
        let place = match (&self.to, &self.chain) {
            (Some(to), _) => Place::of_destination(to, mesh, waypoint, domain),
            (None, chain) => Place::of_chain(chain.as_deref().unwrap_or_default(), mesh, waypoint),
        };
        let place = place.map_err(|no_place| no_place.to_string())?;
        let connection = Connection {
            source_ip: self.from_ip,
            principal: self.principal.clone(),
            sni: self.sni.clone(),
            sni_unread: place.sni_unread.clone(),
        };
        if let Some(doubt) = connection.doubt() {
            report(&format!("note: {doubt}"));
        }
        let explanation = Explanation::new(&place, connection, self.connections, self.seed);
        match self.format {
            Format::Text => Ok(explanation.to_string()),
            Format::Json => serde_json::to_string_pretty(&explanation)
                .map(|json| format!("{json}\n"))
                .map_err(|error| error.to_string()),
        }
    }
}
