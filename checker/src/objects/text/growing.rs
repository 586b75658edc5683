//! Texts that nothing replaces, whatever pieces repeat ([`growing`]).

use super::model::{KvAppend, KvAppendOp};
use super::pieces::Pieces;
use crate::engine::growing::{self, Grown, Growth};
use crate::model::Call;

/// Judges a text; `None` if it is replaced, if some answer can be cut into pieces in more ways than one, or
/// if two answers contradict each other.
pub(super) fn judge(text: &KvAppend, calls: &[Call<KvAppendOp>]) -> Option<Grown> {
    let mut longest: &[u8] = text.initial.as_bytes();
    for call in calls {
        match &call.op {
            KvAppendOp::Read(seen) if seen.len() > longest.len() => longest = seen.as_bytes(),
            KvAppendOp::Read(_) | KvAppendOp::Append(_) => {}
            KvAppendOp::Write(_) => return None,
        }
    }
    let pieces = Pieces::new(calls.iter().filter_map(|call| match &call.op {
        KvAppendOp::Append(piece) => Some(piece.as_bytes()),
        _ => None,
    }))?;
    let parts = pieces.cut(longest.strip_prefix(text.initial.as_bytes())?)?;
    // How many parts make a beginning so long.
    let mut length = text.initial.len();
    let mut ends = vec![None; longest.len() + 1];
    ends[length] = Some(0);
    for (place, &part) in parts.iter().enumerate() {
        length += pieces.length(part);
        ends[length] = Some(place + 1);
    }
    let grown: Option<Vec<Call<Growth>>> = calls
        .iter()
        .map(|call| {
            let op = match &call.op {
                KvAppendOp::Append(piece) => Growth::Append(pieces.number(piece.as_bytes())?),
                KvAppendOp::Read(seen) if longest.starts_with(seen.as_bytes()) => {
                    Growth::Read(ends[seen.len()]?)
                }
                _ => return None,
            };
            let (start, finish) = (call.start, call.finish);
            Some(Call { op, start, finish })
        })
        .collect();
    Some(growing::judge(&parts, &grown?))
}
