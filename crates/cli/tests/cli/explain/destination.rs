//! Which filter chain `--to` means, and where it comes from.

use crate::{CASES, MANIFESTS, Run, case, run, run_with};

/// Two Services of one name, and a ServiceEntry.
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
        "error: db:5432: expected one filter chain, found \
         inbound-vip|5432|tcp|db.demo.svc.cluster.local at waypoint demo/waypoint, \
         inbound-vip|5432|tcp|db.shop.svc.cluster.local at waypoint shop/waypoint: \
         give the whole host, or choose with --waypoint"
    );
}

#[test]
fn a_chain_without_listener_is_left_alone() {
    let explained = run(&["explain", "-f", MANIFESTS, "--to", "tcp-echo:9001"]);
    assert_eq!((explained.code, explained.stderr.as_str()), (0, ""));
    let expected = "\
Left to tcp_proxy's own cluster: no listener is for this chain.
   there is one for inbound-vip|9000|tcp|tcp-echo.istio-io-tcp-traffic-shifting.svc.cluster.local \
                    at waypoint istio-io-tcp-traffic-shifting/waypoint
";
    assert!(explained.stdout.ends_with(expected), "{}", explained.stdout);
    let direct = run(&["explain", "-f", MANIFESTS, "--chain", "direct-tcp"]);
    assert!(
        direct.stdout.ends_with(expected) && direct.stdout.contains("chain direct-tcp\n"),
        "{}",
        direct.stdout
    );
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
