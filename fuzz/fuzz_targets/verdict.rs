//! Bytes choose an object, what is done to it, how that is spoilt, and the style in which it is written down.
//! A text that is judged otherwise than brute force judges the history in memory ends the run.
#![no_main]

#[path = "../../checker/tests/common/mod.rs"]
mod common;
#[path = "../../checker/tests/simulated/mod.rs"]
mod simulated;
#[path = "../../checker/tests/from_text/texts/mod.rs"]
mod texts;

/// The most operations of a history: brute force tries all their orders.
const MOST: usize = 7;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    texts::compare(&mut texts::Choices::new(bytes), MOST);
});
