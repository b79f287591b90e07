//! What `explain` says of a connection.

mod destination;

use std::fs;

use serde_json::{Value, json};

use crate::{MANIFESTS, Run, case, run, run_with};

const TABLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../testdata/connections.json"
);
const ECHO: &str = "tcp-echo.istio-io-tcp-traffic-shifting.svc.cluster.local";

/// `testdata/connections.json`: who goes where, the same table that the filter is held to in Envoy.
#[test]
fn each_goes_where_the_table_says() {
    let text = fs::read_to_string(TABLE)
        .unwrap()
        .replace("NET.", "10.20.30.");
    let table: Value = serde_json::from_str(&text).unwrap();
    let config = table["config"].to_string();
    let rows = table["connections"].as_array().unwrap();
    assert!(rows.len() >= 40);
    for row in rows {
        let to = match row["to"].as_str().unwrap() {
            "db" => "db:5432",
            _ => "tcp-echo-v1:9000",
        };
        let mut arguments = vec!["explain", "--config", "-", "--to", to, "--format", "json"];
        for (field, option) in [
            ("sni", "--sni"),
            ("principal", "--principal"),
            ("source", "--from-ip"),
        ] {
            if let Some(value) = row[field].as_str() {
                arguments.extend([option, value]);
            }
        }
        let explained = run_with(&arguments, config.as_bytes());
        if row["source"] == "somewhere" {
            assert_eq!(explained.code, 2, "{row}");
            continue;
        }
        let explanation = json_of(&explained);
        let outcome = &explanation["outcome"];
        let seen = match outcome["kind"].as_str() {
            Some("cluster") => &outcome["backend"],
            _ => &outcome["kind"],
        };
        assert_eq!(*seen, row["expect"], "{row}\n{explanation:#}");
    }
}

/// The filter takes them for none, so they are no error; a note tells what the conditions tell too.
#[test]
fn what_is_no_identity_is_told_of() {
    let input = case("source-namespaces");
    for (principal, is_identity) in [
        ("spiffe://cluster.local/ns/shop/sa/tester", true),
        ("spiffe://td/ns/a/sa/b", true),
        ("shop/tester", false),
        ("spiffe://cluster.local/ns/shop/sa/", false),
        ("spiffe:///ns/shop/sa/tester", false),
        ("spiffe://cluster.local/ns/shop/sa/tester/more", false),
        ("spiffe://cluster.local/sa/tester/ns/shop", false),
        ("https://cluster.local/ns/shop/sa/tester", false),
    ] {
        let to = ["--to", "tcp-echo.demo:9000", "--principal", principal];
        let explained = run(&[&["explain", "-f", &input], &to[..]].concat());
        let note = format!(
            "note: --principal {principal:?} is no identity of Kubernetes, \
             spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME: the filter takes it for none\n"
        );
        let expected = if is_identity { "" } else { &note };
        assert_eq!((explained.code, explained.stderr.as_str()), (0, expected));
        let is_known = !explained.stdout.contains("is no identity of Kubernetes");
        assert_eq!(is_known, is_identity, "{}", explained.stdout);
    }
}

#[test]
fn says_why_of_each_rule() {
    let table = fs::read_to_string(TABLE)
        .unwrap()
        .replace("NET.", "10.20.30.");
    let table: Value = serde_json::from_str(&table).unwrap();
    let explained = run_with(
        &[
            "explain",
            "--config",
            "-",
            "--to",
            "tcp-echo-v1:9000",
            "--from-ip",
            "10.20.30.111",
            "--principal",
            "spiffe://cluster.local/ns/shop/sa/web",
        ],
        table["config"].to_string().as_bytes(),
    );
    let expected = "\
chain inbound-vip|9000|tcp|tcp-echo-v1.istio-io-tcp-traffic-shifting.svc.cluster.local

1. sni/not-inspected: does not match
   sni *.com: does not hold, the server name is not known (--sni)

2. source/account-and-network: does not match
   sourceServiceAccounts shop/web, shop/cart: holds, the principal is spiffe://cluster.local/ns/shop/sa/web
   sourceCidrs 10.20.30.110/32, 10.20.30.112/31: does not hold, the address is 10.20.30.111

3. source/account: decides
   sourceServiceAccounts shop/web: holds, the principal is spiffe://cluster.local/ns/shop/sa/web
   pick random
   100.00 %  one: cluster inbound-vip|9000|tcp|tcp-echo-v1.istio-io-tcp-traffic-shifting.svc.cluster.local

4. source/namespaces: not asked, as an earlier rule decides

5. source/network: not asked, as an earlier rule decides

To backend one: it is the only backend with a weight above 0.
";
    assert_eq!((explained.code, explained.stdout.as_str()), (0, expected));
}

#[test]
fn shows_the_shares_and_what_comes_of_them() {
    let explained = run(&[
        "explain",
        "-f",
        MANIFESTS,
        "--to",
        "tcp-echo:9000",
        "--connections",
        "1000",
    ]);
    assert_eq!((explained.code, explained.stderr.as_str()), (0, ""));
    let expected = format!(
        "\
waypoint istio-io-tcp-traffic-shifting/waypoint
chain inbound-vip|9000|tcp|{ECHO}

1. TCPRoute istio-io-tcp-traffic-shifting/tcp-echo-ew: decides
   no conditions: takes every connection
   pick random
    90.00 %  tcp-echo-v1: cluster inbound-vip|9000|tcp|{}
    10.00 %  tcp-echo-v2: cluster inbound-vip|9000|tcp|{}

To one of the backends, by their shares: each connection by chance.

1000 connections, seed 0:
    907   90.70 %  tcp-echo-v1
     93    9.30 %  tcp-echo-v2
",
        ECHO.replace("echo", "echo-v1"),
        ECHO.replace("echo", "echo-v2")
    );
    assert_eq!(explained.stdout, expected);
}

