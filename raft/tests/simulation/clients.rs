//! The clients of the simulation: they ask, wait, give up, and repeat under a session; and the operator, who
//! transfers leadership and changes the membership.

use std::collections::HashMap;

use raft::core::api::{Answer, Change, Event, NodeId, Request, RequestError, RequestId, Session};
use raft::machine::{Command, Output, Value};
use rand::RngExt;

use super::checks::target;
use super::world::{ELECTION_TIMEOUT, MS, Violation, World, pick};

const KEYS: [&str; 2] = ["x", "y"];
/// How long a client waits for an answer.
const PATIENCE: u64 = 2 * ELECTION_TIMEOUT;

#[derive(Default)]
struct Client {
    /// Its session, once it has one.
    session: Option<Session>,
    open: Option<RequestId>,
    since: u64,
    /// What is to be repeated under the same sequence number until it is answered.
    repeat: Option<Command>,
}

struct Open {
    node: NodeId,
    client: Option<usize>,
    what: What,
}

enum What {
    Apply { key: String, value: i64 },
    OpenSession,
    Read { key: String, floor: u64 },
    Operator,
}

pub struct Clients {
    clients: Vec<Client>,
    open: HashMap<RequestId, Open>,
    next_value: i64,
    /// Values that clients saw, to expect in a cas.
    last_seen: Value,
    /// Commands that were acknowledged.
    pub acknowledged: u64,
}

