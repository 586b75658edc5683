//! Many independent registers.
