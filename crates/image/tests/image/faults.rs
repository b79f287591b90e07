//! Whatever a registry does wrong, nothing is claimed that is not so.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use crate::command::{Run, build, image_tool};
use crate::registry::{Options, Registry, skopeo};

#[test]
fn what_a_registry_answers_is_told() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    for (status, words) in [
        ("401 Unauthorized", ["answered 401", "docker login"]),
        ("403 Forbidden", ["answered 403", "docker login"]),
        ("404 Not Found", ["answered 404", "no such thing"]),
        ("429 Too Many Requests", ["answered 429", "no such thing"]),
        (
            "500 Internal Server Error",
            ["answered 500", "no such thing"],
        ),
        ("200 OK", ["Expected HTTP Status 202", "got 200"]),
    ] {
        let host = serve(move |mut stream| {
            let body = "no such thing\n<html>";
            let length = body.len();
            while request(&mut stream) {
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
                );
            }
        });
        let failed = push(&out.path().join("compat"), &host);
        failed.assert_failed(&[
            &format!("cannot push to {host}/acme/filter"),
            words[0],
            words[1],
        ]);
    }
}

#[test]
fn a_registry_that_cannot_store_says_so() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    let registry = Registry::with(&Options {
        broken_storage: true,
        ..Options::default()
    });
    let mut push = registry.push(&out.path().join("compat"), "acme/filter");
    Run::of(&mut push).assert_failed(&["cannot push to", "answered 500"]);
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let host = host.unwrap().to_string();
    push(&out.path().join("compat"), &host).assert_failed(&[&host, "Connection refused"]);
}

/// In the middle of a blob, of the manifest, of an answer.
#[test]
fn a_line_that_breaks_is_no_success() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    let layout = out.path().join("artifact");
    let whole = i64::MAX / 2;
    let transferred = {
        let registry = Registry::start();
        let left = Arc::new(AtomicI64::new(whole));
        let host = through(&registry, Arc::clone(&left));
        push(&layout, &host).stdout();
        whole - left.load(Ordering::SeqCst)
    };
    assert!(transferred > 148_000, "{transferred}");
    for cut in (0..9).map(|eighth| transferred / 9 * eighth).chain([
        transferred - 3000,
        transferred - 1500,
        transferred - 600,
        transferred - 100,
    ]) {
        let registry = Registry::start();
        let host = through(&registry, Arc::new(AtomicI64::new(cut)));
        push(&layout, &host).assert_failed(&[&format!("cannot push to {host}/acme/filter")]);
        // It can be tried again.
        let mut again = registry.push(&layout, "acme/filter");
        assert!(
            Run::of(&mut again).stdout().starts_with("url: oci://"),
            "{cut}"
        );
    }
}

/// As if someone else had pushed in the same moment.
#[test]
fn a_tag_that_is_another_image_is_not_claimed() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    let host = serve(|mut stream| {
        // Takes everything, and has something else then.
        let other = format!("sha256:{}", "0".repeat(64));
        while let Some(head) = read_request(&mut stream) {
            let status = match head.split(' ').next() {
                Some("POST") => "202 Accepted",
                Some("PUT") => "201 Created",
                _ => "200 OK",
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nLocation: /v2/there\r\nDocker-Content-Digest: {other}\r\n\
                 Content-Length: 0\r\n\r\n"
            );
        }
    });
    push(&out.path().join("compat"), &host)
        .assert_failed(&["expected it to have", "found sha256:000"]);
}

#[test]
fn a_damaged_layout_is_not_pushed() {
    let (out, registry) = (tempfile::tempdir().unwrap(), Registry::start());
    build(out.path());
    let layout = out.path().join("compat");
    let inspected = skopeo(&["inspect", "--raw", &format!("oci:{}", layout.display())]);
    let manifest: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    let digits = digest.strip_prefix("sha256:").unwrap();
    let blob = layout.join("blobs/sha256").join(digits);
    let refused = |words: &[&str]| {
        Run::of(&mut registry.push(&layout, "acme/filter")).assert_failed(words);
    };
    fs::write(&blob, "something else").unwrap();
    refused(&[digest, "expected", "found sha256:"]);
    fs::remove_file(&blob).unwrap();
    refused(&[digits, "No such file"]);
    fs::write(layout.join("index.json"), "{}").unwrap();
    refused(&["index.json", "expected an OCI image index"]);
    fs::remove_file(layout.join("index.json")).unwrap();
    refused(&[
        "index.json",
        "expected an OCI layout, as `make image` makes it",
    ]);
}

#[test]
fn what_is_no_repository_is_a_usage_error() {
    let digest = format!("ghcr.io/acme/filter@sha256:{}", "0a".repeat(32));
    for target in [
        "",
        "oci://ghcr.io/acme/filter",
        "ghcr.io/Acme/filter",
        "a b",
        &digest,
    ] {
        let refused = Run::of(image_tool().args(["push", "target/image/compat", target]));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
        assert!(
            refused.stderr.contains("expected host/repository"),
            "{refused:?}"
        );
    }
}

fn push(layout: &Path, host: &str) -> Run {
    let mut command = image_tool();
    command.arg("push").arg(layout).arg("--insecure");
    Run::of(command.arg(format!("{host}/acme/filter")))
}

/// A server that does this with each connection; its address.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer(stream.unwrap()));
        }
    });
    host
}

fn request(stream: &mut TcpStream) -> bool {
    read_request(stream).is_some()
}

/// Reads a request to its end, and returns its head.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(head)
}

/// A line to the registry that breaks after so many bytes, of both directions and all connections.
fn through(registry: &Registry, left: Arc<AtomicI64>) -> String {
    let to = registry.host();
    serve(move |client| {
        let server = TcpStream::connect(&to).unwrap();
        let back = {
            let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let left = Arc::clone(&left);
            thread::spawn(move || pass(server, client, &left))
        };
        pass(client, server, &left);
        let _ = back.join();
    })
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let before = left.fetch_sub(i64::try_from(count).unwrap(), Ordering::SeqCst);
        let passed = usize::try_from(before).unwrap_or(0).min(count);
        if to.write_all(&buffer[..passed]).is_err() || passed < count {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
