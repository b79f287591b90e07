use std::rc::Rc;

use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::Action;

use crate::host;
use crate::plugin::Active;

/// One downstream connection.
pub(crate) struct Connection {
    active: Option<Rc<Active>>,
}

impl Connection {
    pub(crate) fn new(active: Option<Rc<Active>>) -> Self {
        Self { active }
    }
}

impl Context for Connection {}

impl StreamContext for Connection {
    /// Decides here and now: tcp_proxy has read-disabled the socket and picks its cluster right
    /// after, so to wait for bytes would be to wait for ever.
    fn on_new_connection(&mut self) -> Action {
        if let Some(active) = self.active.take() {
            route(&active);
        }
        Action::Continue
    }
}

fn route(active: &Active) {
    if active.table.is_empty() {
        return;
    }
    let Some(chain) = host::filter_chain_name() else {
        return;
    };
    let Some(listener) = active.table.listener(&chain) else {
        return;
    };
    let draw = active.random.borrow_mut().u64(..);
    let decision = listener.decide(draw);
    if host::logs_debug() {
        log::debug!("{chain}: {decision}");
    }
    if let Some(set_cluster) = decision.prepared()
        && let Err(error) = set_cluster.call()
    {
        log::error!("{chain}: {decision}: not carried out: {error}");
    }
}
