//! Parts of a history's keys, so that several machines can judge one history: each judges the keys of one
//! part.
//!
//! Linearizability is a property of single objects (Herlihy and Wing 1990, theorem 1), so the verdicts of all
//! parts together are that of the whole. Which part a key belongs to depends on nothing but the key and the
//! number of parts: it is the same on every machine and in every version.

use std::fmt;
use std::str::FromStr;

use crate::{Key, Value};

/// One of several parts of the keys, written `2/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which one, from 1.
    number: u64,
    /// Of how many.
    of: u64,
}

impl Part {
    /// Whether a key belongs to it.
    pub fn holds(self, key: &Key) -> bool {
        self.holds_hash(key_hash(key))
    }

    /// Whether the key with this [`key_hash`] belongs to it.
    pub fn holds_hash(self, hash: u64) -> bool {
        hash % self.of == self.number - 1
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let how = "write it like `2/8`, the second of eight parts";
        let (number, of) = text.split_once('/').ok_or(how)?;
        let [number, of] = [number, of].map(|digits| digits.parse::<u64>().ok().filter(|&n| n > 0));
        match (number, of) {
            (Some(number), Some(of)) if number <= of => Ok(Part { number, of }),
            (Some(_), Some(of)) => Err(format!("there are only {of} parts, from 1/{of} to {of}/{of}")),
            _ => Err(how.to_owned()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// The hash of a key: 64-bit FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake, "The FNV Non-Cryptographic
/// Hash Algorithm") of its JSON as the journal writes it, without spaces, and then the finalizer `fmix64` of
/// MurmurHash3 (A. Appleby), without which the low bits of similar keys are alike.
pub fn key_hash(key: &Key) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    match key {
        Value::Int(number) => hash.integer(*number),
        // A value is always JSON.
        _ => {
            let _ = serde_json::to_writer(&mut hash, key);
        }
    }
    let mut hash = hash.0;
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// FNV-1a, as something that can be written to.
struct Fnv(u64);

impl Fnv {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The digits of a number: keys mostly are numbers, and there are many.
    fn integer(&mut self, number: i64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = number.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            self.take(b"-");
        }
        self.take(&digits[at..]);
    }
}

impl std::io::Write for Fnv {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machines of different versions must agree, so these never change. They were computed by another
    /// program from the definition.
    #[test]
    fn hashes_never_change() {
        let list = Value::list(vec![Value::Int(1), Value::text("é")]);
        let hashes = [
            (Value::Nil, 0xa6e0_a38f_a3f8_39ce),
            (Value::Int(1), 0x7c38_32dd_e020_d3d6),
            (Value::Int(i64::MIN), 0x677f_3189_7ff3_dc32),
            (Value::text("a"), 0x45d1_5867_2f8a_3918),
            (list, 0x10c6_1ce6_b90d_f51c),
        ];
        for (key, expected) in hashes {
            assert_eq!(key_hash(&key), expected, "{key}");
        }
    }

    #[test]
    fn numbers_hash_as_their_json() {
        for number in [0, 7, -7, 10, 1_000_000_007, i64::MIN, i64::MAX] {
            let (mut fast, mut slow) = (Fnv(7), Fnv(7));
            fast.integer(number);
            serde_json::to_writer(&mut slow, &number).unwrap();
            assert_eq!(fast.0, slow.0, "{number}");
        }
    }

    #[test]
    fn each_key_belongs_to_one_part_and_no_part_is_starved() {
        for of in [1u64, 2, 3, 8, 64, 100] {
            let parts: Vec<Part> = (1..=of).map(|n| format!("{n}/{of}").parse().unwrap()).collect();
            // All of one kind, only even ones, and names.
            let kinds: [fn(i64) -> Value; 3] = [
                Value::Int,
                |n| Value::Int(2 * n),
                |n| Value::text(&format!("user:{n}")),
            ];
            for kind in kinds {
                let mut sizes = vec![0; parts.len()];
                for number in 0..10_000 {
                    let key = kind(number);
                    let holders: Vec<usize> = (0..parts.len()).filter(|&at| parts[at].holds(&key)).collect();
                    assert_eq!(holders.len(), 1);
                    sizes[holders[0]] += 1;
                }
                let even = 10_000 / of;
                assert!(
                    sizes.iter().all(|&size| size > even / 2 && size < even * 2),
                    "{of}: {sizes:?}"
                );
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("2", "write it like `2/8`, the second of eight parts"),
            ("0/8", "write it like `2/8`, the second of eight parts"),
            ("a/8", "write it like `2/8`, the second of eight parts"),
            ("9/8", "there are only 8 parts, from 1/8 to 8/8"),
        ] {
            assert_eq!(text.parse::<Part>().unwrap_err(), expected);
        }
        assert_eq!("2/8".parse::<Part>().unwrap().to_string(), "2/8");
    }
}
