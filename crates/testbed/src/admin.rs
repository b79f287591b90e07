//! Envoy's admin interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The admin port of one Envoy.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
}

impl Admin {
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether Envoy is up: its listeners have their first configuration.
    pub async fn live(&self) -> Result<bool> {
        let (status, body) = self.request(Method::GET, "/ready").await?;
        Ok(status == StatusCode::OK && body.trim() == "LIVE")
    }

    /// One counter or gauge.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.stats(&literal(name)).await?;
        stats
            .get(name)
            .copied()
            .with_context(|| format!("Envoy has no counter or gauge {name}"))
    }

    /// All counters and gauges whose name contains a match of the regular expression (RE2).
    pub async fn stats(&self, regex: &str) -> Result<BTreeMap<String, u64>> {
        let body = self
            .get(&format!("/stats?filter={}", percent_encode(regex)))
            .await?;
        // `name: value`; the value of a histogram or a text is no number.
        let stats = body.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_string(), value.parse().ok()?))
        });
        Ok(stats.collect())
    }

    /// The configuration in force; Envoy prints its fields in snake_case.
    pub async fn config_dump(&self) -> Result<Value> {
        let body = self.get("/config_dump?include_eds").await?;
        serde_json::from_str(&body).context("config_dump is no JSON")
    }

    /// Changes the level of one of Envoy's loggers: `set_log_level("wasm", "debug")`.
    pub async fn set_log_level(&self, logger: &str, level: &str) -> Result<()> {
        self.post(&format!("/logging?{logger}={level}")).await?;
        Ok(())
    }

    pub async fn get(&self, path: &str) -> Result<String> {
        self.expect_ok(Method::GET, path).await
    }

    pub async fn post(&self, path: &str) -> Result<String> {
        self.expect_ok(Method::POST, path).await
    }

    async fn expect_ok(&self, method: Method, path: &str) -> Result<String> {
        let (status, body) = self.request(method.clone(), path).await?;
        if status != StatusCode::OK {
            bail!("Envoy's admin interface answered {method} {path} with {status}: {body}");
        }
        Ok(body)
    }

    async fn request(&self, method: Method, path: &str) -> Result<(StatusCode, String)> {
        let answer = async {
            let stream = TcpStream::connect(self.address).await?;
            let (mut requests, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(connection);
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header(http::header::HOST, self.address.to_string())
                .body(Empty::<Bytes>::new())?;
            let response = requests.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            connection.abort();
            anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        answer
            .await
            .with_context(|| format!("no answer to {method} {path} from {}", self.address))
    }
}

/// A regular expression for exactly this name.
fn literal(name: &str) -> String {
    let mut regex = String::from("^");
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() && character != '_' {
            regex.push('\\');
        }
        regex.push(character);
    }
    regex.push('$');
    regex
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_bars_is_taken_literally() {
        assert_eq!(literal("a|9000.b_c"), r"^a\|9000\.b_c$");
        assert_eq!(percent_encode(r"^a\|b$"), "%5Ea%5C%7Cb%24");
    }
}
