//! Was it right: decides whether a history was linearizable, and says why not.

mod check;
mod verdict;

pub use check::{Options, check, partition};
pub use verdict::{Analysis, Conflict, DecidedBy, Decision, Linearization, MOST_LISTED, Rule, Verdict};
