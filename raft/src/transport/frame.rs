//! The format of frames on a connection: `length u32 | crc u32 | kind u8 | payload`, all little-endian.
//!
//! `length` counts kind and payload; `crc` (CRC-32) covers them. TCP's own checksum lets about one broken
//! segment in 65,536 pass (Stone and Partridge, When the CRC and TCP Checksum Disagree, SIGCOMM 2000), so a
//! frame with a wrong checksum ends the connection.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// No payload is longer.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;
/// Bytes before the kind.
const HEADER_BYTES: usize = 8;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The first frame of a connection, and its answer.
    Hello = 1,
    /// Something for the driver.
    Data = 2,
    /// "Are you there?"
    Ping = 3,
    /// "Yes."
    Pong = 4,
}

/// Why a connection's bytes cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {0} bytes")]
    Length(usize),
    #[error("a frame with a wrong checksum")]
    Checksum,
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
}

/// Appends a frame.
pub(super) fn encode(out: &mut BytesMut, kind: Kind, payload: &[u8]) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind as u8]);
    hasher.update(payload);
    out.reserve(HEADER_BYTES + 1 + payload.len());
    // Senders refuse what is longer than MAX_PAYLOAD_BYTES, so the length fits.
    out.put_u32_le((payload.len() + 1) as u32);
    out.put_u32_le(hasher.finalize());
    out.put_u8(kind as u8);
    out.put_slice(payload);
}

/// Takes the next frame off the front, if all of it is there.
pub(super) fn decode(input: &mut BytesMut) -> Result<Option<(Kind, Bytes)>, FrameError> {
    if input.len() < HEADER_BYTES {
        return Ok(None);
    }
    let mut header = &input[..HEADER_BYTES];
    let length = header.get_u32_le() as usize;
    let crc = header.get_u32_le();
    if length == 0 || length > MAX_PAYLOAD_BYTES + 1 {
        return Err(FrameError::Length(length));
    }
    if input.len() < HEADER_BYTES + length {
        input.reserve(HEADER_BYTES + length - input.len());
        return Ok(None);
    }
    input.advance(HEADER_BYTES);
    let mut body = input.split_to(length).freeze();
    if crc32fast::hash(&body) != crc {
        return Err(FrameError::Checksum);
    }
    let kind = match body.get_u8() {
        1 => Kind::Hello,
        2 => Kind::Data,
        3 => Kind::Ping,
        4 => Kind::Pong,
        other => return Err(FrameError::Kind(other)),
    };
    Ok(Some((kind, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let frames = [
            (Kind::Hello, "hello".as_bytes()),
            (Kind::Ping, b""),
            (Kind::Data, &[7; 1000]),
        ];
        let mut stream = BytesMut::new();
        for (kind, payload) in frames {
            encode(&mut stream, kind, payload);
        }
        for cut in 0..=stream.len() {
            let mut input = BytesMut::from(&stream[..cut]);
            let mut found = Vec::new();
            while let Some((kind, payload)) = decode(&mut input).unwrap() {
                found.push((kind, payload));
            }
            input.extend_from_slice(&stream[cut..]);
            while let Some((kind, payload)) = decode(&mut input).unwrap() {
                found.push((kind, payload));
            }
            let found: Vec<(Kind, &[u8])> = found
                .iter()
                .map(|(kind, payload)| (*kind, &payload[..]))
                .collect();
            assert_eq!(found, frames, "cut at {cut}");
        }
    }

    #[test]
    fn no_flipped_bit_passes() {
        let mut stream = BytesMut::new();
        encode(&mut stream, Kind::Data, b"payload");
        for bit in 0..stream.len() * 8 {
            let mut flipped = stream.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // A length that grew waits for bytes that never come.
            assert!(!matches!(decode(&mut flipped), Ok(Some(_))), "bit {bit}");
        }
    }

    #[test]
    fn impossible_lengths_are_refused_before_anything_is_allocated() {
        for length in [0, MAX_PAYLOAD_BYTES as u32 + 2, u32::MAX] {
            let mut input = BytesMut::new();
            input.put_u32_le(length);
            input.put_u32_le(0);
            assert_eq!(decode(&mut input), Err(FrameError::Length(length as usize)));
        }
    }
}
