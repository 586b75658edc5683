//! The replicated state machine: registers by key, with sessions that make a repeated request harmless.
//!
//! Invariant: what [`Machine::apply`] does depends on nothing but the machine and its arguments, so that
//! equal logs give equal machines on every node (Raft §5.3, state machine safety).
//!
//! Source of the sessions: Ongaro's thesis §6.3.

mod digest;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use digest::Digest;
pub use value::Value;

/// A client's command to the machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Set a register.
    Write {
        /// The register.
        key: String,
        /// Its new value.
        value: Value,
    },
    /// Set a register if it holds what is expected.
    Cas {
        /// The register.
        key: String,
        /// What it must hold.
        expected: Value,
        /// Its new value.
        new: Value,
    },
    /// Add to a register that holds a whole number, or nothing, which counts as 0. Not idempotent: applied
    /// twice it adds twice.
    Add {
        /// The register.
        key: String,
        /// What to add.
        amount: i64,
    },
}

/// What the machine answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Output {
    /// The register was set.
    Written,
    /// The register held something else and was left alone.
    CasFailed {
        /// What it held.
        current: Value,
    },
    /// The register holds this sum now.
    Added(i64),
    /// The register held no whole number, or the sum would be beyond 64 bits; it was left alone.
    NotAdded {
        /// What it held.
        current: Value,
    },
}

/// The machine: registers and sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    registers: HashMap<String, Value>,
    sessions: HashMap<u64, SessionState>,
    /// Sessions by when they were last used, oldest first; the same on every node, so that eviction is too.
    by_use: BTreeMap<u64, u64>,
    max_sessions: usize,
    digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SessionState {
    /// The log index of the last use; distinct for each session.
    last_used: u64,
    sequence: u64,
    output: Option<Output>,
}

/// What became of a command under a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Applied {
    /// The command's output, of this attempt or of the first one with the same number.
    Output(Output),
    /// The session is not known: never opened, or evicted.
    SessionExpired,
    /// The session has moved on to a later number.
    StaleSequence,
}

impl Machine {
    /// An empty machine. `max_sessions` must be the same on every node of a cluster.
    pub fn new(max_sessions: usize) -> Machine {
        Machine {
            registers: HashMap::new(),
            sessions: HashMap::new(),
            by_use: BTreeMap::new(),
            max_sessions: max_sessions.max(1),
            digest: Digest::default(),
        }
    }

    /// A hash of everything that was executed, in order, and of what each command found. Nodes that have
    /// applied up to the same index have the same, or their states have drifted apart.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    /// What a register holds.
    pub fn read(&self, key: &str) -> Value {
        self.registers.get(key).cloned().unwrap_or_default()
    }

    /// How many sessions are open.
    #[cfg(test)]
    fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Opens a session with the client id `index`, evicting the least recently used when there are too many
    /// (thesis §6.3).
    pub fn open_session(&mut self, index: u64) {
        if self.sessions.len() >= self.max_sessions
            && let Some((_, client)) = self.by_use.pop_first()
        {
            self.sessions.remove(&client);
        }
        self.sessions.insert(
            index,
            SessionState {
                last_used: index,
                sequence: 0,
                output: None,
            },
        );
        self.by_use.insert(index, index);
        self.digest.fold(&index);
    }

    /// Applies the command of the entry at `index`, once for each (client, sequence) when it has a session.
    pub fn apply(&mut self, index: u64, session: Option<(u64, u64)>, command: &Command) -> Applied {
        let applied = self.apply_once(index, session, command);
        self.digest.fold(&(index, session, command, &applied));
        applied
    }

    fn apply_once(&mut self, index: u64, session: Option<(u64, u64)>, command: &Command) -> Applied {
        let Some((client, sequence)) = session else {
            return Applied::Output(self.execute(command));
        };
        let Some(state) = self.sessions.get_mut(&client) else {
            return Applied::SessionExpired;
        };
        self.by_use.remove(&state.last_used);
        state.last_used = index;
        self.by_use.insert(index, client);
        if sequence < state.sequence {
            return Applied::StaleSequence;
        }
        if sequence == state.sequence
            && let Some(output) = &state.output
        {
            return Applied::Output(output.clone());
        }
        let output = self.execute(command);
        if let Some(state) = self.sessions.get_mut(&client) {
            state.sequence = sequence;
            state.output = Some(output.clone());
        }
        Applied::Output(output)
    }

    fn execute(&mut self, command: &Command) -> Output {
        match command {
            Command::Write { key, value } => {
                self.set(key, value.clone());
                Output::Written
            }
            Command::Cas { key, expected, new } => match self.read(key) {
                current if current == *expected => {
                    self.set(key, new.clone());
                    Output::Written
                }
                current => Output::CasFailed { current },
            },
            Command::Add { key, amount } => {
                let current = self.read(key);
                let held = match current {
                    Value::Nil => Some(0),
                    Value::Int(number) => Some(number),
                    Value::Text(_) => None,
                };
                match held.and_then(|held| held.checked_add(*amount)) {
                    Some(sum) => {
                        self.set(key, Value::Int(sum));
                        Output::Added(sum)
                    }
                    None => Output::NotAdded { current },
                }
            }
        }
    }

    fn set(&mut self, key: &str, value: Value) {
        let held = self.registers.insert(key.to_owned(), value);
        // A write answers nothing that could tell two states apart; what it replaced does.
        self.digest.fold(&held);
    }

    /// The whole machine in bytes, equal for equal machines.
    ///
    /// # Errors
    /// Only when memory runs out; the format holds every machine.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        let registers: BTreeMap<&String, &Value> = self.registers.iter().collect();
        let sessions: BTreeMap<&u64, &SessionState> = self.sessions.iter().collect();
        postcard::to_stdvec(&(registers, sessions, self.digest))
    }

    /// The machine that [`Machine::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn from_bytes(bytes: &[u8], max_sessions: usize) -> Result<Machine, postcard::Error> {
        type Parts = (HashMap<String, Value>, HashMap<u64, SessionState>, Digest);
        let (registers, sessions, digest): Parts = postcard::from_bytes(bytes)?;
        let by_use = sessions
            .iter()
            .map(|(client, state)| (state.last_used, *client))
            .collect();
        Ok(Machine {
            registers,
            sessions,
            by_use,
            max_sessions: max_sessions.max(1),
            digest,
        })
    }
}
