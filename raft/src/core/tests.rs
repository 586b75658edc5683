//! The core's rules, one by one.
