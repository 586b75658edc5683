//! What the checker says of one object: verdicts, decisions, conflicts and the rules that they break.
//!
//! Invariants:
//! - Verdicts merge as invalid > unknown > valid.
//! - Operations are named by their index into [`history::History::operations`].
//! - Everything published here was re-checked ([`crate::check`], step 5).

use std::fmt;

use history::{History, Key};
use serde::{Deserialize, Serialize};

use crate::sentence::Sentence;
use crate::undecided::Undecided;

/// How many conflicts, and how many reasons for `unknown`, an [`crate::Analysis`] carries at most.
pub const MOST_LISTED: usize = 100;

/// Whether a history is linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verdict {
    /// There is an order that explains every answer.
    Valid,
    /// There is none.
    Invalid,
    /// The checker gave up before it could tell.
    Unknown,
}

/// Indices into [`history::History::operations`], in an order that explains every answer. Every definite
/// operation stands in it once; an operation with an unknown outcome stands in it if it is taken to have
/// happened.
pub type Linearization = Vec<usize>;

/// What was found out about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Linearizable, with the order that shows it.
    Valid(Linearization),
    /// Not linearizable, with the operations that show it.
    Invalid(Box<Conflict>),
    /// Undecided: why, and how far the search got.
    Unknown(Undecided),
}

/// Why the operations on one key have no linearization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The key.
    pub key: Key,
    /// The operations that contradict each other, at most a handful, in the order in which to read them:
    /// indices into [`history::History::operations`].
    pub operations: Vec<usize>,
    /// The successful cas that tie the values of `operations` together, and what shows that they happened.
    /// Often empty, sometimes long. Together with `operations` they are the whole proof (not so for
    /// [`Rule::NoOrder`]).
    pub links: Vec<usize>,
    /// At most three plain sentences.
    pub sentences: Vec<Sentence>,
    /// Which rule was broken.
    pub rule: Rule,
    /// For a stale answer: how long it had been out of date when the operation began, nanoseconds, at least.
    pub stale_by_ns: Option<u64>,
    /// Only for [`Rule::NoOrder`]: the longest order that was found for operations at the beginning.
    #[serde(skip)]
    pub prefix: Linearization,
    /// Whether a second, independent procedure came to the same result. Always true but for
    /// [`Rule::NoOrder`], where the second procedure may run into its own limits.
    pub confirmed: bool,
}

/// Which rule a conflict breaks. Values are written once each, except for [`Rule::NoOrder`] and where a rule
/// says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Rule {
    /// An answer names a value that no operation can have written.
    NeverWritten,
    /// A cas failed because it found the very value that it expected.
    FoundExpected,
    /// Two cas both replaced the same value.
    ReplacedTwice,
    /// Each of several cas needs the value that the next one writes, in a circle.
    Circle,
    /// An operation began after one had completed that must come later.
    OutOfOrder,
    /// Two values, or chains of values tied by cas, would each have to come before the other.
    ComesBack,
    /// A cas failed although the register held the value that it expected all the while.
    HeldThroughout,
    /// A value is seen to come back more often than there are operations that can have brought it.
    TooOften,
    /// What may be given out or taken only once was given or taken twice.
    Duplicate,
    /// Two reads, of which each shows something that the other lacks although nothing is ever taken away.
    Diverged,
    /// Something was there for certain, and an answer says that it was not.
    Lost,
    /// Two processes held a lock at the same time, or one released what it did not hold.
    TwoHolders,
    /// An answer is a number that lies outside of what was possible by then.
    OutOfBounds,
    /// A watch does not tell of a change in its range.
    MissedEvent,
    /// Two changes are told of at one revision, or one change at two.
    WrongRevision,
    /// A watch heard less than what had been changed when it began.
    EndedEarly,
    /// A version or revision that was told of an object does not fit what was seen of it.
    WrongVersion,
    /// Several transactions must each come before the next, in a circle.
    Cycle,
    /// A search through all orders found none.
    NoOrder,
}

/// Which algorithm decided, by its name in results and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Algorithm(pub &'static str);

