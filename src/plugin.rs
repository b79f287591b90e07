use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::ContextType;
use waypoint_l4_config::parse;
use waypoint_l4_route::{Outcome, Table};

use crate::announcement::Announcement;
use crate::connection::Connection;
use crate::drains::{Departure, Drains};
use crate::host::SetCluster;
use crate::metrics::Counter;
use crate::refusals::Refusals;
use crate::{entropy, host};

/// One configuration of the plugin on one worker; Envoy makes a new one for each update, and the
/// connections of the old one keep it until they end.
#[derive(Default)]
pub(crate) struct Plugin {
    active: Option<Rc<Active>>,
}

/// What the connections of a configuration share.
pub(crate) struct Active {
    pub(crate) router: RefCell<Router>,
    pub(crate) refusals: Refusals,
    pub(crate) drains: Drains,
    announcement: Announcement,
    tick_period: Cell<Duration>,
    /// Whether a decision could not be carried out, which is logged once.
    pub(crate) has_failed: Cell<bool>,
}

impl Active {
    /// Ticks as often as somebody waits for it. To be called after each change of who does, by a
    /// connection or by the plugin itself.
    pub(crate) fn schedule(&self) {
        let period = match (self.refusals.is_empty(), self.drains.next_tick()) {
            (false, _) => 1,
            (true, next) => next.unwrap_or(0),
        };
        self.tick(Duration::from_millis(period));
    }

    fn tick(&self, period: Duration) {
        if self.tick_period.replace(period) != period {
            host::set_tick_period(period);
        }
    }
}

/// Envoy goes on calling `on_tick` for a plugin that is gone, as often as it asked for, and to nobody's
/// use, once for each update: so it is told to stop.
impl Drop for Plugin {
    fn drop(&mut self) {
        if let Some(active) = &self.active {
            active.tick(Duration::ZERO);
        }
    }
}

/// Decides, and remembers what the next decision depends on.
pub(crate) struct Router {
    pub(crate) table: Table<Prepared>,
    /// Seeded once, so that a draw costs no host call.
    pub(crate) random: Rng,
}

/// What it takes to carry an outcome out.
pub(crate) struct Prepared {
    /// None to leave tcp_proxy its own cluster.
    pub(crate) set_cluster: Option<SetCluster>,
    pub(crate) connections: Counter,
    /// None if connections are not to be annotated.
    pub(crate) annotation: Option<Annotation>,
    /// None to let connections be.
    pub(crate) departure: Option<Rc<Departure>>,
}

/// What access logs tell of a connection.
pub(crate) struct Annotation {
    pub(crate) rule: String,
    pub(crate) backend: String,
}

impl Prepared {
    fn new(outcome: Outcome<'_>, annotate: bool) -> Self {
        Self {
            set_cluster: outcome.cluster.map(SetCluster::new),
            connections: Counter::new(&outcome),
            annotation: annotate.then(|| Annotation {
                rule: outcome.rule.unwrap_or("none").into(),
                backend: outcome.backend.unwrap_or("none").into(),
            }),
            departure: departure(outcome),
        }
    }
}

fn departure(outcome: Outcome<'_>) -> Option<Rc<Departure>> {
    let (after, cluster) = outcome.drain.zip(outcome.cluster)?;
    (!outcome.refuses).then(|| {
        Rc::new(Departure {
            cluster: cluster.into(),
            drained: Counter::drained(&outcome),
            after: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        })
    })
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// On `false` Envoy keeps the last good configuration, whatever the `failStrategy`.
    fn on_configure(&mut self, _size: usize) -> bool {
        match activate() {
            Ok(active) => {
                self.active = Some(Rc::new(active));
                true
            }
            Err(error) => {
                log::error!("waypoint-l4: configuration refused: {error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(active) = &self.active {
            active.refusals.on_tick();
            active.drains.on_tick(&active.announcement);
            active.schedule();
        }
    }

    fn create_stream_context(&self, id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection::new(id, self.active.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

fn activate() -> Result<Active, String> {
    let json = host::plugin_configuration()?;
    let config = parse(&json).map_err(|error| error.to_string())?;
    let revision = config.revision.clone();
    let mut random = Rng::with_seed(entropy::seed()?);
    let announcement = Announcement::new(&config);
    announcement.make();
    let annotate = config.annotate;
    let prepare = |outcome: Outcome<'_>| Prepared::new(outcome, annotate);
    let table = Table::new(config, prepare, || random.u64(..));
    log::info!(
        "waypoint-l4 {} ({}): configured, revision {}, {} chains, {} rules",
        env!("CARGO_PKG_VERSION"),
        env!("WAYPOINT_L4_COMMIT"),
        revision.as_deref().unwrap_or("none"),
        table.len(),
        table.rules(),
    );
    Ok(Active {
        router: RefCell::new(Router { table, random }),
        refusals: Refusals::default(),
        drains: Drains::default(),
        announcement,
        tick_period: Cell::default(),
        has_failed: Cell::new(false),
    })
}
