//! The answer to "what is it still?": a finding for each weaker model, how stale answers were, and plain
//! anomalies.

use std::fmt;

use history::units;
use serde::{Deserialize, Serialize};

use crate::sentence::Sentence;

/// A model that is weaker than linearizability.
///
/// Sequential consistency implies all others. Causal convergence implies the four session guarantees, which
/// are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// There is one order of all operations, on all keys, that explains every answer and keeps the order of
    /// each process (Lamport, "How to make a multiprocessor computer that correctly executes multiprocess
    /// programs", IEEE Trans. Comput. C-28(9), 1979). Real time does not count.
    SequentialConsistency,
    /// Each key by itself is sequentially consistent, which is less: orders of several keys need not fit
    /// together (Goodman, "Cache consistency and sequential consistency", 1989).
    SequentialPerKey,
    /// The causal order (of each process, and from a write to anyone who was answered with it) has no circle,
    /// and one order of all writes extends it in which every answer is the last one among those in its causal
    /// past (Bouajjani, Enea, Guerraoui & Hamza, "On verifying causal consistency", POPL 2017, CCv; a cas is
    /// a read and then a write).
    CausalConvergence,
    /// A process sees what it wrote itself (Terry et al., "Session guarantees for weakly consistent
    /// replicated data", PDIS 1994; this and the next three as [`mod@crate::consistency`] defines them).
    ReadYourWrites,
    /// A process goes on seeing what it was once answered with.
    MonotonicReads,
    /// Who was answered with a write sees from then on all that its process had written before it.
    MonotonicWrites,
    /// Who was answered with a write sees from then on all that its process had been answered with before it.
    WritesFollowReads,
}

/// What shows that a model is violated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The operations that contradict the model by themselves: indices into [`history::History::operations`],
    /// ascending.
    pub operations: Vec<usize>,
    /// Why, a few plain sentences.
    pub sentences: Vec<Sentence>,
}

/// What was found out about one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Finding {
    /// The history has it.
    Holds,
    /// The history has it not.
    Violated(Evidence),
    /// Undecided.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A model and what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The model.
    pub guarantee: Guarantee,
    /// What was found out.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How far behind real time answers were: a lower bound.
///
/// An answer with value v is *stale* if, before the operation that got it was invoked, another value was
/// there that was written after v: the write of the other value began after v's had completed (or after v had
/// been read), or it is the cas that replaced v; and it had completed (or had been read) by then. Where
/// several writes may have written v, the one counts that makes the answer the freshest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Staleness {
    /// How many answers named a value: reads, and what cas found.
    pub answers: usize,
    /// How many of them were stale.
    pub stale: usize,
    /// The largest time by which an answer was out of date, nanoseconds, at least.
    pub max_ns: u64,
    /// The 99th percentile among the stale answers.
    pub p99_ns: u64,
    /// The median among the stale answers.
    pub median_ns: u64,
    /// The operation with the largest: index into [`history::History::operations`].
    pub worst: Option<usize>,
    /// The operation that had completed so long before it, and shows that its value was overwritten.
    pub overwritten_by: Option<usize>,
    /// Both in a sentence; none if nothing was stale.
    pub sentence: Option<Sentence>,
}

/// Something that no register does, whatever the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// An answer names a value that no operation can have written.
    NeverWritten,
    /// An answer names a value that was written only by operations which began after it.
    FromTheFuture,
    /// A cas failed because it found the very value that it expected.
    FoundExpected,
    /// One process was answered with a value and then with one that had been overwritten before the former
    /// was written.
    BackInTime,
    /// A write was acknowledged, and then a cas replaced an older value, or its own process and everybody
    /// after it was answered with older values up to the end.
    LostWrite,
}

/// An anomaly, with its first example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// What it is.
    pub kind: AnomalyKind,
    /// How often.
    pub count: usize,
    /// The operations of the first example: indices into [`history::History::operations`].
    pub operations: Vec<usize>,
    /// The first example.
    pub sentence: Sentence,
}

/// What a history that is not linearizable still is: what was found out about each weaker guarantee, and the
/// anomalies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many keys there are; "per key" means something else only from two on.
    pub keys: usize,
    /// The models, in the order of [`Guarantee::ALL`].
    pub models: Vec<Judged>,
    /// How stale answers were.
    pub staleness: Staleness,
    /// The anomalies, each kind at most once.
    pub anomalies: Vec<Anomaly>,
    /// Where sequential consistency holds: an order that shows it, as indices into
    /// [`history::History::operations`]. Operations of unknown outcome stand in it if they are taken to have
    /// happened. See [`super::explains`].
    #[serde(skip)]
    pub witness: Vec<usize>,
}

impl Guarantee {
    /// All models, the strongest first.
    pub const ALL: [Guarantee; 7] = [
        Guarantee::SequentialConsistency,
        Guarantee::SequentialPerKey,
        Guarantee::CausalConvergence,
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
    ];
    /// The session guarantees.
    pub const SESSION: [Guarantee; 4] = [
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
    ];

