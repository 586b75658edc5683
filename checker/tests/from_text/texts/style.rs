//! The ways in which a file may be written.

use history::{Op, Operation};
use rand::{Rng, RngExt};

use super::case::{Case, Holds, What};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    Edn,
    Json,
    Log,
    /// Porcupine's key-value text.
    Kv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    None,
    /// -1, which is none.
    Minus,
    /// From the start of the run, or since 1970.
    Growing(u64),
    /// Dates.
    Dates,
    /// Read at some moment near the event; only the order of the lines counts.
    Loose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As things happened.
    Events,
    /// The lines are mixed, and their indices tell.
    Indices,
    /// Operation by operation, and their times tell.
    Operations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Numbers,
    /// Numbers far apart, some beyond 32 bits.
    FarApart,
    Texts,
    Symbols,
    Keywords,
}

/// What the operations of a lock name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockNames {
    Nothing,
    Lock,
    Client,
    /// Every operation a thing of its own.
    Request,
}

#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub format: Format,
    pub times: Times,
    pub has_index: bool,
    pub order: Order,
    pub names: Names,
    /// A process goes on under the same number after an info.
    pub reuses: bool,
    /// In so many of ten cases an operation that did not end has a line that says so.
    pub info_lines: u32,
    /// In so many of ten cases a completion does not repeat its key.
    pub loses_keys: u32,
    /// In so many of ten cases a completion repeats what was asked.
    pub repeats: u32,
    /// In so many of ten cases only the completion says what was asked.
    pub late: u32,
    /// An empty answer is nil in so many of ten cases.
    pub nil_is_empty: u32,
    pub lock_names: LockNames,
    /// Fencing tokens stand in a field of their own.
    pub token_field: bool,
    /// Cas in one list with their keys: `[k 1 2]`.
    pub flat_cas: bool,
    /// Keys stand in a field of their own.
    pub key_field: bool,
    /// A mismatch is told as perjury tells it.
    pub tells_mismatch: bool,
    /// There are lines of a nemesis, and words of clients.
    pub others: bool,
    /// What people's files are strewn with: comments, discarded forms, fields that no one reads.
    pub strewn: bool,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Edn, Format::Json, Format::Log, Format::Kv];

    pub fn draw(rng: &mut dyn Rng, what: What) -> Format {
        let is_kv = matches!(what, What::Register | What::Text);
        match rng.random_range(0..8) {
            0..3 => Format::Edn,
            3 | 4 => Format::Json,
            5 if is_kv => Format::Kv,
            6 if is_kv => Format::Kv,
            _ => Format::Log,
        }
    }

    pub fn holds(self) -> Holds {
        match self {
            Format::Edn | Format::Log => Holds::Edn,
            Format::Json => Holds::Json,
            Format::Kv => Holds::Texts,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Format::Edn => "edn",
            Format::Json => "elle-json",
            Format::Log => "jepsen-log",
            Format::Kv => "porcupine-kv",
        }
    }
}

impl Style {
    pub fn draw(rng: &mut dyn Rng, format: Format, case: &Case) -> Style {
        let has_fields = matches!(format, Format::Edn | Format::Json);
        let growing = Times::Growing([0, 1_700_000_000_000_000_000][rng.random_range(0..2)]);
        let times = match rng.random_range(0..6) {
            0 if has_fields => Times::Minus,
            5 if has_fields => Times::Dates,
            1 | 2 => Times::None,
            _ if format == Format::Kv => Times::None,
            _ => growing,
        };
        let has_index = has_fields && rng.random_ratio(1, 2);
        let (times, order) = match (rng.random_range(0..6), has_index, times) {
            (0, true, _) => (times, Order::Indices),
            (1, true, _) => (Times::Loose, Order::Events),
            // What is within a drain cannot be listed apart from it.
            (0 | 1, false, Times::Growing(_) | Times::Dates)
                if has_fields && !case.drains.iter().any(|drain| drain.is_name) =>
            {
                (times, Order::Operations)
            }
            _ => (times, Order::Events),
        };
        let names = match (rng.random_range(0..6), format) {
            (0, _) => Names::FarApart,
            (1, Format::Edn | Format::Json) => Names::Texts,
            (2, Format::Edn) => Names::Symbols,
            (3, Format::Edn | Format::Log) => Names::Keywords,
            _ => Names::Numbers,
        };
        let lock_names = match rng.random_range(0..6) {
            0 if case.what.is_lock() => LockNames::Lock,
            1 if case.what.is_lock() => LockNames::Client,
            2 if case.what.is_lock() => LockNames::Request,
            _ => LockNames::Nothing,
        };
        // Where nothing is appended, a get of nil claims nothing.
        let appends = |operation: &Operation| matches!(operation.op, Op::Append { .. });
        let is_register = format == Format::Kv && !case.history.operations.iter().any(appends);
        let may_be_named = case.keys.is_none();
        Style {
            format,
            times,
            has_index,
            order,
            names,
            reuses: rng.random_ratio(1, 3),
            info_lines: [10, 10, 5, 0][rng.random_range(0..4)],
            loses_keys: [0, 0, 0, 3, 10][rng.random_range(0..5)],
            repeats: [10, 10, 5, 0][rng.random_range(0..4)],
            late: [0, 0, 0, 2][rng.random_range(0..4)],
            nil_is_empty: if is_register {
                0
            } else {
                [0, 0, 5][rng.random_range(0..3)]
            },
            lock_names: if may_be_named {
                lock_names
            } else {
                LockNames::Nothing
            },
            token_field: has_fields && (lock_names != LockNames::Nothing || rng.random_ratio(1, 4)),
            flat_cas: rng.random_ratio(1, 5),
            // Texts that have such fields are Porcupine's.
            key_field: has_fields && case.what != What::Text && rng.random_ratio(1, 8),
            tells_mismatch: has_fields && rng.random_ratio(1, 2),
            others: rng.random_ratio(1, 3) && format != Format::Kv,
            strewn: rng.random_ratio(1, 2),
        }
    }
}
