//! One register, watched: exactly while its values are written once each, by a broad search where they
//! repeat.
//!
//! The exact procedure is that of [`crate::objects::register::exact`], made to grow: a value's operations
//! join a block when one of them is known to have happened, and each completion is compared with what must
//! come after it.
//!
//! Invariants:
//! - A value that is forgotten can never be seen again without a violation. Anyone who sees it, or one that
//!   no one wrote, breaks a rule; which of the two is left to the judgement of the whole history.
//! - A cas that failed without telling what it found is not judged here.

use std::sync::Arc;

use history::{Failure, Op, Outcome, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::growing_blocks::{BlockId, Blocks};
use super::model::Register;
use crate::engine::frontier::by_frontier;
use crate::engine::search::Limits;
use crate::monitor::{Found, Monitor, Seen};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::Rule;

/// A register that repeats a value among so many operations at its beginning is watched from there by a
/// search.
const MOST_EARLY: usize = 256;

type NodeId = usize;

/// A value that can still be seen.
#[derive(Debug)]
struct Node {
    value: Value,
    /// No one for the initial value.
    writer: Option<Arc<Seen>>,
    /// What the writer must have found, if it is a cas.
    expected: Option<Value>,
    /// Its block, once it is known to have been written.
    block: Option<BlockId>,
    before: Option<NodeId>,
    next: Option<NodeId>,
    /// The first completion among all that comes behind its reads in its block.
    overwritten: Option<Arc<Seen>>,
    /// Who was the first to see it.
    reader: Option<Arc<Seen>>,
    /// On the way to being placed.
    is_walked: bool,
}

/// The exact procedure.
struct Exact {
    nodes: Vec<Option<Node>>,
    vacant: Vec<NodeId>,
    by_value: FxHashMap<Value, NodeId>,
    blocks: Blocks,
    /// How many values there may be before it is worth looking for some to forget.
    sweep_at: usize,
}

/// Why the exact procedure ends.
enum End {
    Found(Found),
    /// A value is written twice.
    Repeated,
}

impl From<Found> for End {
    fn from(found: Found) -> Self {
        End::Found(found)
    }
}

fn violation(rule: Rule, operations: &[&Arc<Seen>], sentence: Sentence) -> End {
    End::Found(Found::Violation {
        rule,
        operations: operations.iter().map(|&seen| seen.clone()).collect(),
        sentence,
    })
}

impl Exact {
    fn new(initial: &Value) -> Self {
        let mut exact = Exact {
            nodes: Vec::new(),
            vacant: Vec::new(),
            by_value: FxHashMap::default(),
            blocks: Blocks::default(),
            sweep_at: 64,
        };
        let block = exact.blocks.add_initial();
        exact.add(Node {
            block: Some(block),
            ..Node::new(initial.clone())
        });
        exact
    }

    fn add(&mut self, node: Node) {
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.nodes.len() - 1
        });
        self.by_value.insert(node.value.clone(), id);
        self.nodes[id] = Some(node);
    }

    fn node(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id)?.as_mut()
    }

    fn find(&self, value: &Value) -> Option<NodeId> {
        self.by_value.get(value).copied()
    }

    /// The place of the value that this operation was to write.
    fn written_by(&self, value: &Value, seen: &Arc<Seen>) -> Option<NodeId> {
        let id = self.find(value)?;
        let writer = self.nodes[id].as_ref()?.writer.as_ref()?;
        (writer.number == seen.number).then_some(id)
    }

    fn invoked(&mut self, seen: &Arc<Seen>) -> Result<(), End> {
        let (value, expected) = match &seen.operation.op {
            Op::Write { value, .. } => (value, None),
            Op::Cas { expected, new, .. } if expected != new => (new, Some(expected)),
            _ => return Ok(()),
        };
        if self.find(value).is_some() {
            return Err(End::Repeated);
        }
        self.add(Node {
            writer: Some(seen.clone()),
            expected: expected.cloned(),
            ..Node::new(value.clone())
        });
        Ok(())
    }

    fn completed(&mut self, seen: Seen, since: u64) -> Result<(), End> {
        let seen = Arc::new(seen);
        let operation = &seen.operation;
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(answer)) => {
                if let Some(value) = &answer.value {
                    self.saw(value, &seen)?;
                }
            }
            // It changes nothing, and so it is as good as a read.
            (Op::Cas { expected, new, .. }, Outcome::Ok(_)) if expected == new => self.saw(new, &seen)?,
            (Op::Write { value: new, .. } | Op::Cas { new, .. }, Outcome::Ok(_)) => self.wrote(new, &seen)?,
            // Not known, perhaps for ever: it stays where it is.
            (Op::Write { value: new, .. } | Op::Cas { new, .. }, Outcome::Info(_)) => {
                if let Some(node) = self.written_by(new, &seen).and_then(|id| self.node(id)) {
                    node.writer = Some(seen);
                }
            }
            (Op::Write { value: new, .. }, Outcome::Fail(_)) => self.failed(new, &seen)?,
            (Op::Cas { expected, new, .. }, Outcome::Fail(failure)) => {
                self.failed(new, &seen)?;
                if let Failure::Mismatch {
                    current: Some(current),
                } = failure
                {
                    if current == expected {
                        let sentence = sentence![
                            op(seen.number),
                            " found the very value that it expected, and yet it failed."
                        ];
                        return Err(violation(Rule::FoundExpected, &[&seen], sentence));
                    }
                    self.saw(current, &seen)?;
                }
            }
            _ => {}
        }
        self.forget(since);
        Ok(())
    }

    /// Someone saw a value without writing another one.
    fn saw(&mut self, value: &Value, seen: &Arc<Seen>) -> Result<(), End> {
        let id = self.place(value, seen)?;
        let Some(node) = self.node(id) else {
            return Ok(());
        };
        node.reader.get_or_insert_with(|| seen.clone());
        if let Some(overwritten) = &node.overwritten
            && overwritten.operation.completed < seen.operation.invoked
        {
            let sentence = sentence![
                op(seen.number),
                " began after ",
                op(overwritten.number),
                " had completed, by which time that value had been replaced."
            ];
            return Err(violation(
                Rule::OutOfOrder,
                &[seen, &overwritten.clone()],
                sentence,
            ));
        }
        self.joined(id, seen)
    }

    /// Someone wrote a value for certain.
    fn wrote(&mut self, value: &Value, seen: &Arc<Seen>) -> Result<(), End> {
        let id = self.place(value, seen)?;
        if let Some(node) = self.node(id) {
            node.writer = Some(seen.clone());
        }
        self.joined(id, seen)
    }

    /// No one wrote the value after all.
    fn failed(&mut self, value: &Value, seen: &Arc<Seen>) -> Result<(), End> {
        let Some(id) = self.written_by(value, seen) else {
            return Ok(());
        };
        let Some(node) = self.node(id) else {
            return Ok(());
        };
        if node.block.is_some() {
            let reader = node.reader.clone().unwrap_or_else(|| seen.clone());
            let sentence = sentence![
                op(reader.number),
                " saw a value that was never written: ",
                op(seen.number),
                " had no effect."
            ];
            return Err(violation(Rule::NeverWritten, &[&reader, seen], sentence));
        }
        self.remove(id);
        Ok(())
    }

    /// An operation with this value in its place has completed.
    fn joined(&mut self, id: NodeId, seen: &Arc<Seen>) -> Result<(), End> {
        let Some(node) = self.node(id) else {
            return Ok(());
        };
        let (block, mut before) = (node.block, node.before);
        // What comes before it in its block must not begin any more. Where something behind has completed
        // already, all that lies further ahead knows.
        while let Some(node) = before.and_then(|id| self.node(id))
            && node.overwritten.is_none()
        {
            node.overwritten = Some(seen.clone());
            before = node.before;
        }
        let Some(block) = block else {
            return Ok(());
        };
        self.blocks.began(block, seen.operation.invoked + 1, seen);
        self.blocks.ended(block, seen.operation.completed + 1, seen);
        match self.blocks.clash(block) {
            Some(other) => Err(self.comes_back(block, other)),
            None => Ok(()),
        }
    }

    /// Makes sure that a value that someone saw or wrote is in a block; where that is.
    fn place(&mut self, value: &Value, seen: &Arc<Seen>) -> Result<NodeId, End> {
        let mut path = Vec::new();
        let mut value = value.clone();
        loop {
            let Some(id) = self.find(&value) else {
                let sentence = match path.is_empty() {
                    true => sentence![
                        op(seen.number),
                        format!(
                            " saw {value}, which either was never written or had been overwritten when it began."
                        )
                    ],
                    false => sentence![
                        op(seen.number),
                        format!(
                            " shows that a cas found {value}, which either was never written or had been overwritten."
                        )
                    ],
                };
                return Err(violation(Rule::NeverWritten, &[seen], sentence));
            };
            let Some(node) = self.node(id) else {
                return Err(End::Found(Found::Lost(
                    "internal: a value has no place".to_owned(),
                )));
            };
            if node.block.is_some() {
                path.push(id);
                break;
            }
            if node.is_walked {
                let sentence = sentence![
                    op(seen.number),
                    " shows that several cas each found the value that the next one wrote, in a circle."
                ];
                return Err(violation(Rule::Circle, &[seen], sentence));
            }
            node.is_walked = true;
            node.reader.get_or_insert_with(|| seen.clone());
            path.push(id);
            match &node.expected {
                Some(expected) => value = expected.clone(),
                None => break,
            }
        }
        let mut before: Option<NodeId> = None;
        let mut last = 0;
        while let Some(id) = path.pop() {
            self.append(id, before, seen)?;
            (before, last) = (Some(id), id);
        }
        Ok(last)
    }

    /// Puts a value behind another one, or into a block of its own, unless it has its place.
    fn append(&mut self, id: NodeId, before: Option<NodeId>, seen: &Arc<Seen>) -> Result<(), End> {
        if self.node(id).is_none_or(|node| node.block.is_some()) {
            return Ok(());
        }
        let block = match before.and_then(|before| self.node(before)) {
            None => self.blocks.add(),
            Some(node) => {
                let block = node.block;
                if let Some(other) = node.next.replace(id) {
                    let writers = [other, id].map(|id| self.node(id).and_then(|node| node.writer.clone()));
                    let writers: Vec<&Arc<Seen>> = writers.iter().flatten().collect();
                    let both = Sentence::join(writers.iter().map(|seen| op(seen.number)), " and ");
                    let sentence = sentence![both, " replaced the same value."];
                    return Err(violation(Rule::ReplacedTwice, &writers, sentence));
                }
                match block {
                    Some(block) => block,
                    None => {
                        return Err(End::Found(Found::Lost(
                            "internal: a chain has no block".to_owned(),
                        )));
                    }
                }
            }
        };
        let Some(node) = self.node(id) else {
            return Ok(());
        };
        node.block = Some(block);
        node.before = before;
        node.is_walked = false;
        let writer = node.writer.clone().unwrap_or_else(|| seen.clone());
        self.blocks.began(block, writer.operation.invoked + 1, &writer);
        Ok(())
    }

    fn comes_back(&self, block: BlockId, other: BlockId) -> End {
        let ends = [self.blocks.ends(block), self.blocks.ends(other)];
        let [[a, d], [c, b]] = ends;
        let shown: Vec<&Arc<Seen>> = [d, c, b, a].into_iter().flatten().collect();
        let clause = |late: Option<&Arc<Seen>>, early: Option<&Arc<Seen>>| match (late, early) {
            (Some(late), Some(early)) => Some(sentence![
                op(late.number),
                " began after ",
                op(early.number),
                " had completed"
            ]),
            _ => None,
        };
        let clauses: Vec<Sentence> = [clause(d, c), clause(b, a)].into_iter().flatten().collect();
        let sentence = sentence![
            "A value that had been overwritten came back: ",
            Sentence::join(clauses, ", and "),
            "."
        ];
        violation(Rule::ComesBack, &shown, sentence)
    }

    /// Forgets values that no one can see any more, now and then.
    fn forget(&mut self, since: u64) {
        if self.by_value.len() < self.sweep_at {
            return;
        }
        let retired: FxHashSet<BlockId> = self.blocks.retire(since + 1).into_iter().collect();
        for id in 0..self.nodes.len() {
            let is_over = self.nodes[id].as_ref().is_some_and(|node| {
                let overwritten = node.overwritten.as_ref();
                node.block.is_some_and(|block| retired.contains(&block))
                    || overwritten.is_some_and(|seen| seen.operation.completed < since)
            });
            if is_over {
                self.remove(id);
            }
        }
        self.sweep_at = 2 * self.by_value.len() + 64;
    }

    fn remove(&mut self, id: NodeId) {
        if let Some(node) = self.nodes[id].take() {
            self.by_value.remove(&node.value);
            self.vacant.push(id);
            if let Some(next) = node.next.and_then(|next| self.node(next)) {
                next.before = None;
            }
        }
    }
}

