use alloc::string::{String, ToString};
use core::fmt;

use crate::Config;

/// Reads a plugin configuration.
///
/// No bytes at all are the empty configuration: that is what Envoy hands over for a WasmPlugin
/// without `pluginConfig`, and refusing the first configuration would close every connection.
pub fn parse(json: &[u8]) -> Result<Config, InvalidConfig> {
    if json.is_empty() {
        return Ok(Config::default());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let config =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| InvalidConfig {
            path: place(error.path()),
            message: error.inner().to_string(),
        })?;
    deserializer.end().map_err(|error| InvalidConfig {
        path: String::from(DOCUMENT),
        message: error.to_string(),
    })?;
    Ok(config)
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidConfig {
    /// Where, as `listeners[0].rules[1].backends[0].weight`; `.` is the document itself.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            DOCUMENT => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl core::error::Error for InvalidConfig {}

/// The path of the document itself, which is also where an error is that has no better place.
const DOCUMENT: &str = ".";

fn place(path: &serde_path_to_error::Path) -> String {
    // Where JSON ends too early the path holds a segment that was never read, printed as `?`.
    let path = path.to_string();
    let known = path.trim_end_matches(['?', '.']);
    String::from(if known.is_empty() { DOCUMENT } else { known })
}
