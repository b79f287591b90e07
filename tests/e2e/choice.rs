//! Choice beyond weights: by server name and by who is calling, exact shares, sticky clients.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Duration, timeout};
use waypoint_l4_testbed::client::{Client, ConnectError};
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::tunnel::Stream;
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::{TCP_ECHO, backend, client, config, waypoint};

const PATIENCE: Duration = Duration::from_secs(10);

/// `testdata/connections.json`, the table that the core is held to as well: TLS clients with and
/// without a server name, of several namespaces, service accounts and addresses.
#[tokio::test]
async fn each_goes_where_the_table_says() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/connections.json");
    let text = fs::read_to_string(path)?;
    // The network of the testbed is known only once it runs.
    waypoint("")
        .run(async |waypoint| {
            let [a, b, c, _] = waypoint.client_address(0).octets();
            let table: Value =
                serde_json::from_str(&text.replace("NET.", &format!("{a}.{b}.{c}.")))?;
            waypoint
                .update_plugin(&crate::wasm(), &table["config"].to_string())
                .await?;
            let rows = table["connections"].as_array().context("no connections")?;
            let mut shown = 0;
            for row in rows.iter().filter(|row| row["only"].is_null()) {
                let seen = destination(waypoint, row)
                    .await
                    .with_context(|| row.to_string())?;
                ensure!(
                    seen == row["expect"].as_str().unwrap_or_default(),
                    "went to {seen}: {row}"
                );
                shown += 1;
            }
            ensure!(shown >= 40, "only {shown} rows");
            Ok(())
        })
        .await
}

/// Ten connections on one worker are enough to see an exact share; chance would need luck.
#[tokio::test]
async fn exact_is_exact() -> Result<()> {
    let mut config = config(
        9000,
        json!([backend("tcp-echo-v1", 90), backend("tcp-echo-v2", 10)]),
    );
    config["listeners"][0]["rules"][0]["pick"] = json!({"exact": {}});
    waypoint(config)
        .concurrency(1)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let mut total = [0; 2];
            for round in 1..=30 {
                let tally = measure(&client, TCP_ECHO, 10).await;
                ensure!(tally.total() == 10 && tally.refused == 0, "{tally}");
                total[0] += tally.answers("one");
                total[1] += tally.answers("two");
                ensure!(
                    total[1].abs_diff(round) <= 1,
                    "after {round} rounds: {total:?}"
                );
            }
            Ok(())
        })
        .await
}

/// The same client comes to the same backend, on whichever worker, at whatever port; a shift of a
/// fifth moves about a fifth of the clients, and none of them back.
#[tokio::test]
async fn sticky_clients_stay() -> Result<()> {
    let sticky = |one: u32, two: u32| {
        let mut config = config(
            9000,
            json!([backend("tcp-echo-v1", one), backend("tcp-echo-v2", two)]),
        );
        config["listeners"][0]["rules"][0]["pick"] = json!({"sticky": {"by": "sourceAddress"}});
        config
    };
    waypoint(sticky(70, 30))
        .run(async |waypoint| {
            let before = backends_of_clients(waypoint).await?;
            waypoint
                .update_plugin(&crate::wasm(), &sticky(50, 50).to_string())
                .await?;
            let after = backends_of_clients(waypoint).await?;
            for (number, backend) in &before {
                let now = &after[number];
                ensure!(
                    now == backend || now == "two",
                    "client {number}: {backend} to {now}"
                );
            }
            ensure!(before.values().any(|name| name == "two"), "{before:?}");
            ensure!(after.values().any(|name| name == "one"), "{after:?}");
            ensure!(before != after, "nobody moved");
            Ok(())
        })
        .await
}

