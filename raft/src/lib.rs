//! The bundled cluster: a small replicated register store on Raft.
//!
//! Invariant: nothing here knows that it is being tested, and nothing here depends on another room.
pub mod bug;
pub mod core;
pub mod machine;
pub mod node;
pub mod storage;
pub mod transport;
