//! The planted bugs: mistakes that real systems have made, each in the rule that it breaks.
//!
//! A family is a file with one table. To add a bug: a variant below, its row in its family's table with a
//! comment that says what shows it and why, and the plant. A plant is the first line of a small function that
//! is named after the rule, or a value that configures something, so that the code around it gains no branch.
//! Some mistakes would be hidden by another rule; `needs` names the bug that switches that rule off.
//!
//! Not everything can be planted. Masked by the rest of this code, whatever one does:
//! - an Append whose previous term is not compared: a new leader starts at its own first entry, whose
//!   predecessor every log that could elect it shares;
//! - an answer taken for one of an earlier life: a dead node's connections die with it;
//! - an unbounded queue to a peer that is away: the core sends such a peer one Append and heartbeats only;
//! - a directory that is not synced after a rename: the usual file systems order the two.

mod answers;
mod elections;
mod info;
mod reads;
mod storage;

pub use info::{BugInfo, Layer, Oracle, Property, Runs};

/// Declares [`Bug`] and [`FAMILIES`].
macro_rules! bugs {
    ($($family:ident { $($bug:ident)* })*) => {
        /// A mistake that a node makes on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($(
                #[doc = concat!("See the family of `", stringify!($family), "`.")]
                $bug,
            )*)*
        }

        /// Each family's name and table.
        pub const FAMILIES: &[(&str, &[BugInfo])] = &[$((stringify!($family), $family::TABLE)),*];

        #[cfg(test)]
        const VARIANTS: &[Bug] = &[$($(Bug::$bug),*),*];
    };
}

bugs! {
    reads { StaleRead }
    answers { AckBeforeQuorum }
    elections { ForgetVote NoCheckQuorum }
    storage { SkipFsync }
}

impl Bug {
    /// Every bug there is, family by family.
    pub fn all() -> impl Iterator<Item = &'static BugInfo> {
        FAMILIES.iter().flat_map(|(_, table)| table.iter())
    }

    /// The description of this bug.
    pub fn info(self) -> &'static BugInfo {
        Bug::all()
            .find(|info| info.bug == self)
            .unwrap_or_else(|| unreachable!("a test finds the row of every bug"))
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The bug of that name.
    pub fn from_name(name: &str) -> Option<Bug> {
        Bug::all().find(|info| info.name == name).map(|info| info.bug)
    }
}

/// A set of bugs, with those that they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bugs(u128);

impl Bugs {
    /// A healthy node's.
    pub const NONE: Bugs = Bugs(0);

    /// Whether the bug is among them.
    pub const fn contains(self, bug: Bug) -> bool {
        self.0 & (1 << bug as u32) != 0
    }

    /// The bugs that a list such as `stale-read,no-pre-vote` names.
    ///
    /// # Errors
    /// The name that is none.
    pub fn from_names(list: &str) -> Result<Bugs, &str> {
        list.split(',')
            .map(|name| Bug::from_name(name).ok_or(name))
            .collect()
    }
}

impl From<Bug> for Bugs {
    fn from(bug: Bug) -> Bugs {
        [bug].into_iter().collect()
    }
}

impl FromIterator<Bug> for Bugs {
    fn from_iter<T: IntoIterator<Item = Bug>>(bugs: T) -> Bugs {
        bugs.into_iter().fold(Bugs::NONE, |Bugs(set), bug| {
            let Bugs(needed) = bug.info().needs.iter().copied().collect();
            Bugs(set | needed | 1 << bug as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_bug_has_one_row_and_is_found_by_its_name() {
        let rows: Vec<Bug> = Bug::all().map(|info| info.bug).collect();
        assert_eq!(rows, VARIANTS, "the tables have the order of the declaration");
        assert!(VARIANTS.len() <= 128, "the set is full");
        let mut names = BTreeSet::new();
        for info in Bug::all() {
            assert_eq!(Bug::from_name(info.name), Some(info.bug));
            assert_eq!(info.bug.name(), info.name);
            assert!(names.insert(info.name), "{} is the name of two", info.name);
            let kebab = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
            assert!(info.name.chars().all(kebab), "{}", info.name);
            assert!(!info.seen_by.is_empty(), "{}: what could notice it?", info.name);
            assert!(!info.description.ends_with('.'), "{}", info.name);
        }
        assert_eq!(Bug::from_name("no-such-bug"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_what_that_needs() {
        for info in Bug::all() {
            let set = Bugs::from(info.bug);
            for other in Bug::all() {
                let expected = other.bug == info.bug || info.needs.contains(&other.bug);
                assert_eq!(
                    set.contains(other.bug),
                    expected,
                    "{} in {}",
                    other.name,
                    info.name
                );
            }
        }
        let two = Bugs::from_names("skip-fsync,stale-read").unwrap();
        assert_eq!(two, [Bug::StaleRead, Bug::SkipFsync].into_iter().collect());
        assert!(two.contains(Bug::NoCheckQuorum));
        assert_eq!(Bugs::from_names("skip-fsync,nonsense"), Err("nonsense"));
        assert_eq!(Bugs::from_names(""), Err(""));
    }
}
