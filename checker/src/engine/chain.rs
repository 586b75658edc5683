//! Operations whose order is known but for ties: answers put them in ranks, and those of a lower rank come
//! first.
//!
//! Then one look back decides: the order is a linearization iff no operation completed before one of a lower
//! rank began. Within a rank any order will do, so they stand there by their starts. O(n log n).

use crate::model::Call;

/// A call, by number, with its rank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranked {
    pub rank: u64,
    pub number: usize,
}

/// An operation that completed before one of a lower rank began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inversion {
    /// The one of lower rank: it must come first.
    pub first: Ranked,
    /// The one of higher rank that had completed before.
    pub then: Ranked,
}

/// Sorts by rank.
///
/// # Errors
/// An inversion: there is no order.
pub(crate) fn sort<O>(calls: &[Call<O>], ranked: &mut [Ranked]) -> Result<(), Inversion> {
    ranked.sort_unstable_by_key(|ranked| (ranked.rank, calls[ranked.number].start));
    let finish = |ranked: Ranked| calls[ranked.number].finish;
    // The earliest completion among the ranks above, and among the present rank.
    let mut above: Option<Ranked> = None;
    let mut here: Option<Ranked> = None;
    for &ranked in ranked.iter().rev() {
        if here.is_some_and(|here| here.rank != ranked.rank) {
            above = above.into_iter().chain(here).min_by_key(|&ranked| finish(ranked));
            here = None;
        }
        if let Some(then) = above.filter(|&then| finish(then) < calls[ranked.number].start) {
            return Err(Inversion { first: ranked, then });
        }
        here = here
            .into_iter()
            .chain([ranked])
            .min_by_key(|&ranked| finish(ranked));
    }
    Ok(())
}
