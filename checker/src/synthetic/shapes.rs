//! Histories that are hard to judge, each in a way of its own.

use std::collections::{BTreeSet, VecDeque};

use history::History;

use super::clients::{Clients, Object};
use super::objects::{Asked, Counter, List, Queue, Set, Spoilt, Text, Use};

/// What histories are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The name used in tables.
    pub name: &'static str,
    /// What makes it hard.
    pub about: &'static str,
    /// The model that judges it, by its name.
    pub model: &'static str,
    kind: Kind,
    usage: Use,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    List,
    Queue,
    Counter,
    /// With decrements.
    UpAndDown,
    Set,
}

const PLAIN: Use = Use {
    reads: 33,
    puts: 0,
    repeats: 0,
    open: 0,
    unread: false,
};

/// All of them.
pub const SHAPES: &[Shape] = &[
    Shape {
        name: "text-puts-10",
        about: "a text; a tenth of what is written replaces it",
        model: "kv-append",
        kind: Kind::Text,
        usage: Use { puts: 10, ..PLAIN },
    },
    Shape {
        name: "text-puts-50",
        about: "a text; half of what is written replaces it",
        model: "kv-append",
        kind: Kind::Text,
        usage: Use { puts: 50, ..PLAIN },
    },
    Shape {
        name: "text-repeated",
        about: "a text to which one piece is appended again and again",
        model: "kv-append",
        kind: Kind::Text,
        usage: Use {
            reads: 10,
            repeats: 10,
            ..PLAIN
        },
    },
    Shape {
        name: "list-repeated",
        about: "a list to which one element is appended again and again",
        model: "list-append",
        kind: Kind::List,
        usage: Use {
            reads: 10,
            repeats: 10,
            ..PLAIN
        },
    },
    Shape {
        name: "queue-repeated",
        about: "a queue into which one value is put again and again",
        model: "fifo-queue",
        kind: Kind::Queue,
        usage: Use {
            reads: 52,
            repeats: 10,
            ..PLAIN
        },
    },
    Shape {
        name: "counter-amounts",
        about: "a counter to which different amounts are added",
        model: "counter",
        kind: Kind::Counter,
        usage: PLAIN,
    },
    Shape {
        name: "counter-both-ways",
        about: "a counter to which different amounts are added, and from which they are taken",
        model: "counter",
        kind: Kind::UpAndDown,
        usage: PLAIN,
    },
    Shape {
        name: "set-removals",
        about: "a set from which elements are taken out, some of which come back",
        model: "set",
        kind: Kind::Set,
        usage: Use { repeats: 10, ..PLAIN },
    },
    Shape {
        name: "text-unread",
        about: "a text that no one reads any more in the second half; many writes without an answer",
        model: "kv-append",
        kind: Kind::Text,
        usage: Use {
            puts: 10,
            open: 5,
            unread: true,
            ..PLAIN
        },
    },
    Shape {
        name: "list-unread",
        about: "likewise a list, with one element that repeats",
        model: "list-append",
        kind: Kind::List,
        usage: Use {
            reads: 10,
            repeats: 10,
            open: 5,
            unread: true,
            ..PLAIN
        },
    },
];

impl Shape {
    /// A history of one object and at least four clients, valid or with one violation.
    pub fn history(&self, operations: usize, clients: usize, is_valid: bool, seed: u64) -> History {
        let asked = Asked::new(self.usage, operations);
        let open = operations * self.usage.open / 100;
        let plan = Plan {
            operations,
            clients: clients.max(4),
            open,
            is_valid,
            seed,
        };
        match self.kind {
            Kind::Text => {
                let text = String::new();
                plan.history(Text { asked, text })
            }
            Kind::List => {
                let list = Vec::new();
                plan.history(List { asked, list })
            }
            Kind::Queue => {
                let held = VecDeque::new();
                plan.history(Queue { asked, held })
            }
            Kind::Counter | Kind::UpAndDown => {
                let (falls, count) = (self.kind == Kind::UpAndDown, 0);
                plan.history(Counter { asked, falls, count })
            }
            Kind::Set => {
                let (held, kept) = (BTreeSet::new(), BTreeSet::new());
                plan.history(Set { asked, held, kept })
            }
        }
    }
}

struct Plan {
    operations: usize,
    clients: usize,
    open: usize,
    is_valid: bool,
    seed: u64,
}

impl Plan {
    fn history<O: Object + Spoilt>(&self, object: O) -> History {
        let mut clients = Clients::new(object, self.operations, self.clients, self.open, self.seed);
        clients.run(self.operations / 4 * 3);
        if !self.is_valid {
            O::spoil(&mut clients);
        }
        clients.run(self.operations);
        clients.history()
    }
}

#[cfg(test)]
mod tests {
    use crate::objects::find;
    use crate::{Options, Verdict, check};

    use super::*;

    /// Small ones are decided, and rightly so.
    #[test]
    fn they_are_what_they_are_said_to_be() {
        for shape in SHAPES {
            let options = Options {
                model: find(shape.model).unwrap(),
                ..Options::default()
            };
            for seed in 0..20 {
                for (is_valid, verdict) in [(true, Verdict::Valid), (false, Verdict::Invalid)] {
                    let history = shape.history(60, 4, is_valid, seed);
                    let analysis = check(&history, &options);
                    assert_eq!(analysis.verdict, verdict, "{}, seed {seed}", shape.name);
                }
            }
        }
    }
}
