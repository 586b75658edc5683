//! Any bytes, read as `jepsen-log`.
#![no_main]

mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| common::read(bytes, "jepsen-log"));
