use alloc::format;
use alloc::string::{String, ToString};

use crate::{Config, Otherwise, Pick, StickyKey, Target, parse};

/// Every field of the wire form, none at its default.
const WHOLE: &str = r#"{"version":1,"revision":"3f9c2a7e41d0","annotate":true,"listeners":[{
  "chain":"inbound-vip|9000|tcp|tcp-echo.demo.svc.cluster.local","otherwise":"refuse","drain":{"onRemoval":"90s"},"rules":[{
    "name":"demo/tcp-echo-ew",
    "match":{"sni":["db.example.com","*.db.example.com"],"sourceNamespaces":["shop"],
             "sourceServiceAccounts":["shop/web"],"sourceCidrs":["10.0.0.0/8","fd00::/8"]},
    "pick":{"sticky":{"by":"sourcePrincipal"}},
    "backends":[
      {"name":"v1","cluster":"inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local","weight":90},
      {"name":"v3","refuse":"BackendNotFound","weight":10}]}]}]}"#;

#[test]
fn reads_and_writes_the_whole_form() {
    let config = parse(WHOLE.as_bytes()).unwrap();
    let rule = &config.listeners[0].rules[0];
    assert_eq!(config.listeners[0].otherwise, Otherwise::Refuse);
    assert_eq!(rule.matches.source_service_accounts[0].name, "web");
    assert_eq!(
        rule.pick,
        Pick::Sticky {
            by: StickyKey::SourcePrincipal
        }
    );
    assert!(
        matches!(&rule.backends[1].target, Target::Refuse(reason) if reason.as_str() == "BackendNotFound")
    );
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(parse(written.as_bytes()), Ok(config));
    let squeezed = WHOLE.lines().map(str::trim).collect::<String>();
    assert_eq!(written, squeezed);
}

#[test]
fn writes_no_defaults() {
    let json = r#"{"version":1,"listeners":[{"chain":"*","rules":[{"name":"r","backends":[{"name":"b","cluster":"c"}]}]}]}"#;
    let spelled_out = r#"{"version":1,"listeners":[{"chain":"*","otherwise":"default","rules":[{"name":"r","match":{},"pick":{"random":{}},"backends":[{"name":"b","cluster":"c","weight":1}]}]}]}"#;
    let config = parse(spelled_out.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&config).unwrap(), json);
    assert_eq!(parse(json.as_bytes()), Ok(config));
}

