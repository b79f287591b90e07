//! What an image says of itself.

use std::collections::BTreeMap;

use oci_client::annotations::{
    ORG_OPENCONTAINERS_IMAGE_DESCRIPTION, ORG_OPENCONTAINERS_IMAGE_LICENSES,
    ORG_OPENCONTAINERS_IMAGE_REVISION, ORG_OPENCONTAINERS_IMAGE_SOURCE,
    ORG_OPENCONTAINERS_IMAGE_TITLE, ORG_OPENCONTAINERS_IMAGE_VERSION,
};

/// Sorted, so that the same image has the same digest each time.
pub(crate) type Annotations = BTreeMap<String, String>;

/// Without the time of its creation, which would be another each time.
pub(crate) fn of_image(title: &str, description: &str) -> Annotations {
    annotations(&[
        (ORG_OPENCONTAINERS_IMAGE_TITLE, title),
        (ORG_OPENCONTAINERS_IMAGE_DESCRIPTION, description),
        (ORG_OPENCONTAINERS_IMAGE_VERSION, env!("CARGO_PKG_VERSION")),
        (
            ORG_OPENCONTAINERS_IMAGE_REVISION,
            env!("WAYPOINT_L4_COMMIT"),
        ),
        (
            ORG_OPENCONTAINERS_IMAGE_SOURCE,
            env!("CARGO_PKG_REPOSITORY"),
        ),
        (ORG_OPENCONTAINERS_IMAGE_LICENSES, env!("CARGO_PKG_LICENSE")),
    ])
}

/// The name under which a general client, such as oras, stores a layer.
pub(crate) fn of_file(name: &str) -> Annotations {
    annotations(&[(ORG_OPENCONTAINERS_IMAGE_TITLE, name)])
}

fn annotations(pairs: &[(&str, &str)]) -> Annotations {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}
