//! The processes of a node: starting, signalling and watching them, and finding those that left their process
//! group.

pub(crate) mod child_processes;
pub(crate) mod kernel;
pub(crate) mod local_node;
pub(crate) mod strays;
