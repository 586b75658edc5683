//! From the text of a file to a verdict: many small random histories, each written in one of the ways in
//! which people's files look, are judged as `perjury check` judges them. The verdict must be the one that
//! brute force over all orders gives of the history in memory.
//!
//! `PERJURY_TEXTS` is how many texts there are, `PERJURY_TEXTS_FROM` the first one's seed.

#[path = "../common/mod.rs"]
mod common;
#[path = "../simulated/mod.rs"]
mod simulated;
mod texts;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use texts::{Choices, Compared, Format, Told, What, compare};

/// The most operations of a history.
const MOST: usize = 7;

/// After so many wrong verdicts no more are looked for.
const MOST_WRONG: usize = 20;

/// What came out how often.
#[derive(Default, Debug)]
struct Tally {
    texts: u64,
    named: BTreeMap<(What, Compared), u64>,
    guessed: BTreeMap<Compared, u64>,
    formats: BTreeMap<(Format, Compared), u64>,
    guessed_right: BTreeMap<What, u64>,
}

fn number(name: &str, otherwise: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked.map_or(otherwise, |asked| asked.parse().expect("a number is asked for"))
}

/// Compares a text for each seed; tells which went wrong.
fn judge_all(seeds: std::ops::Range<u64>, compare: impl Fn(u64) -> Told) -> Tally {
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for seed in seeds {
        let Ok(told) = catch_unwind(AssertUnwindSafe(|| compare(seed))) else {
            println!("that was seed {seed}\n");
            wrong.push(seed);
            if wrong.len() == MOST_WRONG {
                break;
            }
            continue;
        };
        tally.texts += 1;
        *tally.named.entry((told.what, told.named)).or_default() += 1;
        *tally.guessed.entry(told.guessed).or_default() += 1;
        *tally.formats.entry((told.format, told.named)).or_default() += 1;
        *tally.guessed_right.entry(told.what).or_default() += u64::from(told.is_guessed);
    }
    assert!(
        wrong.is_empty(),
        "wrong verdicts of the texts with these seeds: {wrong:?}"
    );
    tally
}

#[test]
fn texts_are_judged_as_they_are_meant() {
    let first = number("PERJURY_TEXTS_FROM", 0);
    let seeds = first..first + number("PERJURY_TEXTS", 20_000);
    let tally = judge_all(seeds, |seed| compare(&mut ChaCha8Rng::seed_from_u64(seed), MOST));
    println!("{tally:#?}");
    let total = |compared| {
        tally
            .named
            .iter()
            .filter(|((_, other), _)| *other == compared)
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    let share = |part: u64, least: u64| part * 100 >= tally.texts * least;
    assert!(
        share(total(Compared::Valid), 25) && share(total(Compared::Invalid), 20),
        "{tally:#?}"
    );
    for what in What::ALL {
        let count = |compared| tally.named.get(&(what, compared)).copied().unwrap_or(0);
        let (valid, invalid, open) = (
            count(Compared::Valid),
            count(Compared::Invalid),
            count(Compared::Open),
        );
        assert!(
            valid > 3 * open / 2 && 20 * invalid > valid,
            "{what:?} in {tally:#?}"
        );
    }
    for format in Format::ALL {
        let count = |compared| tally.formats.get(&(format, compared)).copied().unwrap_or(0);
        let (valid, invalid, open) = (
            count(Compared::Valid),
            count(Compared::Invalid),
            count(Compared::Open),
        );
        assert!(
            valid > 100 && 5 * invalid > valid && 3 * open < 2 * invalid,
            "{format:?} in {tally:#?}"
        );
    }
    // A model that is guessed is mostly the object's; some objects look like others.
    let guessed = tally.guessed_right.values().sum::<u64>();
    assert!(share(guessed, 60), "{tally:#?}");
    assert!(
        !share(total(Compared::Open), 10) && !share(total(Compared::Unreadable), 5),
        "{tally:#?}"
    );
}

/// As a fuzzer makes them.
#[test]
fn bytes_make_the_choices() {
    let tally = judge_all(0..500, |seed| {
        let mut bytes = vec![0; 200];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        compare(&mut Choices::new(&bytes), MOST)
    });
    let kinds = What::ALL
        .iter()
        .filter(|what| tally.named.keys().any(|(other, _)| other == *what));
    assert_eq!(kinds.count(), What::ALL.len(), "{tally:#?}");
}
