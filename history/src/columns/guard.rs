//! Damaged files, some of which the Parquet reader answers with a panic.
//!
//! Invariant: a panic within [`guarded`] is an error of the file, and prints nothing; one anywhere else is
//! as it was.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::ColumnsError;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic because of the file that it reads. What it was reading with must not be used after
/// that.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, ColumnsError>) -> Result<T, ColumnsError> {
    static QUIETED: Once = Once::new();
    QUIETED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                before(panic);
            }
        }));
    });
    IS_GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(false);
    result.unwrap_or_else(|_| {
        Err(ColumnsError::File(
            "it cannot be read as Parquet: it is damaged".to_owned(),
        ))
    })
}
