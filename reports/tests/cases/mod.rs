//! Small histories by hand, each wrong in its own way, for tests and for looking at.

#![allow(dead_code, reason = "each test and example uses a part")]

use checker::synthetic::{Synthetic, Violation, register};
use checker::{Analysis, Options, judge};
use history::{ErrorClass, Event, EventKind, History, Key, Op, Outcome, Process, Value};
use reports::{Checked, check_html};

/// A history and what was found out about it.
pub struct Case {
    pub name: String,
    pub history: History,
    pub analysis: Analysis,
    pub remarks: Vec<String>,
}

impl Case {
    /// Judges a history as a register with cas that holds `initial` at first.
    pub fn new(name: &str, history: History, initial: Value) -> Case {
        let options = Options {
            initial: Some(initial),
            keep_orders: true,
            ..Options::default()
        };
        let analysis = judge(&history, &options);
        Case {
            name: name.to_owned(),
            history,
            analysis,
            remarks: Vec::new(),
        }
    }

    /// Its page.
    pub fn html(&self) -> String {
        check_html(&Checked {
            name: &format!("{}.jsonl", self.name),
            history: &self.history,
            analysis: &self.analysis,
            plan: None,
            remarks: &self.remarks,
        })
        .expect("the page can be made")
    }
}

/// An operation: process, from and to in microseconds (no end: unknown), what, and its outcome.
pub type Line = (u64, u64, Option<u64>, Op, Outcome);

/// A history on one key.
pub fn history(lines: &[Line]) -> History {
    let mut events: Vec<Event> = Vec::new();
    for (process, from_us, to_us, op, outcome) in lines {
        let mut push = |time_us: u64, kind| {
            events.push(Event {
                time_ns: time_us * 1_000,
                process: Process::Client(*process),
                kind,
            });
        };
        let op = op.clone();
        push(*from_us, EventKind::Invoke { op, node: None });
        if let Some(to_us) = to_us {
            push(*to_us, EventKind::Complete(outcome.clone()));
        }
    }
    events.sort_by_key(|event| event.time_ns);
    History::from_events(events).expect("the lines are a history")
}

/// A read that saw `value`.
pub fn saw(value: i64) -> (Op, Outcome) {
    (Op::Read { key: Key::Nil }, Outcome::ok_value(Value::Int(value)))
}

/// A write that succeeded.
pub fn wrote(value: i64) -> (Op, Outcome) {
    let value = Value::Int(value);
    let key = Key::Nil;
    (Op::Write { key, value }, Outcome::ok())
}

/// A cas that succeeded.
pub fn swapped(expected: i64, new: i64) -> (Op, Outcome) {
    let op = Op::Cas {
        key: Key::Nil,
        expected: Value::Int(expected),
        new: Value::Int(new),
    };
    (op, Outcome::ok())
}

/// A cas that found another value.
pub fn refused(expected: i64, new: i64, found: i64) -> (Op, Outcome) {
    (
        swapped(expected, new).0,
        Outcome::mismatch(Some(Value::Int(found))),
    )
}

/// The same operation, but with an unknown outcome.
pub fn lost((op, _): (Op, Outcome)) -> (Op, Outcome) {
    (op, Outcome::info(ErrorClass::Timeout, "no answer within 1 s"))
}

/// One line.
pub fn line(process: u64, from_us: u64, to_us: u64, (op, outcome): (Op, Outcome)) -> Line {
    let end = (!outcome.is_info()).then_some(to_us);
    (process, from_us, end, op, outcome)
}

fn synthetic(
    operations: usize,
    clients: usize,
    open: usize,
    values: Option<i64>,
    wrong: Option<Violation>,
) -> History {
    register(&Synthetic {
        operations,
        clients,
        open,
        values,
        violation: wrong,
        seed: 5,
    })
}

/// All cases.
pub fn all() -> Vec<Case> {
    let nil = || Value::Nil;
    let zero = || Value::Int(0);
    vec![
        Case::new("stale-read", stale_read(), nil()),
        Case::new("far-apart", far_apart(), nil()),
        Case::new("comes-back", comes_back(), nil()),
        Case::new(
            "never-written",
            history(&[
                line(0, 1000, 2000, wrote(1)),
                line(1, 1500, 4000, saw(7)),
                line(2, 2500, 3000, saw(1)),
            ]),
            nil(),
        ),
        Case::new(
            "found-expected",
            history(&[
                line(0, 1000, 2000, wrote(1)),
                line(1, 2500, 4000, refused(1, 2, 1)),
                line(2, 4500, 5000, saw(1)),
            ]),
            nil(),
        ),
        Case::new("replaced-twice", replaced_twice(), nil()),
        Case::new("circle", circle(), nil()),
        Case::new("held-throughout", held_throughout(), nil()),
        Case::new("too-often", too_often(), nil()),
        Case::new("no-order", no_order(), nil()),
        Case::new("valid", valid(), nil()),
        Case::new(
            "unique-stale",
            synthetic(4_000, 30, 40, None, Some(Violation::Overwritten)),
            zero(),
        ),
        Case::new(
            "repeated-stale",
            synthetic(400, 10, 12, Some(5), Some(Violation::Overwritten)),
            zero(),
        ),
        Case::new(
            "repeated-too-many",
            synthetic(300, 10, 4, Some(5), Some(Violation::TooManyUses)),
            zero(),
        ),
        Case::new("synthetic-valid", synthetic(120, 6, 5, Some(5), None), zero()),
        Case::new("synthetic-large", synthetic(3_000, 6, 5, None, None), zero()),
    ]
}

