//! Watches the store during a run: which node leads, which processes died on their own, what each node says
//! of itself, and how large it is. What is seen becomes notes in the history; nothing is judged here.
//!
//! Invariant: a look never waits longer than its limit, and what has been noted is not noted again.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use control::{Db, EnvKind, Environment, Node};
use history::{Fact, Note, NoteKind, Size, StateHash};
use tokio::time::{Instant, timeout};

use super::{Dispatcher, Runtime};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(100);
/// The time between two questions to every node about itself.
const OBSERVE_INTERVAL: Duration = Duration::from_millis(500);
/// How long all nodes may take to answer such a question.
const OBSERVE_LIMIT: Duration = Duration::from_secs(1);
/// How long all nodes may take to answer the last one.
const LAST_LIMIT: Duration = Duration::from_secs(10);
/// The time between two measurements of size.
const SIZE_INTERVAL: Duration = Duration::from_secs(2);
/// The most files of a data directory that are counted.
const MOST_FILES: usize = 10_000;
/// The most terms of a node that are noted; a store that reports ever more would fill the history.
const MOST_TERMS: usize = 10_000;
/// The most states at one index that are told apart.
const MOST_STATES: usize = 200;
/// At how many indices states are kept for comparison.
const MOST_INDICES: usize = 50_000;

/// Records a note in the history whenever another node leads, or the same one in another term, and whenever a
/// node's process dies although no fault killed it; and what the nodes say of themselves.
pub struct StoreWatch<R> {
    dispatcher: Arc<Dispatcher<R>>,
    db: Arc<dyn Db>,
    nodes: Vec<Node>,
    /// Whether the nodes' processes and files can be seen from here.
    is_local: bool,
    seen: Seen,
}

/// What has been seen already.
#[derive(Default)]
struct Seen {
    terms: BTreeMap<usize, BTreeSet<u64>>,
    /// By index and base: the first state that was seen, and the others.
    states: BTreeMap<(u64, u64), States>,
    /// Whether states are noted that are the same as those of other nodes.
    notes_all: bool,
}

/// Who had which state at one index, and whether that was noted.
#[derive(Default)]
struct States {
    seen: Vec<(usize, String)>,
    noted: usize,
}

impl<R: Runtime> StoreWatch<R> {
    /// A watch that has seen nothing yet.
    pub fn new(
        dispatcher: Arc<Dispatcher<R>>,
        db: Arc<dyn Db>,
        environment: &dyn Environment,
    ) -> StoreWatch<R> {
        StoreWatch {
            dispatcher,
            db,
            nodes: environment.nodes().to_vec(),
            is_local: matches!(environment.kind(), EnvKind::Netns | EnvKind::Local),
            seen: Seen::default(),
        }
    }

