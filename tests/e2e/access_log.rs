//! What the access log of the waypoint says of a routed connection.

use anyhow::{Result, ensure};
use serde_json::json;
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::split::measure;

use crate::{TCP_ECHO, backend, client, config, waypoint};

/// Rule and backend stand in filter state if the configuration asks for it, and cost nothing if not.
#[tokio::test]
async fn rule_and_backend_are_told_on_demand() -> Result<()> {
    let mut config = config(
        9000,
        json!([
            backend("tcp-echo-v1", 50),
            backend("tcp-echo-v2", 30),
            {"name": "tcp-echo-v3", "refuse": "BackendNotFound", "weight": 20},
        ]),
    );
    for annotate in [true, false] {
        config["annotate"] = json!(annotate);
        waypoint(&config)
            .run(async |waypoint| {
                let tally = measure(&client(waypoint)?, TCP_ECHO, 100).await;
                let is_complete = || waypoint.access_log().is_ok_and(|log| log.len() == 100);
                eventually("each connection is logged", is_complete).await?;
                let log = waypoint.access_log()?;
                let count = |backend: &str| {
                    let rule = "rule=istio-io-tcp-traffic-shifting/tcp-echo-ew";
                    let text = format!(" {rule} backend={backend} ");
                    log.iter().filter(|line| line.contains(&text)).count()
                };
                let told = ["tcp-echo-v1", "tcp-echo-v2", "tcp-echo-v3"].map(count);
                let seen = [tally.answers("one"), tally.answers("two"), tally.refused];
                if annotate {
                    ensure!(
                        told.map(|count| u64::try_from(count).ok()) == seen.map(Some),
                        "{log:#?}"
                    );
                } else {
                    let untold = log
                        .iter()
                        .filter(|line| line.contains(" rule=- backend=- "));
                    assert_eq!((told, untold.count()), ([0; 3], 100));
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}
