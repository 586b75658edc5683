//! Standard output, for results. Its reader may go away at any time (`perjury … | head`): that is no reason
//! to fail, nor to leave a cluster behind.
//!
//! The output may quote a store, a file or a command line. Nothing quoted may move the cursor of a terminal
//! or be taken for a command by the runner of a CI system: see [`harmless`].

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::Write;

/// Like `println!`, but indifferent to a reader that went away, and [`harmless`].
macro_rules! say {
    ($($words:tt)*) => { $crate::output::line(format_args!($($words)*)) };
}
pub(crate) use say;

/// Like `eprintln!`, but [`harmless`].
macro_rules! grumble {
    ($($words:tt)*) => { eprintln!("{}", $crate::output::harmless(&format!($($words)*))) };
}
pub(crate) use grumble;

/// Writes one line, or several.
pub fn line(words: Arguments) {
    let text = words.to_string();
    print(&harmless(&text));
}

/// Writes a command for the runner of a CI system, made by [`crate::github`].
pub fn command(text: &str) {
    print(text);
}

/// The text without control characters except newlines, and without the marks by which GitHub's runner
/// recognizes a command: `::` at the beginning of a line, ignoring blanks, and `##[` anywhere
/// (actions/runner, `ActionCommand.TryParseV2` and `TryParse`).
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    if !text.contains(is_odd) && !text.lines().any(is_command) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_odd(letter) {
            true => clean.extend(letter.escape_default()),
            false => clean.push(letter),
        }
    }
    let lines = clean.split('\n').map(|line| {
        let line = line.replace("##[", "# #[");
        match line.trim_start().starts_with("::") {
            true => line.replacen("::", ": :", 1),
            false => line,
        }
    });
    Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("perjury: cannot write to standard output: {error}");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_commands_nothing() {
        for (text, expected) in [
            ("as it is\n  two: a::b", "as it is\n  two: a::b"),
            ("one\n::error::mine", "one\n: :error::mine"),
            ("  ::add-mask::valid", "  : :add-mask::valid"),
            ("a ##[group]b", "a # #[group]b"),
            ("\u{1b}[31mred\r::stop", "\\u{1b}[31mred\\r::stop"),
            ("\u{9b}2J", "\\u{9b}2J"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
