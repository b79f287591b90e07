//! What a real istiod sends to a waypoint (`testdata/istio/`): the testbed's own configuration is
//! held against it, and a stock Envoy runs on it with the filter.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use waypoint_l4_compile::{Options, Output, Source, compile};
use waypoint_l4_testbed::istiod::Dump;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::{Placement, Routing, Templates};
use waypoint_l4_testbed::waypoint::{NAMESPACE, Waypoint};

/// The namespace of the dumps.
const DEMO: &str = "demo";
const TCP_ECHO: &str = "10.96.0.10:9000";
const PARENT: &str = "inbound-vip|9000|tcp|tcp-echo.demo.svc.cluster.local";
/// What the testbed's mesh and the dumps have in common.
const CHAINS: [&str; 5] = [
    PARENT,
    "inbound-vip|9001|tcp|tcp-echo.demo.svc.cluster.local",
    "inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local",
    "inbound-vip|9000|tcp|tcp-echo-v2.demo.svc.cluster.local",
    "direct-tcp",
];

// What the testbed has, and istiod prints.

#[test]
fn the_outer_listeners_are_istiods() -> Result<()> {
    let (ours, istiods) = (our_listeners()?, istiods_listeners("1.31/plugin")?);
    for name in ["connect_terminate", "connect_originate"] {
        same(name, named(&ours, name)?, named(&istiods, name)?)?;
    }
    Ok(())
}

#[test]
fn the_filter_chains_are_istiods() -> Result<()> {
    let (ours, istiods) = (our_listeners()?, istiods_listeners("1.31/plugin")?);
    for name in CHAINS {
        same(name, chain(&ours, name)?, chain(&istiods, name)?)?;
    }
    // Port 9002 is the testbed's own.
    let of_9001 = chain(
        &ours,
        "inbound-vip|9001|tcp|tcp-echo.demo.svc.cluster.local",
    )?;
    let of_9002 = chain(
        &ours,
        "inbound-vip|9002|tcp|tcp-echo.demo.svc.cluster.local",
    )?;
    same(
        "the chain of port 9002",
        of_9002,
        &replaced(of_9001, "|9001|", "|9002|")?,
    )
}

#[test]
fn the_matcher_is_istiods() -> Result<()> {
    let (ours, istiods) = (our_listeners()?, istiods_listeners("1.31/plugin")?);
    let matcher = |listeners: &Value| -> Result<Value> {
        let mut matcher = named(listeners, "main_internal")?["filterChainMatcher"].clone();
        let ranges = matcher
            .pointer_mut("/matcherTree/customMatch/typedConfig/rangeMatchers")
            .and_then(Value::as_array_mut)
            .context("the matcher has no ranges of addresses")?;
        ranges.retain(|range| {
            let address = &range["ranges"][0]["addressPrefix"];
            ["10.96.0.10", "10.96.0.11", "10.96.0.12"]
                .iter()
                .any(|vip| address == vip)
        });
        for range in ranges {
            let ports = range.pointer_mut("/onMatch/matcher/matcherTree/exactMatchMap/map");
            let ports = ports
                .and_then(Value::as_object_mut)
                .context("a range has no ports")?;
            ports.remove("9002");
        }
        Ok(matcher)
    };
    same("the matcher", &matcher(&ours)?, &matcher(&istiods)?)
}

#[test]
fn the_inspectors_are_istiods_and_off_on_opaque_ports() -> Result<()> {
    let (ours, istiods) = (our_listeners()?, istiods_listeners("1.31/plugin")?);
    let filters = |listeners: &Value| -> Result<Value> {
        let mut filters = named(listeners, "main_internal")?["listenerFilters"].clone();
        for filter in filters
            .as_array_mut()
            .context("there are no listener filters")?
        {
            let rules = filter.pointer_mut("/filterDisabled/orMatch/rules");
            if let Some(rules) = rules.and_then(Value::as_array_mut) {
                rules.retain(|rule| {
                    let port = &rule["destinationPortRange"]["start"];
                    port == 9000 || port == 9001
                });
                ensure!(
                    !rules.is_empty(),
                    "{} waits on plain TCP ports",
                    filter["name"]
                );
            }
        }
        Ok(filters)
    };
    same("listener filters", &filters(&ours)?, &filters(&istiods)?)?;
    let rest = |listeners: &Value| -> Result<Value> {
        let mut rest = named(listeners, "main_internal")?.clone();
        let fields = rest.as_object_mut().context("main_internal is no object")?;
        fields.retain(|name, _| !name.starts_with("filterChain") && name != "listenerFilters");
        Ok(rest)
    };
    same("main_internal", &rest(&ours)?, &rest(&istiods)?)
}