    /// The name used in results.
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::SequentialConsistency => "sequential-consistency",
            Guarantee::SequentialPerKey => "sequential-per-key",
            Guarantee::CausalConvergence => "causal-convergence",
            Guarantee::ReadYourWrites => "read-your-writes",
            Guarantee::MonotonicReads => "monotonic-reads",
            Guarantee::MonotonicWrites => "monotonic-writes",
            Guarantee::WritesFollowReads => "writes-follow-reads",
        }
    }

    /// The name used in sentences.
    pub fn words(self) -> &'static str {
        match self {
            Guarantee::SequentialConsistency => "sequential consistency",
            Guarantee::SequentialPerKey => "sequential consistency of each key",
            Guarantee::CausalConvergence => "causal convergence",
            Guarantee::ReadYourWrites => "read your writes",
            Guarantee::MonotonicReads => "monotonic reads",
            Guarantee::MonotonicWrites => "monotonic writes",
            Guarantee::WritesFollowReads => "writes follow reads",
        }
    }

    /// Whether every history that has `self` also has `other`.
    pub fn implies(self, other: Guarantee) -> bool {
        use Guarantee::*;
        self == other
            || match self {
                SequentialConsistency => true,
                CausalConvergence => Guarantee::SESSION.contains(&other),
                SequentialPerKey => matches!(other, ReadYourWrites | MonotonicReads),
                ReadYourWrites | MonotonicReads | MonotonicWrites | WritesFollowReads => false,
            }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl AnomalyKind {
    /// The name used in results.
    pub fn name(self) -> &'static str {
        match self {
            AnomalyKind::NeverWritten => "never-written",
            AnomalyKind::FromTheFuture => "from-the-future",
            AnomalyKind::FoundExpected => "found-expected",
            AnomalyKind::BackInTime => "back-in-time",
            AnomalyKind::LostWrite => "lost-write",
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Finding {
    /// `holds`, `violated` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Finding::Holds => "holds",
            Finding::Violated(_) => "violated",
            Finding::Unknown { .. } => "unknown",
        }
    }
}

impl Findings {
    /// What was found out about a model; none if it was not judged.
    pub fn finding(&self, guarantee: Guarantee) -> Option<&Finding> {
        let judged = self.models.iter().find(|judged| judged.guarantee == guarantee);
        judged.map(|judged| &judged.finding)
    }

    /// The strongest models that hold: those that no other model which holds implies.
    pub fn strongest(&self) -> Vec<Guarantee> {
        let holds = self.with("holds");
        let implied = |weak: &Guarantee| holds.iter().any(|strong| strong != weak && strong.implies(*weak));
        holds.iter().copied().filter(|weak| !implied(weak)).collect()
    }

    /// What is left of the promise, in one line without a capital letter and a full stop, such as
    /// `sequentially consistent; answers up to 1.8 s stale`.
    pub fn in_short(&self) -> String {
        let list = |models: &[Guarantee]| {
            let words: Vec<&str> = models.iter().map(|model| model.words()).collect();
            words.join(", ")
        };
        if self.is_inexplicable() {
            return "no consistency model explains a value that was never written".to_owned();
        }
        let mut parts = Vec::new();
        let strongest = self.strongest();
        match strongest.as_slice() {
            [Guarantee::SequentialConsistency] => parts.push("sequentially consistent".into()),
            [] => parts.push("none of the weaker models is known to hold".into()),
            // On a single key the two are one.
            [Guarantee::SequentialPerKey, rest @ ..] if self.keys > 1 => {
                parts.push("sequentially consistent key by key".into());
                if !rest.is_empty() {
                    parts.push(format!("also holds: {}", list(rest)));
                }
            }
            some => parts.push(format!("holds: {}", list(some))),
        }
        let models = |name: &str| -> Vec<Guarantee> {
            (self.with(name).into_iter())
                .filter(|model| self.keys > 1 || *model != Guarantee::SequentialPerKey)
                .collect()
        };
        let violated = models("violated");
        // Only the weakest: what is stronger is violated with them.
        let weakest: Vec<Guarantee> = (violated.iter().copied())
            .filter(|strong| {
                !violated
                    .iter()
                    .any(|weak| weak != strong && strong.implies(*weak))
            })
            .collect();
        if !weakest.is_empty() {
            parts.push(format!("violated: {}", list(&weakest)));
        }
        let unknown = models("unknown");
        if !unknown.is_empty() {
            parts.push(format!("undecided: {}", list(&unknown)));
        }
        if self.staleness.stale > 0 {
            parts.push(format!(
                "answers up to {} stale",
                units::at_least(self.staleness.max_ns)
            ));
        }
        parts.join("; ")
    }

    /// Whether there is nothing to tell about weaker models: an answer shows a value that no one wrote, and
    /// none of them holds.
    pub fn is_inexplicable(&self) -> bool {
        let is_phantom = |anomaly: &Anomaly| anomaly.kind == AnomalyKind::NeverWritten;
        self.anomalies.iter().any(is_phantom) && self.with("holds").is_empty()
    }

    fn with(&self, name: &str) -> Vec<Guarantee> {
        let judged = self.models.iter().filter(|judged| judged.finding.name() == name);
        judged.map(|judged| judged.guarantee).collect()
    }
}
