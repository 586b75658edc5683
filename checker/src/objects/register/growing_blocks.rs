//! Blocks of a register's operations while they grow: which two must each come before the other?
//!
//! A block's first completion m is fixed as soon as there is one; only its last invocation M grows. Blocks i
//! and j clash iff m_i < M_j and m_j < M_i (see [`crate::objects::register::exact`]). While nothing clashes,
//! the *forward* blocks (m < M) are disjoint intervals, and no backward one lies within a forward one. So a
//! clash with a block that has changed is found
//! - among the blocks whose m lies within it: all that do not clash overlap its m, and those are no more than
//!   operations ever run at once;
//! - or in the one forward block that covers its m, which is the last one to begin before it.
//!
//! *Retiring.* Let no operation that is still to complete have been invoked before `since`, and let X be the
//! block with the greatest M among those with m < `since`. Whatever completes later on a block B with m_B <
//! M_X makes them clash, since m_X < `since`: B is not needed any more. Neither is it as a witness against
//! some C: without a clash M_B <= m_X, so that C, with m_C < M_B, is retired with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::monitor::Seen;

/// A block, by number.
pub(super) type BlockId = usize;

/// One end of a block, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub at: u64,
    /// No one's, for the initial value.
    pub by: Option<Arc<Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Block {
    /// The first completion, if there is one.
    m: Option<End>,
    /// The last invocation.
    big_m: Option<End>,
}

/// The blocks of one register.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    vacant: Vec<BlockId>,
    by_m: BTreeMap<u64, BlockId>,
    /// Those with m < M, by m.
    forward: BTreeMap<u64, BlockId>,
}

impl Block {
    fn big_m(&self) -> u64 {
        self.big_m.as_ref().map_or(0, |end| end.at)
    }
}

impl Blocks {
    /// A block without operations.
    pub fn add(&mut self) -> BlockId {
        self.vacant.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() - 1
        })
    }

    /// The block of the initial value, which was there before everything.
    pub fn add_initial(&mut self) -> BlockId {
        let id = self.add();
        self.blocks[id].m = Some(End { at: 0, by: None });
        self.by_m.insert(0, id);
        id
    }

    /// An operation of the block was invoked then.
    pub fn began(&mut self, id: BlockId, at: u64, by: &Arc<Seen>) {
        let block = &mut self.blocks[id];
        if block.big_m() < at {
            block.big_m = Some(End {
                at,
                by: Some(by.clone()),
            });
            if let Some(m) = &block.m
                && m.at < at
            {
                self.forward.insert(m.at, id);
            }
        }
    }

    /// An operation of the block has completed, later than everything so far.
    pub fn ended(&mut self, id: BlockId, at: u64, by: &Arc<Seen>) {
        let block = &mut self.blocks[id];
        if block.m.is_none() {
            block.m = Some(End {
                at,
                by: Some(by.clone()),
            });
            self.by_m.insert(at, id);
        }
    }

    /// A block that must come before this one and after it. To be asked after every change.
    pub fn clash(&self, id: BlockId) -> Option<BlockId> {
        let block = &self.blocks[id];
        let (m, big_m) = (block.m.as_ref()?.at, block.big_m());
        if m < big_m {
            let mut within = self.by_m.range(m + 1..big_m).map(|(_, &other)| other);
            if let Some(other) = within.find(|&other| self.blocks[other].big_m() > m) {
                return Some(other);
            }
        }
        let (_, &other) = self.forward.range(..m.min(big_m)).next_back()?;
        (self.blocks[other].big_m() > m).then_some(other)
    }

    /// Its first completion and its last invocation, as far as they are anybody's.
    pub fn ends(&self, id: BlockId) -> [Option<&Arc<Seen>>; 2] {
        let block = &self.blocks[id];
        [&block.m, &block.big_m].map(|end| end.as_ref().and_then(|end| end.by.as_ref()))
    }

    /// Takes out the blocks with which whatever completes later clashes, if it was invoked at `since` or
    /// later.
    pub fn retire(&mut self, since: u64) -> Vec<BlockId> {
        let mut widest: Option<(u64, BlockId)> = None;
        let mut second = 0;
        for (_, &id) in self.by_m.range(..since) {
            let big_m = self.blocks[id].big_m();
            match widest {
                Some((most, _)) if big_m <= most => second = second.max(big_m),
                _ => {
                    second = widest.map_or(0, |(most, _)| most);
                    widest = Some((big_m, id));
                }
            }
        }
        let Some((most, x)) = widest else {
            return Vec::new();
        };
        let retired: Vec<(u64, BlockId)> = self
            .by_m
            .range(..most)
            .filter(|&(m, id)| *id != x || *m < second)
            .map(|(&m, &id)| (m, id))
            .collect();
        for &(m, id) in &retired {
            self.by_m.remove(&m);
            self.forward.remove(&m);
            self.blocks[id] = Block::default();
            self.vacant.push(id);
        }
        retired.into_iter().map(|(_, id)| id).collect()
    }
}