#[test]
fn the_clusters_are_istiods() -> Result<()> {
    let ours = replaced(Templates::own()?.clusters(), NAMESPACE, DEMO)?;
    let dump = dump("1.31/plugin")?;
    let istiods = dump.templates()?;
    for name in ["main_internal", "encap", "connect_originate"] {
        same(name, named(&ours, name)?, named(istiods.clusters(), name)?)?;
    }
    for name in CHAINS.iter().filter(|name| name.starts_with("inbound-vip")) {
        same(name, named(&ours, name)?, named(istiods.clusters(), name)?)?;
    }
    let of_9001 = named(
        &ours,
        "inbound-vip|9001|tcp|tcp-echo.demo.svc.cluster.local",
    )?;
    let of_9002 = named(
        &ours,
        "inbound-vip|9002|tcp|tcp-echo.demo.svc.cluster.local",
    )?;
    same(
        "the cluster of port 9002",
        of_9002,
        &replaced(of_9001, "9001", "9002")?,
    )
}

#[test]
fn the_plugin_is_istiods() -> Result<()> {
    let ours = replaced(Templates::own()?.filter()?, NAMESPACE, DEMO)?;
    same(
        "the plugin",
        &ours,
        dump("1.31/plugin")?.templates()?.filter()?,
    )
}

#[test]
fn native_weights_are_istiods() -> Result<()> {
    let placement = placement();
    let weights = vec![
        ("tcp-echo-v1".to_string(), 90),
        ("tcp-echo-v2".to_string(), 10),
    ];
    let ours = placement.listeners(&Templates::own()?, &Routing::Native { weights })?;
    let ours = without_access_logs(replaced(&ours, NAMESPACE, DEMO)?);
    let printed = dump("1.31/tcproute-without-plugin")?.templates()?;
    let istiods = without_access_logs(placement.listeners(&printed, &Routing::None)?);
    for name in CHAINS {
        same(name, chain(&ours, name)?, chain(&istiods, name)?)?;
    }
    Ok(())
}

#[test]
fn a_labelled_route_changes_nothing_for_istiod() -> Result<()> {
    let (plugin, labelled) = (dump("1.31/plugin")?, dump("1.31/tcproute-labelled")?);
    let (plugin, labelled) = (plugin.templates()?, labelled.templates()?);
    same("listeners", labelled.listeners(), plugin.listeners())?;
    same("clusters", labelled.clusters(), plugin.clusters())?;
    same("the plugin", labelled.filter()?, plugin.filter()?)
}

// A stock Envoy on what istiod printed.

#[tokio::test]
async fn the_plugin_splits_on_istio_1_31() -> Result<()> {
    plugin_splits("1.31/tcproute-labelled").await
}

#[tokio::test]
async fn the_plugin_splits_on_istio_1_24() -> Result<()> {
    plugin_splits("1.24/plugin").await
}

