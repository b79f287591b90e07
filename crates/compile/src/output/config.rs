//! From what a waypoint has to do to the plugin configuration, and what it costs.

use sha2::{Digest, Sha256};
use waypoint_l4_config::{Backend, Config, Drain, InvalidReason, Listener, Rule, Target};

use crate::error::InvalidOutput;
use crate::plan;

/// What is printed must be what the filter accepts: a first configuration that it refuses closes
/// every connection.
pub(super) fn acceptable(config: &Config, json: &[u8]) -> Result<(), InvalidOutput> {
    let read_back = waypoint_l4_config::parse(json)?;
    if read_back != *config {
        return Err(InvalidOutput::Differs);
    }
    Ok(())
}

pub(crate) fn config(
    listeners: &[plan::Listener],
    annotate: bool,
) -> Result<Config, InvalidOutput> {
    let mut config = Config {
        annotate,
        listeners: listeners.iter().map(listener).collect::<Result<_, _>>()?,
        ..Config::default()
    };
    let digest = Sha256::digest(serde_json::to_vec(&config)?);
    let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
    config.revision = Some(digits.collect());
    Ok(config)
}

fn listener(planned: &plan::Listener) -> Result<Listener, InvalidReason> {
    Ok(Listener {
        chain: planned.chain.clone(),
        otherwise: planned.otherwise,
        drain: planned.drain.map(|on_removal| Drain { on_removal }),
        rules: planned.rules.iter().map(rule).collect::<Result<_, _>>()?,
    })
}

fn rule(planned: &plan::Rule) -> Result<Rule, InvalidReason> {
    Ok(Rule {
        name: planned.name.clone(),
        matches: planned.matches.clone(),
        pick: planned.pick.clone(),
        backends: planned
            .backends
            .iter()
            .map(backend)
            .collect::<Result<_, _>>()?,
    })
}

fn backend(planned: &plan::Backend) -> Result<Backend, InvalidReason> {
    Ok(Backend {
        name: planned.name.clone(),
        target: match &planned.target {
            plan::Target::Cluster(cluster) => Target::Cluster(cluster.clone()),
            plan::Target::Refuse(refusal) => {
                Target::Refuse(refusal.as_str().to_owned().try_into()?)
            }
        },
        weight: planned.weight,
    })
}
