use alloc::vec::Vec;
use core::net::IpAddr;

use waypoint_l4_config::{self as config, StickyKey, Weight};

use crate::exact::Exact;
use crate::facts::{Facts, Known};
use crate::random::Random;
use crate::sticky::Sticky;

/// How a rule picks one of its backends.
#[derive(Clone, Debug)]
pub(crate) enum Pick {
    Random(Random),
    Exact(Exact),
    Sticky {
        by: StickyKey,
        sticky: Sticky,
        /// For connections without a key.
        random: Random,
    },
}

impl Pick {
    pub(crate) fn new(
        pick: &config::Pick,
        backends: &[config::Backend],
        draw: &mut dyn FnMut() -> u64,
    ) -> Self {
        let weights: Vec<Weight> = backends.iter().map(|backend| backend.weight).collect();
        match pick {
            config::Pick::Random => Self::Random(Random::new(weights)),
            config::Pick::Exact => Self::Exact(Exact::new(weights, draw)),
            config::Pick::Sticky { by } => Self::Sticky {
                by: *by,
                sticky: Sticky::new(
                    backends
                        .iter()
                        .map(|backend| (backend.name.as_str(), backend.weight)),
                ),
                random: Random::new(weights),
            },
        }
    }

    /// The index of a backend; none if no weight is above zero.
    pub(crate) fn pick(
        &mut self,
        known: &Known<'_, impl Facts>,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<usize> {
        match self {
            Self::Random(random) => random.pick(draw()),
            Self::Exact(exact) => exact.pick(),
            Self::Sticky { by, sticky, random } => {
                let picked = match by {
                    StickyKey::SourceAddress => known.source_ip().map(|ip| match ip {
                        IpAddr::V4(ip) => sticky.pick(&ip.octets()),
                        IpAddr::V6(ip) => sticky.pick(&ip.octets()),
                    }),
                    StickyKey::SourcePrincipal => known
                        .source_principal()
                        .map(|principal| sticky.pick(principal.as_str().as_bytes())),
                };
                picked.unwrap_or_else(|| random.pick(draw()))
            }
        }
    }
}
