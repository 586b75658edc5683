//! `--fail-on`: which observations fail a run although they prove no broken promise.

use std::time::Duration;

use history::{Bound, FailOn, Observed};

use crate::amounts::{parse_bytes, parse_duration};

/// What a run is to fail on, as on the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailList(pub Vec<FailOn>);

/// Reads `crash,slow-recovery=10s`, `all` or `none`.
///
/// # Errors
/// One line for a user who names what is not observed, or a bound that makes no sense.
pub fn parse(text: &str) -> Result<FailList, String> {
    let all = || Observed::ALL.into_iter().filter(|what| may_be_asked(*what));
    match text {
        "none" => return Ok(FailList::default()),
        // What has no bound of its own is told only where one is given.
        "all" => {
            let bounded = all().filter(|what| what.bound() != Bound::Share);
            return Ok(FailList(
                bounded.map(|what| FailOn { what, bound: None }).collect(),
            ));
        }
        _ => {}
    }
    let mut list = Vec::new();
    for part in text.split(',') {
        let (name, bound) = match part.split_once('=') {
            Some((name, bound)) => (name, Some(bound)),
            None => (part, None),
        };
        let what = all().find(|what| what.name() == name).ok_or_else(|| {
            let names: Vec<&str> = all().map(Observed::name).collect();
            match Observed::ALL.iter().any(|what| what.name() == name) {
                true => format!("`{name}` always fails a run; leave it out"),
                false => format!(
                    "nothing called `{name}` is observed; choose {}, all or none",
                    names.join(", ")
                ),
            }
        })?;
        let bound = match (what.bound(), bound) {
            (Bound::Share, None) => return Err(format!("`{name}` needs a bound, such as `{name}=5%`")),
            (_, None) => None,
            (Bound::None, Some(_)) => return Err(format!("`{name}` has no bound")),
            (Bound::Seconds(_), Some(text)) => {
                Some(parse_duration(text).map(|bound: Duration| bound.as_secs_f64())?)
            }
            (Bound::Bytes(_), Some(text)) => Some(parse_bytes(text)? as f64),
            (Bound::Share, Some(text)) => Some(share(text)?),
        };
        list.push(FailOn { what, bound });
    }
    Ok(FailList(list))
}

/// Whether a run fails on it only if it is asked to, at least in part.
fn may_be_asked(what: Observed) -> bool {
    !what.can_prove() || what == Observed::Log
}

fn share(text: &str) -> Result<f64, String> {
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.parse::<f64>().ok());
    let share = number.map(|number| number / 100.0);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is no share of the time; write it like `5%`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        // Each with its bound; what is wrong with it otherwise.
        type Names<'a> = &'a [(&'a str, Option<f64>)];
        let cases: &[(&str, Result<Names, &str>)] = &[
            ("none", Ok(&[])),
            ("crash", Ok(&[("crash", None)])),
            (
                "crash,slow-recovery=2500ms,growth=1MiB,unavailable=5%,log",
                Ok(&[
                    ("crash", None),
                    ("slow-recovery", Some(2.5)),
                    ("growth", Some(1_048_576.0)),
                    ("unavailable", Some(0.05)),
                    ("log", None),
                ]),
            ),
            (
                "all",
                Ok(&[
                    ("log", None),
                    ("crash", None),
                    ("election", None),
                    ("growth", None),
                    ("slow-recovery", None),
                    ("stall", None),
                    ("silent-node", None),
                ]),
            ),
            ("", Err("nothing called ``")),
            ("crashes", Err("choose log, crash,")),
            ("two-leaders", Err("always fails a run")),
            ("crash=3", Err("has no bound")),
            ("unavailable", Err("needs a bound")),
            ("unavailable=200%", Err("no share of the time")),
            ("slow-recovery=fast", Err("write it like")),
            ("growth=0", Err("")),
        ];
        for (text, expected) in cases {
            match (parse(text), expected) {
                (Ok(FailList(list)), Ok(expected)) => {
                    let list: Vec<_> = list.iter().map(|fail| (fail.what.name(), fail.bound)).collect();
                    assert_eq!(list, *expected, "{text}");
                }
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{text}: {why}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