/// A backend that does not exist keeps its share of the connections.
#[test]
fn what_is_refused_is_shown_as_refused() {
    let explain = |input: &str| {
        let to = ["--to", "tcp-echo.demo:9000", "--connections", "1000"];
        run_with(
            &[&["explain", "-f", "-"], &to[..]].concat(),
            input.as_bytes(),
        )
    };
    let input = fs::read_to_string(case("no-backend-service")).unwrap();
    let explained = explain(&input);
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    let expected = "
    90.00 %  tcp-echo-v1: cluster inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local
    10.00 %  tcp-echo-v2: refused, BackendNotFound

To one of the backends, by their shares, 10.00 % refused: each connection by chance.

1000 connections, seed 0:
    907   90.70 %  tcp-echo-v1
     93    9.30 %  tcp-echo-v2: refused, BackendNotFound
";
    assert!(explained.stdout.ends_with(expected), "{}", explained.stdout);

    let explained = explain(&input.replace("name: tcp-echo-v1,", "name: tcp-echo-v3,"));
    assert!(
        explained
            .stdout
            .contains("\nRefused, BackendNotFound: every backend with a weight above 0 refuses.\n"),
        "{}",
        explained.stdout
    );
}

#[test]
fn counts_are_those_of_the_pick() {
    let config = |pick: &str, backends: &[(&str, u32)]| {
        let backends = backends.iter().map(|(name, weight)| match *name {
            "gone" => json!({"name": name, "refuse": "BackendNotFound", "weight": weight}),
            name => json!({"name": name, "cluster": format!("c-{name}"), "weight": weight}),
        });
        let backends: Vec<_> = backends.collect();
        let pick: Value = serde_json::from_str(pick).unwrap();
        let rule = json!({"name": "demo/r", "pick": pick, "backends": backends});
        json!({"version": 1, "listeners": [{"chain": "*", "rules": [rule]}]}).to_string()
    };
    let explain = |config: &str, more: &[&str]| {
        let fixed = [
            "explain", "--config", "-", "--chain", "a", "--format", "json",
        ];
        let simulated = ["--connections", "2000"];
        json_of(&run_with(
            &[&fixed[..], &simulated, more].concat(),
            config.as_bytes(),
        ))
    };
    let counts = |explanation: &Value| {
        let counts = explanation["simulation"]["counts"].as_array().unwrap();
        let number = |count: &Value| count["connections"].as_u64().unwrap();
        counts.iter().map(number).collect::<Vec<_>>()
    };

    let three = [("v1", 60), ("v2", 30), ("gone", 10), ("v4", 0)];
    let exact = explain(&config(r#"{"exact": {}}"#, &three), &[]);
    for (count, share) in counts(&exact).into_iter().zip([1200, 600, 200, 0_u64]) {
        assert!(count.abs_diff(share) <= 1, "{exact:#}");
    }
    assert_eq!(exact["outcome"]["kind"], "byShare");
    assert_eq!(exact["outcome"]["refusedShare"], 10.0);
    assert_eq!(
        exact["simulation"]["counts"][2]["refuse"],
        "BackendNotFound"
    );
    assert_eq!(exact["listener"], "*");
    assert_eq!(exact["rules"][0]["backends"][2]["share"], 10.0);

    let random = config(r#"{"random": {}}"#, &three);
    let seeds = ["1", "2", "1"].map(|seed| counts(&explain(&random, &["--seed", seed])));
    assert_eq!(seeds[0], seeds[2]);
    assert_ne!(seeds[0], seeds[1]);
    assert_eq!(seeds[0].iter().sum::<u64>(), 2000);

    // The one that the filter picks in Envoy as well: it hashes the address.
    let sticky = config(r#"{"sticky": {"by": "sourceAddress"}}"#, &three);
    let mut seen = [0; 3];
    for client in 0..60 {
        let address = format!("10.1.2.{client}");
        let explanation = explain(&sticky, &["--from-ip", &address]);
        let counts = counts(&explanation);
        let backend = counts.iter().position(|count| *count == 2000).unwrap();
        seen[backend] += 1;
        let outcome = &explanation["outcome"];
        assert_eq!(outcome["backend"], three[backend].0, "{explanation:#}");
        let refused = three[backend].0 == "gone";
        assert_eq!(outcome["kind"] == "refused", refused, "{explanation:#}");
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    let unknown = explain(&sticky, &[]);
    assert_eq!(
        unknown["outcome"]["because"],
        "by chance, not sticky: the address is not known (--from-ip)"
    );

    let nothing = explain(&config(r#"{"random": {}}"#, &[("v1", 0)]), &[]);
    assert_eq!(nothing["outcome"]["reason"], "NoWeight");
    assert_eq!(
        nothing["simulation"]["counts"],
        json!([{"backend": "v1", "connections": 0, "percent": 0.0}, {"connections": 2000, "percent": 100.0}])
    );
}

fn json_of(explained: &Run) -> Value {
    assert_eq!(explained.code, 0, "{explained:?}");
    serde_json::from_str(&explained.stdout).unwrap()
}
