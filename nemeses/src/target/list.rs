//! The list of faults as a user writes it: `kill,pause,partition:leader`.

/// Splits `kill,partition:leader,partition:bridge` into names and their targets, in order of first mention; a
/// name without targets has the default mix. Whether the names and targets exist, [`crate::find`] and
/// [`crate::Entry::plan`] say.
///
/// # Errors
/// One line for the user.
pub fn parse(list: &str) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut named: Vec<(String, Vec<String>)> = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (name, target) = match part.split_once(':') {
            Some((name, target)) => (name.trim(), Some(target.trim())),
            None => (part, None),
        };
        if name.is_empty() {
            return Err("a name is missing; write for example `kill,partition:leader`".into());
        }
        if target.is_some_and(|target| target.is_empty() || target.contains(':')) {
            return Err(format!(
                "`{part}` should be a name and one target, as in `partition:leader`"
            ));
        }
        match (named.iter_mut().find(|(known, _)| known == name), target) {
            (None, target) => named.push((name.to_owned(), target.map(str::to_owned).into_iter().collect())),
            (Some((_, targets)), Some(target)) if !targets.is_empty() => {
                if !targets.iter().any(|known| known == target) {
                    targets.push(target.to_owned());
                }
            }
            (Some(_), _) => {
                return Err(format!(
                    "`{name}` is listed both with and without a target, or twice; drop one"
                ));
            }
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kill; partition leader bridge`, or the error's first words.
    fn parsed(list: &str) -> String {
        match parse(list) {
            Ok(named) => {
                let words = |(name, targets): (String, Vec<String>)| [vec![name], targets].concat().join(" ");
                named.into_iter().map(words).collect::<Vec<_>>().join("; ")
            }
            Err(why) => format!("error: {}", &why[..12]),
        }
    }

    #[test]
    fn lists() {
        let cases = [
            ("kill", "kill"),
            ("kill,pause", "kill; pause"),
            (" kill , partition:leader ", "kill; partition leader"),
            (
                "partition:leader,kill,partition:bridge",
                "partition leader bridge; kill",
            ),
            ("kill:one,kill:one", "kill one"),
            ("", "error: a name is mi"),
            ("kill,,pause", "error: a name is mi"),
            (":leader", "error: a name is mi"),
            ("kill:", "error: `kill:` shou"),
            ("kill:a:b", "error: `kill:a:b` s"),
            ("kill,kill", "error: `kill` is li"),
            ("kill,kill:one", "error: `kill` is li"),
            ("kill:one,kill", "error: `kill` is li"),
        ];
        for (list, expected) in cases {
            assert_eq!(parsed(list), expected, "{list}");
        }
    }
}
