//! How one record is stored in a segment, and how a broken one is told apart from the end of the log.
//!
//! ```text
//! record: crc u32 | length u32 | synced u32 | body (length bytes)       all little-endian
//! body:   more u8 | postcard of a Record
//! ```
//!
//! - `crc` (CRC-32) covers the segment's number, the record's offset, and everything after itself, so that a
//!   record in the wrong file or at the wrong place is as broken as one with a flipped bit.
//! - `synced` is the length up to which the segment was durable when the record was written. A broken record
//!   at offset X is a torn write when nothing after it says that X was ever durable, and damage when an
//!   intact record with `synced > X` follows: only then was it acknowledged. (What a crash may and may not
//!   explain: Alagappan et al., Protocol-Aware Recovery for Consensus-Based Storage, FAST '18, §3.3.) Damage
//!   within the very last write cannot be told apart from a torn one; nothing that looks at one disk alone
//!   can.
//! - `more` is 1 in all but the last record of a group that must survive whole or not at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bug::{Bug, Bugs};
use crate::core::api::{Entry, HardState, Index, Term};

/// No body is longer; a longer length is a broken record. Also bounds what recovery allocates at once.
pub(super) const MAX_BODY_BYTES: usize = 16 << 20;
/// Bytes before the body.
pub(super) const HEADER_BYTES: usize = 12;

/// One thing that the log remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// The first record of each segment: what the segments before it, perhaps deleted since, amount to.
    Start(Start),
    /// Replaces the term and the vote.
    HardState(HardState),
    /// Replaces the snapshot; its file is durable before this record is written.
    Snapshot(SnapshotMark),
    /// Appends an entry; whatever the log held from its index on is gone (Raft §5.3).
    Entry(Arc<Entry>),
}

/// What the records before a segment amount to, in its [`Record::Start`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Start {
    /// The term and the vote.
    pub hard_state: HardState,
    /// The snapshot.
    pub snapshot: Option<SnapshotMark>,
    /// The index of the last entry.
    pub log_end: Index,
}

/// Which snapshot file counts, and what became of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotMark {
    /// The last entry that it covers.
    pub last_index: Index,
    /// That entry's term.
    pub last_term: Term,
    /// The log up to here is gone; `Index::MAX`: all of it, and it goes on after `last_index`.
    pub discard_to: Index,
}

/// Where a record is: which segment, at which offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The segment's number.
    pub segment: u64,
    /// The offset of the record's first byte.
    pub offset: usize,
}

/// An intact record.
#[derive(Debug)]
pub(super) struct Decoded {
    pub record: Record,
    /// Whether its group goes on.
    pub more: bool,
    /// How many bytes it takes.
    pub bytes: usize,
}

/// Appends the record to `out`; it will be written at `place`. Returns false, and writes nothing, when it is
/// too long.
pub(super) fn encode(out: &mut Vec<u8>, place: Place, synced: u32, record: &Record, more: bool) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    out.push(u8::from(more));
    // Writing to a vector fails only if the type cannot be serialized at all, which the tests would show.
    let Ok(mut written) = postcard::to_extend(record, std::mem::take(out)) else {
        return false;
    };
    let body = written.len() - start - HEADER_BYTES;
    if body > MAX_BODY_BYTES {
        written.truncate(start);
        *out = written;
        return false;
    }
    let record = &mut written[start..];
    record[4..8].copy_from_slice(&(body as u32).to_le_bytes());
    record[8..12].copy_from_slice(&synced.to_le_bytes());
    let crc = checksum(place, &record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
    *out = written;
    true
}

/// The record at `place` of the segment's bytes, or why there is none.
pub(super) fn decode(segment: &[u8], place: Place, bugs: Bugs) -> Result<Decoded, &'static str> {
    let body = framed(segment, place, bugs)?;
    let more = match body[0] {
        0 => false,
        1 => true,
        _ => return Err("unknown flag"),
    };
    let record = postcard::from_bytes(&body[1..]).map_err(|_| "unknown kind of record")?;
    Ok(Decoded {
        record,
        more,
        bytes: HEADER_BYTES + body.len(),
    })
}

/// Whether an intact record after the broken one at `broken` shows that the broken one was once durable.
/// Returns its offset.
pub(super) fn proof_of_damage(segment: &[u8], broken: Place, bugs: Bugs) -> Option<usize> {
    if bugs.contains(Bug::DamageTakenForTorn) {
        return None;
    }
    (broken.offset + 1..segment.len().saturating_sub(HEADER_BYTES)).find(|&offset| {
        let synced = u32_at(segment, offset + 8) as usize;
        // Looked at first because it rules out nearly every offset at next to no cost.
        (broken.offset + 1..=offset).contains(&synced)
            && framed(segment, Place { offset, ..broken }, bugs).is_ok()
    })
}

fn framed(segment: &[u8], place: Place, bugs: Bugs) -> Result<&[u8], &'static str> {
    let record = segment.get(place.offset..).unwrap_or_default();
    if record.len() <= HEADER_BYTES {
        return Err("incomplete record");
    }
    let length = u32_at(record, 4) as usize;
    if length == 0 || length > MAX_BODY_BYTES {
        return Err("impossible length");
    }
    let record = record.get(..HEADER_BYTES + length).ok_or("incomplete record")?;
    if !bugs.contains(Bug::NoChecksum) && checksum(place, &record[4..]) != u32_at(record, 0) {
        return Err("wrong checksum");
    }
    Ok(&record[HEADER_BYTES..])
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

fn checksum(place: Place, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.segment.to_le_bytes());
    hasher.update(&(place.offset as u64).to_le_bytes());
    hasher.update(rest);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::Payload;

    fn entry(index: Index) -> Record {
        Record::Entry(Arc::new(Entry {
            term: 3,
            index,
            payload: Payload::Noop,
        }))
    }

    #[test]
    fn a_record_is_read_only_where_it_was_written() {
        let here = Place {
            segment: 7,
            offset: 0,
        };
        let mut bytes = Vec::new();
        assert!(encode(&mut bytes, here, 0, &entry(5), true));
        let decoded = decode(&bytes, here, Bugs::NONE).unwrap();
        assert_eq!(
            (decoded.record, decoded.more, decoded.bytes),
            (entry(5), true, bytes.len())
        );

        assert!(
            decode(
                &bytes,
                Place {
                    segment: 8,
                    offset: 0
                },
                Bugs::NONE
            )
            .is_err()
        );
        let mut moved = vec![0];
        moved.extend_from_slice(&bytes);
        assert!(
            decode(
                &moved,
                Place {
                    segment: 7,
                    offset: 1
                },
                Bugs::NONE
            )
            .is_err()
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let here = Place {
            segment: 1,
            offset: 0,
        };
        let mut bytes = Vec::new();
        assert!(encode(&mut bytes, here, 0, &entry(5), false));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes, here, Bugs::NONE).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_record_that_is_too_long_leaves_no_trace() {
        let long = Record::Entry(Arc::new(Entry {
            term: 1,
            index: 1,
            payload: Payload::Apply {
                session: None,
                command: crate::machine::Command::Write {
                    key: "k".repeat(MAX_BODY_BYTES),
                    value: crate::machine::Value::Nil,
                },
            },
        }));
        let mut bytes = vec![9];
        assert!(!encode(
            &mut bytes,
            Place {
                segment: 1,
                offset: 1
            },
            0,
            &long,
            false
        ));
        assert_eq!(bytes, [9]);
    }
}