#[test]
fn no_bytes_are_the_empty_configuration() {
    assert_eq!(parse(b""), Ok(Config::default()));
    assert_eq!(parse(br#"{"version":1}"#), Ok(Config::default()));
}

#[test]
fn takes_doubles_for_integers() {
    let json =
        backend(r#""cluster":"c","weight":9.0e1"#).replace(r#""version":1"#, r#""version":1.0"#);
    let config = parse(json.as_bytes()).unwrap();
    assert_eq!(config.listeners[0].rules[0].backends[0].weight.value(), 90);
}

#[test]
fn networks_have_a_length() {
    for (text, canonical) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("::/0", "::/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ] {
        let cidr = crate::Cidr::try_from(text.to_string()).unwrap();
        assert_eq!(String::from(cidr), canonical);
    }
    for text in [
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0/8",
        "fd00::/129",
        "/8",
        "",
    ] {
        assert!(crate::Cidr::try_from(text.to_string()).is_err(), "{text}");
    }
}

#[test]
fn reads_times_as_the_gateway_api_writes_them() {
    for (text, milliseconds) in [
        ("0s", 0),
        ("500ms", 500),
        ("30s", 30_000),
        ("1h30m", 5_400_000),
        ("1m1s1ms", 61_001),
        // More seconds than five digits hold.
        ("28h", 100_800_000),
        ("99999h59m59s999ms", 359_999_999_999),
    ] {
        let time = crate::Time::try_from(text.to_string()).unwrap();
        assert_eq!(time.duration().as_millis(), milliseconds, "{text}");
        assert_eq!(
            crate::Time::try_from(String::from(time)),
            Ok(time),
            "{text}"
        );
    }
}

#[test]
fn names_the_place_what_was_expected_and_what_was_found() {
    let in_match = |inner: &str| {
        backend(r#""cluster":"c""#).replace(
            r#""name":"r","#,
            &format!(r#""name":"r","match":{{{inner}}},"#),
        )
    };
    let two_chains = r#"{"version":1,"listeners":[{"chain":"a"},{"chain":"b"},{"chain":"a"}]}"#;
    let weight = "listeners[0].rules[0].backends[0].weight";
    #[rustfmt::skip]
    let cases = [
        ("{", ".", "EOF while parsing an object"),
        ("7", ".", "invalid type: integer `7`, expected an object"),
        (r#"{"version":1,"listeners":[{"chain":"a","drain":{}}]}"#, "listeners[0].drain", "missing field `onRemoval`"),
        (r#"{"version":1,"listeners":[{"chain":"a","drain":{"onRemoval":"30"}}]}"#, "listeners[0].drain.onRemoval", "expected a time such as 30s, 5m or 1h30m, found `30`"),
        (r#"{"version":1,"listeners":[{"chain":"a","drain":{"onRemoval":""}}]}"#, "listeners[0].drain.onRemoval", "expected a time such as 30s, 5m or 1h30m, found ``"),
        (r#"{"version":1,"listeners":[{"chain":"a","drain":{"onRemoval":"99999h60m"}}]}"#, "listeners[0].drain.onRemoval", "found `99999h60m`"),
        (r#"{"version":1,"listeners":[{"chain":"a","drain":{"onRemoval":"100000s"}}]}"#, "listeners[0].drain.onRemoval", "found `100000s`"),
        ("[1]", ".", "invalid type: sequence, expected an object"),
        (r#"{"version":1,"listeners":[["c"]]}"#, "listeners[0]", "invalid type: sequence, expected an object"),
        (r#"{"version":1} x"#, ".", "trailing characters"),
        ("{}", ".", "missing field `version`"),
        (r#"{"version":2}"#, "version", "invalid value: integer `2`, expected 1"),
        (r#"{"version":1,"listener":[]}"#, "listener", "unknown field `listener`, expected one of `version`, `revision`, `annotate`, `listeners`"),
        (two_chains, "listeners", "expected one listener for each chain, found `a` at [0] and [2]"),
        (r#"{"version":1,"listeners":[{"chain":""}]}"#, "listeners", "[0].chain: expected a filter chain's name or `*`, found an empty string"),
        (r#"{"version":1,"listeners":[{"chain":"a","rules":[{"name":"r","backends":[]}]}]}"#, "listeners[0].rules[0].backends", "invalid length 0, expected at least one item"),
        (&backend(r#""cluster":"c","weight":1000001"#), weight, "invalid value: integer `1000001`, expected an integer from 0 to 1000000"),
        (&backend(r#""cluster":"c","weight":-1"#), weight, "invalid type: integer `-1`, expected an integer from 0 to 1000000"),
        (&backend(r#""cluster":"c","weight":0.5"#), weight, "invalid value: floating point `0.5`, expected an integer from 0 to 1000000"),
        (&backend(r#""cluster":"c","weight":1e300"#), weight, "expected an integer from 0 to 1000000"),
        (&backend(r#""cluster":"c","weight":"90""#), weight, "invalid type: string \"90\", expected an integer from 0 to 1000000"),
        (&backend(r#""cluster":"c","refuse":"X""#), "listeners[0].rules[0].backends[0]", "expected one of `cluster` and `refuse`, found both"),
        (&backend(r#""weight":1"#), "listeners[0].rules[0].backends[0]", "expected one of `cluster` and `refuse`, found neither"),
        (&backend(r#""cluster":"""#), "listeners[0].rules[0].backends[0]", "cluster: expected a cluster name, found an empty one"),
        (&backend(r#""refuse":"no such""#), "listeners[0].rules[0].backends[0]", "refuse: expected one word"),
        (&in_match(r#""sni":["*.*.com"]"#), "listeners[0].rules[0].match.sni[0]", "expected a host name such as db.example.com or *.example.com, found `*.*.com`"),
        (&in_match(r#""sni":[]"#), "listeners[0].rules[0].match.sni", "invalid length 0, expected at least one item"),
        (&in_match(r#""sourceNamespaces":["Shop"]"#), "listeners[0].rules[0].match.sourceNamespaces[0]", "expected a namespace such as shop, found `Shop`"),
        (&in_match(r#""sourceServiceAccounts":["web"]"#), "listeners[0].rules[0].match.sourceServiceAccounts[0]", "expected namespace/name such as shop/web, found `web`"),
        (&in_match(r#""sourceCidrs":["10.0.0.0/33"]"#), "listeners[0].rules[0].match.sourceCidrs[0]", "expected a network such as 10.0.0.0/8 or fd00::/8, found `10.0.0.0/33`"),
        (&in_match(r#""sourceLabels":{}"#), "listeners[0].rules[0].match.sourceLabels", "unknown field `sourceLabels`"),
        (&backend(r#""cluster":"c""#).replace("\"name\":\"r\",", "\"name\":\"r\",\"pick\":{\"exact\":{\"n\":1}},"), "listeners[0].rules[0].pick.exact.n", "unknown field `n`"),
        (&backend(r#""cluster":"c""#).replace("\"name\":\"r\",", "\"name\":\"r\",\"pick\":{\"exact\":[]},"), "listeners[0].rules[0].pick.exact", "invalid type: sequence, expected an object"),
        (&backend(r#""cluster":"c""#).replace("\"name\":\"r\",", "\"name\":\"r\",\"pick\":{},"), "listeners[0].rules[0].pick", "expected one of `random`, `exact` and `sticky`"),
        (&backend(r#""cluster":"c""#).replace("\"name\":\"r\",", "\"name\":\"r\",\"pick\":{\"best\":{}},"), "listeners[0].rules[0].pick.best", "unknown field `best`, expected one of `random`, `exact`, `sticky`"),
    ];
    for (json, path, message) in cases {
        let error = parse(json.as_bytes()).expect_err(json);
        assert_eq!(error.path, path, "{json}\n{error}");
        assert!(error.to_string().contains(message), "{json}\n{error}");
    }
}

/// A configuration with one backend of these fields.
fn backend(fields: &str) -> String {
    format!(
        r#"{{"version":1,"listeners":[{{"chain":"*","rules":[{{"name":"r","backends":[{{"name":"b",{fields}}}]}}]}}]}}"#
    )
}