/// 2 was written after 1, and then 1 is read.
pub fn stale_read() -> History {
    history(&[
        line(0, 1000, 2000, wrote(1)),
        line(1, 3000, 4000, wrote(2)),
        line(3, 3600, 5200, saw(2)),
        line(2, 7000, 8000, saw(1)),
        line(4, 7400, 8600, saw(2)),
        line(5, 4800, 9000, lost(wrote(9))),
    ])
}

/// The same, minutes apart, with other operations in between.
pub fn far_apart() -> History {
    let mut lines = vec![
        line(0, 1_000, 2_000, wrote(1)),
        line(1, 3_000, 4_000, wrote(2)),
        line(2, 95_007_000, 95_008_000, saw(1)),
    ];
    lines.extend((0..900).map(|n| line(3, 5_000 + n * 100_000, 6_500 + n * 100_000, saw(2))));
    history(&lines)
}

fn comes_back() -> History {
    history(&[
        line(0, 1000, 2000, wrote(1)),
        line(1, 3000, 4000, wrote(2)),
        line(2, 4500, 6000, saw(2)),
        line(3, 4600, 9000, saw(1)),
        line(2, 6500, 7000, saw(1)),
        line(4, 9500, 9800, saw(2)),
    ])
}

fn replaced_twice() -> History {
    history(&[
        line(0, 1000, 1500, wrote(1)),
        line(1, 2000, 3500, swapped(1, 2)),
        line(2, 2400, 4200, swapped(1, 3)),
        line(0, 4500, 5000, saw(3)),
    ])
}

fn circle() -> History {
    history(&[
        line(0, 1000, 3000, swapped(1, 2)),
        line(1, 1400, 3600, swapped(2, 3)),
        line(2, 1800, 3300, swapped(3, 1)),
        line(3, 500, 900, wrote(9)),
    ])
}

fn held_throughout() -> History {
    let (op, _) = swapped(1, 5);
    history(&[
        line(0, 1000, 2000, wrote(1)),
        (1, 3000, Some(4500), op, Outcome::mismatch(None)),
        line(2, 5000, 6000, saw(1)),
        line(3, 2800, 5600, lost(wrote(7))),
    ])
}

fn too_often() -> History {
    history(&[
        line(0, 1000, 1500, wrote(1)),
        line(0, 2000, 2500, wrote(2)),
        line(1, 2600, 3000, saw(2)),
        line(2, 2700, 9000, lost(wrote(1))),
        line(0, 3100, 3600, saw(1)),
        line(1, 3800, 4200, wrote(2)),
        line(3, 4400, 4800, saw(2)),
        line(0, 5000, 5600, saw(1)),
        line(3, 5800, 6400, saw(2)),
    ])
}

/// Values repeat, much is pending, and no order explains the last read: to become 3 the register was 2, and
/// nothing but the cas that made it so can do it again.
pub fn no_order() -> History {
    history(&[
        line(0, 1000, 1600, wrote(1)),
        line(1, 1200, 2400, wrote(1)),
        line(2, 1900, 2300, saw(1)),
        line(3, 2100, 9000, lost(swapped(1, 2))),
        line(4, 2200, 9000, lost(swapped(2, 3))),
        line(0, 2600, 3000, saw(1)),
        line(1, 2700, 4800, swapped(3, 4)),
        line(5, 3400, 9000, lost(swapped(4, 3))),
        line(2, 3300, 3900, refused(2, 5, 3)),
        line(0, 4200, 4600, saw(4)),
        line(2, 4900, 5300, saw(3)),
        line(0, 5400, 5900, saw(3)),
        line(1, 5600, 6400, saw(2)),
        line(2, 6500, 6900, saw(2)),
    ])
}

/// Everything has its order.
pub fn valid() -> History {
    history(&[
        line(0, 1000, 1600, wrote(1)),
        line(1, 1200, 2400, wrote(2)),
        line(2, 1900, 2300, saw(2)),
        line(3, 2100, 9000, lost(swapped(2, 3))),
        line(0, 2600, 3000, saw(2)),
        line(1, 2700, 4800, swapped(3, 4)),
        line(2, 3300, 3900, refused(2, 5, 3)),
        line(0, 4200, 4600, saw(4)),
    ])
}
