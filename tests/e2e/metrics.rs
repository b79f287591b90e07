//! What a Prometheus scrape of the waypoint shows.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use waypoint_l4_testbed::echo::ECHO_PORT;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::Templates;
use waypoint_l4_testbed::waypoint::{NAMESPACE, Waypoint};

use crate::{TCP_ECHO, backend, client, cluster, config, split, wasm, waypoint};

const CONNECTIONS: &str = "waypoint_l4_connections_total";

#[tokio::test]
async fn connections_are_counted_by_rule_and_backend() -> Result<()> {
    // As in envoy/bootstrap.yaml.
    check(Templates::own()?).await
}

/// Istio has tags of its own, and shows only what its `stats_matcher` includes.
#[tokio::test]
async fn connections_are_counted_with_the_tags_of_istio() -> Result<()> {
    let stats = istios_stats_config();
    check(Templates::own()?.stats_config(stats)).await
}

/// The two things that docs/OBSERVABILITY.md tells of Istio's own tags.
#[tokio::test]
async fn istios_own_tags_are_as_told() -> Result<()> {
    let mut config = split(9000, 0, 0);
    let cache = "inbound-vip|6379|tcp|redis-cache.demo.svc.cluster.local";
    config["listeners"]
        .as_array_mut()
        .context("no listeners")?
        .push(json!({"chain": cache}));
    let templates = Templates::own()?.stats_config(istios_stats_config());
    let builder = waypoint(config).templates(templates, NAMESPACE);
    builder
        .run(async |waypoint| {
            let tally = measure(&client(waypoint)?, TCP_ECHO, 5).await;
            assert_eq!(tally.refused, 5, "{tally}");
            let text = waypoint.admin().get("/stats/prometheus").await?;
            let chain = cluster("tcp-echo", 9000);
            let refused =
                format!("envoy_tcp_downstream_cx_no_route{{tcp_prefix=\"{chain}\"}} 5");
            ensure!(text.lines().any(|line| line == refused), "no {refused}: {text}");
            let labels = format!(
                r#"{{cache="demo",l4_backend="none",l4_chain="{cache}",l4_result="default",l4_rule="none"}}"#
            );
            let scrape = scrape(waypoint).await?;
            let default = format!("{CONNECTIONS}{labels}");
            assert_eq!(scrape.get(&default), Some(&0), "{scrape:#?}");
            Ok(())
        })
        .await
}

/// What the bootstrap of Istio's agent comes to for the filter, as docs/OBSERVABILITY.md has it set up:
/// tags for the parts that `extraStatTags` names, and those of its own that a name of the filter's, or
/// tcp_proxy's, may match.
fn istios_stats_config() -> Value {
    let extra = ["l4_chain", "l4_rule", "l4_backend", "l4_result"]
        .map(|tag| (tag, format!(r"({tag}=\.=(.*?);\.;)")));
    // The part behind this word, wherever it stands.
    let own = ["cache", "component", "wasm_filter"]
        .map(|tag| (tag, format!(r"({tag}\.([^.]+)\.)")))
        .into_iter()
        .chain([
            ("tag", r"(tag\.([^;]+);\.)".to_string()),
            ("tcp_prefix", r"^tcp\.((.+)\.)\w+$".to_string()),
        ]);
    let tags = extra.into_iter().chain(own);
    let tags: Vec<_> = tags
        .map(|(tag, regex)| json!({"tagName": tag, "regex": regex}))
        .collect();
    json!({
        "useAllDefaultTags": false,
        "statsTags": tags,
        "statsMatcher": {"inclusionList": {"patterns": [
            {"prefix": "cluster_manager"},
            {"prefix": "listener_manager"},
            {"prefix": "server"},
            {"prefix": "wasm"},
            {"suffix": "downstream_cx_no_route"},
        ]}},
    })
}

