//! An image goes to a registry.

use std::iter;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use futures_util::stream;
use indicatif::{ProgressBar, ProgressStyle};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciEnvelope};
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

use crate::credentials;
use crate::image::Image;
use crate::layout;

/// For a registry that has stopped to answer. An upload counts as waiting for its answer.
const PATIENCE: Duration = Duration::from_secs(300);
const CHUNK: usize = 64 * 1024;
/// What is shown of an answer that may be a whole page of HTML.
const SHOWN: usize = 200;

/// A repository and a tag.
#[derive(Clone, Debug)]
pub(crate) struct Target(Reference);

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        const EXPECTED: &str =
            "expected host/repository or host/repository:tag, such as ghcr.io/acme/waypoint-l4:v1";
        let given: Reference = text
            .parse()
            .map_err(|error| anyhow!("{error}; {EXPECTED}"))?;
        ensure!(given.digest().is_none(), "found a digest; {EXPECTED}");
        let tag = match given.tag() {
            // What is filled in where none is given. Istio fetches that tag at every change.
            Some("latest") if !text.ends_with(":latest") => env!("CARGO_PKG_VERSION"),
            Some(tag) => tag,
            None => env!("CARGO_PKG_VERSION"),
        };
        Ok(Self(Reference::with_tag(
            given.registry().to_owned(),
            given.repository().to_owned(),
            tag.to_owned(),
        )))
    }
}

/// Pushes it, and returns what is to be printed.
pub(crate) fn run(layout: &Path, Target(target): &Target, insecure: bool) -> Result<String> {
    let image = layout::read(layout)?;
    let auth = credentials::of_registry(target.registry())?;
    let client = client(insecure)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(push(&client, &image, target, &auth))
        .with_context(|| format!("cannot push to {target}"))?;
    let digest = image.digest();
    let hex = digest.trim_start_matches("sha256:");
    let (registry, repository) = (target.registry(), target.repository());
    Ok(format!(
        "url: oci://{registry}/{repository}@{digest}\nsha256: {hex}\n"
    ))
}

fn client(insecure: bool) -> Result<Client> {
    // Fails only where there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let protocol = if insecure {
        ClientProtocol::Http
    } else {
        ClientProtocol::Https
    };
    Client::try_from(ClientConfig {
        protocol,
        // Every registry takes a blob in one piece, not every one in several.
        use_monolithic_push: true,
        connect_timeout: Some(Duration::from_secs(30)),
        read_timeout: Some(PATIENCE),
        user_agent: concat!("waypoint-l4-image/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
    .context("cannot set up a client")
}

/// The manifest last: a registry has no image before it has that.
async fn push(
    client: &Client,
    image: &Image,
    target: &Reference,
    auth: &RegistryAuth,
) -> Result<()> {
    // Every request would log in by itself, but say nothing where that fails.
    let login = client.auth(target, auth, RegistryOperation::Push).await;
    login.map_err(|error| explain(error, auth))?;
    let progress = progress(image)?;
    for (digest, data) in &image.blobs {
        let size = u64::try_from(data.len())?;
        let chunks = chunks(data.clone(), progress.clone());
        let pushed = client.push_blob_stream(target, chunks, digest, Some(size));
        pushed.await.map_err(|error| explain(error, auth))?;
    }
    let media_type = OCI_IMAGE_MEDIA_TYPE.parse()?;
    let pushed = client.push_manifest_raw(target, image.manifest.clone(), media_type);
    pushed.await.map_err(|error| explain(error, auth))?;
    progress.finish_and_clear();

    // What is printed is what waypoints will ask for.
    let found = client.fetch_manifest_digest(target, auth).await;
    let found = found.map_err(|error| explain(error, auth))?;
    let expected = image.digest();
    ensure!(
        found == expected,
        "expected it to have {expected} then, found {found}"
    );
    Ok(())
}

/// Draws on standard error, and only if that is a terminal.
fn progress(image: &Image) -> Result<ProgressBar> {
    let sizes = image.blobs.values().map(Bytes::len).sum::<usize>();
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}")?;
    Ok(ProgressBar::new(u64::try_from(sizes)?).with_style(style))
}

fn chunks(
    mut rest: Bytes,
    progress: ProgressBar,
) -> impl stream::Stream<Item = Result<Bytes, OciDistributionError>> + Send + 'static {
    stream::iter(iter::from_fn(move || {
        let chunk = rest.split_to(rest.len().min(CHUNK));
        progress.inc(u64::try_from(chunk.len()).unwrap_or_default());
        (!chunk.is_empty()).then_some(Ok(chunk))
    }))
}

/// What the registry said, in a line.
fn explain(error: OciDistributionError, auth: &RegistryAuth) -> anyhow::Error {
    let denied = match auth {
        RegistryAuth::Anonymous => "there are no credentials for it: `docker login` stores them",
        _ => "it does not take the credentials of `docker login`",
    };
    match error {
        OciDistributionError::ServerError {
            code: code @ (401 | 403),
            url,
            message,
        } => anyhow!("{url} answered {code}{}; {denied}", shown(&message)),
        OciDistributionError::ServerError { code, url, message } => {
            anyhow!("{url} answered {code}{}", shown(&message))
        }
        OciDistributionError::UnauthorizedError { url } => anyhow!("{url} answered 401; {denied}"),
        OciDistributionError::AuthenticationFailure(message) => {
            anyhow!("it gives no token{}; {denied}", shown(&message))
        }
        other => {
            // The words of rustls for an answer that is no TLS.
            let error = anyhow!(other);
            if format!("{error:#}").contains("InvalidContentType") {
                error.context("it does not speak TLS; for plain HTTP: --insecure, or INSECURE=1")
            } else {
                error
            }
        }
    }
}

fn shown(message: &str) -> String {
    let said = match serde_json::from_str::<OciEnvelope>(message) {
        Ok(envelope) => {
            let errors = envelope.errors.into_iter();
            errors
                .map(|error| error.message)
                .collect::<Vec<_>>()
                .join(", ")
        }
        Err(_) => message.lines().next().unwrap_or_default().to_owned(),
    };
    let said: String = said.trim().chars().take(SHOWN).collect();
    if said.is_empty() {
        said
    } else {
        format!(": {said}")
    }
}
