//! What a process held, from a taking to its release, and the order of such sections by their tokens.

use crate::engine::chain::Ranked;

/// A taking and its release, if there was one. Calls by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub taking: usize,
    pub release: Option<usize>,
}

impl Held {
    /// The taking, and the release after it.
    pub fn calls(self) -> impl Iterator<Item = usize> {
        [self.taking].into_iter().chain(self.release)
    }
}

/// The calls of sections that are sorted by token, ranked: a taking before its release, and both before the
/// next taking.
pub(super) fn ranked(by_token: &[(i64, Held)]) -> Vec<Ranked> {
    let mut ranked = Vec::with_capacity(2 * by_token.len());
    for (place, (_, held)) in (0u64..).zip(by_token) {
        let of = |(more, number): (u64, usize)| Ranked {
            rank: 2 * place + more,
            number,
        };
        ranked.extend((0u64..).zip(held.calls()).map(of));
    }
    ranked
}

/// The section to which a call belongs, with its token.
pub(super) fn section_of(ranked: Ranked, by_token: &[(i64, Held)]) -> (i64, Held) {
    by_token[(ranked.rank / 2) as usize]
}

/// Whether it is a section's release.
pub(super) fn is_release(ranked: Ranked) -> bool {
    ranked.rank % 2 == 1
}

/// Two calls, and then the others of their sections.
pub(super) fn shown(two: [Ranked; 2], sections: [Held; 2]) -> Vec<usize> {
    let mut shown: Vec<usize> = two.into_iter().map(|ranked| ranked.number).collect();
    for number in sections.into_iter().flat_map(Held::calls) {
        if !shown.contains(&number) {
            shown.push(number);
        }
    }
    shown
}
