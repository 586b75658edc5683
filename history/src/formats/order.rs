//! What gives the events of a file their order, where its lines, its indices and its times tell it in
//! different ways.

use std::fmt;
use std::str::FromStr;

/// What gives events their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The order of the lines.
    Lines,
    /// The field `index`.
    Index,
    /// The field `time`. At one time everything that begins comes before what ends, since no one knows more.
    Time,
}

/// Which order was chosen of several that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrangement {
    /// What counts.
    pub by: Order,
    /// What contradicts what.
    pub found: Contradiction,
    /// The order that may be the right one as well, if the choice is not sure.
    pub other: Option<Order>,
}

/// What contradicts the order of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Every operation has an index of its own, and these do not ascend.
    Indices,
    /// Some indices do not ascend, and not every operation has one of its own.
    SomeIndices,
    /// So many events have times before those of lines above them.
    Times(u64),
    /// No operation overlaps another one by the lines, but by the times they do.
    ListedApart,
    /// By the lines, something ends that has not begun, or a process does two things at once.
    Nonsense,
}

impl Order {
    /// All of them.
    pub const ALL: [Order; 3] = [Order::Lines, Order::Index, Order::Time];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Order::Lines => "lines",
            Order::Index => "index",
            Order::Time => "time",
        }
    }

    /// What it is the order of.
    pub fn what(self) -> &'static str {
        match self {
            Order::Lines => "the lines",
            Order::Index => "the indices",
            Order::Time => "the times",
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(name: &str) -> Result<Order, String> {
        let found = Order::ALL.into_iter().find(|order| order.name() == name);
        found.ok_or_else(|| format!("choose {}", Order::ALL.map(Order::name).join(", ")))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            Contradiction::Indices => f.write_str("the lines do not stand in the order of their :index"),
            Contradiction::SomeIndices => f.write_str(
                "the lines do not stand in the order of their :index, but not every operation has one of its own",
            ),
            Contradiction::Times(1) => f.write_str("1 event has an earlier time than one above it"),
            Contradiction::Times(count) => write!(f, "{count} events have earlier times than others above them"),
            Contradiction::ListedApart => {
                f.write_str("no operation in the file overlaps another one, but by their times they do")
            }
            Contradiction::Nonsense => f.write_str(
                "in the order of the lines something ends before it begins, or a process does two things at once",
            ),
        }?;
        write!(f, ": the order of {} counts", self.by.what())?;
        let alternative = match (self.by, self.found) {
            (_, Contradiction::Nonsense) => None,
            (Order::Lines, Contradiction::SomeIndices) => self.other,
            (Order::Lines, _) => Some(Order::Time),
            _ => Some(Order::Lines),
        };
        match alternative {
            Some(order) => write!(f, "; --order {order} takes that of {}", order.what()),
            None => Ok(()),
        }
    }
}
