//! Operations packed so that a page can hold many: numbers of variable length (seven bits a byte, the least
//! ones first, as in LEB128), in Base64. `templates/timeline/operations.js` reads exactly this.
//!
//! One operation, in the order of their invocations:
//!
//! | number            | meaning                                                                     |
//! |-------------------|-----------------------------------------------------------------------------|
//! | index             | how far it is behind the one before it in the history                       |
//! | process           | index into `processes`                                                      |
//! | kind, class       | the kind's number · 4 + ok 0, mismatch 1, fail 2, info 3                    |
//! | invoked           | ticks since the invocation of the one before it                             |
//! | took              | 0 if it never ended; else ticks from invocation to end, + 1                 |
//! | node              | 0 if not known; else its number + 1                                         |
//! | key               | a value                                                                     |
//! | arguments         | as many values as its kind has: one; `cas` two; `read`, `acquire`, … none   |
//! | answer or error   | a value; of fail and info the index into `errors`                           |
//! | point             | 0 if there is none; else ticks from the invocation to it, + 1               |
//! | place             | only with a point: which one it is in the order of its key, from 1           |
//!
//! A value is 0 for none, an odd number for an integer (zigzag · 2 + 1), an even one for a text: its index in
//! `texts` · 2 + 2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use history::tell::{self, cut};
use history::{Answer, Failure, History, Op, Operation, Outcome, Reason, Value};
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::class::Class;
use crate::timeline::Place;

/// When operations can have taken effect, by index into the history's operations.
pub(super) type Points = FxHashMap<usize, Place>;

/// The longest text of a value or an error, characters.
pub(super) const TEXT_CHARS: usize = 160;
/// So many bytes of texts are kept; of further ones only that they are left out.
const MOST_TEXT_BYTES: usize = 400_000;

#[derive(Default, Serialize)]
pub(super) struct Packed {
    count: usize,
    processes: Vec<u32>,
    texts: Vec<String>,
    errors: Vec<String>,
    base64: String,
    #[serde(skip)]
    bytes: Vec<u8>,
    #[serde(skip)]
    text_bytes: usize,
    #[serde(skip)]
    process_numbers: FxHashMap<u32, usize>,
    #[serde(skip)]
    text_numbers: FxHashMap<String, usize>,
    #[serde(skip)]
    error_numbers: FxHashMap<String, usize>,
}

/// Packs the operations at `indices`, which are in order, with times in ticks of `tick_ns` nanoseconds.
pub(super) fn pack(history: &History, indices: &[usize], points: &Points, tick_ns: u64) -> Packed {
    let mut packed = Packed {
        count: indices.len(),
        ..Packed::default()
    };
    let (mut before, mut before_ticks) = (0, 0);
    for &index in indices {
        let operation = &history.operations[index];
        let invoked = operation.invoked_ns / tick_ns;
        packed.number((index - before) as u64);
        packed.operation(operation, invoked.saturating_sub(before_ticks), tick_ns);
        match points.get(&index) {
            None => packed.number(0),
            Some(Place { number, point_ns }) => {
                let ticks = ((point_ns / tick_ns as f64) as u64).saturating_sub(invoked);
                packed.number(ticks.saturating_add(1));
                packed.number(*number as u64);
            }
        }
        (before, before_ticks) = (index, invoked.max(before_ticks));
    }
    packed.base64 = STANDARD.encode(&packed.bytes);
    packed
}

