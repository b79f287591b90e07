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

/// A tick may come right after a connection, so the one that resumes it is the second at the soonest:
/// Envoy's event loop has then gone round at least once, and established it.
#[derive(Default)]
struct Paused {
    before_last_tick: Vec<u32>,
    since_last_tick: Vec<u32>,
}

/// How many are resumed at a tick. Envoy resumes them after the call into this VM, each from within
/// the one before, and closing each calls back: with 570 at once the stack is full, the VM dies, and
/// with it every established connection of the worker.
const AT_ONCE: usize = 64;

impl Refusals {
    /// Has the connection resumed at the tick after next, or when its turn comes after that.
    pub(crate) fn add(&self, id: u32) {
        let Ok(mut paused) = self.paused.try_borrow_mut() else {
            return;
        };
        paused.since_last_tick.push(id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paused.try_borrow().is_ok_and(|paused| {
            paused.before_last_tick.is_empty() && paused.since_last_tick.is_empty()
        })
    }

    /// Lets tcp_proxy see the connections whose turn it is, and close them.
    pub(crate) fn on_tick(&self) {
        let due = match self.paused.try_borrow_mut() {
            Ok(mut paused) => paused.turn(),
            Err(_) => return,
        };
        for id in due {
            host::resume(id);
        }
    }
}

impl Paused {
    /// Takes out who is due, and makes everybody else one tick older.
    fn turn(&mut self) -> Vec<u32> {
        let due = self.before_last_tick.len().min(AT_ONCE);
        let due = self.before_last_tick.drain(..due).collect();
        self.before_last_tick.append(&mut self.since_last_tick);
        due
    }
}