impl Algorithm {
    /// The exact procedure for registers whose values are written once each.
    pub const REGISTER_EXACT: Algorithm = Algorithm("register-exact");
    /// The search.
    pub const SEARCH: Algorithm = Algorithm("search");
    /// Counting how often values come back.
    pub const COUNTING: Algorithm = Algorithm("counting");
    /// Looking for what cannot have been written, whatever the order was.
    pub const UNWRITTEN: Algorithm = Algorithm("unwritten");
    /// One walk along the longest answer of something that only grows.
    pub const GROWING: Algorithm = Algorithm("growing");
    /// Several, each on operations that share no key with the others'.
    pub const COMPONENTS: Algorithm = Algorithm("components");
    /// None: the key is `unknown`.
    pub const NONE: Algorithm = Algorithm("none");
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Conflict {
    /// All its sentences as text.
    pub fn plain(&self, history: &History) -> String {
        let sentences: Vec<String> = (self.sentences.iter())
            .map(|sentence| sentence.plain(history))
            .collect();
        sentences.join(" ")
    }
}

impl Verdict {
    /// The verdict on two things together: invalid > unknown > valid.
    #[must_use]
    pub fn merge(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Invalid, _) | (_, Verdict::Invalid) => Verdict::Invalid,
            (Verdict::Unknown, _) | (_, Verdict::Unknown) => Verdict::Unknown,
            (Verdict::Valid, Verdict::Valid) => Verdict::Valid,
        }
    }

    /// The name used in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Invalid => "invalid",
            Verdict::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Decision {
    /// Undecided for this reason.
    pub(crate) fn unknown(why: impl Into<Undecided>) -> Decision {
        Decision::Unknown(why.into())
    }

    /// The verdict that it comes to.
    pub fn verdict(&self) -> Verdict {
        match self {
            Decision::Valid(_) => Verdict::Valid,
            Decision::Invalid(_) => Verdict::Invalid,
            Decision::Unknown(_) => Verdict::Unknown,
        }
    }
}

impl Rule {
    /// The name used in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Rule::NeverWritten => "never-written",
            Rule::FoundExpected => "found-expected",
            Rule::ReplacedTwice => "replaced-twice",
            Rule::Circle => "circle",
            Rule::OutOfOrder => "out-of-order",
            Rule::ComesBack => "comes-back",
            Rule::HeldThroughout => "held-throughout",
            Rule::TooOften => "too-often",
            Rule::Duplicate => "duplicate",
            Rule::Diverged => "diverged",
            Rule::Lost => "lost",
            Rule::TwoHolders => "two-holders",
            Rule::OutOfBounds => "out-of-bounds",
            Rule::MissedEvent => "missed-event",
            Rule::WrongRevision => "wrong-revision",
            Rule::EndedEarly => "ended-early",
            Rule::WrongVersion => "wrong-version",
            Rule::Cycle => "cycle",
            Rule::NoOrder => "no-order",
        }
    }

    /// What it says, for those who meet its name for the first time.
    pub fn about(self) -> &'static str {
        match self {
            Rule::NeverWritten => "an answer names a value that no operation can have written",
            Rule::FoundExpected => "a cas failed because it found the very value that it expected",
            Rule::ReplacedTwice => "two cas both replaced the same value",
            Rule::Circle => "each of several cas needs the value that the next one writes, in a circle",
            Rule::OutOfOrder => "an operation began after one had completed that must come later",
            Rule::ComesBack => "two values would each have to come before the other",
            Rule::HeldThroughout => {
                "a cas failed although the register held the value that it expected all the while"
            }
            Rule::TooOften => {
                "a value came back more often than there are operations that can have brought it"
            }
            Rule::Duplicate => "what may be given out or taken only once was given or taken twice",
            Rule::Diverged => "each of two reads shows something that the other one lacks",
            Rule::Lost => "something was there for certain, and an answer says that it was not",
            Rule::TwoHolders => {
                "two processes held a lock at the same time, or one released what it did not hold"
            }
            Rule::OutOfBounds => "an answer is a number that was impossible by then",
            Rule::MissedEvent => "a watch does not tell of a change in its range",
            Rule::WrongRevision => "two changes are told of at one revision, or one change at two",
            Rule::EndedEarly => "a watch heard less than what had been changed when it began",
            Rule::WrongVersion => "a version that was told of an object does not fit what was seen of it",
            Rule::Cycle => "several transactions must each come before the next, in a circle",
            Rule::NoOrder => "a search through all orders found none that explains the answers",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
