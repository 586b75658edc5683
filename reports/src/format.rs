//! What several pages and exporters say in the same words. How an operation, a value or a duration is put
//! into words is the business of [`history::tell`] and [`history::units`].

use std::fmt::Write;

use checker::Verdict;

use crate::results::{FaultHold, Results};

/// What a valid history of this model is: `linearizable`, or what else the model asks for.
pub(crate) fn promise(model: &str) -> &'static str {
    checker::objects::find(model).map_or("linearizable", |model| model.promise)
}

/// A sign for those who do not see colours, and for grep.
pub(crate) fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "✓",
        Verdict::Invalid => "✗",
        Verdict::Unknown => "?",
    }
}

/// A sign for the summaries of CI systems.
pub(crate) fn emoji(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "✅",
        Verdict::Invalid => "❌",
        Verdict::Unknown => "❓",
    }
}

/// `12 verified, 1 skipped; 4 changes of leader`
pub(crate) fn faults_text(results: &Results) -> String {
    let kinds = [
        FaultHold::Verified,
        FaultHold::Failed,
        FaultHold::Refused,
        FaultHold::Unsettled,
        FaultHold::Skipped,
        FaultHold::Unfinished,
    ];
    let mut parts: Vec<String> = kinds
        .iter()
        .map(|kind| {
            (
                kind,
                results.faults.iter().filter(|fault| fault.hold == *kind).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.name()))
        .collect();
    if parts.is_empty() {
        parts.push("none".to_owned());
    }
    let elections = match results.changes_of_leader() {
        1 => "1 change of leader".to_owned(),
        count => format!("{count} changes of leader"),
    };
    format!("{}; {elections}", parts.join(", "))
}

/// Text without meaning for Markdown and HTML, on one line.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' | '@' => {
                // An entity rather than a backslash: cells of tables and autolinks do not honour that
                // everywhere.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    // No bare address becomes a link.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_store_is_markup() {
        for (text, expected) in [
            ("read = 3", "read = 3"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("a|b\n# c", "a&#124;b &#35; c"),
            ("[x](http://y)", "&#91;x&#93;(http&#58;//y)"),
            ("`*_", "&#96;&#42;&#95;"),
            ("@team &amp;", "&#64;team &amp;amp;"),
        ] {
            assert_eq!(markdown(text), expected);
        }
    }
}
