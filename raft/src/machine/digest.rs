//! A running hash of what a machine has executed. Two nodes that have applied the same entries with the same
//! effects have the same; once different it stays different, because what follows is folded in by steps that
//! are one-to-one in what came before.
//!
//! It finds nodes that have drifted apart, not forgers: anyone could make two histories of one digest.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// See the module comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Digest(pub(super) u64);

impl Digest {
    /// Takes in what was executed next.
    pub(super) fn fold(&mut self, what: &impl Hash) {
        let mut folding = Folding(self.0);
        what.hash(&mut folding);
        self.0 = folding.finish();
    }
}

/// The standard library's own hashers don't promise to be the same in the next release, and a digest is kept
/// on disk.
struct Folding(u64);

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // Odd, so that multiplying by it is one-to-one; its bits are those of the golden ratio. The constant
        // keeps zeros from standing for nothing.
        let mixed = (self.0 ^ word).wrapping_add(1);
        self.0 = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_stays_and_order_counts() {
        let digest = |words: &[&str]| {
            let mut digest = Digest::default();
            words.iter().for_each(|word| digest.fold(word));
            digest
        };
        assert_eq!(digest(&["a", "b"]), digest(&["a", "b"]));
        let different = [
            &["a", "b"][..],
            &["b", "a"],
            &["ab"],
            &["a"],
            &["a", "b", ""],
            &[],
        ];
        for (at, one) in different.iter().enumerate() {
            for other in &different[at + 1..] {
                assert_ne!(digest(one), digest(other), "{one:?} {other:?}");
            }
        }
        let (mut one, mut other) = (digest(&["a"]), digest(&["b"]));
        for number in 0..10_000_u64 {
            one.fold(&number);
            other.fold(&number);
            assert_ne!(one, other);
        }
    }
}
