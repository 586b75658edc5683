//! The checker's sentences with the numbers that their operations have in the picture.

use history::tell::cut;

/// The longest piece of a sentence, characters: values can be of any size.
const MOST_CHARS: usize = 600;

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The number of the operation that it names, if it names one.
    pub mark: Option<String>,
    pub text: String,
}

/// Cuts a sentence into pieces, so that each operation's description begins one with its mark.
///
/// `described` are pairs of a mark and what [`checker::describe`] says; at the start of a sentence it has a capital.
pub(crate) fn marked(sentence: &str, described: &[(String, String)]) -> Vec<Piece> {
    let mut found: Vec<(usize, usize, &str)> = Vec::new();
    for (mark, text) in described {
        let Some(tail) = text.strip_prefix('p') else {
            continue;
        };
        for (at, _) in sentence.match_indices(tail) {
            let is_whole = at
                .checked_sub(1)
                .is_some_and(|at| matches!(sentence.as_bytes()[at], b'p' | b'P'));
            if is_whole {
                found.push((at - 1, at + tail.len(), mark));
            }
        }
    }
    found.sort_unstable();
    let mut pieces = Vec::new();
    let mut add = |mark: Option<&str>, text: &str| {
        if !text.is_empty() {
            pieces.push(Piece {
                mark: mark.map(str::to_owned),
                text: cut(text, MOST_CHARS),
            });
        }
    };
    let mut done = 0;
    for (from, to, mark) in found {
        // Two operations of a conflict can look alike.
        if from < done {
            continue;
        }
        add(None, &sentence[done..from]);
        add(Some(mark), &sentence[from..to]);
        done = to;
    }
    add(None, &sentence[done..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_in_sentences() {
        let check = |sentence: &str, expected: &str| {
            let described = [
                (
                    "①".to_owned(),
                    "process 1's read of 4 (7.000–8.000 ms)".to_owned(),
                ),
                (
                    "②".to_owned(),
                    "process 11's write of 5 (3.000–4.000 ms)".to_owned(),
                ),
            ];
            let text: String = marked(sentence, &described)
                .iter()
                .map(|piece| match &piece.mark {
                    Some(mark) => format!("<{mark} {}>", piece.text),
                    None => piece.text.clone(),
                })
                .collect();
            assert_eq!(text, expected);
        };
        check(
            "Process 1's read of 4 (7.000–8.000 ms) began after process 11's write of 5 (3.000–4.000 ms) had completed.",
            "<① Process 1's read of 4 (7.000–8.000 ms)> began after <② process 11's write of 5 (3.000–4.000 ms)> had completed.",
        );
        check("Nothing is named.", "Nothing is named.");
        check("", "");
        check("process 1's read of 4", "process 1's read of 4");
        check(
            "é process 1's read of 4 (7.000–8.000 ms)",
            "é <① process 1's read of 4 (7.000–8.000 ms)>",
        );
    }
}
