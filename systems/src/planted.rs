//! What is known about a planted bug of a system: what it breaks, what can notice it, and the test that shows
//! it. Whatever system it is of, it says so in these types.

use history::Observed;

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
    /// More flags of `perjury test` that it takes to show it, each with its value: `--nodes 4`.
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
    /// What is observed beside it.
    Beside(Observed),
    /// Tests of the core alone, which see inside the nodes.
    Core,
}

/// The workload of a test that names none.
const USUAL_WORKLOAD: &str = "register";

impl PlantedBug {
    /// The flags of `perjury test` that show it, beside `--bug`, with its schedule in `schedule`: a file that
    /// must be written first, if the bug has one.
    pub fn arguments(&self, schedule: &str) -> Vec<String> {
        let mut arguments = match self.schedule {
            Some(_) => vec!["--schedule".to_owned(), schedule.to_owned()],
            None => vec!["--nemesis".to_owned(), self.nemesis.to_owned()],
        };
        if self.workload != USUAL_WORKLOAD {
            arguments.extend(["--workload".to_owned(), self.workload.to_owned()]);
        }
        let words = self.test_flags.iter().flat_map(|flag| flag.split(' '));
        arguments.extend(words.map(str::to_owned));
        arguments
    }

    /// The same as one writes them.
    pub fn flags(&self) -> String {
        self.arguments(&format!("{}.toml", self.name)).join(" ")
    }
}
