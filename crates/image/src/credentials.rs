//! The credentials of `docker login`.

use std::env;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;

/// The key of Docker Hub in the file, for historical reasons.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What the file says of this registry; without it, or without a word in it, nobody in particular.
pub(crate) fn of_registry(registry: &str) -> Result<RegistryAuth> {
    let Some(path) = config_file() else {
        return Ok(RegistryAuth::Anonymous);
    };
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        opened => opened.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let key = match registry {
        "docker.io" => DOCKER_HUB,
        other => other,
    };
    match get_credential_from_reader(BufReader::new(file), key) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        // To be traded for a token in a way that the client does not know.
        Ok(DockerCredential::IdentityToken(_)) => bail!(
            "{}: expected a user and a password for {registry}, found an identity token",
            path.display()
        ),
        Err(error) if is_absent(&error) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(describe(error, &path, registry)),
    }
}

fn config_file() -> Option<PathBuf> {
    let folder = match env::var_os("DOCKER_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&env::var_os("HOME")?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

fn is_absent(error: &CredentialRetrievalError) -> bool {
    match error {
        CredentialRetrievalError::NoCredentialConfigured => true,
        // The words by which helpers tell it, and docker goes by them too.
        CredentialRetrievalError::HelperFailure { stdout, .. } => {
            stdout.contains("credentials not found")
        }
        _ => false,
    }
}

fn describe(error: CredentialRetrievalError, path: &Path, registry: &str) -> anyhow::Error {
    let path = path.display();
    match error {
        CredentialRetrievalError::ConfigReadError => {
            anyhow!("{path}: expected the JSON that `docker login` writes")
        }
        CredentialRetrievalError::HelperFailure {
            helper,
            stdout,
            stderr,
        } => {
            let said = [stdout.trim(), stderr.trim()].join(" ");
            anyhow!("{path}: {registry}: {helper}: {}", said.trim())
        }
        other => anyhow!("{path}: {registry}: {other}"),
    }
}
