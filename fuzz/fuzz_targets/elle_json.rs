//! Any bytes, read as `elle-json`.
#![no_main]

mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| common::read(bytes, "elle-json"));
