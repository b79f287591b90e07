//! Registries that ask who is there, and registries behind TLS.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{Run, build};
use crate::registry::{Options, Registry};

/// `acme`, with the password `open sesame`, as htpasswd writes it.
const USERS: &str = "acme:$2y$04$wymXfcq3ps82hz5yA2AKrOGs7Bwe4XNGAe43rLoc8SqQKiUk24iqu\n";
/// The same in base64, as docker writes it.
const AUTH: &str = "YWNtZTpvcGVuIHNlc2FtZQ==";

#[test]
fn credentials_are_those_of_docker_login() {
    let (folder, registry) = started(&Options {
        users: Some(USERS.to_owned()),
        ..Options::default()
    });
    let host = registry.host();
    let push = || registry.push(&folder.path().join("compat"), "acme/filter");
    let with = |config: &str| {
        fs::write(folder.path().join("config.json"), config).unwrap();
        let mut push = push();
        push.env("DOCKER_CONFIG", folder.path());
        Run::of(&mut push)
    };
    let denied = [
        &host,
        "answered 401",
        "authentication required",
        "docker login",
    ];

    Run::of(&mut push()).assert_failed(&denied);
    with(r#"{"auths": {"ghcr.io": {"auth": "YTpi"}}}"#).assert_failed(&denied);
    with(&format!(r#"{{"auths": {{"{host}": {{"auth": "YTpi"}}}}}}"#))
        .assert_failed(&[&denied[..3], &["does not take the credentials"]].concat());
    with("{").assert_failed(&[
        "config.json",
        "expected the JSON that `docker login` writes",
    ]);
    with(&format!(
        r#"{{"auths": {{"{host}": {{"identitytoken": "x"}}}}}}"#
    ))
    .assert_failed(&[
        "config.json",
        "expected a user and a password",
        "identity token",
    ]);

    let stored = with(&format!(
        r#"{{"auths": {{"{host}": {{"auth": "{AUTH}"}}}}}}"#
    ));
    assert!(stored.stdout().starts_with("url: oci://"));
}

#[test]
fn credential_helpers_are_asked() {
    let (folder, registry) = started(&Options {
        users: Some(USERS.to_owned()),
        ..Options::default()
    });
    let host = registry.host();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.path().display());
    let with = |helper: &str, script: &str| {
        let config = format!(r#"{{"credHelpers": {{"{host}": "{helper}"}}}}"#);
        fs::write(folder.path().join("config.json"), config).unwrap();
        let file = folder.path().join(format!("docker-credential-{helper}"));
        let draft = folder.path().join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        // By another process: what this one writes, a child that is just starting may hold open too,
        // and then it cannot be run.
        let mut install = Command::new("install");
        Run::of(install.arg("--mode=755").arg(draft).arg(file)).stdout();
        let mut push = registry.push(&folder.path().join("compat"), "acme/filter");
        push.env("DOCKER_CONFIG", folder.path()).env("PATH", &path);
        Run::of(&mut push)
    };
    let knows = format!(
        r#"[ "$1 $(cat)" = "get {host}" ] && echo '{{"Username": "acme", "Secret": "open sesame"}}'"#
    );
    assert!(with("knows", &knows).stdout().starts_with("url: oci://"));
    with(
        "unsure",
        "cat >/dev/null; echo credentials not found in native keychain; exit 1",
    )
    .assert_failed(&["answered 401", "no credentials"]);
    with(
        "locked",
        "cat >/dev/null; echo the keychain is locked >&2; exit 1",
    )
    .assert_failed(&[&host, "docker-credential-locked", "the keychain is locked"]);
}

#[test]
fn tls_is_the_default_and_checked() {
    let (folder, registry) = started(&Options {
        tls: true,
        ..Options::default()
    });
    let push = || registry.push(&folder.path().join("compat"), "acme/filter");
    Run::of(&mut push()).assert_failed(&["https://", "certificate"]);
    let trusting = Run::of(push().env("SSL_CERT_FILE", registry.file("tls.crt")));
    assert!(trusting.stdout().starts_with("url: oci://"));

    let plain = Registry::start();
    let mut push = Command::new(env!("CARGO_BIN_EXE_waypoint-l4-image"));
    push.arg("push").arg(folder.path().join("compat"));
    push.arg(format!("{}/acme/filter", plain.host()));
    Run::of(&mut push).assert_failed(&["does not speak TLS", "INSECURE=1"]);
}

fn started(options: &Options) -> (tempfile::TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let out: &Path = folder.path();
    build(out);
    (folder, Registry::with(options))
}