impl Clients {
    pub fn new(count: usize) -> Clients {
        Clients {
            clients: (0..count).map(|_| Client::default()).collect(),
            open: HashMap::new(),
            next_value: 1,
            last_seen: Value::Nil,
            acknowledged: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.clients.len()
    }

    /// Its requests will never be answered.
    pub fn node_died(&mut self, node: NodeId) {
        self.open.retain(|_, open| open.node != node);
    }
}

/// A client's turn. Returns when the next is due.
pub fn act(world: &mut World, number: usize) -> Result<u64, Violation> {
    let now = world.now;
    let wait = world.rng.random_range(MS / 2..15 * MS);
    let nodes: Vec<NodeId> = world.nodes.keys().copied().collect();
    let stray = world.rng.random_bool(0.2);
    let any = pick(&mut world.rng, &nodes);
    let node = world.leader().filter(|_| !stray).unwrap_or(any);
    let roll = world.rng.random_range(0..10);
    let key = pick(&mut world.rng, &KEYS).to_owned();
    let floor = world.checks.floor(&key);

    let mut repeats = false;
    let clients = &mut world.clients;
    let client = &mut clients.clients[number];
    if client.open.is_some() && now < client.since + PATIENCE {
        return Ok(wait);
    }
    let (request, what) = if let Some(command) = client.repeat.clone() {
        repeats = true;
        apply(client.session, command)
    } else if client.session.is_none() && roll == 0 {
        (Request::OpenSession, What::OpenSession)
    } else if roll < 5 {
        (Request::Read { key: key.clone() }, What::Read { key, floor })
    } else {
        let value = clients.next_value;
        clients.next_value += 1;
        let new = Value::Int(value);
        let command = if roll < 8 {
            Command::Write { key, value: new }
        } else {
            Command::Cas {
                key,
                expected: clients.last_seen.clone(),
                new,
            }
        };
        if let Some(session) = &mut client.session {
            session.sequence += 1;
            client.repeat = Some(command.clone());
        }
        apply(client.session, command)
    };
    if repeats {
        world.count("a request was repeated");
    }
    let id = world.next_request;
    world.clients.clients[number].open = Some(id);
    world.clients.clients[number].since = now;
    ask(world, node, Some(number), request, what)?;
    Ok(wait)
}

fn apply(session: Option<Session>, command: Command) -> (Request, What) {
    let (key, value) = target(&command).expect("commands here write whole numbers");
    let what = What::Apply {
        key: key.to_owned(),
        value,
    };
    (Request::Apply { session, command }, what)
}

fn ask(
    world: &mut World,
    node: NodeId,
    client: Option<usize>,
    request: Request,
    what: What,
) -> Result<(), Violation> {
    let id = world.next_request;
    world.next_request += 1;
    if world.nodes[&node].core.is_none() {
        return Ok(());
    }
    world.clients.open.insert(id, Open { node, client, what });
    world.feed(node, Event::Request { id, request })
}

/// A reply has come: it must be true.
pub fn reply(
    world: &mut World,
    id: RequestId,
    result: Result<Answer, RequestError>,
) -> Result<(), Violation> {
    let Some(Open { client, what, .. }) = world.clients.open.remove(&id) else {
        return Err(Violation(format!(
            "request {id} was answered twice, or never asked: {result:?}"
        )));
    };
    let checked = match (&what, &result) {
        (What::Apply { key, value }, Ok(Answer::Applied(output))) => {
            world.clients.acknowledged += 1;
            world.checks.acknowledged(key, *value, output)
        }
        (What::Read { key, floor }, Ok(Answer::Read(value))) => world.checks.read(key, *floor, value),
        (What::OpenSession, Ok(Answer::Session(_))) | (_, Err(_)) => Ok(()),
        (What::Operator, Ok(Answer::Changed(_) | Answer::Transferred(_) | Answer::Snapshot(_))) => Ok(()),
        (_, Ok(answer)) => Err(format!(
            "request {id} got an answer to something else: {answer:?}"
        )),
    };
    checked.map_err(Violation)?;
    world.count(match &result {
        Ok(Answer::Applied(Output::Written)) => "a command was applied",
        Ok(Answer::Applied(Output::CasFailed { .. })) => "a cas failed",
        Ok(Answer::Applied(Output::Added(_) | Output::NotAdded { .. })) => "an add was answered",
        Ok(Answer::Session(_)) => "a session was opened",
        Ok(Answer::Read(_)) => "a read was answered",
        Ok(Answer::Changed(_)) => "the membership was changed",
        Ok(Answer::Transferred(_)) => "leadership was transferred",
        Ok(Answer::Snapshot(_)) => "a snapshot was taken",
        Err(RequestError::NotLeader { .. }) => "a follower refused",
        Err(RequestError::SessionExpired) => "a session was evicted",
        Err(RequestError::LeadershipLost) => "leadership was lost",
        Err(RequestError::ReadTimeout) => "a read timed out",
        Err(RequestError::TransferTimeout) => "a transfer timed out",
        Err(RequestError::ChangeInProgress) => "a change came too early",
        Err(RequestError::BadChange(_)) => "a change made no sense",
        Err(RequestError::Transferring) => "a request met a transfer",
        Err(RequestError::Busy | RequestError::StaleSequence) => "a request was refused",
    });

    let clients = &mut world.clients;
    match &result {
        Ok(Answer::Read(seen)) => clients.last_seen = seen.clone(),
        Ok(Answer::Applied(Output::CasFailed { current })) => clients.last_seen = current.clone(),
        _ => {}
    }
    let Some(client) = client.map(|number| &mut clients.clients[number]) else {
        return Ok(());
    };
    if client.open == Some(id) {
        client.open = None;
    }
    // A late answer to an earlier attempt is an answer too: all attempts are one request.
    match (what, result) {
        (What::OpenSession, Ok(Answer::Session(number))) => {
            client.session.get_or_insert(Session {
                client: number,
                sequence: 0,
            });
        }
        (What::Apply { value, .. }, outcome) if client.repeat.as_ref().is_some_and(|c| brings(c, value)) => {
            match outcome {
                Ok(_) => client.repeat = None,
                Err(RequestError::SessionExpired | RequestError::StaleSequence) => {
                    (client.repeat, client.session) = (None, None);
                }
                Err(_) => {}
            }
        }
        _ => {}
    }
    Ok(())
}

fn brings(command: &Command, value: i64) -> bool {
    target(command).is_some_and(|(_, new)| new == value)
}

/// The operator hands leadership over.
pub fn transfer(world: &mut World, leader: NodeId, to: NodeId) -> Result<(), Violation> {
    let to = world.rng.random_bool(0.5).then_some(to);
    world.note(&format!("transfer from {leader} to {to:?}"));
    ask(world, leader, None, Request::Transfer { to }, What::Operator)
}

/// The operator has a node replace its log by a snapshot.
pub fn snapshot(world: &mut World, node: NodeId) -> Result<(), Violation> {
    world.note(&format!("ask {node} for a snapshot"));
    ask(world, node, None, Request::Snapshot, What::Operator)
}

/// The operator changes the membership by one node.
pub fn change(world: &mut World, leader: NodeId, id: NodeId) -> Result<(), Violation> {
    let Some(core) = &world.nodes[&leader].core else {
        return Ok(());
    };
    let members = &core.membership().members;
    let change = match members.get(&id) {
        None => Change::AddLearner {
            id,
            address: format!("n{id}"),
        },
        Some(member) if !member.voter => Change::Promote { id },
        Some(_) => Change::Remove { id },
    };
    world.note(&format!("ask {leader} for {change:?}"));
    ask(world, leader, None, Request::Change(change), What::Operator)
}
