//! The core's rules, one by one, on cores whose messages and disk the test controls.

mod elections;
mod planted;
mod replication;
mod service;

use std::sync::Arc;

use super::api::{
    Body, Command, Entry, Event, HardState, Index, Member, Membership, Message, NodeId, Payload, PersistId,
    Request, RequestError, Stored, Term,
};
use super::{Config, Core, Role, api::Answer};
use crate::machine::{self, Value};

const MS: u64 = 1_000_000;
const TIMEOUT: u64 = 100 * MS;

/// Nodes 1 to `count`, all voters.
fn members(count: u64) -> Membership {
    let member = |id| {
        (
            id,
            Member {
                address: format!("n{id}"),
                voter: true,
            },
        )
    };
    Membership {
        members: (1..=count).map(member).collect(),
    }
}

/// A log with these terms from index 1 on.
fn log(terms: &[Term]) -> Vec<Arc<Entry>> {
    let entry = |(index, term)| {
        Arc::new(Entry {
            term,
            index,
            payload: Payload::Noop,
        })
    };
    (1..).zip(terms.iter().copied()).map(entry).collect()
}

fn write(value: i64) -> machine::Command {
    machine::Command::Write {
        key: "x".to_owned(),
        value: Value::Int(value),
    }
}

/// One core with the clock, the disk and the other nodes played by the test.
struct Lone {
    core: Core,
    now: u64,
    last_persist: PersistId,
    next_request: u64,
}

impl Lone {
    /// Node 1 of `nodes`, with this log and the term of its last entry.
    fn new(nodes: u64, terms: &[Term]) -> Lone {
        Lone::with(nodes, terms, |_| {})
    }

    fn with(nodes: u64, terms: &[Term], change: impl FnOnce(&mut Config)) -> Lone {
        Lone::node(1, nodes, terms, change)
    }

    fn node(id: NodeId, nodes: u64, terms: &[Term], change: impl FnOnce(&mut Config)) -> Lone {
        let mut config = Config::new(id, members(nodes), id);
        config.election_timeout_ns = TIMEOUT;
        config.heartbeat_ns = TIMEOUT / 10;
        change(&mut config);
        let hard_state = HardState {
            term: terms.last().copied().unwrap_or(0),
            voted_for: None,
        };
        let stored = Stored {
            hard_state,
            snapshot: None,
            entries: log(terms),
        };
        let core = Core::new(config, stored, 0).unwrap();
        Lone {
            core,
            now: 0,
            last_persist: 0,
            next_request: 0,
        }
    }

    fn step(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        self.core.handle(self.now, event, &mut out);
        for command in &out {
            if let Command::Persist(persist) = command {
                self.last_persist = persist.id;
            }
        }
        out
    }

    /// The disk is done with everything.
    fn sync(&mut self) -> Vec<Command> {
        self.step(Event::Persisted(self.last_persist))
    }

    /// A step whose writes are durable at once.
    fn durably(&mut self, event: Event) -> Vec<Command> {
        let mut out = self.step(event);
        loop {
            let before = self.last_persist;
            out.extend(self.sync());
            if self.last_persist == before {
                return out;
            }
        }
    }

    fn receive(&mut self, from: NodeId, term: Term, body: Body) -> Vec<Command> {
        let to = self.core.status().id;
        self.durably(Event::Receive(Message { from, to, term, body }))
    }

    fn request(&mut self, request: Request) -> Vec<Command> {
        self.next_request += 1;
        self.durably(Event::Request {
            id: self.next_request,
            request,
        })
    }

    fn write(&mut self, value: i64) -> Vec<Command> {
        self.request(Request::Apply {
            session: None,
            command: write(value),
        })
    }

    /// Ticks until `after` nanoseconds have passed.
    fn wait(&mut self, after: u64) -> Vec<Command> {
        let until = self.now + after;
        let mut out = Vec::new();
        while self.core.deadline() <= until {
            self.now = self.now.max(self.core.deadline());
            out.extend(self.durably(Event::Tick));
        }
        self.now = until;
        out
    }

    /// Wins the next election with the votes of node 2 and, of five, node 3.
    fn elect(&mut self) -> Vec<Command> {
        let term = self.core.status().term + 1;
        self.wait(2 * TIMEOUT);
        for voter in [2, 3] {
            self.receive(voter, term, Body::PreVoteReply { granted: true });
        }
        let mut out = Vec::new();
        for voter in [2, 3] {
            out.extend(self.receive(voter, term, Body::VoteReply { granted: true }));
        }
        assert_eq!(self.role(), Role::Leader);
        assert_eq!(self.core.status().term, term);
        out
    }

    /// Wins an election and has its first entry committed by the rest.
    fn lead(&mut self) {
        self.elect();
        self.accept_all();
    }

    /// Nodes 2 and 3 have everything.
    fn accept_all(&mut self) -> Vec<Command> {
        let (last, term) = (self.core.status().last_index, self.core.status().term);
        let mut out = self.receive(2, term, Body::Accepted { match_index: last });
        out.extend(self.receive(3, term, Body::Accepted { match_index: last }));
        out
    }

    fn role(&self) -> Role {
        self.core.status().role
    }

    fn commit(&self) -> Index {
        self.core.status().commit
    }
}

fn sent(commands: &[Command]) -> Vec<&Message> {
    let mut messages = Vec::new();
    for command in commands {
        if let Command::Send(message) = command {
            messages.push(message);
        }
    }
    messages
}

fn sent_to(commands: &[Command], to: NodeId) -> Vec<&Body> {
    sent(commands)
        .into_iter()
        .filter(|message| message.to == to)
        .map(|message| &message.body)
        .collect()
}

fn replies(commands: &[Command]) -> Vec<&Result<Answer, RequestError>> {
    let mut results = Vec::new();
    for command in commands {
        if let Command::Reply { result, .. } = command {
            results.push(result);
        }
    }
    results
}
