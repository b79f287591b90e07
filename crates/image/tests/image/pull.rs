//! What was pushed is pulled with skopeo, and Envoy runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use waypoint_l4_compile::ImageUrl;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::waypoint::{NAMESPACE, Waypoint};

use crate::command::{Run, build, sha256, wasm};
use crate::registry::{Registry, skopeo};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";

#[tokio::test]
async fn the_compat_image_runs_in_envoy() -> Result<()> {
    let pulled = spawn_blocking(|| Pulled::of("compat")).await?;
    assert_eq!(pulled.media_types("config"), [CONFIG]);
    assert_eq!(pulled.media_types("layers"), [LAYER]);
    let folder = pulled.folder.path();
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(pulled.blob(0)).arg("-C").arg(folder);
    Run::of(&mut tar).stdout();
    routes(&folder.join("plugin.wasm")).await
}

#[tokio::test]
async fn the_artifact_runs_in_envoy() -> Result<()> {
    let pulled = spawn_blocking(|| Pulled::of("artifact")).await?;
    assert_eq!(pulled.media_types("config"), [WASM_CONFIG]);
    assert_eq!(pulled.media_types("layers"), [WASM_CONFIG, WASM_LAYER]);
    routes(&pulled.blob(1)).await
}

#[test]
fn an_image_says_what_it_is() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    for form in ["compat", "artifact"] {
        let layout = format!("oci:{}", out.path().join(form).display());
        let manifest =
            serde_json::from_str::<serde_json::Value>(&skopeo(&["inspect", "--raw", &layout]));
        let annotations = &manifest.unwrap()["annotations"];
        let of = |name: &str| annotations[format!("org.opencontainers.image.{name}")].as_str();
        assert_eq!(of("title"), Some("waypoint-l4"));
        assert_eq!(of("version"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(of("licenses"), Some("Apache-2.0"));
        assert_eq!(of("revision"), Some(env!("WAYPOINT_L4_COMMIT")));
        assert!(of("source").unwrap().starts_with("https://"));
        assert!(of("description").unwrap().contains("waypoints"));
        assert_eq!(of("created"), None);
    }
}

#[test]
fn the_tag_is_the_version_unless_one_is_given() {
    let (out, registry) = (tempfile::tempdir().unwrap(), Registry::start());
    build(out.path());
    let layout = out.path().join("compat");
    let printed = ["acme/filter", "acme/filter:Edge", "acme/filter:latest"]
        .map(|to| Run::of(&mut registry.push(&layout, to)).stdout());
    // The tag is not in it.
    assert_eq!(printed[0], printed[1]);
    let repository = format!("docker://{}/acme/filter", registry.host());
    let listed = skopeo(&["list-tags", "--tls-verify=false", &repository]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let mut tags = listed["Tags"].as_array().unwrap().clone();
    tags.sort_by_key(ToString::to_string);
    assert_eq!(tags, [env!("CARGO_PKG_VERSION"), "Edge", "latest"]);
}

/// An image that skopeo has pulled by the digest that `push` printed.
struct Pulled {
    folder: TempDir,
    manifest: serde_json::Value,
}

impl Pulled {
    fn of(form: &str) -> Self {
        let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::start());
        build(folder.path());
        let mut push = registry.push(&folder.path().join(form), "acme/waypoint-l4");
        let printed = Run::of(&mut push).stdout();
        let lines: Vec<_> = printed
            .lines()
            .map(|line| line.split_once(": ").unwrap())
            .collect();
        let [("url", url), ("sha256", digits)] = lines[..] else {
            panic!("{printed}");
        };
        let image = format!("{}/acme/waypoint-l4@sha256:{digits}", registry.host());
        assert_eq!(url, format!("oci://{image}"));
        // What `compile --image` takes.
        url.parse::<ImageUrl>().unwrap();

        let pulled = folder.path().join("pulled");
        let (from, to) = (
            format!("docker://{image}"),
            format!("dir:{}", pulled.display()),
        );
        skopeo(&["copy", "--quiet", "--src-tls-verify=false", &from, &to]);
        let manifest = pulled.join("manifest.json");
        assert_eq!(sha256(&manifest), digits);
        let manifest = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        Self { folder, manifest }
    }

    fn media_types(&self, what: &str) -> Vec<&str> {
        let descriptors = match &self.manifest[what] {
            serde_json::Value::Array(several) => several.iter().collect(),
            one => vec![one],
        };
        let media_types = descriptors.iter().map(|one| one["mediaType"].as_str());
        media_types.map(Option::unwrap).collect()
    }

    fn blob(&self, layer: usize) -> PathBuf {
        let digest = self.manifest["layers"][layer]["digest"].as_str().unwrap();
        let digits = digest.strip_prefix("sha256:").unwrap();
        self.folder.path().join("pulled").join(digits)
    }
}

/// It is the filter, byte by byte, and an Envoy that loads it does what its configuration says.
async fn routes(pulled: &Path) -> Result<()> {
    assert_eq!(sha256(pulled), sha256(&wasm()));
    let cluster =
        |service: &str| format!("inbound-vip|9000|tcp|{service}.{NAMESPACE}.svc.cluster.local");
    let config = serde_json::json!({"version": 1, "listeners": [{
        "chain": cluster("tcp-echo"),
        "rules": [{"name": "pulled", "backends": [
            {"name": "tcp-echo-v2", "cluster": cluster("tcp-echo-v2")},
        ]}],
    }]});
    let routing = Routing::Plugin {
        wasm: pulled.to_owned(),
        config: config.to_string(),
    };
    let play = async |waypoint: &Waypoint| {
        let tally = measure(&Arc::new(waypoint.client()?), "10.96.0.10:9000", 100).await;
        tally.check(&[("two", 1)])
    };
    Waypoint::builder().routing(routing).run(play).await
}
