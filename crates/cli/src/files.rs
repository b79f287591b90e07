//! The files behind `-f`, found as kubectl finds them.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, error};
use waypoint_l4_compile::Source;

/// The file name that means standard input.
const STDIN: &str = "-";

pub(crate) struct Found {
    /// What cannot be read is a source without content, so that all of it is reported together.
    pub(crate) sources: Vec<Source>,
    pub(crate) unread: Vec<Unread>,
}

/// A directory that holds manifests further down, which only `-R` would have read.
pub(crate) struct Unread {
    directory: String,
    below: Vec<String>,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, below } = self;
        let below = below.join(", ");
        write!(
            f,
            "{directory}: manifests in its sub-directories are not read (in {below}): -R reads them"
        )
    }
}

pub(crate) fn find(filenames: &[PathBuf], recursive: bool) -> Found {
    let mut found = Found {
        sources: Vec::new(),
        unread: Vec::new(),
    };
    for filename in filenames {
        if *filename != *STDIN && filename.is_dir() {
            found.directory(filename, recursive);
        } else {
            found.sources.push(read(filename));
        }
    }
    found
}

/// A file of the command line with what is in it, or why that is not known.
pub(crate) fn read(filename: &Path) -> Source {
    let content = if *filename == *STDIN {
        let mut content = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut content);
        read.map(|_| content)
    } else {
        fs::read(filename)
    };
    Source {
        name: show(filename),
        content: content.map_err(|error| error.to_string()),
    }
}

/// Ends the program as a wrong argument does if a second file name means standard input.
pub(crate) fn read_stdin_once<'f>(filenames: impl Iterator<Item = &'f Path>) {
    if filenames.filter(|name| **name == *STDIN).count() > 1 {
        let message = "standard input (-) can be read only once";
        crate::Arguments::command()
            .error(error::ErrorKind::ArgumentConflict, message)
            .exit();
    }
}

/// A file name of the command line, as notes and errors show it.
pub(crate) fn show(filename: &Path) -> String {
    if *filename == *STDIN {
        return String::from("stdin");
    }
    filename.display().to_string()
}

impl Found {
    fn directory(&mut self, path: &Path, recursive: bool) {
        let mut files = Vec::new();
        let mut below = Vec::new();
        match entries(path, recursive, &mut files, &mut below) {
            Ok(()) if files.is_empty() => {
                let cause = "a directory without *.yaml, *.yml or *.json files";
                self.sources.push(unreadable(path, cause.to_owned()));
            }
            Ok(()) => self.sources.extend(files.iter().map(|path| read(path))),
            Err(error) => self.sources.push(unreadable(path, error.to_string())),
        }
        if !below.is_empty() {
            self.unread.push(Unread {
                directory: show(path),
                below,
            });
        }
    }
}

/// Finds the files to read, and the names of the directories with manifests that are not.
fn entries(
    directory: &Path,
    recursive: bool,
    files: &mut Vec<PathBuf>,
    below: &mut Vec<String>,
) -> io::Result<()> {
    for entry in sorted(directory)? {
        let path = entry.path();
        // Of the entry itself: links to directories are not followed, they can go round in circles.
        if entry.file_type()?.is_dir() {
            if recursive {
                entries(&path, recursive, files, below)?;
            } else if holds_manifests(&path) {
                below.push(entry.file_name().to_string_lossy().into_owned());
            }
        } else if is_manifest(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

/// What cannot be read holds none: it was not asked for.
fn holds_manifests(directory: &Path) -> bool {
    let entries = sorted(directory).unwrap_or_default();
    entries.iter().any(|entry| {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => holds_manifests(&path),
            Ok(_) => is_manifest(&path) && !path.is_dir(),
            Err(_) => false,
        }
    })
}

fn sorted(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn unreadable(path: &Path, cause: String) -> Source {
    Source {
        name: path.display().to_string(),
        content: Err(cause),
    }
}
