//! What must hold after every step: the five properties of Raft's figure 3, and that answers are true.
//!
//! Incremental: a step changes one node, so only what that node's step changed is looked at.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use raft::core::api::{Body, Entry, Index, NodeId, Payload, Term};
use raft::core::{Core, Role};
use raft::machine::{Applied, Command, Machine, Output, Value};

/// The session limit of every machine in the simulation.
pub const MAX_SESSIONS: usize = 2;

/// A committed entry and the term of the leader that committed it.
struct Committed {
    entry: Arc<Entry>,
    in_term: Term,
}

/// What one node's log and indices were after its last step.
#[derive(Default)]
struct Seen {
    /// From `base + 1` on.
    log: Vec<Arc<Entry>>,
    base: Index,
    commit: Index,
    snapshot_index: Index,
    led_term: Option<Term>,
}

/// Everything that was ever observed, and the reference machine that it implies.
pub struct Checks {
    leaders: BTreeMap<Term, (NodeId, u32)>,
    /// Every entry ever in any log, with the term of the one before it.
    entries: HashMap<(Index, Term), (Arc<Entry>, Term)>,
    committed: Vec<Committed>,
    seen: HashMap<NodeId, Seen>,
    reference: Machine,
    /// Each unique value: where it was first applied and what that returned.
    applied: HashMap<i64, (Index, Output)>,
    /// Per key: no later answer may be older than this index.
    floors: HashMap<String, Index>,
}

type Check = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

impl Checks {
    pub fn new() -> Checks {
        Checks {
            leaders: BTreeMap::new(),
            entries: HashMap::new(),
            committed: Vec::new(),
            seen: HashMap::new(),
            reference: Machine::new(MAX_SESSIONS),
            applied: HashMap::new(),
            floors: HashMap::new(),
        }
    }

    /// The highest committed index that was observed.
    pub fn committed_index(&self) -> Index {
        self.committed.len() as u64
    }

    /// A crash: the next look at the node sees whatever its disk kept.
    pub fn forget(&mut self, node: NodeId) {
        self.seen.remove(&node);
    }

