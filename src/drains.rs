use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::announcement::{Announcement, live};
use crate::host::{self, Clock};
use crate::metrics::Counter;

/// Connections that are to be closed some time after their backend has left the route.
///
/// A connection belongs to the configuration that it came under, whose plugin Envoy keeps for as long
/// as the connection lives, and which is not told of later ones. So each configuration that is taken
/// up leaves a record of its backends in data shared by all VMs, and the earlier ones look there.
///
/// Nor is a plugin told that its own configuration is in force again, and another's record may be the
/// last one then. That connections come to it is how it knows.
#[derive(Default)]
pub(crate) struct Drains {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// With some that have ended since the last look.
    connections: Vec<Weak<Drain>>,
    /// Whether a connection has come, to be closed some day or not, since the last look.
    in_use: bool,
    /// The version of the record that was read last.
    read: Option<u32>,
    /// Since when it has been that one. All times are milliseconds, and 0 is long ago.
    since: u64,
    /// Whether it has been held against the connections.
    judged: bool,
    /// When the record was last looked for; 0 to do it at once.
    looked: u64,
}

/// Where connections go, and how long they may go on there after that is no destination any more.
pub(crate) struct Departure {
    pub(crate) cluster: String,
    /// Milliseconds.
    pub(crate) after: u64,
    pub(crate) drained: Counter,
}

/// A connection that may have to be closed.
pub(crate) struct Drain {
    id: u32,
    /// The one that it came in by, which a later configuration may name where this one says `*`.
    chain: String,
    departure: Rc<Departure>,
    /// When, in milliseconds; none while it may go on.
    closes: Cell<Option<u64>>,
}

/// How often the record of a later configuration is looked for: milliseconds between.
const INTERVAL: u64 = 1000;

/// After so many milliseconds Envoy has taken an update to every chain and worker: whoever gets
/// connections then is in force.
const SETTLED: u64 = 5000;

/// How many are closed at a time, for the reason given in `refusals`.
const AT_ONCE: usize = 64;

impl Drain {
    pub(crate) fn new(id: u32, chain: String, departure: Rc<Departure>) -> Self {
        Self {
            id,
            chain,
            departure,
            closes: Cell::new(None),
        }
    }
}

impl Drains {
    /// To be called for each connection that comes.
    pub(crate) fn note_connection(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.in_use = true;
        }
    }

    /// Has it closed some day, unless it is dropped before.
    pub(crate) fn add(&self, drain: &Rc<Drain>) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.connections.push(Rc::downgrade(drain));
        }
    }

    /// When a tick is wanted: at once, in an interval, or never while there are no connections.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        let state = self.state.try_borrow().ok()?;
        match (state.connections.is_empty(), state.looked) {
            (true, _) => None,
            (false, 0) => Some(1),
            (false, _) => Some(INTERVAL),
        }
    }

    /// `own` is what the configuration announced that these connections came under.
    pub(crate) fn on_tick(&self, own: &Announcement) {
        // Not the wall clock: put back, it would stop for as long.
        let Some(now) = host::now(Clock::Monotonic) else {
            return;
        };
        let due = match self.state.try_borrow_mut() {
            Ok(mut state) => state.due(now, own),
            Err(_) => return,
        };
        for drain in due {
            if host::close_connection(drain.id) {
                drain.departure.drained.increment();
            }
        }
    }
}

impl State {
    /// Reads what there is to read, and takes out the connections whose time is up.
    fn due(&mut self, now: u64, own: &Announcement) -> Vec<Rc<Drain>> {
        let mut due = Vec::new();
        if now.saturating_sub(self.looked) < INTERVAL {
            return due;
        }
        self.looked = now;
        self.judge(now, own);
        self.connections.retain(|drain| {
            let Some(drain) = drain.upgrade() else {
                return false;
            };
            let is_due =
                due.len() < AT_ONCE && drain.closes.get().is_some_and(|closes| closes <= now);
            if is_due {
                due.push(drain);
            }
            !is_due
        });
        if due.len() == AT_ONCE {
            // The rest without waiting for another interval.
            self.looked = 0;
        }
        due
    }

    /// Decides for each connection whether it is to be closed, and when.
    fn judge(&mut self, now: u64, own: &Announcement) {
        let Some((record, version)) = own.last() else {
            return;
        };
        if self.read.replace(version) != Some(version) {
            self.since = now;
            self.judged = false;
        }
        let connections = self.connections.iter().filter_map(Weak::upgrade);
        if std::mem::take(&mut self.in_use) {
            // In force, or a moment ago: not the time to close anything.
            self.judged = false;
            connections.for_each(|drain| drain.closes.set(None));
            if now.saturating_sub(self.since) >= SETTLED && !own.is(&record) {
                own.make();
            }
        } else if !std::mem::replace(&mut self.judged, true) {
            let live = live(&record);
            for drain in connections {
                let Departure { cluster, after, .. } = &*drain.departure;
                drain.closes.set(match live.holds(&drain.chain, cluster) {
                    true => None,
                    false => drain.closes.get().or(Some(now.saturating_add(*after))),
                });
            }
        }
    }
}
