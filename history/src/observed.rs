//! What can be observed of a store beside its answers, by name; what a user wants a run to fail on; and what
//! the lines of a store's logs mean.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What can be observed of a store beside its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Observed {
    /// It did not come back after the last heal.
    NotRecovered,
    /// Two nodes led in one term.
    TwoLeaders,
    /// Two nodes held different states at one index.
    Diverged,
    /// A line in a node's log that must never stand there.
    Log,
    /// A process ended by itself.
    Crash,
    /// Another node came to lead although no fault explains it.
    Election,
    /// A node's memory or data grew far beyond what was written.
    Growth,
    /// Nothing was answered for long after a fault had ended.
    SlowRecovery,
    /// Nothing was answered for too large a share of the time.
    Unavailable,
    /// No update was acknowledged for long, or no read answered, although faults left a majority alone.
    Stall,
    /// A node answered nothing for long, although faults left it and a majority alone.
    SilentNode,
}

/// Something that a run fails on although it proves no broken promise, with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailOn {
    /// What.
    pub what: Observed,
    /// From where on it is told and fails the run, in the unit of [`Observed::bound`]; absent for the
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
}

/// What a bound of an observation counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// It has none.
    None,
    /// Seconds, with the default.
    Seconds(f64),
    /// Bytes, with the default.
    Bytes(f64),
    /// A share of the time, from 0 to 1; it is only told where a bound is given.
    Share,
}

/// A text that means something wherever it stands in a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogPattern {
    /// The text, as the store writes it.
    pub text: Cow<'static, str>,
    /// What it says of the store, in a few words.
    pub means: Cow<'static, str>,
    /// What follows.
    pub weight: LogWeight,
}

/// What follows from a line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogWeight {
    /// The store broke a promise, and says so.
    Proves,
    /// A reader should know.
    Told,
    /// The node leads in the term whose number stands right behind the text. Each term has one leader.
    Leads,
}

impl Observed {
    /// Everything that can be observed.
    pub const ALL: [Observed; 11] = [
        Observed::NotRecovered,
        Observed::TwoLeaders,
        Observed::Diverged,
        Observed::Log,
        Observed::Crash,
        Observed::Election,
        Observed::Growth,
        Observed::SlowRecovery,
        Observed::Unavailable,
        Observed::Stall,
        Observed::SilentNode,
    ];

    /// The name on the command line, in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Observed::NotRecovered => "not-recovered",
            Observed::TwoLeaders => "two-leaders",
            Observed::Diverged => "diverged",
            Observed::Log => "log",
            Observed::Crash => "crash",
            Observed::Election => "election",
            Observed::Growth => "growth",
            Observed::SlowRecovery => "slow-recovery",
            Observed::Unavailable => "unavailable",
            Observed::Stall => "stall",
            Observed::SilentNode => "silent-node",
        }
    }

    /// Whether it can prove that the store broke a promise: such a run is invalid, asked for or not.
    pub fn can_prove(self) -> bool {
        matches!(
            self,
            Observed::NotRecovered | Observed::TwoLeaders | Observed::Diverged | Observed::Log
        )
    }

    /// What its bound counts.
    pub fn bound(self) -> Bound {
        match self {
            Observed::SlowRecovery => Bound::Seconds(10.0),
            // Elections of stores with usual time-outs end within a few seconds, several in a row included.
            Observed::Stall | Observed::SilentNode => Bound::Seconds(6.0),
            Observed::Growth => Bound::Bytes(256.0 * 1024.0 * 1024.0),
            Observed::Unavailable => Bound::Share,
            _ => Bound::None,
        }
    }
}

impl LogPattern {
    /// A row of a table that is part of the program; the parameters are the fields.
    pub const fn new(text: &'static str, means: &'static str, weight: LogWeight) -> LogPattern {
        LogPattern {
            text: Cow::Borrowed(text),
            means: Cow::Borrowed(means),
            weight,
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
