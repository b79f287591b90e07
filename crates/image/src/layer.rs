//! A layer of an image: a gzipped tar with one file.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use oci_client::client::ImageLayer;
use oci_client::manifest::IMAGE_LAYER_GZIP_MEDIA_TYPE;

use crate::image::digest;

pub(crate) struct Layer {
    pub(crate) compressed: ImageLayer,
    /// The digest before compression, which an image's configuration names.
    pub(crate) diff_id: String,
}

impl Layer {
    pub(crate) fn of_file(name: &str, data: &[u8], mode: u32) -> io::Result<Self> {
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, name, data, mode)?;
        let archive = archive.into_inner()?;
        // No name, no time and no system: the same file is the same layer anywhere.
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
        gzip.write_all(&archive)?;
        let media_type = IMAGE_LAYER_GZIP_MEDIA_TYPE.to_owned();
        Ok(Self {
            compressed: ImageLayer::new(gzip.finish()?, media_type, None),
            diff_id: digest(&archive),
        })
    }
}

/// A file of root's, from the beginning of time.
pub(crate) fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    data: &[u8],
    mode: u32,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(data.len()).map_err(io::Error::other)?);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, name, data)
}
