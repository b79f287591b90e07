//! Which filter chain `--to` means, and where it comes from.

use serde_json::Value;

use crate::{CASES, MANIFESTS, Run, case, run, run_with};

/// Two Services of one name and a ServiceEntry, and some that no filter sees.
const HOSTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: demo, labels: {istio.io/use-waypoint: waypoint}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/use-waypoint: waypoint}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: demo}
spec: {ports: [{name: tcp, port: 5432}, {name: tcp-admin, port: 5433}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: mq, namespace: shop, labels: {istio.io/use-waypoint: none}}
spec: {ports: [{name: tcp, port: 5672}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, ports: [{name: tcp, port: 7000}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild, namespace: shop}
spec:
  hosts: ['*.wild.example']
  resolution: NONE
  ports: [{name: tls, number: 443, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner, namespace: demo}
spec:
  hosts: [db.partner.example]
  addresses: [192.0.2.7]
  resolution: STATIC
  ports: [{name: tcp, number: 5432, protocol: TCP}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: partner, namespace: demo}
spec:
  hosts: [db.partner.example]
  tcp: [{route: [{destination: {host: db.partner.example}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: db, namespace: demo, labels: {istio.io/rev: waypoint-l4}}
spec:
  parentRefs: [{group: '', kind: Service, name: db}]
  rules: [{backendRefs: [{name: db, port: 5432}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: db, namespace: shop, labels: {istio.io/rev: waypoint-l4}}
spec:
  parentRefs: [{group: '', kind: Service, name: db}]
  rules: [{backendRefs: [{name: db, port: 5432}]}]
";

fn to(destination: &str, more: &[&str]) -> Run {
    let fixed = ["explain", "-f", "-", "--to", destination];
    run_with(&[&fixed[..], more].concat(), HOSTS.as_bytes())
}

fn first_lines(explained: &Run) -> Vec<&str> {
    assert_eq!(explained.code, 0, "{explained:?}");
    explained.stdout.lines().take(2).collect()
}

#[test]
fn a_host_may_be_cut_short() {
    let in_demo = [
        "waypoint demo/waypoint",
        "chain inbound-vip|5432|tcp|db.demo.svc.cluster.local",
    ];
    for host in [
        "db.demo.svc.cluster.local",
        "DB.demo.svc.cluster.local.",
        "db.demo.svc",
        "db.demo",
    ] {
        let explained = to(&format!("{host}:5432"), &[]);
        assert_eq!(first_lines(&explained), in_demo, "{host}");
    }
    let explained = to("db:5432", &["--waypoint", "demo/waypoint"]);
    assert_eq!(first_lines(&explained), in_demo);
    // Only one of that name has this port.
    let explained = to("db:5433", &[]);
    assert_eq!(
        first_lines(&explained)[1],
        "chain inbound-vip|5433|tcp|db.demo.svc.cluster.local"
    );
    let explained = to("db.partner.example:5432", &[]);
    assert_eq!(
        first_lines(&explained)[1],
        "chain inbound-vip|5432|tcp|db.partner.example"
    );
    assert!(
        explained
            .stdout
            .contains("\n1. VirtualService demo/partner: decides\n"),
        "{}",
        explained.stdout
    );
    let elsewhere = to("db.demo:5432", &["--cluster-domain", "mesh.example"]);
    assert_eq!(
        first_lines(&elsewhere)[1],
        "chain inbound-vip|5432|tcp|db.demo.svc.mesh.example"
    );
}

#[test]
fn a_name_that_may_mean_two_hosts_is_refused() {
    let refused = to("db:5432", &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let error = refused.stderr.lines().last().unwrap();
    assert_eq!(
        error,
        "error: db:5432: expected one host, found db.demo.svc.cluster.local, \
         db.shop.svc.cluster.local: give the whole host, or choose with --waypoint"
    );
}

#[test]
fn a_chain_without_listener_is_left_alone() {
    let explained = run(&["explain", "-f", MANIFESTS, "--to", "tcp-echo:9001"]);
    assert_eq!((explained.code, explained.stderr.as_str()), (0, ""));
    let expected = "\
Left to tcp_proxy's own cluster: no rule of this filter is for this chain.
   there is one for inbound-vip|9000|tcp|tcp-echo.istio-io-tcp-traffic-shifting.svc.cluster.local \
                    at waypoint istio-io-tcp-traffic-shifting/waypoint
";
    let chain =
        "chain inbound-vip|9001|tcp|tcp-echo.istio-io-tcp-traffic-shifting.svc.cluster.local\n";
    assert!(
        explained.stdout.ends_with(expected) && explained.stdout.contains(chain),
        "{}",
        explained.stdout
    );
    let direct = run(&["explain", "-f", MANIFESTS, "--chain", "direct-tcp"]);
    assert!(
        direct.stdout.ends_with(expected) && direct.stdout.contains("chain direct-tcp\n"),
        "{}",
        direct.stdout
    );
}

#[test]
fn what_does_not_exist_is_an_error() {
    let error = |target: [&str; 2]| {
        let refused = run(&["explain", "-f", MANIFESTS, target[0], target[1]]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        refused.stderr
    };
    let domain = "istio-io-tcp-traffic-shifting.svc.cluster.local";
    let there = format!(
        "among the manifests; there is tcp-echo.{domain}, tcp-echo-v1.{domain}, tcp-echo-v2.{domain}\n"
    );
    assert_eq!(
        error(["--to", "tcp-ech.istio-io-tcp-traffic-shifting:9000"]),
        format!(
            "error: no Service or ServiceEntry of host tcp-ech.istio-io-tcp-traffic-shifting {there}"
        )
    );
    let no_port = "error: Service istio-io-tcp-traffic-shifting/tcp-echo has no port 9003; it has 9000, \
                   9001\n";
    assert_eq!(error(["--to", "tcp-echo:9003"]), no_port);
    assert_eq!(
        error([
            "--chain",
            &format!("inbound-vip|9003|tcp|tcp-echo.{domain}")
        ]),
        no_port
    );
    // The name of a chain is whole.
    assert_eq!(
        error(["--chain", "inbound-vip|9000|tcp|tcp-echo"]),
        format!("error: no Service or ServiceEntry of host tcp-echo {there}")
    );
    assert_eq!(
        error(["--chain", "foo"]),
        "error: foo: expected a filter chain that the filter is in, inbound-vip|PORT|tcp|HOST or \
         direct-tcp\n"
    );
}

#[test]
fn what_the_filter_never_sees_is_told_of() {
    let unseen = |destination: &str, more: &[&str], because: &str| {
        let explained = to(destination, more);
        let expected = format!("Not seen by the filter: {because}.\n");
        assert_eq!((explained.code, explained.stdout), (0, expected));
    };
    unseen(
        "web.shop:80",
        &[],
        "port 80 of Service shop/web is HTTP, and a waypoint has no TCP filter chain for it",
    );
    unseen("web.shop:53", &[], "port 53 of Service shop/web is not TCP");
    unseen(
        "mq.shop:5672",
        &[],
        "Service shop/mq has no waypoint: the label istio.io/use-waypoint says none",
    );
    unseen(
        "peers.shop:7000",
        &[],
        "Service shop/peers is headless (clusterIP: None), and has no virtual IP for a waypoint to \
         stand behind",
    );
    unseen(
        "a.wild.example:443",
        &[],
        "ServiceEntry shop/wild is for a wildcard host, and has no virtual IP for a waypoint to stand \
         behind",
    );
    unseen(
        "db.demo:5432",
        &["--waypoint", "shop/waypoint"],
        "waypoint shop/waypoint does not serve Service demo/db, which has demo/waypoint",
    );
    let json = to("mq.shop:5672", &["--format", "json"]);
    let explanation: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(explanation["outcome"]["kind"], "unseen");
    assert_eq!(explanation.get("chain"), None);
}

/// A TLSRoute on a port of TCP matches nothing, as its note says.
#[test]
fn a_server_name_is_not_known_where_nobody_reads_it() {
    let input = case("tlsroute-port-not-tls");
    let to = ["--to", "tcp-echo.demo:9000", "--sni", "a.example.com"];
    let explained = run(&[&["explain", "-f", &input], &to[..]].concat());
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    assert!(explained.stderr.contains("matches no connection"));
    let expected = "does not hold, the server name is not known, as port 9000 of Service \
                    demo/tcp-echo is not declared as TLS and Istio does not read it there\n";
    assert!(explained.stdout.contains(expected), "{}", explained.stdout);
}

/// An object without effect is often what one looks for.
#[test]
fn notes_go_to_standard_error() {
    let input = case("older-route-wins");
    let explained = run(&["explain", "-f", &input, "--to", "tcp-echo:9000"]);
    let compiled = run(&["compile", "-f", &input, "--output", "config"]);
    assert_eq!((explained.code, compiled.code), (0, 0));
    assert!(compiled.stderr.starts_with("note: TCPRoute "));
    assert_eq!(explained.stderr, compiled.stderr);
}

#[test]
fn a_wrong_route_of_another_waypoint_is_left_out() {
    let input = case("others-are-left-out");
    let explain = ["explain", "-f", &input, "--to", "tcp-echo.demo:9000"];
    assert_eq!(run(&explain).code, 1);
    let waypoint = ["--waypoint", "demo/waypoint"];
    let explained = run(&[&explain[..], &waypoint].concat());
    let compile = ["compile", "-f", &input, "--output", "config"];
    let compiled = run(&[&compile[..], &waypoint].concat());
    assert_eq!((explained.code, compiled.code), (0, 0));
    assert_eq!(explained.stderr, compiled.stderr);
    assert_eq!(explained.stderr.matches(": left out, as it is").count(), 3);
}

#[test]
fn bad_input_is_one_clear_error() {
    let error = |arguments: &[&str], stdin: &str| {
        let refused = run_with(arguments, stdin.as_bytes());
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        refused.stderr
    };
    let config = ["explain", "--config", "-", "--chain", "a"];
    assert_eq!(
        error(
            &config,
            r#"{"version":1,"listeners":[{"chain":"a","rules":[{"name":"r","backends":[{"name":"b","cluster":"c","weight":-1}]}]}]}"#
        ),
        "error: stdin: listeners[0].rules[0].backends[0].weight: invalid type: integer `-1`, \
         expected an integer from 0 to 1000000 at line 1 column 109\n"
    );
    let plugin = run(&["compile", "-f", MANIFESTS]).stdout;
    let expected = "error: stdin: expected the JSON of pluginConfig, as compile --output config writes \
                    it: ";
    for other in [&plugin, r#"{"apiVersion": "v1"}"#, "[]", r#"{"version": 1"#] {
        let error = error(&config, other);
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    let missing = error(&["explain", "--config", "no-such-file", "--chain", "a"], "");
    assert!(missing.starts_with("error: no-such-file: cannot be read: "));
    let fixed = ["explain", "-f", MANIFESTS, "--to", "a:1"];
    assert_eq!(
        error(&[&fixed[..], &["--waypoint", "demo/none"]].concat(), ""),
        format!(
            "error: {MANIFESTS}: expected a waypoint among the manifests, found no demo/none; \
             there is istio-io-tcp-traffic-shifting/waypoint\n"
        )
    );
    let every = format!("{CASES}/refused/every-error");
    assert_eq!(
        error(&["explain", "-f", &every, "--to", "a:1"], ""),
        error(&["compile", "-f", &every], "")
    );
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let config = ["explain", "--config", "-"];
    for arguments in [
        &["explain"][..],
        &["explain", "--to", "a:1"],
        &["explain", "-f", MANIFESTS],
        &["explain", "-f", MANIFESTS, "--to", "a:1", "--chain", "a"],
        &["explain", "-f", "-", "--config", "-", "--to", "a:1"],
        &["explain", "--config", "-", "--to", "a:1", "-R"],
        &[
            "explain",
            "--config",
            "-",
            "--to",
            "a:1",
            "--waypoint",
            "a/b",
        ],
    ] {
        usage_error(arguments);
    }
    for to in [
        "a",
        "a:",
        ":1",
        "a:0",
        "a:65536",
        "10.0.0.7:9000",
        "[fd00::1]:9000",
        "*.example.com:443",
        "a b:1",
        "a|b:1",
    ] {
        usage_error(&[&config[..], &["--to", to]].concat());
    }
    for more in [
        ["--from-ip", "somewhere"],
        ["--from-ip", "10.0.0.7:41234"],
        ["--connections", "0"],
        ["--connections", "-1"],
        ["--seed", "1"],
        ["--format", "yaml"],
    ] {
        usage_error(&[&config[..], &["--chain", "a"], &more].concat());
    }
}

fn usage_error(arguments: &[&str]) {
    let refused = run_with(arguments, b"");
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (2, ""),
        "{arguments:?}"
    );
    assert!(refused.stderr.contains("--help"), "{arguments:?}");
}
