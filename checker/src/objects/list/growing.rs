//! One list to which single elements are appended, whatever repeats ([`growing`]).

use history::Value;
use rustc_hash::FxHashMap;

use super::model::ListMicro;
use crate::engine::growing::{self, Grown, Growth};
use crate::model::Call;

/// Judges a list; `None` where a transaction does more than one thing, or asks for a version. No two answers
/// may contradict each other.
pub(super) fn judge(calls: &[Call<Vec<ListMicro>>]) -> Option<Grown> {
    let mut longest: &[Value] = &[];
    for call in calls {
        match call.op.as_slice() {
            [ListMicro::Read(_, seen)] if seen.len() > longest.len() => longest = seen,
            [ListMicro::Read(..) | ListMicro::Append(..)] => {}
            _ => return None,
        }
    }
    let mut numbers: FxHashMap<&Value, u32> = FxHashMap::default();
    let mut number = |element| {
        let next = numbers.len() as u32;
        *numbers.entry(element).or_insert(next)
    };
    let grown: Option<Vec<Call<Growth>>> = calls
        .iter()
        .map(|call| {
            let op = match call.op.as_slice() {
                [ListMicro::Append(_, element)] => Growth::Append(number(element)),
                [ListMicro::Read(_, seen)] if longest.starts_with(seen) => Growth::Read(seen.len()),
                _ => return None,
            };
            let (start, finish) = (call.start, call.finish);
            Some(Call { op, start, finish })
        })
        .collect();
    let grown = grown?;
    let longest: Vec<u32> = longest.iter().map(number).collect();
    Some(growing::judge(&longest, &grown))
}
