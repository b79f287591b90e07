//! What the access log of the waypoint says of a routed connection.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::Templates;
use waypoint_l4_testbed::waypoint::NAMESPACE;

use crate::{TCP_ECHO, backend, client, config, wasm, waypoint};

/// Rule and backend stand in filter state if the configuration asks for it, and cost nothing if not.
#[tokio::test]
async fn rule_and_backend_are_told_on_demand() -> Result<()> {
    // As in envoy/listeners.yaml.
    check(Templates::own()?).await
}

/// The formats that the documentation recommends, in the form in which istiod hands each to Envoy.
#[tokio::test]
async fn rule_and_backend_are_told_in_istios_formats() -> Result<()> {
    let formats = recommended()?;
    let is_json = |format: &&Value| format.get("jsonFormat").is_some();
    let json = formats.iter().filter(is_json).count();
    assert_eq!((formats.len(), json), (3, 2), "{formats:#?}");
    for format in formats {
        check(Templates::own()?.log_format(&format)).await?;
    }
    Ok(())
}

/// What the log tells is what the clients saw; and nothing once it is asked for no more.
async fn check(templates: Templates) -> Result<()> {
    let mut config = config(
        9000,
        json!([
            backend("tcp-echo-v1", 50),
            backend("tcp-echo-v2", 30),
            {"name": "tcp-echo-v3", "refuse": "BackendNotFound", "weight": 20},
        ]),
    );
    config["annotate"] = json!(true);
    let builder = waypoint(&config).templates(templates, NAMESPACE);
    builder
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let tally = measure(&client, TCP_ECHO, 100).await;
            config["annotate"] = json!(false);
            let update = config.to_string();
            waypoint.update_plugin(&wasm(), &update).await?;
            measure(&client, TCP_ECHO, 50).await;

            let is_complete = || waypoint.access_log().is_ok_and(|log| log.len() == 150);
            eventually("each connection is logged", is_complete).await?;
            let log = waypoint.access_log()?;
            let told: Vec<_> = log.iter().map(|line| told(line)).collect::<Result<_>>()?;
            let count = |rule: &str, backend: &str| {
                let told = told.iter().filter(|told| *told == &[rule, backend]);
                u64::try_from(told.count())
            };
            let rule = "istio-io-tcp-traffic-shifting/tcp-echo-ew";
            assert_eq!(
                count(rule, "tcp-echo-v1")?,
                tally.answers("one"),
                "{log:#?}"
            );
            assert_eq!(
                count(rule, "tcp-echo-v2")?,
                tally.answers("two"),
                "{log:#?}"
            );
            assert_eq!(count(rule, "tcp-echo-v3")?, tally.refused, "{log:#?}");
            assert_eq!(count("-", "-")?, 50, "{log:#?}");
            Ok(())
        })
        .await
}

/// Rule and backend of a line, whether it is JSON or text.
fn told(line: &str) -> Result<[String; 2]> {
    if let Ok(line) = serde_json::from_str::<Value>(line) {
        let told = |name: &str| match &line[name] {
            Value::String(fact) => Ok(fact.clone()),
            // A label without a value; not one that is missing.
            Value::Null if line.get(name).is_some() => Ok("-".to_string()),
            other => anyhow::bail!("{name} is {other}"),
        };
        return Ok([told("rule")?, told("backend")?]);
    }
    let told = |name: &str| {
        let fact = line.split(' ').find_map(|word| word.strip_prefix(name));
        fact.with_context(|| format!("no {name} in {line:?}"))
    };
    Ok([told("rule=")?.to_string(), told("backend=")?.to_string()])
}

/// The access logs in the documentation's YAML.
fn recommended() -> Result<Vec<Value>> {
    let text = include_str!("../../docs/OBSERVABILITY.md");
    let mut formats = Vec::new();
    for block in text.split("```yaml\n").skip(1) {
        let document = block.split("```").next().unwrap_or_default();
        let document = document.split("---\n").next().unwrap_or_default();
        let yaml: Value = serde_saphyr::from_str(document).with_context(|| document.to_string())?;
        let mesh = &yaml["meshConfig"];
        let provider = &mesh["extensionProviders"][0]["envoyFileAccessLog"]["logFormat"];
        let json = mesh["accessLogEncoding"] == "JSON";
        let format = match (&mesh["accessLogFormat"], &provider["labels"]) {
            (Value::String(labels), _) if json => {
                json!({"jsonFormat": serde_json::from_str::<Value>(labels)?, "jsonFormatOptions": {}})
            }
            (Value::String(text), _) => json!({"textFormatSource": {"inlineString": text}}),
            (_, Value::Object(labels)) => json!({"jsonFormat": labels, "jsonFormatOptions": {}}),
            _ => continue,
        };
        formats.push(format);
    }
    ensure!(!formats.is_empty(), "no access log is recommended");
    Ok(formats)
}
