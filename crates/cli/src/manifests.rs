//! What is said of manifests on the command line, whatever is then done with them.

use std::path::{Path, PathBuf};

use clap::Args;
use waypoint_l4_compile::{ClusterDomain, Refused, Source, UnknownKinds};

use crate::files::{Found, find, show};
use crate::output::report;

#[derive(Args)]
pub(crate) struct Manifests {
    /// A file of YAML or JSON, a directory of them, or - for standard input
    #[arg(
        short = 'f',
        long = "filename",
        required = true,
        value_name = "FILE|DIR|-"
    )]
    filenames: Vec<PathBuf>,

    /// Read directories with all that is below them
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The DNS domain of the cluster
    #[arg(long, value_name = "DOMAIN", default_value_t)]
    pub(crate) cluster_domain: ClusterDomain,

    /// Leave out, with a note, objects of unknown kinds and documents without apiVersion or kind
    #[arg(long)]
    ignore_unknown_kinds: bool,
}

impl Manifests {
    pub(crate) fn filenames(&self) -> impl Iterator<Item = &Path> {
        self.filenames.iter().map(PathBuf::as_path)
    }

    pub(crate) fn unknown_kinds(&self) -> UnknownKinds {
        if self.ignore_unknown_kinds {
            UnknownKinds::Note
        } else {
            UnknownKinds::Refuse
        }
    }

    pub(crate) fn sources(&self) -> Vec<Source> {
        let Found { sources, unread } = find(&self.filenames, self.recursive);
        // Also before errors: what is absent could be there.
        for directory in unread {
            report(&format!("note: {directory}"));
        }
        sources
    }

    /// Tells everything that is wrong with them.
    pub(crate) fn refuse(&self, refused: &Refused) {
        for error in self.errors(refused) {
            report(&format!("error: {error}"));
        }
    }

    /// Everything that is wrong with them, a line for each.
    pub(crate) fn errors(&self, refused: &Refused) -> Vec<String> {
        let origin = self.origin();
        let errors = refused
            .0
            .iter()
            .map(|invalid| match (&invalid.place, &origin) {
                (None, Some(origin)) => format!("{origin}: {invalid}"),
                _ => invalid.to_string(),
            });
        errors.collect()
    }

    /// Where errors of no one manifest come from, if that is one place.
    fn origin(&self) -> Option<String> {
        match self.filenames.as_slice() {
            [only] => Some(show(only)),
            _ => None,
        }
    }
}
