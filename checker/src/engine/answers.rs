//! What can be told apart of a sequence that only grows: how much of which answer it is.
//!
//! A text or list that is the beginning of no answer never becomes one by putting more behind it, so from
//! there on no one can tell it from any other such, until something replaces it. One state stands for them
//! all ([`None`]). Leaving out what no one can tell apart changes no verdict: states are merged that allow
//! the same operations for ever (bisimulation; R. Milner, "Communication and concurrency", 1989, section 4),
//! and there are no more of them than beginnings of answers, whatever ran at the same time.

/// The answers, without repetitions, in ascending order.
pub(crate) struct Answers<'a, T> {
    sorted: Vec<&'a [T]>,
}

/// The beginning of an answer: of the first one that has it, this many parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Beginning {
    answer: u32,
    length: u32,
}

impl<'a, T: Ord> Answers<'a, T> {
    /// All that is ever seen.
    pub fn new(mut answers: Vec<&'a [T]>) -> Self {
        answers.sort_unstable();
        answers.dedup();
        Answers { sorted: answers }
    }

    /// That sequence as a beginning of an answer; `None` if it is none.
    pub fn find(&self, sequence: &[T]) -> Option<Beginning> {
        // All that begin with it stand together, the shortest in front.
        let place = self.sorted.partition_point(|answer| *answer < sequence);
        let found = self.sorted.get(place)?.starts_with(sequence);
        found.then(|| beginning(place, sequence.len()))
    }

    /// The beginning with more put behind it; `None` if no answer begins like that.
    pub fn longer(&self, at: Beginning, more: &[T]) -> Option<Beginning> {
        let (from, length) = (at.answer as usize, at.length as usize);
        let known = &self.sorted[from][..length];
        let rest = |answer: &&'a [T]| answer.strip_prefix(known);
        let behind =
            self.sorted[from..].partition_point(|answer| rest(answer).is_some_and(|rest| rest < more));
        let place = from + behind;
        let found = self.sorted.get(place).and_then(rest)?.starts_with(more);
        found.then(|| beginning(place, length + more.len()))
    }
}

fn beginning(answer: usize, length: usize) -> Beginning {
    Beginning {
        answer: answer as u32,
        length: length as u32,
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Whatever is put together, in whatever pieces, is found if and only if an answer begins with it, and in
    /// one place.
    #[test]
    fn beginnings_are_what_they_are_made_of() {
        let mut found = 0;
        for seed in 0..20_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut text = |most: usize| -> Vec<u8> {
                let length = rng.random_range(0..=most);
                (0..length).map(|_| rng.random_range(0..2)).collect()
            };
            let answers: Vec<Vec<u8>> = (0..5).map(|_| text(6)).collect();
            let answers = Answers::new(answers.iter().map(Vec::as_slice).collect());
            let mut whole = text(2);
            let mut at = answers.find(&whole);
            for _ in 0..3 {
                assert_eq!(at, answers.find(&whole), "seed {seed}");
                let is_beginning = answers.sorted.iter().any(|answer| answer.starts_with(&whole));
                assert_eq!(at.is_some(), is_beginning, "seed {seed}");
                let more = text(2);
                at = at.and_then(|at| answers.longer(at, &more));
                whole.extend(more);
                found += usize::from(at.is_some());
            }
        }
        assert!(found > 10_000, "{found}");
    }
}
