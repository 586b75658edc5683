//! The Raft core: pure and deterministic, events in, commands out (see [`api`] for the contract).

pub mod api;
mod config;

pub use config::Config;
