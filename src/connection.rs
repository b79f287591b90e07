use std::rc::Rc;

use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::Action;

use crate::drains::Drain;
use crate::host::{self, SetCluster};
use crate::plugin::{Active, Router};

/// One downstream connection.
pub(crate) struct Connection {
    id: u32,
    /// None once it is decided.
    active: Option<Rc<Active>>,
    /// Kept until it ends.
    drain: Option<Rc<Drain>>,
}

impl Connection {
    pub(crate) fn new(id: u32, active: Option<Rc<Active>>) -> Self {
        Self {
            id,
            active,
            drain: None,
        }
    }
}

impl Context for Connection {}

impl StreamContext for Connection {
    /// Decides here and now: tcp_proxy has read-disabled the socket and picks its cluster right
    /// after, so to wait for bytes would be to wait for ever.
    fn on_new_connection(&mut self) -> Action {
        let Some(active) = self.active.take() else {
            return Action::Continue;
        };
        active.drains.note_connection();
        let (action, drain) = route(self.id, &active);
        self.drain = drain.map(Rc::new);
        if let Some(drain) = &self.drain {
            active.drains.add(drain);
            active.schedule();
        }
        action
    }
}

/// What to do with the connection now, and when to close it later.
fn route(id: u32, active: &Active) -> (Action, Option<Drain>) {
    const LEAVE_ALONE: (Action, Option<Drain>) = (Action::Continue, None);

    // Nobody else holds it: the calls below do not come back into this VM.
    let Ok(mut router) = active.router.try_borrow_mut() else {
        return LEAVE_ALONE;
    };
    let Router { table, random } = &mut *router;
    if table.is_empty() {
        return LEAVE_ALONE;
    }
    let chain = host::filter_chain_name();
    let Some(listener) = table.listener(&chain) else {
        return LEAVE_ALONE;
    };
    let decision = listener.decide(&host::Connection, || random.u64(..));
    if host::logs_debug() {
        log::debug!("{chain}: {decision}");
    }
    let prepared = decision.prepared();
    prepared.connections.increment();
    if let Some(annotation) = &prepared.annotation {
        host::annotate("waypoint_l4_rule", &annotation.rule);
        host::annotate("waypoint_l4_backend", &annotation.backend);
    }
    let carried_out = prepared
        .set_cluster
        .as_ref()
        .map_or(Ok(()), SetCluster::call);
    match (carried_out, decision.refuses()) {
        (Ok(()), false) => {
            let departure = prepared.departure.clone();
            let drain = departure.map(|departure| Drain::new(id, chain, departure));
            (Action::Continue, drain)
        }
        (Ok(()), true) => {
            active.refusals.add(id);
            active.schedule();
            (Action::Pause, None)
        }
        (Err(error), refuses) => {
            // Once is enough: what one connection meets, all meet.
            if !active.has_failed.replace(true) {
                log::error!("{chain}: {decision}: not carried out: {error}");
            }
            if refuses {
                host::close();
            }
            LEAVE_ALONE
        }
    }
}