impl Node {
    fn new(value: Value) -> Self {
        Node {
            value,
            writer: None,
            expected: None,
            block: None,
            before: None,
            next: None,
            overwritten: None,
            reader: None,
            is_walked: false,
        }
    }
}

/// Watches one register.
struct RegisterMonitor {
    way: Way,
    initial: Value,
    limits: Limits,
    /// What completed at the beginning, until there is too much of it.
    early: Option<Vec<Seen>>,
}

enum Way {
    Exact(Exact),
    Search(Box<dyn Monitor>),
}

/// The watch of a register.
pub(crate) fn register_monitor(initial: &Value, limits: &Limits) -> Result<Box<dyn Monitor>, String> {
    Ok(Box::new(RegisterMonitor {
        way: Way::Exact(Exact::new(initial)),
        initial: initial.clone(),
        limits: limits.clone(),
        early: Some(Vec::new()),
    }))
}

impl RegisterMonitor {
    /// Goes on with a search, from the beginning.
    fn search(&mut self) -> Result<(), Found> {
        let Some(early) = self.early.take() else {
            let why =
                format!("a value was written again after {MOST_EARLY} operations with values of their own");
            return Err(Found::Lost(why));
        };
        let register = Register {
            initial: self.initial.clone(),
        };
        let mut watch = by_frontier(register, &self.limits);
        for seen in early {
            // Held back until the next completion tells what else is under way.
            watch.completed(seen, 0)?;
        }
        self.way = Way::Search(watch);
        Ok(())
    }
}

