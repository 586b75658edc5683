//! Why something stays undecided.

use std::fmt;

/// Why something stays undecided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// A limit ended the search.
    Limit {
        /// Which.
        limit: Limit,
        /// How many steps of the model were looked at.
        steps: u64,
        /// The largest number of bytes that was in use.
        peak_bytes: usize,
        /// Of the operations that completed, so many from the beginning on have an order.
        placed: usize,
        /// How many operations completed.
        completed: usize,
    },
    /// Something else, in words.
    Other(String),
}

/// What can end a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// All its steps were used up.
    Steps,
    /// It took too much memory.
    Memory,
    /// The caller wanted it to end.
    Stopped,
    /// There was too much to follow to go on.
    Possibilities,
}

impl Undecided {
    /// Whether more steps might decide it.
    pub(crate) fn ran_out_of_steps(&self) -> bool {
        matches!(
            self,
            Undecided::Limit {
                limit: Limit::Steps,
                ..
            }
        )
    }
}

impl From<String> for Undecided {
    fn from(why: String) -> Self {
        Undecided::Other(why)
    }
}

impl From<&str> for Undecided {
    fn from(why: &str) -> Self {
        Undecided::Other(why.to_owned())
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecided::Limit {
                limit,
                steps,
                peak_bytes,
                placed,
                completed,
            } => write!(
                f,
                "{limit} after {steps} steps and {} MB; {placed} of {completed} operations that completed have \
                 an order",
                peak_bytes >> 20
            ),
            Undecided::Other(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Steps => "the limit of steps was reached",
            Limit::Memory => "the limit of memory was reached",
            Limit::Stopped => "the search was stopped",
            Limit::Possibilities => "there are too many possibilities",
        })
    }
}
