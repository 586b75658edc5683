//! What a node said last: the end of its log, as far as it tells of errors. Pure.

/// What a line says that tells of an error.
const TELLING: [&str; 7] = ["ERROR", "FATAL", "Exception", "panic", "fatal", "Error", "error"];
/// So many lines before the end are looked through: what was said long before the end is not why it came.
const RECENT: usize = 40;
/// The longest line that is quoted, characters.
const LINE_CHARS: usize = 400;

/// The last lines that tell of an error, or the last ones at all where none does. Those that begin with a
/// blank go on about the one before: they are frames of a stack.
pub(crate) fn telling(log: &str, count: usize) -> Vec<String> {
    let said = || (log.lines().rev()).filter(|line| !line.is_empty() && !line.starts_with([' ', '\t']));
    let tells = |line: &&str| TELLING.iter().any(|word| line.contains(word));
    let mut last: Vec<&str> = said().take(RECENT).filter(tells).take(count).collect();
    match last.len() {
        0 => last = said().take(count).collect(),
        // Whatever it says, it was the last.
        found if found < count && last.first().copied() != said().next() => {
            last.splice(0..0, said().next()).for_each(drop)
        }
        _ => {}
    }
    last.reverse();
    let cut = |line: &str| line.chars().take(LINE_CHARS).collect();
    last.into_iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::telling;

    #[test]
    fn last_words_tell_of_errors() {
        for (log, expected) in [
            ("", &[][..]),
            ("a\n\nb\nc\n", &["b", "c"]),
            ("a\nERROR b\nc\nd\n", &["ERROR b", "d"]),
            (
                "ERROR Unable to load\njava.io.IOException: broken!\n\tat Some.java\nat once\n",
                &["ERROR Unable to load", "java.io.IOException: broken!"],
            ),
        ] {
            assert_eq!(telling(log, 2), expected, "{log}");
        }
    }
}
