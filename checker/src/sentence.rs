//! Sentences as facts: texts, and the operations that they name.
//!
//! A sentence keeps the index of an operation instead of its description, so that a terminal, a page and a
//! JSON file can each show the operation in their own way, and no reader has to find operations in a text.
//!
//! Invariants:
//! - Text pieces never touch: what is pushed behind a text becomes part of it. Equal sentences are equal
//!   pieces.
//! - The first letter is made a capital when the sentence is rendered, not before.

use std::borrow::Cow;

use history::{History, Operation, Times, Value, tell};
use serde::{Deserialize, Serialize};

/// A part of a [`Sentence`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Piece {
    /// An operation, by its index into [`history::History::operations`].
    Op(usize),
    /// Anything else.
    Text(Cow<'static, str>),
}

/// One plain sentence about operations of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sentence(Vec<Piece>);

/// A piece of a sentence as it is read, with the operation that it describes, if it describes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The operation's index.
    pub op: Option<usize>,
    /// The text.
    pub text: String,
}

impl Sentence {
    /// Its pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The operations that it names, in order.
    pub fn operations(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Op(index) => Some(*index),
            Piece::Text(_) => None,
        })
    }

    /// The whole sentence as text.
    pub fn plain(&self, history: &History) -> String {
        self.plain_with(history.times, |index| history.operations.get(index))
    }

    /// The whole sentence as text, with operations from elsewhere than a history.
    pub fn plain_with<'a>(&self, times: Times, operation: impl Fn(usize) -> Option<&'a Operation>) -> String {
        let rendered = self.render(times, operation);
        rendered.into_iter().map(|piece| piece.text).collect()
    }

    /// Its pieces as text. The sentence begins with a capital letter.
    pub fn render<'a>(
        &self,
        times: Times,
        operation: impl Fn(usize) -> Option<&'a Operation>,
    ) -> Vec<Rendered> {
        let piece = |(place, piece): (usize, &Piece)| {
            let (op, text) = match piece {
                Piece::Op(index) => {
                    let text = operation(*index).map_or_else(
                        || format!("operation {index}"),
                        |operation| tell::long(operation, times),
                    );
                    (Some(*index), text)
                }
                Piece::Text(text) => (None, text.clone().into_owned()),
            };
            let text = if place == 0 {
                tell::capitalized(&text)
            } else {
                text
            };
            Rendered { op, text }
        };
        self.0.iter().enumerate().map(piece).collect()
    }

    /// The same sentence with operations numbered in another way.
    #[must_use]
    pub(crate) fn renumbered(mut self, index: impl Fn(usize) -> usize) -> Sentence {
        for piece in &mut self.0 {
            if let Piece::Op(number) = piece {
                *number = index(*number);
            }
        }
        self
    }

    /// Adds to its end.
    pub(crate) fn push(&mut self, more: impl Into<Sentence>) {
        for piece in more.into().0 {
            match (self.0.last_mut(), piece) {
                (Some(Piece::Text(text)), Piece::Text(more)) => text.to_mut().push_str(&more),
                (_, piece) => self.0.push(piece),
            }
        }
    }

    /// Joins several into one, with `between` in between.
    pub(crate) fn join(
        parts: impl IntoIterator<Item = impl Into<Sentence>>,
        between: &'static str,
    ) -> Sentence {
        let mut joined = Sentence::default();
        for (place, part) in parts.into_iter().enumerate() {
            if place > 0 {
                joined.push(between);
            }
            joined.push(part);
        }
        joined
    }
}

impl From<Piece> for Sentence {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Text(text) if text.is_empty() => Sentence::default(),
            piece => Sentence(vec![piece]),
        }
    }
}

impl From<Option<Piece>> for Sentence {
    fn from(piece: Option<Piece>) -> Self {
        piece.map_or_else(Sentence::default, Sentence::from)
    }
}

impl From<&'static str> for Sentence {
    fn from(text: &'static str) -> Self {
        Piece::Text(text.into()).into()
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Piece::Text(text.into()).into()
    }
}

/// An operation in a sentence.
pub(crate) fn op(number: usize) -> Piece {
    Piece::Op(number)
}

/// Makes a sentence of operations ([`op`]), texts, and other sentences.
macro_rules! sentence {
    ($($part:expr),* $(,)?) => {{
        let mut sentence = $crate::sentence::Sentence::default();
        $(sentence.push($part);)*
        sentence
    }};
}
pub(crate) use sentence;

/// A cas that contradicts itself.
pub(crate) fn found_expected(cas: impl Into<Sentence>) -> Sentence {
    sentence![cas, " found the very value that it expected, and yet it failed."]
}

/// An operation that shows a value from nowhere.
pub(crate) fn phantom(answer: impl Into<Sentence>, value: &Value) -> Sentence {
    sentence![
        answer,
        format!(" shows a value that no operation can have written: {value}.")
    ]
}

#[cfg(test)]
mod tests {
    use history::{Key, Op, Outcome, Value};

    use super::*;

    #[test]
    fn operations_get_their_words_when_a_sentence_is_read() {
        let read = Operation {
            process: 1,
            op: Op::Read { key: Key::Nil },
            outcome: Outcome::ok_value(Value::Int(4)),
            invoked: 0,
            completed: 1,
            invoked_ns: 7_000_000,
            completed_ns: Some(8_000_000.into()),
            node: None,
        };
        let history = History {
            operations: vec![read],
            ..History::default()
        };
        let check = |sentence: Sentence, expected: &str| {
            let rendered = sentence.render(history.times, |index| history.operations.get(index));
            let marked = rendered.iter().map(|piece| match piece.op {
                Some(index) => format!("<{index} {}>", piece.text),
                None => piece.text.clone(),
            });
            assert_eq!(marked.collect::<String>(), expected);
            let plain: String = rendered.iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!(sentence.plain(&history), plain);
        };
        check(
            sentence![op(0), " began after ", op(0), " had ", String::from("ended"), "."],
            "<0 Process 1's read of 4 (7.000–8.000 ms)> began after <0 process 1's read of 4 (7.000–8.000 ms)> had \
             ended.",
        );
        check(
            sentence!["élan: ", Sentence::join([op(0), op(7)], ", ")],
            "Élan: <0 process 1's read of 4 (7.000–8.000 ms)>, <7 operation 7>",
        );
        check(sentence!["", op(7)], "<7 Operation 7>");
        check(sentence!["Nothing is named."], "Nothing is named.");
        check(Sentence::default(), "");
    }

    #[test]
    fn neighbouring_texts_are_one_piece() {
        let sentence = sentence!["a", String::from("b"), op(1), "c"];
        assert_eq!(sentence.pieces().len(), 3);
        assert_eq!(sentence.operations().collect::<Vec<_>>(), [1]);
    }
}