    /// Looks at a node after its step in its `life`-th life; `brought` is the message that the step was
    /// about.
    pub fn step(&mut self, core: &Core, life: u32, brought: Option<&Body>) -> Check {
        let status = core.status();
        ensure(status.conflicts == 0, || {
            format!("node {} met {} contradictions", status.id, status.conflicts)
        })?;
        let mut seen = self.seen.remove(&status.id).unwrap_or_default();
        let leads = status.role == Role::Leader;
        let still_leads = leads && seen.led_term == Some(status.term);
        let mut vanished = self.look_at_log(core, &mut seen, still_leads)?;
        match brought {
            // May be appended, committed and compacted away in one step.
            Some(Body::Append { entries, .. }) => {
                vanished.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            // What vanished may have been uncommitted; the snapshot replaces what was committed.
            Some(Body::InstallSnapshot { .. }) => vanished.clear(),
            _ => {}
        }
        self.look_at_commit(core, &mut seen, &vanished)?;
        if leads && !still_leads {
            self.look_at_new_leader(core, life)?;
        }
        seen.led_term = leads.then_some(status.term);
        if status.snapshot_index != seen.snapshot_index {
            seen.snapshot_index = status.snapshot_index;
            self.machine_is_right(core)?;
        }
        self.seen.insert(status.id, seen);
        Ok(())
    }

    /// Log matching: entries with the same index and term are the same and so is all before them. By
    /// induction it is enough to compare each new entry and the term of the one before it. Leader
    /// append-only: a leader's log only grows at its end. Gives the entries that the step compacted away.
    fn look_at_log(
        &mut self,
        core: &Core,
        seen: &mut Seen,
        still_leads: bool,
    ) -> Result<HashMap<Index, Arc<Entry>>, String> {
        let status = core.status();
        let base = core.log_base().0;
        let mut vanished = HashMap::new();
        if base != seen.base {
            let gone = base.saturating_sub(seen.base).min(seen.log.len() as u64) as usize;
            vanished.extend(seen.log.drain(..gone).map(|entry| (entry.index, entry)));
            seen.base = base;
        }
        let mut same = seen.log.len();
        let fits = |at: usize, log: &[Arc<Entry>]| {
            core.entry(base + at as u64)
                .is_some_and(|entry| Arc::ptr_eq(entry, &log[at - 1]))
        };
        while same > 0 && !fits(same, &seen.log) {
            same -= 1;
        }
        ensure(!still_leads || same == seen.log.len(), || {
            format!(
                "leader append-only: leader {} changed its log at {}",
                status.id,
                base + same as u64 + 1
            )
        })?;
        seen.log.truncate(same);
        for index in base + same as u64 + 1..=status.last_index {
            let entry = core
                .entry(index)
                .ok_or_else(|| format!("node {} has a hole", status.id))?;
            let prev = if index == base + 1 {
                core.log_base().1
            } else {
                core.entry(index - 1).map_or(0, |prev| prev.term)
            };
            let key = (index, entry.term);
            let (known, known_prev) = self.entries.entry(key).or_insert_with(|| (entry.clone(), prev));
            ensure(
                (Arc::ptr_eq(known, entry) || known == entry) && *known_prev == prev,
                || {
                    format!(
                        "log matching: node {} has another entry {index} of term {}",
                        status.id, entry.term
                    )
                },
            )?;
            seen.log.push(entry.clone());
        }
        Ok(vanished)
    }

    /// State machine safety: no two nodes apply different entries at an index.
    fn look_at_commit(
        &mut self,
        core: &Core,
        seen: &mut Seen,
        vanished: &HashMap<Index, Arc<Entry>>,
    ) -> Check {
        let status = core.status();
        for index in seen.commit + 1..=status.commit {
            let known = self.committed.get(index as usize - 1);
            match (known, core.entry(index).or(vanished.get(&index))) {
                (Some(known), Some(entry)) => ensure(known.entry == *entry, || {
                    format!(
                        "state machine safety: node {} commits another entry {index}",
                        status.id
                    )
                })?,
                // Came with a snapshot; the machine is compared instead.
                (Some(_), None) => {}
                (None, Some(entry)) => {
                    self.committed.push(Committed {
                        entry: entry.clone(),
                        in_term: status.term,
                    });
                    self.apply_reference(index, &entry.clone())?;
                }
                (None, None) => return Err(format!("node {} committed an unseen entry {index}", status.id)),
            }
        }
        seen.commit = status.commit;
        Ok(())
    }

    /// Election safety: at most one leader a term. Leader completeness: it has everything that was committed
    /// in earlier terms.
    fn look_at_new_leader(&mut self, core: &Core, life: u32) -> Check {
        let status = core.status();
        let first = *self.leaders.entry(status.term).or_insert((status.id, life));
        ensure(first == (status.id, life), || {
            format!(
                "election safety: term {} has two leaders, {} and {}",
                status.term, first.0, status.id
            )
        })?;
        for (index, committed) in (1..).zip(&self.committed) {
            let complete = committed.in_term >= status.term
                || index <= core.log_base().0
                || core.entry(index).is_some_and(|entry| *entry == committed.entry);
            ensure(complete, || {
                format!(
                    "leader completeness: leader {} of term {} lacks entry {index}",
                    status.id, status.term
                )
            })?;
        }
        Ok(())
    }

    /// The machine of a node is what the committed entries up to its applied index give.
    pub fn machine_is_right(&self, core: &Core) -> Check {
        let mut machine = Machine::new(MAX_SESSIONS);
        let applied = core.status().applied;
        for (index, committed) in (1..=applied).zip(&self.committed) {
            apply(&mut machine, index, &committed.entry);
        }
        ensure(machine == *core.machine(), || {
            format!(
                "state machine safety: node {} has another state at {applied}",
                core.status().id
            )
        })
    }

    fn apply_reference(&mut self, index: Index, entry: &Entry) -> Check {
        let before = target_of(entry).map(|(key, value)| (self.reference.read(key), value));
        let output = apply(&mut self.reference, index, entry);
        let (Some((before, value)), Some((key, _))) = (before, target_of(entry)) else {
            return Ok(());
        };
        if self.applied.contains_key(&value) {
            return ensure(self.reference.read(key) == before, || {
                format!("sessions: the request with value {value} was applied again at {index}")
            });
        }
        if let Some(Applied::Output(output)) = output {
            self.applied.insert(value, (index, output));
        }
        Ok(())
    }

    /// What an answer to a question asked now must be at least as new as.
    pub fn floor(&self, key: &str) -> Index {
        self.floors.get(key).copied().unwrap_or(0)
    }

    /// A command was acknowledged: it is committed, and this is what it returned.
    pub fn acknowledged(&mut self, key: &str, value: i64, output: &Output) -> Check {
        let Some((index, expected)) = self.applied.get(&value) else {
            return Err(format!(
                "durability: {value} was acknowledged and is not committed"
            ));
        };
        ensure(output == expected, || {
            format!("the request with value {value} returned {output:?}, its entry {expected:?}")
        })?;
        // A cas that failed wrote nothing: it returns the value that it found, like a read.
        let index = match output {
            Output::Written => *index,
            Output::CasFailed { current } => self.written_at(current)?,
            Output::Added(_) | Output::NotAdded { .. } => return Err("no client adds".to_owned()),
        };
        self.raise_floor(key, index);
        Ok(())
    }

    /// A read asked when the key's floor was `floor` returned `value`.
    pub fn read(&mut self, key: &str, floor: Index, value: &Value) -> Check {
        let index = self.written_at(value)?;
        ensure(index >= floor, || {
            format!(
                "linearizability: a read of {key} returned the state of {index}, but {floor} was known before"
            )
        })?;
        self.raise_floor(key, index);
        Ok(())
    }

    fn raise_floor(&mut self, key: &str, index: Index) {
        let floor = self.floors.entry(key.to_owned()).or_default();
        *floor = (*floor).max(index);
    }

    /// The index of the entry that wrote `value`.
    fn written_at(&self, value: &Value) -> Result<Index, String> {
        match value {
            Value::Nil => Ok(0),
            Value::Int(value) => match self.applied.get(value) {
                Some((index, Output::Written)) => Ok(*index),
                _ => Err(format!("{value} was answered, but no committed entry wrote it")),
            },
            Value::Text(text) => Err(format!("{text} was answered, but it was never written")),
        }
    }
}

fn apply(machine: &mut Machine, index: Index, entry: &Entry) -> Option<Applied> {
    match &entry.payload {
        Payload::Apply { session, command } => {
            Some(machine.apply(index, session.map(|s| (s.client, s.sequence)), command))
        }
        Payload::OpenSession => {
            machine.open_session(index);
            None
        }
        Payload::Noop | Payload::Membership(_) => None,
    }
}

/// The key that a command is about and the unique value that it brings.
pub fn target(command: &Command) -> Option<(&str, i64)> {
    match command {
        Command::Write {
            key,
            value: Value::Int(value),
        }
        | Command::Cas {
            key,
            new: Value::Int(value),
            ..
        } => Some((key, *value)),
        _ => None,
    }
}

fn target_of(entry: &Entry) -> Option<(&str, i64)> {
    match &entry.payload {
        Payload::Apply { command, .. } => target(command),
        _ => None,
    }
}
