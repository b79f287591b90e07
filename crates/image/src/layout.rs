//! An image in files: a folder in OCI's layout, and a tar of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use oci_client::annotations::ORG_OPENCONTAINERS_IMAGE_REF_NAME;
use oci_client::manifest::{
    ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageIndex,
    OciImageManifest,
};

use crate::image::{Image, digest};
use crate::layer;

const MARK: &str = "oci-layout";
const INDEX: &str = "index.json";

/// Writes both, in place of what an earlier call has left there.
pub(crate) fn write(image: &Image, folder: &Path, tar: &Path) -> Result<()> {
    let files = files(image)?;
    // Of a folder that is no layout nothing is removed.
    if folder.join(MARK).is_file() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    for (name, data) in &files {
        write_file(&folder.join(name), |mut file| file.write_all(data))?;
    }
    write_file(tar, |file| {
        let mut archive = tar::Builder::new(file);
        for (name, data) in &files {
            layer::append(&mut archive, name, data, 0o644)?;
        }
        archive.into_inner()?.flush()
    })
}

/// The index last: without it there is no image.
fn files(image: &Image) -> Result<Vec<(String, Bytes)>> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let entry = ImageIndexEntry {
        media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(),
        digest: image.digest().to_owned(),
        size: i64::try_from(image.manifest.len())?,
        platform: None,
        annotations: Some(BTreeMap::from([(
            ORG_OPENCONTAINERS_IMAGE_REF_NAME.to_owned(),
            version,
        )])),
        artifact_type: None,
    };
    let index = OciImageIndex {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        manifests: vec![entry],
        artifact_type: None,
        annotations: None,
    };
    let mark = Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#);
    let mut files = vec![(MARK.to_owned(), mark)];
    for (digest, data) in &image.blobs {
        files.push((blob(digest)?, data.clone()));
    }
    files.push((blob(image.digest())?, image.manifest.clone()));
    files.push((INDEX.to_owned(), serde_json::to_vec(&index)?.into()));
    Ok(files)
}

fn write_file(
    path: &Path,
    fill: impl FnOnce(BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    parent
        .and_then(|()| fill(BufWriter::new(File::create(path)?)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Reads the folder again; every byte of it is what its digest says.
pub(crate) fn read(folder: &Path) -> Result<Image> {
    let file = folder.join(INDEX);
    let index = fs::read(&file).with_context(|| {
        format!(
            "cannot read {}: expected an OCI layout, as `make image` makes it",
            file.display()
        )
    })?;
    let index: OciImageIndex = serde_json::from_slice(&index)
        .with_context(|| format!("{}: expected an OCI image index", file.display()))?;
    let [entry] = index.manifests.as_slice() else {
        let found = index.manifests.len();
        bail!("{}: expected one image, found {found}", file.display());
    };
    let manifest = read_blob(folder, &entry.digest)?;
    let parsed: OciImageManifest = serde_json::from_slice(&manifest).with_context(|| {
        let digest = &entry.digest;
        format!("{}: {digest}: expected an image manifest", file.display())
    })?;
    let named = parsed.layers.iter().chain([&parsed.config]);
    let blobs = named
        .map(|blob| Ok((blob.digest.clone(), read_blob(folder, &blob.digest)?)))
        .collect::<Result<_>>()?;
    Ok(Image::new(manifest, blobs))
}

fn read_blob(folder: &Path, expected: &str) -> Result<Bytes> {
    let file = folder.join(blob(expected)?);
    let data = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let data = Bytes::from(data);
    let found = digest(&data);
    ensure!(
        found == expected,
        "{}: expected {expected}, found {found}: build the image again",
        file.display()
    );
    Ok(data)
}

/// Digests come from files too, and are names of files here.
fn blob(digest: &str) -> Result<String> {
    match digest.split_once(':') {
        Some(("sha256", hex)) if hex.chars().all(|c| c.is_ascii_hexdigit()) => {
            Ok(format!("blobs/sha256/{hex}"))
        }
        _ => bail!("digest {digest:?}: expected sha256: and its digits"),
    }
}
