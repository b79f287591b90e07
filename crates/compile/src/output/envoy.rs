//! The filter as a plain Envoy has it, for listeners that are not Istio's.

use serde::Serialize;

use crate::object::ObjectName;
use crate::output::plugin::FailStrategy;

#[derive(Serialize)]
pub(super) struct NetworkFilter<'a> {
    name: &'a str,
    typed_config: Wasm<'a>,
}

#[derive(Serialize)]
struct Wasm<'a> {
    #[serde(rename = "@type")]
    type_url: &'a str,
    config: PluginConfig<'a>,
}

#[derive(Serialize)]
struct PluginConfig<'a> {
    name: String,
    vm_config: VmConfig<'a>,
    configuration: StringValue,
    failure_policy: &'a str,
}

#[derive(Serialize)]
struct VmConfig<'a> {
    runtime: &'a str,
    code: Code<'a>,
}

#[derive(Serialize)]
struct Code<'a> {
    local: Local<'a>,
}

#[derive(Serialize)]
struct Local<'a> {
    filename: &'a str,
}

#[derive(Serialize)]
struct StringValue {
    #[serde(rename = "@type")]
    type_url: &'static str,
    value: String,
}

impl<'a> NetworkFilter<'a> {
    pub(super) fn new(
        waypoint: &ObjectName,
        file: &'a str,
        config: String,
        fail_strategy: FailStrategy,
    ) -> Self {
        Self {
            name: "waypoint-l4",
            typed_config: Wasm {
                type_url: "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
                config: PluginConfig {
                    name: format!("{}.{}-l4", waypoint.namespace, waypoint.name),
                    vm_config: VmConfig {
                        runtime: "envoy.wasm.runtime.v8",
                        code: Code {
                            local: Local { filename: file },
                        },
                    },
                    configuration: StringValue {
                        type_url: "type.googleapis.com/google.protobuf.StringValue",
                        value: config,
                    },
                    failure_policy: match fail_strategy {
                        FailStrategy::FailOpen => "FAIL_OPEN",
                        FailStrategy::FailClose => "FAIL_CLOSED",
                    },
                },
            },
        }
    }
}
