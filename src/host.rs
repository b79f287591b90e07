//! What is asked of Envoy, each call in one place.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, Status};
use waypoint_l4_route::Facts;

/// The plugin configuration as Envoy has it; empty if there is none.
pub(crate) fn plugin_configuration() -> Result<Vec<u8>, String> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
        .map(Option::unwrap_or_default)
        .map_err(|status| format!("Envoy did not hand it over: {status:?}"))
}

/// The name of the filter chain that the connection came in by; empty if it has none.
pub(crate) fn filter_chain_name() -> String {
    property(vec!["xds", "filter_chain_name"]).unwrap_or_default()
}

/// What Envoy knows of the connection at hand.
pub(crate) struct Connection;

impl Facts for Connection {
    fn server_name(&self) -> Option<String> {
        property(vec!["connection", "requested_server_name"])
    }

    fn source_address(&self) -> Option<String> {
        property(vec!["source", "address"])
    }

    fn source_principal(&self) -> Option<String> {
        property(vec!["filter_state", "io.istio.peer_principal"])
    }
}

fn property(path: Vec<&str>) -> Option<String> {
    String::from_utf8(hostcalls::get_property(path).ok()??).ok()
}

/// Whether Envoy's log level, which may change at any time, lets debug lines through. Asking is
/// cheaper than making a line that nobody reads.
pub(crate) fn logs_debug() -> bool {
    const DEBUG: u32 = 1;
    log_level().is_some_and(|level| level <= DEBUG)
}

/// As a number: proxy-wasm's own function reads it into an enum that has no place for Envoy's `off`.
#[expect(unsafe_code, reason = "a call of the host")]
fn log_level() -> Option<u32> {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn proxy_get_log_level(level: *mut u32) -> u32;
    }
    let mut level = 0;
    // SAFETY: the host writes a u32 to a place that outlives the call.
    let status = unsafe { proxy_get_log_level(&mut level) };
    (status == 0).then_some(level)
}

/// Writes a fact into the connection's filter state, where access logs find it as `wasm.NAME`.
pub(crate) fn annotate(name: &str, fact: &str) {
    // A log line that lacks it is no reason to do anything else.
    let _ = hostcalls::set_property(vec![name], Some(fact.as_bytes()));
}

/// Has `on_tick` called so often for the plugin of the connection at hand; never if it is zero.
pub(crate) fn set_tick_period(period: Duration) {
    if let Err(status) = hostcalls::set_tick_period(period) {
        log::error!("set_tick_period: {status:?}");
    }
}

/// The time, in milliseconds since 1970.
#[expect(unsafe_code, reason = "a call of the host")]
pub(crate) fn now() -> Option<u64> {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    }
    let mut nanoseconds = 0_u64;
    // SAFETY: the host writes a u64 to a place that outlives the call.
    let status = unsafe { proxy_get_current_time_nanoseconds(&mut nanoseconds) };
    (status == 0).then_some(nanoseconds / 1_000_000)
}

/// Tells the plugins of earlier configurations which backends there are now.
pub(crate) fn announce_backends(live: &[u8]) {
    set_shared("backends", live);
}

/// The backends of the configuration that was taken up last, and a number that changes with them.
pub(crate) fn live_backends() -> Option<(Vec<u8>, u32)> {
    match hostcalls::get_shared_data(&shared_key("backends")) {
        Ok((live, Some(version))) => Some((live.unwrap_or_default(), version)),
        _ => None,
    }
}

/// Leaves a text for the VMs that come later, and returns the one that was there.
pub(crate) fn replace_shared(name: &str, text: &str) -> String {
    let before = match hostcalls::get_shared_data(&shared_key(name)) {
        Ok((Some(before), _)) => String::from_utf8(before).unwrap_or_default(),
        _ => String::new(),
    };
    set_shared(name, text.as_bytes());
    before
}

fn set_shared(name: &str, value: &[u8]) {
    if let Err(status) = hostcalls::set_shared_data(&shared_key(name), Some(value), None) {
        log::error!("set_shared_data: {status:?}");
    }
}

/// Shared data is one for all plugins of a proxy whose VM has the same id, which is none. It outlives an
/// upgrade of the filter too: the number is that of the form the values have, so that none is read by a
/// version which knows another.
fn shared_key(name: &str) -> String {
    let plugin = property(vec!["plugin_name"]).unwrap_or_default();
    format!("waypoint-l4/1/{name}/{plugin}")
}

/// Goes on with a connection that was paused; one that has ended since then is nobody's concern.
pub(crate) fn resume(connection: u32) {
    if hostcalls::set_effective_context(connection).is_ok()
        && let Err(status) = hostcalls::resume_downstream()
    {
        log::error!("resume_downstream: {status:?}");
    }
}

/// Closes a connection, once what is under way has been written; one that has ended is let be.
pub(crate) fn close_connection(connection: u32) {
    if hostcalls::set_effective_context(connection).is_ok() {
        close();
    }
}

/// Closes the connection at hand.
pub(crate) fn close() {
    if let Err(status) = hostcalls::close_downstream() {
        log::error!("close_downstream: {status:?}");
    }
}

/// The call that names the cluster which tcp_proxy connects to, encoded beforehand.
#[derive(Clone, Debug)]
pub(crate) struct SetCluster {
    arguments: Vec<u8>,
}

impl SetCluster {
    /// Encodes `envoy.source.extensions.common.wasm.SetEnvoyFilterStateArguments`: 1 = path,
    /// 2 = value; 3 = span stays at its default, the life of the filter chain.
    pub(crate) fn new(cluster: &str) -> Self {
        let mut arguments = Vec::new();
        string_field(&mut arguments, 0x0a, "envoy.tcp_proxy.cluster");
        string_field(&mut arguments, 0x12, cluster);
        Self { arguments }
    }

    /// Works only while the tcp_proxy has a single `cluster`: with `weighted_clusters` Envoy
    /// ignores it and reports success.
    pub(crate) fn call(&self) -> Result<(), String> {
        hostcalls::call_foreign_function("set_envoy_filter_state", Some(&self.arguments))
            .map(|_| ())
            .map_err(|status| match status {
                Status::NotFound => {
                    "this Envoy has no set_envoy_filter_state for envoy.tcp_proxy.cluster".into()
                }
                status => format!("set_envoy_filter_state: {status:?}"),
            })
    }
}

/// Appends a protobuf field of wire type 2: tag, length as a varint, bytes.
fn string_field(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    let mut rest = text.len();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend_from_slice(text.as_bytes());
}
