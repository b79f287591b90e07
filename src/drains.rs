use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::announcement::{Announcement, live};
use crate::host;

/// Connections that are to be closed some time after their backend has left the route.
///
/// A connection belongs to the configuration that it came under, whose plugin Envoy keeps for as long
/// as the connection lives, and which is not told of later ones. So each configuration that is taken
/// up leaves word of its backends in data shared by all VMs, and the earlier ones look there.
///
/// Nor is a plugin told that its own configuration is in force again, and another's word may be the
/// last one then. That connections come to it is how it knows.
#[derive(Default)]
pub(crate) struct Drains {
    connections: RefCell<Vec<Drain>>,
    /// Whether a connection has come, to be closed some day or not, since word was last looked for.
    in_use: Cell<bool>,
    /// The version of the word that was last read.
    read: Cell<Option<u32>>,
    /// Since when it has been that one, in milliseconds.
    since: Cell<u64>,
    /// Whether it has been held against the connections.
    judged: Cell<bool>,
    /// When word was last looked for, in milliseconds; 0 to do it at once.
    checked: Cell<u64>,
}

/// Where connections go, and how long they may go on there after that is no destination any more.
pub(crate) struct Departure {
    pub(crate) cluster: String,
    /// Milliseconds.
    pub(crate) after: u64,
}

/// A connection that may have to be closed.
pub(crate) struct Drain {
    id: u32,
    /// The one that it came in by, which a later configuration may name where this one says `*`.
    chain: String,
    departure: Rc<Departure>,
    /// When, in milliseconds; none while it may go on.
    closes: Option<u64>,
}

/// How often word of a later configuration is looked for: milliseconds between.
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
            closes: None,
        }
    }
}

impl Drains {
    /// To be called for each connection that comes, before it is decided.
    pub(crate) fn note_connection(&self) {
        self.in_use.set(true);
    }

    pub(crate) fn add(&self, drain: Drain) {
        if let Ok(mut connections) = self.connections.try_borrow_mut() {
            connections.push(drain);
        }
    }

    pub(crate) fn forget(&self, id: u32) {
        if let Ok(mut connections) = self.connections.try_borrow_mut()
            && let Some(place) = connections.iter().position(|drain| drain.id == id)
        {
            connections.swap_remove(place);
        }
    }

    /// When a tick is wanted: at once, in an interval, or never while there are no connections.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        match (self.connections.try_borrow(), self.checked.get()) {
            (Ok(connections), _) if connections.is_empty() => None,
            (_, 0) => Some(1),
            _ => Some(INTERVAL),
        }
    }

    /// `own` is the word of the configuration that these connections came under.
    pub(crate) fn on_tick(&self, own: &Announcement) {
        let Some(now) = host::now() else { return };
        if now.saturating_sub(self.checked.get()) < INTERVAL {
            return;
        }
        self.checked.set(now);
        for id in self.due(now, own) {
            host::close_connection(id);
        }
    }

    /// Reads what there is to read, and takes out the connections whose time is up.
    fn due(&self, now: u64, own: &Announcement) -> Vec<u32> {
        let Ok(mut connections) = self.connections.try_borrow_mut() else {
            return Vec::new();
        };
        if let Some((word, version)) = host::live_backends() {
            if self.read.replace(Some(version)) != Some(version) {
                self.since.set(now);
                self.judged.set(false);
            }
            if self.in_use.take() {
                // In force, or a moment ago: not the time to close anything.
                self.judged.set(false);
                connections.iter_mut().for_each(|drain| drain.closes = None);
                if now.saturating_sub(self.since.get()) >= SETTLED && !own.is(&word) {
                    own.make();
                }
            } else if !self.judged.replace(true) {
                let live = live(&word);
                for drain in connections.iter_mut() {
                    let Departure { cluster, after } = &*drain.departure;
                    drain.closes = match live.holds(&drain.chain, cluster) {
                        true => None,
                        false => drain.closes.or(Some(now.saturating_add(*after))),
                    };
                }
            }
        }
        let mut due = Vec::new();
        connections.retain(|drain| {
            let is_due = due.len() < AT_ONCE && drain.closes.is_some_and(|closes| closes <= now);
            if is_due {
                due.push(drain.id);
            }
            !is_due
        });
        if due.len() == AT_ONCE {
            // The rest without waiting for another interval.
            self.checked.set(0);
        }
        due
    }
}
