//! What is counted and measured of a run: operations, faults and what they hit, how clients felt them, and
//! how runs compare.

pub(crate) mod compare;
pub(crate) mod conflicts;
pub(crate) mod counts;
pub(crate) mod coverage;
pub(crate) mod faults;
pub(crate) mod recovery;
