//! Any values behind checksums that are right, read as `jepsen`.
#![no_main]

mod common;
#[path = "../../history/tests/support/jepsen_file.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = support::file(1, &[(1, 4, bytes.to_vec()), (4, 2, support::root())]);
    common::read(&file, "jepsen");
});
