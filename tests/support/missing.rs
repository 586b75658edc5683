//! What a test does where something that it needs is not there: it says so and is skipped, unless that is
//! required.
//!
//! Every crate's tests include this one file by its path.

use std::fmt::Display;
use std::io::Write;

/// What must not be missing: names as the tests give them (`etcd`, `consul`, `redis`, `zookeeper`, `openssl`,
/// `docker`, `sshd`, `chromedriver`, `netns`, `iptables`, `setpriv`, `tamper`, `histories`, or a nemesis as
/// in `power:all`), with commas between them, or `all`.
const REQUIRE: &str = "PERJURY_REQUIRE";

/// Says on stderr that a test, or a part of it, is skipped because `what` is missing, and why. The caller
/// then returns.
///
/// # Panics
/// When the environment variable `PERJURY_REQUIRE` names `what`: a machine that is set up to test it must not
/// skip it.
pub fn missing(what: &str, why: impl Display) {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    assert!(
        !names(&required, what),
        "{what} is missing, and {REQUIRE}={required} requires it: {why}"
    );
    // Not `eprintln!`, which libtest keeps to itself when the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

fn names(required: &str, what: &str) -> bool {
    let mut names = required.split(',').map(str::trim);
    names.any(|name| name == what || name == "all")
}

#[test]
fn what_is_required_is_named_or_all_is() {
    for (required, expected) in [
        ("", false),
        ("etcd", true),
        ("redis, etcd", true),
        ("redis,etcd2", false),
        ("all", true),
    ] {
        assert_eq!(names(required, "etcd"), expected, "{required}");
    }
}
