//! What judges objects without knowing any: the search over all orders, shapes of order that special
//! algorithms share, and what checks again what they found.

pub(crate) mod answers;
pub(crate) mod by_search;
pub(crate) mod chain;
pub(crate) mod components;
pub(crate) mod cycle;
pub mod frontier;
pub(crate) mod growing;
pub(crate) mod interner;
pub(crate) mod publish;
pub(crate) mod radix;
pub mod search;
pub(crate) mod second_opinion;
pub(crate) mod sections;
pub(crate) mod slices;
pub(crate) mod supply;
pub mod validate;
