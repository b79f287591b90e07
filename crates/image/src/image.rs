//! The images, in the forms that Istio's agent takes (`pkg/wasm/imagefetcher.go`).

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use oci_client::client::{Config, ImageLayer};
use oci_client::config::{Architecture, Config as Execution, ConfigFile, Os, ROOTFS_TYPE, Rootfs};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use sha2::{Digest, Sha256};

use crate::annotations::{self, Annotations};
use crate::binary::{Executable, Wasm};
use crate::layer::Layer;

const WASM_CONTENT: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
/// The name that Istio's agent looks for in a layer.
const WASM_FILE: &str = "plugin.wasm";

const FILTER: &str = "L4 traffic management for Istio ambient waypoints: the Wasm network filter";
const COMMAND: &str = "L4 traffic management for Istio ambient waypoints: the command";

/// An image as a registry stores it: bytes by their digest, and a manifest that names them.
pub(crate) struct Image {
    digest: String,
    pub(crate) manifest: Bytes,
    /// Its configuration and its layers.
    pub(crate) blobs: BTreeMap<String, Bytes>,
}

impl Image {
    /// As `FROM scratch` and `COPY` would make it, so that every registry and every tool knows it.
    pub(crate) fn compat(wasm: &Wasm) -> Result<Self> {
        let layer = Layer::of_file(WASM_FILE, wasm, 0o644)?;
        let mut annotations = annotations::of_image("waypoint-l4", FILTER);
        annotations.insert("module.wasm.image/variant".to_owned(), "compat".to_owned());
        // A module runs anywhere, but an engine that mirrors images wants to know its platform.
        let platform = (Architecture::Amd64, Execution::default());
        Self::of_layer(layer, platform, annotations)
    }

    /// As `oras` would make it. Istio wants two layers, one of them the module.
    pub(crate) fn artifact(wasm: &Wasm) -> Result<Self> {
        let runtime = Bytes::from_static(br#"{"type":"envoy_proxy"}"#);
        let layers = [
            (runtime.clone(), WASM_CONFIG, "runtime-config.json"),
            (Bytes::clone(wasm), WASM_CONTENT, WASM_FILE),
        ];
        let layers = layers.map(|(data, media_type, name)| {
            ImageLayer::new(
                data,
                media_type.to_owned(),
                Some(annotations::of_file(name)),
            )
        });
        let config = Config::new(runtime, WASM_CONFIG.to_owned(), None);
        let annotations = annotations::of_image("waypoint-l4", FILTER);
        Self::assemble(&layers, &config, annotations)
    }

    /// The command, for a job in a cluster or in CI.
    pub(crate) fn cli(executable: &Executable) -> Result<Self> {
        let layer = Layer::of_file("waypoint-l4", &executable.data, 0o755)?;
        let execution = Execution {
            entrypoint: Some(vec!["/waypoint-l4".to_owned()]),
            // `nobody`: it only reads and writes what it is given.
            user: Some("65534:65534".to_owned()),
            ..Execution::default()
        };
        let platform = (executable.architecture.clone(), execution);
        Self::of_layer(
            layer,
            platform,
            annotations::of_image("waypoint-l4-cli", COMMAND),
        )
    }

    fn of_layer(
        layer: Layer,
        (architecture, execution): (Architecture, Execution),
        annotations: Annotations,
    ) -> Result<Self> {
        let file = ConfigFile {
            architecture,
            os: Os::Linux,
            config: Some(execution),
            rootfs: Rootfs {
                r#type: ROOTFS_TYPE.to_owned(),
                diff_ids: vec![layer.diff_id],
            },
            ..ConfigFile::default()
        };
        let config = Config::oci_v1_from_config_file(file, None)?;
        Self::assemble(&[layer.compressed], &config, annotations)
    }

    fn assemble(layers: &[ImageLayer], config: &Config, annotations: Annotations) -> Result<Self> {
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            ..OciImageManifest::build(layers, config, Some(annotations))
        };
        let mut blobs: BTreeMap<_, _> = layers
            .iter()
            .map(|layer| (layer.sha256_digest(), layer.data.clone()))
            .collect();
        blobs.insert(config.sha256_digest(), config.data.clone());
        Ok(Self::new(serde_json::to_vec(&manifest)?.into(), blobs))
    }

    pub(crate) fn new(manifest: Bytes, blobs: BTreeMap<String, Bytes>) -> Self {
        Self {
            digest: digest(&manifest),
            manifest,
            blobs,
        }
    }

    /// The digest of its manifest, by which it is pulled.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

/// `sha256:` and 64 digits.
pub(crate) fn digest(data: &[u8]) -> String {
    let digits = Sha256::digest(data);
    let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