/// Per rule and backend, by labels, and equal to what the pods counted themselves.
async fn check(templates: Templates) -> Result<()> {
    let mut config = config(
        9000,
        json!([
            backend("tcp-echo-v1", 60),
            backend("tcp-echo-v2", 30),
            {"name": "tcp-echo-v3", "refuse": "BackendNotFound", "weight": 10},
        ]),
    );
    config["revision"] = json!("3f9c2a7e41d0");
    config["listeners"]
        .as_array_mut()
        .context("no listeners")?
        .push(json!({"chain": cluster("tcp-echo-v1", 9000)}));
    let before = now()?;
    let builder = waypoint(config).templates(templates, NAMESPACE);
    builder
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let tally = measure(&client, TCP_ECHO, 500).await;
            measure(&client, "10.96.0.11:9000", 7).await;
            let [one, two] = waypoint
                .pods()
                .each_ref()
                .map(|pod| pod.echo().accepted(ECHO_PORT));
            let scrape = scrape(waypoint).await?;
            let count = |backend: &str, result: &str| {
                let rule = "istio-io-tcp-traffic-shifting/tcp-echo-ew";
                let chain = cluster("tcp-echo", 9000);
                let labels = labels(&chain, rule, backend, result);
                scrape
                    .get(&labels)
                    .copied()
                    .with_context(|| format!("no {labels}: {scrape:#?}"))
            };
            assert_eq!(
                count("tcp-echo-v1", "chosen")?,
                one.checked_sub(7).context("7")?
            );
            assert_eq!(count("tcp-echo-v2", "chosen")?, two);
            assert_eq!(count("tcp-echo-v3", "refused")?, tally.refused);
            assert_eq!(count("none", "refused")?, 0);
            let default = labels(&cluster("tcp-echo-v1", 9000), "none", "none", "default");
            assert_eq!(scrape.get(&default), Some(&7), "{scrape:#?}");
            assert_eq!(
                scrape.get("waypoint_l4_config_revision{}"),
                Some(&0x3f9c_2a7e_41d0)
            );
            let updated = scrape
                .get("waypoint_l4_config_last_update_seconds{}")
                .copied();
            ensure!(
                (Some(before)..=Some(now()?)).contains(&updated),
                "{updated:?}"
            );
            Ok(())
        })
        .await
}

/// The weights asked for, also after a backend has left the route.
#[tokio::test]
async fn weights_are_those_of_the_configuration_in_force() -> Result<()> {
    waypoint(split(9000, 90, 10))
        .run(async |waypoint| {
            let weights = async || -> Result<Vec<(String, u64)>> {
                let scrape = scrape(waypoint).await?;
                let weights = scrape.into_iter().filter(|(metric, _)| metric.contains("_weight{"));
                Ok(weights.collect())
            };
            let weight = |backend: &str| {
                let chain = cluster("tcp-echo", 9000);
                let rule = "istio-io-tcp-traffic-shifting/tcp-echo-ew";
                format!(
                    r#"waypoint_l4_weight{{l4_backend="{backend}",l4_chain="{chain}",l4_rule="{rule}"}}"#
                )
            };
            let [one, two] = [weight("tcp-echo-v1"), weight("tcp-echo-v2")];
            assert_eq!(weights().await?, [(one.clone(), 90), (two.clone(), 10)]);
            let only_one = config(9000, json!([backend("tcp-echo-v1", 7)]));
            waypoint.update_plugin(&wasm(), &only_one.to_string()).await?;
            assert_eq!(weights().await?, [(one, 7), (two, 0)]);
            Ok(())
        })
        .await
}

pub(crate) fn labels(chain: &str, rule: &str, backend: &str, result: &str) -> String {
    format!(
        r#"{CONNECTIONS}{{l4_backend="{backend}",l4_chain="{chain}",l4_result="{result}",l4_rule="{rule}"}}"#
    )
}

/// The plugin's metrics, by name and sorted labels.
pub(crate) async fn scrape(waypoint: &Waypoint) -> Result<BTreeMap<String, u64>> {
    let text = waypoint.admin().get("/stats/prometheus").await?;
    let mut metrics = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("waypoint_l4_")) {
        let (metric, value) = line.rsplit_once(' ').context("a metric has no value")?;
        let (name, labels) = metric.split_once('{').unwrap_or((metric, "}"));
        let mut labels: Vec<_> = labels.trim_end_matches('}').split("\",").collect();
        labels.sort_unstable();
        let labels = labels.iter().map(|label| label.trim_end_matches('"'));
        let labels: Vec<_> = labels.filter(|label| !label.is_empty()).collect();
        let labels = labels
            .iter()
            .map(|label| format!("{label}\""))
            .collect::<Vec<_>>()
            .join(",");
        metrics.insert(
            format!("{name}{{{labels}}}"),
            value.parse::<f64>()?.to_string().parse()?,
        );
    }
    Ok(metrics)
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