    /// Watches until it is dropped.
    pub async fn run(mut self) {
        let mut leader = None;
        let mut crashed = BTreeSet::new();
        let mut observed: Option<Instant> = None;
        let mut measured: Option<Instant> = None;
        let is_due = |last: Option<Instant>, interval| last.is_none_or(|last| last.elapsed() >= interval);
        loop {
            let primaries = self.db.primaries().await;
            // An isolated old leader may take itself for the leader for a while; the newest one counts.
            if let Some(&first) = primaries.first()
                && leader != Some(first)
            {
                leader = Some(first);
                let others: Vec<String> =
                    (primaries[1..].iter().map(|primary| self.name(primary.node))).collect();
                let detail = match others.is_empty() {
                    true => String::new(),
                    false => format!("{} still claims to lead", others.join(", ")),
                };
                self.dispatcher.record_note(Note {
                    node: self.name(first.node),
                    term: first.term,
                    detail,
                    ..Note::new(NoteKind::Leader)
                });
            }
            let now: BTreeSet<usize> = self.db.crashed().await.into_iter().collect();
            for &index in now.difference(&crashed) {
                self.dispatcher.note(
                    NoteKind::Crash,
                    &self.name(index),
                    "its process ended, and no fault had ended it".into(),
                );
            }
            crashed = now;
            if is_due(observed, OBSERVE_INTERVAL) {
                observed = Some(Instant::now());
                if let Ok(facts) = timeout(OBSERVE_LIMIT, self.db.observe()).await {
                    self.note_facts(facts);
                }
            }
            if self.is_local && is_due(measured, SIZE_INTERVAL) {
                measured = Some(Instant::now());
                self.measure().await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Asks the nodes once, after the last reads, what only a quiet store can say.
    pub async fn look_last(mut self) {
        self.seen.notes_all = true;
        if let Ok(facts) = timeout(LAST_LIMIT, self.db.observe_last()).await {
            self.note_facts(facts);
        }
    }

    fn name(&self, index: usize) -> String {
        let node = self.nodes.get(index);
        node.map_or_else(|| index.to_string(), |node| node.name.clone())
    }

    fn note_facts(&mut self, facts: Vec<(usize, Fact)>) {
        for (node, fact) in facts {
            for (node, kind, fact) in self.seen.news(node, fact) {
                self.dispatcher.record_measurement(Note {
                    node: self.name(node),
                    fact: Some(fact),
                    ..Note::new(kind)
                });
            }
        }
    }

    async fn measure(&self) {
        for node in &self.nodes {
            let processes = self.db.processes(node.index).await;
            let data = self.db.data_dir(node.index);
            // Reading a directory blocks.
            let measured = tokio::task::spawn_blocking(move || {
                let memory = processes.iter().map(|process| resident_bytes(process.pid)).sum();
                Size {
                    memory_bytes: memory,
                    data_bytes: bytes_in(&data),
                }
            });
            // What does not run has no memory, which is no measurement.
            if let Ok(size) = measured.await
                && size.memory_bytes > 0
            {
                self.dispatcher.record_measurement(Note {
                    node: node.name.clone(),
                    fact: Some(Fact::Size(size)),
                    ..Note::new(NoteKind::Size)
                });
            }
        }
    }
}

impl Seen {
    /// What of a fact is worth a note: terms that are new, and states as soon as they differ.
    fn news(&mut self, node: usize, fact: Fact) -> Vec<(usize, NoteKind, Fact)> {
        match fact {
            Fact::Led(terms) => {
                let known = self.terms.entry(node).or_default();
                let room = MOST_TERMS.saturating_sub(known.len());
                let new: Vec<u64> = terms
                    .into_iter()
                    .filter(|term| known.insert(*term))
                    .take(room)
                    .collect();
                match new.is_empty() {
                    true => Vec::new(),
                    false => vec![(node, NoteKind::Led, Fact::Led(new))],
                }
            }
            Fact::State(StateHash { index, base, hash }) => {
                let states = self.states.entry((index, base)).or_default();
                let state = (node, hash);
                if states.seen.contains(&state) || states.seen.len() >= MOST_STATES {
                    return Vec::new();
                }
                states.seen.push(state);
                let differ = states.seen.iter().any(|(_, hash)| *hash != states.seen[0].1);
                if !differ && !self.notes_all {
                    self.forget();
                    return Vec::new();
                }
                let new = states.seen.iter().skip(states.noted).map(|(node, hash)| {
                    let hash = hash.clone();
                    (
                        *node,
                        NoteKind::State,
                        Fact::State(StateHash { index, base, hash }),
                    )
                });
                let new = new.collect();
                states.noted = states.seen.len();
                new
            }
            Fact::NotBack(_) | Fact::Size(_) => Vec::new(),
        }
    }

    /// Of ever more states, the oldest go.
    fn forget(&mut self) {
        while self.states.len() > MOST_INDICES {
            self.states.pop_first();
        }
    }
}

/// The memory that a process keeps resident (proc_pid_status(5), `VmRSS`); 0 if it is gone.
fn resident_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// The bytes of the store's files in a directory and below, of at most [`MOST_FILES`]. What perjury itself
/// puts there does not count, nor what lies in holes.
fn bytes_in(directory: &Path) -> u64 {
    let mut bytes = 0;
    let mut files = 0;
    let mut left: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            // Of a link itself, not of what it leads to.
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            if files > MOST_FILES {
                return bytes;
            }
            match metadata.is_dir() {
                true => left.push(entry.path()),
                false if control::inside::is_own(&entry.path()) => {}
                false => bytes += metadata.len().min(metadata.blocks() * 512),
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_noted_twice() {
        let state = |index: u64, hash: &str| {
            Fact::State(StateHash {
                index,
                base: 0,
                hash: hash.into(),
            })
        };
        let led = |terms: &[u64]| Fact::Led(terms.to_vec());
        // Who, what was seen, what is noted of whom.
        let mut seen = Seen::default();
        for (node, fact, new) in [
            (0, led(&[1]), vec![(0, led(&[1]))]),
            (0, led(&[1]), vec![]),
            (0, led(&[1, 4]), vec![(0, led(&[4]))]),
            (1, led(&[4]), vec![(1, led(&[4]))]),
            (0, state(5, "a"), vec![]),
            (1, state(5, "a"), vec![]),
            (1, state(5, "a"), vec![]),
            (0, state(6, "c"), vec![]),
            // Now they differ, and all that was seen there counts.
            (
                2,
                state(5, "b"),
                vec![(0, state(5, "a")), (1, state(5, "a")), (2, state(5, "b"))],
            ),
            (3, state(5, "a"), vec![(3, state(5, "a"))]),
            (2, state(5, "b"), vec![]),
            // The same node at the same index.
            (0, state(6, "d"), vec![(0, state(6, "c")), (0, state(6, "d"))]),
        ] {
            let told = seen.news(node, fact.clone()).into_iter();
            let told: Vec<(usize, Fact)> = told.map(|(node, _, fact)| (node, fact)).collect();
            assert_eq!(told, new, "{fact:?} of {node}");
        }
        let mut last = Seen {
            notes_all: true,
            ..Seen::default()
        };
        assert_eq!(last.news(0, state(5, "a")).len(), 1);
        assert_eq!(last.news(1, state(5, "a")).len(), 1);
    }

    #[test]
    fn directories_are_measured_to_the_bottom() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("a"), [0; 100]).unwrap();
        std::fs::write(dir.path().join("sub/b"), [0; 23]).unwrap();
        assert_eq!(bytes_in(dir.path()), 123);
        assert_eq!(bytes_in(&dir.path().join("gone")), 0);
    }
}
