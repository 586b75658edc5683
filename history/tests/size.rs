//! What an operation takes in memory: checkers hold millions of them.

use history::{Event, Op, Operation, Outcome, Value};

#[test]
fn operations_are_small() {
    assert_eq!(size_of::<Value>(), 16);
    assert_eq!(size_of::<Op>(), 48);
    assert_eq!(size_of::<Outcome>(), 24);
    assert!(size_of::<Operation>() <= 112, "{}", size_of::<Operation>());
    assert!(size_of::<Event>() <= 104, "{}", size_of::<Event>());
}
