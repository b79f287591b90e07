//! Choice beyond weights: by server name and by who is calling, exact shares, sticky clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Duration, timeout};
use waypoint_l4_route::{Decision, Facts, Table};
use waypoint_l4_testbed::client::{Client, ConnectError};
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::tunnel::Stream;
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::{TCP_ECHO, backend, client, cluster, config, waypoint};

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
            for round in 1..=30_u64 {
                let tally = measure(&client, TCP_ECHO, 10).await;
                ensure!(tally.total() == 10 && tally.refused == 0, "{tally}");
                total[0] += tally.answers("one");
                total[1] += tally.answers("two");
                // Off by less than one, and so by nothing where the share is a whole number.
                assert_eq!(total, [9 * round, round], "after {round} rounds");
            }
            Ok(())
        })
        .await
}

/// The same client comes to the same backend, on whichever worker, at whatever port: the one that the
/// core says, here as in the module. A shift of a fifth moves none of them back.
#[tokio::test]
async fn sticky_clients_stay() -> Result<()> {
    let sticky = |one, two| sticky("sourceAddress", one, two);
    waypoint(sticky(70, 30))
        .run(async |waypoint| {
            let expected = |config: &Value| -> Result<BTreeMap<u8, String>> {
                let address = |number| format!("{}:41234", waypoint.client_address(number));
                (0..CLIENTS)
                    .map(|number| Ok((number, decide(config, Some(address(number)), None)?)))
                    .collect()
            };
            let before = backends_of_clients(waypoint).await?;
            assert_eq!(before, expected(&sticky(70, 30))?);
            waypoint
                .update_plugin(&crate::wasm(), &sticky(50, 50).to_string())
                .await?;
            let after = backends_of_clients(waypoint).await?;
            assert_eq!(after, expected(&sticky(50, 50))?);
            for (number, backend) in &before {
                let now = &after[number];
                ensure!(
                    now == backend || now == "two",
                    "client {number}: {backend} to {now}"
                );
            }
            Ok(())
        })
        .await
}

/// Identity is as good a key as an address: two addresses of one service account, one backend. These
/// identities are the same in each run, and come to both.
#[tokio::test]
async fn sticky_by_identity() -> Result<()> {
    let sticky = |one, two| sticky("sourcePrincipal", one, two);
    waypoint(sticky(50, 50))
        .run(async |waypoint| {
            for (one, two) in [(50, 50), (70, 30)] {
                let config = sticky(one, two);
                waypoint
                    .update_plugin(&crate::wasm(), &config.to_string())
                    .await?;
                let mut seen = BTreeSet::new();
                for account in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
                    let principal = format!("spiffe://cluster.local/ns/shop/sa/{account}");
                    let expected = decide(&config, None, Some(principal))?;
                    for address in [1, 2] {
                        let client = waypoint.client_as("shop", account)?;
                        let client = client.from_address(waypoint.client_address(address));
                        let backend = only_backend(&Arc::new(client)).await?;
                        assert_eq!(backend, expected, "{account}, {one} to {two}");
                    }
                    seen.insert(expected);
                }
                assert_eq!(seen.len(), 2, "{seen:?}");
            }
            Ok(())
        })
        .await
}

fn sticky(by: &str, one: u32, two: u32) -> Value {
    let mut config = config(
        9000,
        json!([backend("tcp-echo-v1", one), backend("tcp-echo-v2", two)]),
    );
    config["listeners"][0]["rules"][0]["pick"] = json!({"sticky": {"by": by}});
    config
}

/// Which pod the core sends a connection to tcp-echo to.
fn decide(config: &Value, address: Option<String>, principal: Option<String>) -> Result<String> {
    struct Known(Option<String>, Option<String>);

    impl Facts for Known {
        fn server_name(&self) -> Option<String> {
            None
        }

        fn source_address(&self) -> Option<String> {
            self.0.clone()
        }

        fn source_principal(&self) -> Option<String> {
            self.1.clone()
        }
    }

    let config = serde_json::from_value(config.clone())?;
    let mut table = Table::new(config, |_| (), || 0);
    let listener = table
        .listener(&cluster("tcp-echo", 9000))
        .context("no listener")?;
    match listener.decide(&Known(address, principal), || 0) {
        Decision::Backend { backend, .. } if backend.name == "tcp-echo-v1" => Ok("one".into()),
        Decision::Backend { backend, .. } if backend.name == "tcp-echo-v2" => Ok("two".into()),
        other => bail!("{other}"),
    }
}

const CLIENTS: u8 = 40;

/// Which backend each client address has.
async fn backends_of_clients(waypoint: &Waypoint) -> Result<BTreeMap<u8, String>> {
    let mut backends = BTreeMap::new();
    for number in 0..CLIENTS {
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
