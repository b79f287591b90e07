//! Debian's docker-registry on a loopback address of its own, and skopeo.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use waypoint_l4_testbed::address::Network;

use crate::command::{Run, image_tool, root};

const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 5000;

pub struct Registry {
    process: Child,
    network: Network,
    folder: TempDir,
    scheme: &'static str,
}

/// What else the registry's configuration has.
#[derive(Default)]
pub struct Options {
    /// Lines of htpasswd.
    pub users: Option<String>,
    /// It has a certificate that nobody knows, `tls.crt` among its files.
    pub tls: bool,
    /// It cannot write where it is to store.
    pub broken_storage: bool,
}

impl Registry {
    pub fn start() -> Self {
        Self::with(&Options::default())
    }

    pub fn with(options: &Options) -> Self {
        let network = Network::claim().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let mut storage = folder.path().join("storage").display().to_string();
        if options.broken_storage {
            storage = write("storage", "no folder");
        }
        let address = network.waypoint().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {storage}}}}}\n\
             http:\n  addr: {address}:{PORT}\n  secret: of tests\n"
        );
        if options.tls {
            let made = rcgen::generate_simple_self_signed([address]).unwrap();
            let certificate = write("tls.crt", &made.cert.pem());
            let key = write("tls.key", &made.signing_key.serialize_pem());
            config += &format!("  tls: {{certificate: {certificate}, key: {key}}}\n");
        }
        if let Some(users) = &options.users {
            let users = write("htpasswd", users);
            config += &format!("auth: {{htpasswd: {{realm: test, path: {users}}}}}\n");
        }
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new(binary())
            .arg("serve")
            .arg(write("config.yml", &config))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut registry = Self {
            process,
            network,
            folder,
            scheme: if options.tls { "https" } else { "http" },
        };
        registry.wait();
        registry
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((self.network.waypoint(), PORT)).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "the registry ended: {}", self.log());
            assert!(Instant::now() < deadline, "it is not up: {}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    pub fn host(&self) -> String {
        format!("{}:{PORT}", self.network.waypoint())
    }

    /// A file of the registry's own, such as `tls.crt`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The push of a layout to a repository of this registry.
    pub fn push(&self, layout: &Path, repository: &str) -> Command {
        let mut command = image_tool();
        command.arg("push").arg(layout);
        command.arg(format!("{}/{repository}", self.host()));
        if self.scheme == "http" {
            command.arg("--insecure");
        }
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if panicking() {
            eprintln!("the registry's log:\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn binary() -> PathBuf {
    let unpacked = root().join("target/tools/docker-registry/usr/bin/docker-registry");
    if unpacked.is_file() {
        return unpacked;
    }
    installed("docker-registry")
}

pub fn skopeo(arguments: &[&str]) -> String {
    let mut command = Command::new(installed("skopeo"));
    Run::of(command.arg("--insecure-policy").args(arguments)).stdout()
}

fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run `make setup-image-tests`"))
}
