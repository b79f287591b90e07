//! The URL of the filter's image, as Istio's agent can load it.

use std::fmt;
use std::str::FromStr;

/// Where the filter's image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUrl(String);

impl Default for ImageUrl {
    /// The image of this version.
    fn default() -> Self {
        Self(format!(
            "oci://ghcr.io/waypoint-l4/waypoint-l4:{}",
            env!("CARGO_PKG_VERSION")
        ))
    }
}

/// Refuses what the agent would only fail to load: with `FAIL_OPEN` nobody sees that.
impl FromStr for ImageUrl {
    type Err = InvalidImageUrl;

    fn from_str(url: &str) -> Result<Self, InvalidImageUrl> {
        if url.contains(char::is_whitespace) {
            return Err(InvalidImageUrl::WhiteSpace);
        }
        let (scheme, rest) = url.split_once("://").ok_or(InvalidImageUrl::Scheme)?;
        match scheme {
            "oci" | "https" | "http" | "file" if rest.is_empty() => Err(InvalidImageUrl::Scheme),
            "oci" if repository(rest).contains(char::is_uppercase) => {
                Err(InvalidImageUrl::Repository)
            }
            "file" if !rest.starts_with('/') || rest.ends_with('/') => {
                Err(InvalidImageUrl::RelativePath)
            }
            "oci" | "https" | "http" | "file" => Ok(Self(url.to_owned())),
            _ => Err(InvalidImageUrl::Scheme),
        }
    }
}

impl ImageUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a file that is there already.
    pub(crate) fn file(&self) -> Option<&str> {
        self.0.strip_prefix("file://")
    }
}

impl fmt::Display for ImageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidImageUrl {
    #[error("expected a URL that starts with oci://, https://, http:// or file://")]
    Scheme,
    #[error("expected a URL without white space")]
    WhiteSpace,
    #[error("expected an absolute path to a file, such as file:///etc/waypoint-l4.wasm")]
    RelativePath,
    #[error("expected an OCI repository in lower case, such as oci://ghcr.io/acme/waypoint-l4:v1")]
    Repository,
}

/// The repository of an OCI reference, without registry, tag and digest: these may have capitals.
fn repository(reference: &str) -> &str {
    let (name, _digest) = reference.split_once('@').unwrap_or((reference, ""));
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    match name.split_once('/') {
        // What is no host name is the first part of a repository of Docker Hub.
        Some((registry, repository)) if registry.contains(['.', ':']) => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_agent_can_load() {
        for url in [
            "oci://ghcr.io/waypoint-l4/waypoint-l4:0.1.0",
            "oci://GHCR.io/acme/filter:RC1",
            "oci://registry:5000/filter",
            "oci://filter:RC1",
            "oci://ghcr.io/acme/filter:RC1@sha256:ABCDEF",
            "https://example.com/Filter.wasm",
            "http://example.com/Filter.wasm",
            "file:///etc/Filter.wasm",
        ] {
            assert_eq!(url.parse::<ImageUrl>().unwrap().to_string(), url);
        }
    }

    #[test]
    fn says_what_it_expects_of_others() {
        use InvalidImageUrl::{RelativePath, Repository, Scheme, WhiteSpace};
        for (url, error) in [
            ("", Scheme),
            ("ghcr.io/waypoint-l4", Scheme),
            ("oci://", Scheme),
            ("OCI://ghcr.io/acme/filter", Scheme),
            ("ftp://example.com/filter.wasm", Scheme),
            ("oci://ghcr.io/acme/filter: v1", WhiteSpace),
            ("oci://ghcr.io/acme/filter\n", WhiteSpace),
            ("oci://ghcr.io/Acme/filter", Repository),
            ("oci://registry:5000/Filter", Repository),
            ("oci://Filter:v1", Repository),
            ("oci://Acme/filter", Repository),
            ("file://filter.wasm", RelativePath),
            ("file://./filter.wasm", RelativePath),
            ("file:///", RelativePath),
        ] {
            assert_eq!(url.parse::<ImageUrl>(), Err(error), "{url:?}");
        }
    }
}
