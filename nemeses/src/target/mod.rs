//! At what a fault is aimed: the grammar of targets, who is picked, and how what was hit is written down.

pub(crate) mod kinds;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod nodes;
