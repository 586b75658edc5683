//! The log in memory: what lies after the last compaction, and the term of the entry just before it.
//!
//! Invariant: indices are contiguous from `base_index + 1`, terms never fall (Raft §5.3).

use std::collections::VecDeque;
use std::sync::Arc;

use super::api::{Entry, Index, Term};

#[derive(Debug, Clone)]
pub(super) struct Log {
    base_index: Index,
    base_term: Term,
    entries: VecDeque<Arc<Entry>>,
}

impl Log {
    pub(super) fn new(base_index: Index, base_term: Term) -> Log {
        Log {
            base_index,
            base_term,
            entries: VecDeque::new(),
        }
    }

    /// The last entry that is no longer here; its term is still known.
    pub(super) fn base_index(&self) -> Index {
        self.base_index
    }

    pub(super) fn last_index(&self) -> Index {
        self.base_index + self.entries.len() as u64
    }

    pub(super) fn last_term(&self) -> Term {
        self.entries.back().map_or(self.base_term, |entry| entry.term)
    }

    pub(super) fn get(&self, index: Index) -> Option<&Arc<Entry>> {
        let offset = index.checked_sub(self.base_index + 1)?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// The term of an entry; `None` where it is compacted or not there yet.
    pub(super) fn term(&self, index: Index) -> Option<Term> {
        if index == self.base_index {
            Some(self.base_term)
        } else {
            self.get(index).map(|entry| entry.term)
        }
    }

    /// Appends the next entry.
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        debug_assert_eq!(entry.index, self.last_index() + 1);
        self.entries.push_back(entry);
    }

    /// Removes every entry after `index`.
    pub(super) fn truncate_after(&mut self, index: Index) {
        self.entries
            .truncate(usize::try_from(index.saturating_sub(self.base_index)).unwrap_or(usize::MAX));
    }

    /// Forgets the entries up to `index`, as far as they are here.
    pub(super) fn compact_to(&mut self, index: Index) {
        while self.base_index < index
            && let Some(entry) = self.entries.pop_front()
        {
            self.base_index = entry.index;
            self.base_term = entry.term;
        }
    }

    /// The entries from `from` on, at most `max_entries` and, beyond the first, at most `max_bytes` of
    /// payload.
    pub(super) fn batch(&self, from: Index, max_entries: usize, max_bytes: usize) -> Vec<Arc<Entry>> {
        let skip = usize::try_from(from.saturating_sub(self.base_index + 1)).unwrap_or(usize::MAX);
        let count = self.entries.len().saturating_sub(skip).min(max_entries.max(1));
        let mut batch = Vec::with_capacity(count);
        let mut bytes = 0;
        for entry in self.entries.iter().skip(skip).take(count) {
            bytes += entry.size();
            if bytes > max_bytes && !batch.is_empty() {
                break;
            }
            batch.push(entry.clone());
        }
        batch
    }

    /// The last entry at or before `index` whose term is at most `term`: where two logs may still agree
    /// (Raft §5.3, end). Stops at the base.
    pub(super) fn last_at_most(&self, index: Index, term: Term) -> (Index, Term) {
        let mut at = index.min(self.last_index()).max(self.base_index);
        loop {
            let found = self.term(at).unwrap_or(0);
            if found <= term || at <= self.base_index {
                return (at, found);
            }
            at -= 1;
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }
}
