//! The files behind `-f`, found as kubectl finds them.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use waypoint_l4_compile::Source;

/// The file name that means standard input.
pub(crate) const STDIN: &str = "-";

/// Reads everything; what cannot be read is a source without content, so that all of it is
/// reported together.
pub(crate) fn sources(filenames: &[PathBuf], recursive: bool) -> Vec<Source> {
    let mut sources = Vec::new();
    for filename in filenames {
        if *filename == *STDIN {
            let mut content = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut content);
            sources.push(Source {
                name: String::from("stdin"),
                content: read.map(|_| content).map_err(|error| error.to_string()),
            });
        } else if filename.is_dir() {
            sources.extend(directory(filename, recursive));
        } else {
            sources.push(file(filename));
        }
    }
    sources
}

fn directory(path: &Path, recursive: bool) -> Vec<Source> {
    let mut files = Vec::new();
    if let Err(error) = find(path, recursive, &mut files) {
        return vec![unreadable(path, error.to_string())];
    }
    if files.is_empty() {
        let cause = "a directory without *.yaml, *.yml or *.json files";
        return vec![unreadable(path, cause.to_owned())];
    }
    files.iter().map(|path| file(path)).collect()
}

fn find(directory: &Path, recursive: bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Of the entry itself: links to directories are not followed, they can go round in circles.
        if entry.file_type()?.is_dir() {
            if recursive {
                find(&path, recursive, files)?;
            }
        } else if is_manifest(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn file(path: &Path) -> Source {
    Source {
        name: path.display().to_string(),
        content: fs::read(path).map_err(|error| error.to_string()),
    }
}

fn unreadable(path: &Path, cause: String) -> Source {
    Source {
        name: path.display().to_string(),
        content: Err(cause),
    }
}
