//! The operations of a file system that the storage needs, each as durable as POSIX lets it be.
//!
//! A new or renamed file survives a crash only once its directory was synced too; every function here that
//! makes or renames one does that (Pillai et al., All File Systems Are Not Created Equal, OSDI '14).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::StorageError;

/// Ends the names of files that are not yet what they are to become.
const TEMPORARY: &str = ".tmp";

/// Holds the directory for this process; the kernel releases it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

/// Takes the directory for this process alone.
pub(super) fn lock(directory: &Path) -> Result<Lock, StorageError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| StorageError::io("open", &path, source))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Lock { _file: file }),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(StorageError::Locked {
            directory: directory.to_owned(),
        }),
        Err((_, errno)) => Err(StorageError::io("lock", &path, errno.into())),
    }
}

/// Creates the directory with its parents.
pub(super) fn create_directory(directory: &Path) -> Result<(), StorageError> {
    fs::create_dir_all(directory).map_err(|source| StorageError::io("create", directory, source))?;
    match directory.parent() {
        Some(parent) if parent != Path::new("") => sync_directory(parent),
        _ => Ok(()),
    }
}

/// Writes a whole file so that after a crash it is there as a whole or not at all. Returns it open for
/// appending.
pub(super) fn write_atomically(path: &Path, parts: &[&[u8]]) -> Result<File, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    let temporary = PathBuf::from(name);
    let error = |what| move |source| StorageError::io(what, path, source);
    let mut file = File::create(&temporary).map_err(error("create"))?;
    for part in parts {
        file.write_all(part).map_err(error("write"))?;
    }
    file.sync_all().map_err(error("sync"))?;
    fs::rename(&temporary, path).map_err(error("rename"))?;
    if let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    Ok(file)
}

/// Writes a whole file and leaves the rest to the kernel. Only a planted bug does so.
pub(super) fn write_in_place(path: &Path, parts: &[&[u8]]) -> Result<(), StorageError> {
    fs::write(path, parts.concat()).map_err(|source| StorageError::io("write", path, source))
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, StorageError> {
    fs::read(path).map_err(|source| StorageError::io("read", path, source))
}

/// Removes a file; that it is gone need not survive a crash.
pub(super) fn remove(path: &Path) -> Result<(), StorageError> {
    fs::remove_file(path).map_err(|source| StorageError::io("remove", path, source))
}

/// The directory's files named `PREFIX-NUMBER`, by number. Removes what half-done writes left.
pub(super) fn numbered(directory: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, StorageError> {
    let error = |source| StorageError::io("list", directory, source);
    let mut found = Vec::new();
    for file in fs::read_dir(directory).map_err(error)? {
        let path = file.map_err(error)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(number) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')) else {
            continue;
        };
        if number.ends_with(TEMPORARY) {
            remove(&path)?;
        } else if let Ok(number) = number.parse() {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The path of the file that [`numbered`] lists under this number.
pub(super) fn numbered_path(directory: &Path, prefix: &str, number: u64) -> PathBuf {
    // Zeros in front, so that a listing shows them in order; 20 digits hold every u64.
    directory.join(format!("{prefix}-{number:020}"))
}

fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| StorageError::io("sync", directory, source))
}