impl Packed {
    /// How many characters the operations take.
    pub fn size(&self) -> usize {
        self.base64.len()
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn operation(&mut self, operation: &Operation, since: u64, tick_ns: u64) {
        let next = self.processes.len();
        let process = *self.process_numbers.entry(operation.process).or_insert(next);
        if process == next {
            self.processes.push(operation.process);
        }
        self.number(process as u64);
        let kind = operation.op.kind() as u64;
        self.number(kind * 4 + Class::of(&operation.outcome) as u64);
        self.number(since);
        let took = operation.completed_ns.map_or(0, |end| {
            (end.get() / tick_ns).saturating_sub(operation.invoked_ns / tick_ns) + 1
        });
        self.number(took);
        self.number(operation.node.map_or(0, |node| u64::from(node) + 1));
        self.value(Some(operation.op.key()).filter(|key| !key.is_nil()));
        self.arguments(operation);
        match &operation.outcome {
            // The answers of a transaction are part of its steps.
            Outcome::Ok(_) if matches!(operation.op, Op::Txn { .. }) => self.number(0),
            Outcome::Ok(Answer { value }) => self.value(value.as_ref()),
            Outcome::Fail(Failure::Mismatch { current }) => self.value(current.as_ref()),
            Outcome::Fail(Failure::Error(reason)) | Outcome::Info(reason) => self.error(reason),
        }
    }

    fn arguments(&mut self, operation: &Operation) {
        match &operation.op {
            Op::Read { .. }
            | Op::Acquire { .. }
            | Op::TryAcquire { .. }
            | Op::Release { .. }
            | Op::Dequeue { .. }
            | Op::Generate { .. } => {}
            Op::Write { value, .. }
            | Op::Append { value, .. }
            | Op::Add { value, .. }
            | Op::Remove { value, .. }
            | Op::Transfer { value, .. }
            | Op::Enqueue { value, .. } => self.value(Some(value)),
            Op::Cas { expected, new, .. } => {
                self.value(Some(expected));
                self.value(Some(new));
            }
            Op::Watch { from, .. } => self.value(Some(&Value::Int(*from))),
            Op::Txn { micro_ops, .. } => {
                let answer = match &operation.outcome {
                    Outcome::Ok(answer) => answer.value.as_ref(),
                    _ => None,
                };
                let text = tell::transaction(micro_ops, answer);
                self.text(cut(&text, TEXT_CHARS));
            }
        }
    }

    fn value(&mut self, value: Option<&Value>) {
        match value {
            None => self.number(0),
            // What does not fit into 62 bits is a text.
            Some(Value::Int(int)) if int.unsigned_abs() < 1 << 52 => {
                let zigzag = ((int << 1) ^ (int >> 63)) as u64;
                self.number(zigzag * 2 + 1);
            }
            Some(value) => self.text(cut(value, TEXT_CHARS)),
        }
    }

    fn text(&mut self, text: String) {
        let number = numbered(
            &mut self.text_numbers,
            &mut self.texts,
            &mut self.text_bytes,
            text,
        );
        self.number(number as u64 * 2 + 2);
    }

    fn error(&mut self, reason: &Reason) {
        let text = cut(&format!("{}: {}", reason.class, reason.message), TEXT_CHARS);
        let number = numbered(
            &mut self.error_numbers,
            &mut self.errors,
            &mut self.text_bytes,
            text,
        );
        self.number(number as u64);
    }
}

/// The number of a text, a new one if it is new and there is room.
fn numbered(
    numbers: &mut FxHashMap<String, usize>,
    texts: &mut Vec<String>,
    bytes: &mut usize,
    text: String,
) -> usize {
    if let Some(&number) = numbers.get(&text) {
        return number;
    }
    // Quotation marks, and a comma.
    let text = match *bytes + text.len() + 3 <= MOST_TEXT_BYTES {
        true => text,
        false => "(left out: see history.jsonl)".to_owned(),
    };
    let next = texts.len();
    let number = *numbers.entry(text.clone()).or_insert(next);
    if number == next {
        *bytes += text.len() + 3;
        texts.push(text);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::ErrorClass;

    fn operation(op: Op, outcome: Outcome) -> Operation {
        Operation {
            process: 300,
            op,
            outcome,
            invoked: 0,
            completed: 1,
            invoked_ns: 5_000,
            completed_ns: Some(1_005_000.into()),
            node: Some(2),
        }
    }

    fn bytes(operations: Vec<Operation>) -> (Vec<u8>, Packed) {
        let count = operations.len();
        let history = History {
            operations,
            ..History::default()
        };
        let indices: Vec<usize> = (0..count).collect();
        let packed = pack(&history, &indices, &Points::default(), 1_000);
        (STANDARD.decode(&packed.base64).expect("Base64"), packed)
    }

    #[test]
    fn numbers_are_those_of_the_table() {
        let cas = Op::Cas {
            key: 3.into(),
            expected: Value::text("a"),
            new: (-1).into(),
        };
        let (found, packed) = bytes(vec![
            operation(cas, Outcome::mismatch(Some(Value::Nil))),
            operation(
                Op::Read { key: Value::Nil },
                Outcome::info(ErrorClass::Timeout, "too late"),
            ),
        ]);
        let read = [1, 0, 3, 0, 0xe9, 0x07, 3, 0, 0, 0];
        let expected = [&[0, 0, 9, 5, 0xe9, 0x07, 3, 13, 2, 3, 4, 0], &read[..]].concat();
        assert_eq!(found, expected);
        assert_eq!(packed.processes, [300]);
        assert_eq!(packed.texts, ["\"a\"", "nil"]);
        assert_eq!(packed.errors, ["timeout: too late"]);
    }

    #[test]
    fn texts_are_bounded() {
        let write = |n: usize| {
            operation(
                Op::Write {
                    key: 1.into(),
                    value: Value::text(&format!("{n}{}", "x".repeat(1_000))),
                },
                Outcome::ok(),
            )
        };
        let (_, packed) = bytes((0..20_000).map(write).collect());
        let total: usize = packed.texts.iter().map(String::len).sum();
        assert!(total <= MOST_TEXT_BYTES, "{total}");
        assert!(packed.texts.last().is_some_and(|text| text.contains("left out")));
    }
}
