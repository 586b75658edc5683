//! What is known about a planted bug, in words that a program can use.

use super::Bug;

/// The description of a bug.
#[derive(Debug, Clone, Copy)]
pub struct BugInfo {
    /// The bug.
    pub bug: Bug,
    /// Its name on the command line: what the node does.
    pub name: &'static str,
    /// What the node does wrong, in one sentence.
    pub description: &'static str,
    /// The promise that it breaks.
    pub breaks: Property,
    /// Where it is planted.
    pub layer: Layer,
    /// What can notice it.
    pub seen_by: &'static [Oracle],
    /// The test that shows it.
    pub runs: Runs,
    /// Where real systems have made this mistake or one of its kind; empty where none is known.
    pub precedent: &'static str,
    /// Bugs that are switched on with it: rules that would hide it.
    pub needs: &'static [Bug],
}

/// A promise of Raft (Raft figure 3), of a store, or of a well-made program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// At most one leader a term.
    ElectionSafety,
    /// Entries with the same index and term are the same, and so is all before them.
    LogMatching,
    /// A leader has every entry that was committed before its term.
    LeaderCompleteness,
    /// Nodes apply the same entries in the same order, with the same effects.
    StateMachineSafety,
    /// Every answer fits one order of all operations, in which each takes place while it is open.
    Linearizability,
    /// What was acknowledged stays.
    Durability,
    /// What is refused has not happened.
    HonestAnswers,
    /// A numbered request takes effect once.
    ExactlyOnce,
    /// While a majority is up and connected, requests are answered.
    Liveness,
    /// What is kept does not grow without a limit.
    BoundedMemory,
}

impl Property {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Property::ElectionSafety => "election-safety",
            Property::LogMatching => "log-matching",
            Property::LeaderCompleteness => "leader-completeness",
            Property::StateMachineSafety => "state-machine-safety",
            Property::Linearizability => "linearizability",
            Property::Durability => "durability",
            Property::HonestAnswers => "honest-answers",
            Property::ExactlyOnce => "exactly-once",
            Property::Liveness => "liveness",
            Property::BoundedMemory => "bounded-memory",
        }
    }
}

/// A part of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The Raft core.
    Core,
    /// The state machine.
    Machine,
    /// The log on disk.
    Storage,
    /// The links between nodes.
    Transport,
    /// The driver, its HTTP API, and how the parts are set up.
    Node,
}

impl Layer {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Core => "core",
            Layer::Machine => "machine",
            Layer::Storage => "storage",
            Layer::Transport => "transport",
            Layer::Node => "node",
        }
    }
}

/// What can notice a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oracle {
    /// The clients' history: operations that contradict each other.
    History,
    /// The cluster does not come back after the last fault.
    NotRecovered,
    /// Two nodes that led the same term, by `led_terms` of `/status`.
    TwoLeaders,
    /// Nodes with different digests at one index, by `/status`.
    Diverged,
    /// A node's own log tells.
    Log,
    /// A node that ends itself or refuses to start.
    Crash,
    /// A change of leader that no fault explains.
    Election,
    /// Memory, queues or files that grow for as long as the node runs.
    Growth,
    /// No answers for long after a fault has ended.
    SlowRecovery,
    /// No answers for longer than faults of that kind need to cost.
    Unavailable,
    /// The simulation of the core, which sees every node at every step.
    Simulation,
    /// A test of the rule alone: nothing that is seen from outside tells.
    Unit,
}

/// The test that shows a bug.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    /// As after `--nemesis`. With a schedule it says what the schedule consists of.
    pub nemesis: &'static str,
    /// As after `--workload`.
    pub workload: &'static str,
    /// More flags of `perjury test`, each with its value: `--nodes 4`.
    pub test_flags: &'static [&'static str],
    /// Flags that each node gets when the bug is on, such as `--snapshot-every`.
    pub node_flags: &'static [&'static str],
    /// The text of a file for `--schedule`, where drawn faults would need luck.
    pub schedule: Option<&'static str>,
}

impl Runs {
    /// What most need: the faults of a nemesis, against registers.
    pub(super) const fn with(nemesis: &'static str) -> Runs {
        Runs {
            nemesis,
            workload: "register",
            test_flags: &[],
            node_flags: &[],
            schedule: None,
        }
    }

    /// The same with another workload.
    pub(super) const fn on(self, workload: &'static str) -> Runs {
        Runs { workload, ..self }
    }

    /// The same with more flags of `perjury test`.
    pub(super) const fn test_flags(self, test_flags: &'static [&'static str]) -> Runs {
        Runs { test_flags, ..self }
    }

    /// The same with more flags of each node.
    pub(super) const fn node_flags(self, node_flags: &'static [&'static str]) -> Runs {
        Runs { node_flags, ..self }
    }

    /// The same with a schedule.
    pub(super) const fn schedule(self, text: &'static str) -> Runs {
        Runs {
            schedule: Some(text),
            ..self
        }
    }
}

/// The text of a schedule, fault by fault: when, for how long, which nemesis, at what.
macro_rules! schedule {
    ($(($at:literal, $lasts:literal, $nemesis:literal, $target:literal)),+ $(,)?) => {
        concat!($(
            "[[fault]]\nat = \"", $at, "\"\nlasts = \"", $lasts,
            "\"\nnemesis = \"", $nemesis, "\"\ntarget = \"", $target, "\"\n\n"
        ),+)
    };
}

pub(super) use schedule;