/// Identity is as good a key as an address: two addresses of one service account, one backend.
#[tokio::test]
async fn sticky_by_identity() -> Result<()> {
    let mut config = config(
        9000,
        json!([backend("tcp-echo-v1", 50), backend("tcp-echo-v2", 50)]),
    );
    config["listeners"][0]["rules"][0]["pick"] = json!({"sticky": {"by": "sourcePrincipal"}});
    waypoint(config)
        .run(async |waypoint| {
            let mut seen = BTreeMap::new();
            for account in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
                for address in [1, 2] {
                    let client = waypoint.client_as("shop", account)?;
                    let client = client.from_address(waypoint.client_address(address));
                    let backend = only_backend(&Arc::new(client)).await?;
                    let known = seen.entry(account).or_insert_with(|| backend.clone());
                    ensure!(
                        *known == backend,
                        "{account} went to {known}, then to {backend}"
                    );
                }
            }
            ensure!(seen.values().any(|name| name == "one"), "{seen:?}");
            ensure!(seen.values().any(|name| name == "two"), "{seen:?}");
            Ok(())
        })
        .await
}

/// Which backend each of 40 client addresses has.
async fn backends_of_clients(waypoint: &Waypoint) -> Result<BTreeMap<u8, String>> {
    let mut backends = BTreeMap::new();
    for number in 0..40 {
        let client = waypoint.client()?.streams_per_connection(1);
        let client = Arc::new(client.from_address(waypoint.client_address(number)));
        backends.insert(number, only_backend(&client).await?);
    }
    Ok(backends)
}

/// The backend that answers all of some connections of a client.
async fn only_backend(client: &Arc<Client>) -> Result<String> {
    let tally = measure(client, TCP_ECHO, 6).await;
    let mut names = tally.answers.keys();
    match (names.next(), names.next()) {
        (Some(name), None) if tally.answers(name) == 6 => Ok(name.clone()),
        _ => bail!("not one backend: {tally}"),
    }
}

/// Where a connection of the table goes, in the table's words: what the access log says of it.
async fn destination(waypoint: &Waypoint, row: &Value) -> Result<&'static str> {
    // Client number n has the address NET.(100 + n).
    let last = row["source"]
        .as_str()
        .and_then(|source| source.rsplit('.').next());
    let number = last
        .unwrap_or("100")
        .parse::<u8>()?
        .checked_sub(100)
        .context("no client")?;
    let principal = row["principal"].as_str().context("no principal")?;
    let client = waypoint.client_with_principal(principal)?;
    let client = client.from_address(waypoint.client_address(number));
    let logged = waypoint.access_log()?.len();
    let answer = match row["to"].as_str() {
        Some("db") => ask_tls(waypoint, &client, row["sni"].as_str()).await,
        Some("v1") => match client.connect("10.96.0.11:9000").await {
            Ok(stream) => ask(stream).await,
            Err(ConnectError::Refused(_)) => Ok(String::new()),
            Err(error) => return Err(error.into()),
        },
        other => bail!("to {other:?}"),
    };
    let line = timeout(PATIENCE, logged_line(waypoint, logged)).await??;
    let cluster = line
        .split(' ')
        .find_map(|field| field.strip_prefix("cluster="))
        .context("?")?;
    let (seen, name) = match cluster {
        "-" if line.contains("flags=NC") => ("refused", ""),
        cluster if cluster.contains("-v1.") => ("one", "one "),
        cluster if cluster.contains("-v2.") => ("two", "two "),
        cluster if cluster.contains("|db.") => ("default", ""),
        _ => bail!("what is {line}"),
    };
    let answer = answer.unwrap_or_default();
    ensure!(answer.starts_with(name), "answered {answer:?}, but {line}");
    ensure!(
        answer.is_empty() == (seen == "refused"),
        "answered {answer:?}, but {line}"
    );
    Ok(seen)
}

/// The access log's line of this number, once it is there.
async fn logged_line(waypoint: &Waypoint, number: usize) -> Result<String> {
    let line = || Some(waypoint.access_log().ok()?.get(number)?.clone());
    eventually("the connection is logged", || line().is_some()).await?;
    line().context("the line has gone")
}

async fn ask_tls(waypoint: &Waypoint, client: &Client, sni: Option<&str>) -> Result<String> {
    let stream: Stream = client.connect("10.96.0.20:5432").await?;
    ask(waypoint.tls(stream, sni).await?).await
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<String> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"hello\n").await?;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_line(&mut answer)).await??;
    stream.shutdown().await?;
    // Until the server has ended too, or the stream is reset in place of closed.
    let mut rest = String::new();
    let _ = timeout(PATIENCE, stream.read_line(&mut rest)).await?;
    Ok(answer)
}