impl Monitor for RegisterMonitor {
    fn invoked(&mut self, seen: &Arc<Seen>) -> Result<(), Found> {
        let Way::Exact(exact) = &mut self.way else {
            return Ok(());
        };
        match exact.invoked(seen) {
            Ok(()) => Ok(()),
            Err(End::Found(found)) => Err(found),
            Err(End::Repeated) => self.search(),
        }
    }

    fn completed(&mut self, seen: Seen, since: u64) -> Result<(), Found> {
        let exact = match &mut self.way {
            Way::Exact(exact) => exact,
            Way::Search(watch) => return watch.completed(seen, since),
        };
        if let Some(early) = &mut self.early {
            match early.len() < MOST_EARLY {
                true => early.push(seen.clone()),
                false => self.early = None,
            }
        }
        match exact.completed(seen, since) {
            Ok(()) => Ok(()),
            Err(End::Found(found)) => Err(found),
            Err(End::Repeated) => self.search(),
        }
    }

    fn finish(&mut self) -> Result<(), Found> {
        match &mut self.way {
            Way::Exact(_) => Ok(()),
            Way::Search(watch) => watch.finish(),
        }
    }

    fn held(&self) -> usize {
        match &self.way {
            Way::Exact(exact) => exact.by_value.len() + self.early.as_ref().map_or(0, Vec::len),
            Way::Search(watch) => watch.held(),
        }
    }
}
