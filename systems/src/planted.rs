//! What is known about a planted bug of a system: what it breaks, what can notice it, and the test that shows
//! it. Whatever system it is of, it says so in these types.

/// A planted bug of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the store does wrong, in one sentence.
    pub description: &'static str,
    /// The promise that it breaks, such as `election-safety`.
    pub breaks: &'static str,
    /// The part of a node that it is in, such as `storage`.
    pub layer: &'static str,
    /// Bugs of the same kind stand together under this name.
    pub family: &'static str,
    /// What can notice it.
    pub seen_by: Vec<Oracle>,
    /// The faults that show it, as after `--nemesis`; with a schedule, what the schedule consists of.
    pub nemesis: &'static str,
    /// The workload that shows it, as after `--workload`.
    pub workload: &'static str,
    /// More flags of `perjury test` that it takes to show it.
    pub test_flags: &'static [&'static str],
    /// Flags that each node gets when the bug is on.
    pub node_flags: &'static [&'static str],
    /// The text of a file for `--schedule`, where drawn faults would need luck.
    pub schedule: Option<&'static str>,
    /// Where real systems have made this mistake or one of its kind; empty where none is known.
    pub precedent: &'static str,
    /// The bugs that are switched on with it: rules that would hide it.
    pub needs: Vec<&'static str>,
}

/// What can notice a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oracle {
    /// The clients' history.
    History,
    /// How long operations go without an answer.
    Availability,
    /// Two nodes that led the same term.
    TwoLeaders,
    /// Nodes whose states have drifted apart.
    Divergence,
    /// Memory, queues or files that grow for as long as a node runs.
    Growth,
    /// Elections without a fault that calls for one.
    Elections,
    /// A node that ends itself or refuses to start.
    NodeEnds,
    /// A node's own log.
    NodeLog,
    /// A simulation that sees every node at every step: no test of the running store.
    Simulation,
}

/// The workload of a test that names none.
const USUAL_WORKLOAD: &str = "register";

impl PlantedBug {
    /// The flags of `perjury test` that show it, beside `--bug`. A schedule is a file that must be written
    /// first.
    pub fn flags(&self) -> String {
        let mut flags = match self.schedule {
            Some(_) => format!("--schedule {}.toml", self.name),
            None => format!("--nemesis {}", self.nemesis),
        };
        if self.workload != USUAL_WORKLOAD {
            flags += &format!(" --workload {}", self.workload);
        }
        for flag in self.test_flags {
            flags += &format!(" {flag}");
        }
        flags
    }
}
