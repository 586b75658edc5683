//! Random numbers out of given bytes, one a byte, so that a fuzzer that changes a byte changes one choice.

use std::convert::Infallible;

use rand::{SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;

/// Choices that bytes make; where they end, ones by chance, the same each time.
pub struct Choices<'a> {
    bytes: &'a [u8],
    after: ChaCha8Rng,
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices {
            bytes,
            after: ChaCha8Rng::seed_from_u64(0),
        }
    }
}

impl TryRng for Choices<'_> {
    type Error = Infallible;

    /// The highest byte decides what is drawn from a small range.
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        match self.bytes.split_first() {
            Some((&byte, rest)) => {
                self.bytes = rest;
                Ok(u32::from_be_bytes([byte; 4]))
            }
            None => self.after.try_next_u32(),
        }
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let (high, low) = match self.bytes.is_empty() {
            true => (self.after.try_next_u32()?, self.after.try_next_u32()?),
            false => {
                let number = self.try_next_u32()?;
                (number, number)
            }
        };
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn try_fill_bytes(&mut self, filled: &mut [u8]) -> Result<(), Infallible> {
        for byte in filled {
            *byte = self.try_next_u32()?.to_be_bytes()[0];
        }
        Ok(())
    }
}
