//! One file a snapshot: `magic (8 bytes) | crc u32 (little-endian) | postcard of a Snapshot`.
//!
//! A snapshot file is written atomically, and counts from when a record of the log names it.

use std::path::Path;
use std::sync::Arc;

use super::record::SnapshotMark;
use super::{SNAPSHOT, StorageError, files};
use crate::core::api::Snapshot;

/// Begins every snapshot; the last byte is the version of the format.
const MAGIC: &[u8; 8] = b"RAFTSNP\x02";
const HEADER_BYTES: usize = 12;

/// Writes the snapshot and makes it durable.
pub(super) fn write(directory: &Path, snapshot: &Snapshot) -> Result<(), StorageError> {
    let body = postcard::to_stdvec(snapshot)
        .map_err(|error| StorageError::Refused(format!("the snapshot cannot be encoded: {error}")))?;
    let path = files::numbered_path(directory, SNAPSHOT, snapshot.last_index);
    let crc = crc32fast::hash(&body).to_le_bytes();
    files::write_atomically(&path, &[MAGIC, &crc, &body]).map(drop)
}

/// Reads the snapshot that the log names.
pub(super) fn read(directory: &Path, mark: &SnapshotMark) -> Result<Arc<Snapshot>, StorageError> {
    let path = files::numbered_path(directory, SNAPSHOT, mark.last_index);
    let bytes = files::read(&path)?;
    let damaged = |offset, reason: &str| StorageError::damaged(&path, offset, reason);
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return Err(damaged(0, "it does not begin like a snapshot of this version"));
    }
    let (header, body) = bytes.split_at(HEADER_BYTES);
    if header[MAGIC.len()..] != crc32fast::hash(body).to_le_bytes() {
        return Err(damaged(MAGIC.len(), "wrong checksum"));
    }
    let snapshot: Snapshot =
        postcard::from_bytes(body).map_err(|_| damaged(HEADER_BYTES, "it cannot be decoded"))?;
    if (snapshot.last_index, snapshot.last_term) != (mark.last_index, mark.last_term) {
        return Err(damaged(HEADER_BYTES, "it is not the snapshot that the log names"));
    }
    Ok(Arc::new(snapshot))
}
