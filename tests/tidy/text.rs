//! Rules for lines: lengths, characters, words, and what pure rooms may not name.

use crate::tree::{Finding, Source};

/// The longest file that is still read in a sitting, in lines.
pub const FILE_LINES: usize = 800;

/// The longest comment line, in characters; rustfmt wraps code at the same column and leaves comments alone.
pub const COMMENT_COLUMNS: usize = 110;

/// The longest line of a script or stylesheet, in characters.
pub const SCRIPT_COLUMNS: usize = 120;

/// What may not be written, and what to write instead. Found anywhere in a line, whatever the case.
pub const BANNED: &[(&str, &str)] = &[
    ("dbg!(", "nothing: it is left over from debugging"),
    ("todo!(", "the code"),
    ("unimplemented!(", "the code"),
    ("FIXME", "the mended code"),
    ("TODO", "the code, or an issue"),
    ("ever other", "different … each time"),
];

/// Words that readers of English stumble over, and what to write instead. Found as whole words, whatever the
/// case.
pub const BANNED_WORDS: &[(&str, &str)] = &[
    ("trouble", "error, problem, failure"),
    ("whoever", "anyone who"),
    ("somebody", "someone, another user, a process"),
    ("nobody", "no process, no one; or: it is unknown"),
    ("lest", "so that … not"),
    ("thereof", "of it"),
];

/// What pure code may not name: the checker, the generator and the Raft core do no I/O and know no clock.
pub const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "println!",
    "eprintln!",
];

/// Folders whose code is pure.
pub const PURE: &[&str] = &["checker/src/", "generator/src/", "raft/src/core/"];

/// The module comment, which says what a file is for.
pub fn module_comment(source: &Source) -> Option<Finding> {
    let is_there = source.text.starts_with("//! ");
    (!is_there).then(|| source.finding(1, "no module comment: begin with `//! What this file is for.`"))
}

/// Files that are probably two things.
pub fn file_length(source: &Source) -> Option<Finding> {
    let lines = source.text.lines().count();
    (lines > FILE_LINES).then(|| source.finding(lines, format!("{lines} lines: probably two things")))
}

/// Comments that run out of the window. A single word, such as an address, cannot be wrapped.
pub fn comment_columns(source: &Source) -> Vec<Finding> {
    long_lines(source, COMMENT_COLUMNS, |line| {
        let comment = line.trim_start();
        // A string within an example cannot be wrapped either.
        let is_string = comment.trim_start_matches(['/', '!', ' ']).starts_with('"');
        comment.starts_with("//") && comment.split_whitespace().count() > 2 && !is_string
    })
}

/// Lines of scripts that run out of the window.
pub fn script_columns(source: &Source) -> Vec<Finding> {
    long_lines(source, SCRIPT_COLUMNS, |_| true)
}

fn long_lines(source: &Source, most: usize, counts: fn(&str) -> bool) -> Vec<Finding> {
    let columns = |line: &str| line.chars().count();
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| columns(line) > most && counts(line))
        .map(|(at, line)| {
            source.finding(
                at + 1,
                format!("{} columns instead of at most {most}", columns(line)),
            )
        })
        .collect()
}

/// Tabs, carriage returns, other control characters, space at the end of a line.
pub fn characters(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in source.text.split('\n').enumerate() {
        if let Some(odd) = line.chars().find(|char| char.is_control()) {
            findings.push(source.finding(
                at + 1,
                format!("a control character, {odd:?}: write it as an escape"),
            ));
        }
        if line.ends_with(' ') {
            findings.push(source.finding(at + 1, "space at the end of the line"));
        }
    }
    findings
}

/// Words that are banned, each with its replacement.
pub fn words(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let lower = line.to_lowercase();
        for (words, instead) in BANNED {
            // Words in capitals are banned as they are.
            let is_there = match words.to_uppercase() == *words {
                true => line.contains(words),
                false => lower.contains(words),
            };
            if is_there {
                findings.push(source.finding(at + 1, format!("`{words}`: write {instead}")));
            }
        }
        for (word, instead) in BANNED_WORDS {
            if has_word(&lower, word) {
                findings.push(source.finding(at + 1, format!("`{word}`: write {instead}")));
            }
        }
    }
    findings
}

/// Whether a word stands in a line as a whole word.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|found| found == word)
}

/// I/O and clocks where there may be none. Tests inside these files come last, behind `#[cfg(test)]`, and are
/// free.
pub fn purity(source: &Source) -> Vec<Finding> {
    if !PURE.iter().any(|folder| source.path.starts_with(folder)) || source.is_test() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if line.trim_start().starts_with("//") {
            continue;
        }
        for name in IMPURE {
            if line.contains(name) {
                findings.push(source.finding(
                    at + 1,
                    format!("{name} in code that does no I/O and knows no clock"),
                ));
            }
        }
    }
    findings
}
