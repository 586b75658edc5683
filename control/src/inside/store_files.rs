//! Which files on a node's filesystem are the store's, and which are perjury's own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// At most this many files are looked at.
const FILES_LIMIT: usize = 10_000;
/// Files on the filesystem that show what survives: synced when it was mounted, and written just before the
/// power is cut.
pub(super) const SYNCED: &str = "perjury.synced";
pub(super) const UNSYNCED: &str = "perjury.unsynced";
/// What fills a disk.
pub(super) const BALLAST: &str = "perjury.ballast";

/// The regular files of the store below a directory, in order of their names.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![directory.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && !is_own(&entry.path()) {
                files.push(entry.path());
            }
            if files.len() + folders.len() > FILES_LIMIT {
                return Err(io::Error::other("too many files"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file is perjury's own and not the store's, judged by its name.
pub fn is_own(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| [SYNCED, UNSYNCED, BALLAST].contains(&name))
}
