//! Every planted bug of the core is armed: a scenario in which it does what its row says, and a healthy core
//! does not. Without this, "no test has found it" might mean "it is not there".

mod answers;
mod elections;
mod log;
mod membership;
mod reads;
mod snapshots;

use super::*;
use crate::bug::{Bug, Bugs, Layer};

/// A bug and a scenario that says whether its mistake was made.
type Armed = (Bug, fn(Bugs) -> bool);

/// Node 1 of `nodes`, with these bugs.
fn node(bugs: Bugs, nodes: u64, terms: &[Term]) -> Lone {
    Lone::with(nodes, terms, |config| config.bugs = bugs)
}

/// The leader of term 1 with an empty log but for its first entry, which is committed.
fn leader(bugs: Bugs, nodes: u64) -> Lone {
    let mut node = node(bugs, nodes, &[]);
    node.lead();
    node
}

fn read() -> Request {
    Request::Read { key: "x".to_owned() }
}

fn cas(expected: Value, new: Value) -> Request {
    let key = "x".to_owned();
    Request::Apply {
        session: None,
        command: machine::Command::Cas { key, expected, new },
    }
}

/// An Append by node 2 in this term.
fn append(node: &Lone, term: Term, prev: (Index, Term), terms: &[Term], commit: Index) -> Event {
    let (prev_index, prev_term) = prev;
    let entry = |(index, &term)| {
        Arc::new(Entry {
            term,
            index,
            payload: Payload::Noop,
        })
    };
    let entries = (prev_index + 1..).zip(terms).map(entry).collect();
    let body = Body::Append {
        prev_index,
        prev_term,
        commit,
        entries,
    };
    let to = node.core.status().id;
    Event::Receive(Message {
        from: 2,
        to,
        term,
        body,
    })
}

fn all() -> impl Iterator<Item = &'static Armed> {
    let families = [
        answers::ARMED,
        elections::ARMED,
        log::ARMED,
        membership::ARMED,
        reads::ARMED,
        snapshots::ARMED,
    ];
    families.into_iter().flatten()
}

#[test]
fn every_planted_bug_is_armed() {
    for (bug, makes_mistake) in all() {
        assert!(!makes_mistake(Bugs::NONE), "{} without it", bug.name());
        assert!(makes_mistake((*bug).into()), "{} with it", bug.name());
    }
}

/// What switches off another rule as well makes its own mistake even so.
#[test]
fn a_bug_is_more_than_what_it_needs() {
    for (bug, makes_mistake) in all() {
        let needed: Bugs = bug.info().needs.iter().copied().collect();
        assert!(!makes_mistake(needed), "{} by what it needs", bug.name());
    }
}

#[test]
fn no_planted_bug_of_the_core_is_left_out() {
    let armed: Vec<Bug> = all().map(|(bug, _)| *bug).collect();
    for info in Bug::all().filter(|info| info.layer == Layer::Core) {
        let scenarios = armed.iter().filter(|bug| **bug == info.bug).count();
        assert_eq!(scenarios, 1, "{}", info.name);
    }
}
