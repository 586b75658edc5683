//! Standard output, for results. Whoever reads it may stop reading at any time (`perjury … | head`): that is no reason to
//! fail, and none to leave a cluster behind.

use std::fmt::Arguments;
use std::io::Write;

/// Like `println!`, but indifferent to a reader that went away.
macro_rules! say {
    ($($words:tt)*) => { $crate::say::line(format_args!($($words)*)) };
}
pub(crate) use say;

/// Writes one line, or several.
pub fn line(words: Arguments) {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{words}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("perjury: cannot write to standard output: {error}");
        }
        _ => {}
    }
}