/// A VirtualService from the days of sidecars: what `compile` makes of it names clusters that istiod
/// has made for the subsets.
#[tokio::test]
async fn a_virtual_service_splits_among_subsets_on_istio_1_31() -> Result<()> {
    let manifests = [
        "00-mesh",
        "subsets-destinationrule",
        "subsets-virtualservice-labelled",
    ];
    let sources = manifests.map(|name| Source {
        content: fs::read(root().join(format!("testdata/istio/manifests/{name}.yaml")))
            .map_err(|error| error.to_string()),
        name: name.to_string(),
    });
    let options = Options {
        output: Output::Config,
        ..Options::default()
    };
    let config = compile(&sources, &options)?.manifests;
    Waypoint::builder()
        .templates(dump("1.31/subsets-labelled")?.templates()?, DEMO)
        .routing(Routing::Plugin {
            wasm: wasm()?,
            config,
        })
        .run(async |waypoint| {
            let client = Arc::new(waypoint.client()?.streams_per_connection(10));
            for port in [9000, 9001] {
                measure(&client, &format!("10.96.0.10:{port}"), 500)
                    .await
                    .check(&[("one", 80), ("two", 20)])?;
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn istio_1_31_splits_by_itself_without_the_plugin() -> Result<()> {
    let templates = dump("1.31/tcproute-without-plugin")?.templates()?;
    Waypoint::builder()
        .templates(templates, DEMO)
        .run(async |waypoint| {
            let tally = measure(&Arc::new(waypoint.client()?), TCP_ECHO, 500).await;
            tally.check(&[("one", 90), ("two", 10)])
        })
        .await
}

fn wasm() -> Result<PathBuf> {
    let wasm = root().join("target/waypoint-l4.wasm");
    let missing = format!("{} is missing: run `make build`", wasm.display());
    ensure!(wasm.is_file(), missing);
    Ok(wasm)
}

async fn plugin_splits(name: &str) -> Result<()> {
    let wasm = wasm()?;
    let dump = dump(name)?;
    let config = dump.plugin_config()?.to_string();
    Waypoint::builder()
        .templates(dump.templates()?, DEMO)
        .routing(Routing::Plugin {
            wasm: wasm.clone(),
            config: config.clone(),
        })
        .run(async |waypoint| {
            // On several HTTP/2 connections, so that both workers have their part.
            let client = Arc::new(waypoint.client()?.streams_per_connection(10));
            measure(&client, TCP_ECHO, 500)
                .await
                .check(&[("one", 90), ("two", 10)])?;
            waypoint
                .update_plugin(&wasm, &config.replace("\"weight\":90", "\"weight\":0"))
                .await?;
            measure(&client, TCP_ECHO, 100).await.check(&[("two", 1)])
        })
        .await
}

// How the two are compared.

/// The testbed's listeners, as if they were of the dumps' namespace.
fn our_listeners() -> Result<Value> {
    let listeners = replaced(Templates::own()?.listeners(), NAMESPACE, DEMO)?;
    Ok(without_access_logs(listeners))
}

fn istiods_listeners(name: &str) -> Result<Value> {
    Ok(without_access_logs(
        dump(name)?.templates()?.listeners().clone(),
    ))
}

fn dump(name: &str) -> Result<Dump> {
    Dump::read(&root().join(format!("testdata/istio/{name}.json")))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Any place will do: it is the same for both.
fn placement() -> Placement {
    Placement {
        waypoint: [127, 0, 0, 1].into(),
        admin_port: 15000,
        pod_one: [127, 0, 0, 11].into(),
        pod_two: [127, 0, 0, 12].into(),
        directory: "/etc/waypoint".into(),
        access_log: "/dev/stdout".into(),
    }
}

fn replaced(value: &Value, from: &str, to: &str) -> Result<Value> {
    Ok(serde_json::from_str(&value.to_string().replace(from, to))?)
}

/// The testbed logs every connection in a form of its own.
fn without_access_logs(mut value: Value) -> Value {
    fn remove(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(remove),
            Value::Object(fields) => {
                fields.remove("accessLog");
                fields.values_mut().for_each(remove);
            }
            _ => {}
        }
    }
    remove(&mut value);
    value
}

fn named<'a>(answer: &'a Value, name: &str) -> Result<&'a Value> {
    let resources = answer["resources"]
        .as_array()
        .context("there are no resources")?;
    let found = resources.iter().find(|resource| resource["name"] == name);
    found.with_context(|| format!("there is no {name}"))
}

fn chain<'a>(listeners: &'a Value, name: &str) -> Result<&'a Value> {
    let chains = named(listeners, "main_internal")?["filterChains"].as_array();
    let found = chains
        .into_iter()
        .flatten()
        .find(|chain| chain["name"] == name);
    found.with_context(|| format!("main_internal has no filter chain {name}"))
}

fn same(what: &str, ours: &Value, istiods: &Value) -> Result<()> {
    let mut differences = Vec::new();
    compare("", Some(ours), Some(istiods), &mut differences);
    let list = differences.join("\n  ");
    ensure!(
        differences.is_empty(),
        "{what} is not what istiod prints:\n  {list}"
    );
    Ok(())
}

/// Notes the path of every difference, with what is there on each side.
fn compare(path: &str, ours: Option<&Value>, istiods: Option<&Value>, notes: &mut Vec<String>) {
    match (ours, istiods) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let mut names: Vec<_> = left.keys().chain(right.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                compare(
                    &format!("{path}.{name}"),
                    left.get(name),
                    right.get(name),
                    notes,
                );
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, left.get(index), right.get(index), notes);
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            let show = |side: Option<&Value>| side.map_or("nothing".to_string(), Value::to_string);
            notes.push(format!(
                "{path}: testbed {}, istiod {}",
                show(left),
                show(right)
            ));
        }
    }
}
