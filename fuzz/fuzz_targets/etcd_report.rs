//! Any bytes, read as `etcd-report`.
#![no_main]

mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| common::read(bytes, "etcd-report"));
