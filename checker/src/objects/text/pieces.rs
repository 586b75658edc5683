//! Texts that can be cut into pieces in one way only: none of the pieces is the beginning of another.

use rustc_hash::FxHashMap;

/// Pieces, by number.
pub(super) struct Pieces<'a> {
    numbers: FxHashMap<&'a [u8], u32>,
    by_number: Vec<&'a [u8]>,
    /// Their lengths, ascending.
    lengths: Vec<usize>,
}

impl<'a> Pieces<'a> {
    /// `None` if a piece is the beginning of another one, or empty; the same one may be named more than once.
    pub fn new(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut by_number: Vec<&[u8]> = pieces.collect();
        by_number.sort_unstable();
        by_number.dedup();
        let is_ambiguous = by_number.windows(2).any(|pair| pair[1].starts_with(pair[0]));
        if is_ambiguous || by_number.first().is_some_and(|piece| piece.is_empty()) {
            return None;
        }
        let mut lengths: Vec<usize> = by_number.iter().map(|piece| piece.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let numbers = by_number.iter().copied().zip(0..).collect();
        Some(Pieces {
            numbers,
            by_number,
            lengths,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_number.len()
    }

    /// The number of a piece.
    pub fn number(&self, piece: &[u8]) -> Option<u32> {
        self.numbers.get(piece).copied()
    }

    /// How long a piece is.
    pub fn length(&self, number: u32) -> usize {
        self.by_number[number as usize].len()
    }

    /// The pieces of which a text is made; `None` if it is not.
    pub fn cut(&self, mut text: &[u8]) -> Option<Vec<u32>> {
        let mut parts = Vec::new();
        while !text.is_empty() {
            let fitting = self.lengths.iter().take_while(|&&length| length <= text.len());
            let first = fitting
                .into_iter()
                .find_map(|&length| self.number(&text[..length]))?;
            parts.push(first);
            text = &text[self.length(first)..];
        }
        Some(parts)
    }
}
