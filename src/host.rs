//! What is asked of Envoy, each call in one place.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MetricType, Status, StreamType};
use waypoint_l4_route::Facts;

/// Functions of the host whose answer `hostcalls` panics at unless it is yes, or has no place for.
#[expect(unsafe_code, reason = "the host's functions are C ABI")]
mod abi {
    use proxy_wasm::types::{MetricType, StreamType};

    use super::Clock;

    pub(super) const OK: u32 = 0;

    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) safe fn proxy_close_stream(stream: StreamType) -> u32;
        pub(super) safe fn proxy_continue_stream(stream: StreamType) -> u32;
        pub(super) safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_define_metric(
            kind: MetricType,
            name: *const u8,
            length: usize,
            id: *mut u32,
        ) -> u32;
        pub(super) fn proxy_get_log_level(level: *mut u32) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_length: usize,
            value: *const u8,
            value_length: usize,
        ) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn clock_time_get(clock: Clock, precision: u64, time: *mut u64) -> u16;
    }
}

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
    let mut level = 0;
    // SAFETY: the host writes a u32 to a place that outlives the call.
    let status = unsafe { abi::proxy_get_log_level(&mut level) };
    (status == abi::OK).then_some(level)
}

/// Writes a fact into the connection's filter state, where access logs find it as `wasm.NAME`.
#[expect(unsafe_code, reason = "a call of the host")]
pub(crate) fn annotate(name: &str, fact: &str) {
    // A log line that lacks it is no reason to do anything else.
    // SAFETY: the host reads both texts, and keeps neither.
    let _ =
        unsafe { abi::proxy_set_property(name.as_ptr(), name.len(), fact.as_ptr(), fact.len()) };
}

/// The id of a metric, by which to count.
#[expect(unsafe_code, reason = "a call of the host")]
pub(crate) fn define_metric(kind: MetricType, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the host reads the name, and writes a u32 to a place that outlives the call.
    let status = unsafe { abi::proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status == abi::OK).then_some(id)
}

/// Has `on_tick` called so often for the plugin of the context at hand; never if it is zero.
pub(crate) fn set_tick_period(period: Duration) {
    let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    log_failure(
        "set_tick_period",
        abi::proxy_set_tick_period_milliseconds(milliseconds),
    );
}

/// One of WASI's clocks.
#[repr(u32)]
pub(crate) enum Clock {
    /// Since 1970, and at times put back.
    Wall = 0,
    /// Since some time, and never put back.
    Monotonic = 1,
}

/// The time in milliseconds.
#[expect(unsafe_code, reason = "a call of the host")]
pub(crate) fn now(clock: Clock) -> Option<u64> {
    let mut nanoseconds = 0_u64;
    // SAFETY: the host writes a u64 to a place that outlives the call.
    let error = unsafe { abi::clock_time_get(clock, 1, &mut nanoseconds) };
    (error == 0).then_some(nanoseconds / 1_000_000)
}

/// Data that all VMs of the plugin have in common, and that outlives each of them.
pub(crate) struct Shared {
    key: String,
}

impl Shared {
    /// Envoy keeps the data of all plugins of a proxy in one place, if the id of their VM is the same, which
    /// is none. It outlives an upgrade of the filter too: the number is that of the form the values have,
    /// so that none is read by a version which knows another.
    pub(crate) fn new(name: &str) -> Self {
        let plugin = property(vec!["plugin_name"]).unwrap_or_default();
        Self {
            key: format!("waypoint-l4/1/{name}/{plugin}"),
        }
    }

    /// What was written last, and a number that changes with each time.
    pub(crate) fn read(&self) -> Option<(Vec<u8>, u32)> {
        match hostcalls::get_shared_data(&self.key) {
            Ok((value, Some(version))) => Some((value.unwrap_or_default(), version)),
            _ => None,
        }
    }

    pub(crate) fn write(&self, value: &[u8]) {
        if let Err(status) = hostcalls::set_shared_data(&self.key, Some(value), None) {
            log::error!("set_shared_data: {status:?}");
        }
    }
}

/// Goes on with a connection that was paused; one that has ended since then is nobody's concern.
pub(crate) fn resume(connection: u32) {
    if hostcalls::set_effective_context(connection).is_ok() {
        log_failure(
            "resume_downstream",
            abi::proxy_continue_stream(StreamType::Downstream),
        );
    }
}

/// Closes a connection, and says whether there was one to close.
pub(crate) fn close_connection(connection: u32) -> bool {
    hostcalls::set_effective_context(connection).is_ok() && close()
}

/// Closes the connection at hand. The client's stream is reset: to close "upstream" is no gentler, it is the
/// same connection of `main_internal`.
pub(crate) fn close() -> bool {
    log_failure(
        "close_downstream",
        abi::proxy_close_stream(StreamType::Downstream),
    )
}

/// Whether there was none.
fn log_failure(call: &str, status: u32) -> bool {
    if status != abi::OK {
        log::error!("{call}: status {status}");
    }
    status == abi::OK
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
