use std::cell::RefCell;

use crate::host;

/// Connections that are to be refused as soon as they are established.
///
/// The client's CONNECT waits in a pool of connections to `main_internal`, and Envoy fails *all* that
/// wait there when one connection ends before it is established. So a connection that tcp_proxy is to
/// close for want of a cluster is paused first; closed later, it takes nobody with it.
#[derive(Default)]
pub(crate) struct Refusals {
    paused: RefCell<Paused>,
}

/// A tick may come right after a connection, so the one that resumes it is the second: Envoy's event
/// loop has then gone round at least once, and established it.
#[derive(Default)]
struct Paused {
    before_last_tick: Vec<u32>,
    since_last_tick: Vec<u32>,
}

impl Refusals {
    /// Has the connection resumed at the tick after next. To be called by the connection itself.
    pub(crate) fn add(&self, id: u32) {
        let mut paused = self.paused.borrow_mut();
        if paused.is_empty() {
            host::start_ticking();
        }
        paused.since_last_tick.push(id);
    }

    /// Lets tcp_proxy see the connections whose time has come, and close them.
    pub(crate) fn on_tick(&self) {
        let due = {
            let mut paused = self.paused.borrow_mut();
            let fresh = std::mem::take(&mut paused.since_last_tick);
            let due = std::mem::replace(&mut paused.before_last_tick, fresh);
            if paused.is_empty() {
                host::stop_ticking();
            }
            due
        };
        // To close a connection may call back into this VM, so nothing is borrowed here.
        for id in due {
            host::resume(id);
        }
    }
}

impl Paused {
    fn is_empty(&self) -> bool {
        self.before_last_tick.is_empty() && self.since_last_tick.is_empty()
    }
}
