//! The replicated state machine: registers by key, with sessions that make a repeated request harmless.
//!
//! Invariant: what [`Machine::apply`] does depends on nothing but the machine and its arguments, so that
//! equal logs give equal machines on every node (Raft §5.3, state machine safety).
//!
//! Source of the sessions: Ongaro's thesis §6.3.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// What a register holds. In JSON: `null`, a number or a string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    /// Never written, or written as nil.
    #[default]
    Nil,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

/// A client's command to the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What the machine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// The register was set.
    Written,
    /// The register held something else and was left alone.
    CasFailed {
        /// What it held.
        current: Value,
    },
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            match self {
                Value::Nil => serializer.serialize_unit(),
                Value::Int(number) => serializer.serialize_i64(*number),
                Value::Text(text) => serializer.serialize_str(text),
            }
        } else {
            match self {
                Value::Nil => None::<Result<i64, &str>>.serialize(serializer),
                Value::Int(number) => Some(Ok::<i64, &str>(*number)).serialize(serializer),
                Value::Text(text) => Some(Err::<i64, &str>(text)).serialize(serializer),
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(JsonValue)
        } else {
            // A codec that does not describe itself needs the variant spelled out.
            Ok(match Option::<Result<i64, String>>::deserialize(deserializer)? {
                None => Value::Nil,
                Some(Ok(number)) => Value::Int(number),
                Some(Err(text)) => Value::Text(text),
            })
        }
    }
}

struct JsonValue;

impl serde::de::Visitor<'_> for JsonValue {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("null, a whole number or a string")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::Int)
            .map_err(|_| E::custom("the number is beyond 64 bits with a sign"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
}

/// The machine: registers and sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    registers: HashMap<String, Value>,
    sessions: HashMap<u64, SessionState>,
    /// Sessions by when they were last used, oldest first; the same on every node, so that eviction is too.
    by_use: BTreeMap<u64, u64>,
    max_sessions: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SessionState {
    /// The log index of the last use; distinct for each session.
    last_used: u64,
    sequence: u64,
    output: Option<Output>,
}

/// What became of a command under a session.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        }
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
    }

    /// Applies the command of the entry at `index`, once for each (client, sequence) when it has a session.
    pub fn apply(&mut self, index: u64, session: Option<(u64, u64)>, command: &Command) -> Applied {
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
            Command::Write { key, value } => self.registers.insert(key.clone(), value.clone()),
            Command::Cas { key, expected, new } => {
                let current = self.registers.get(key).unwrap_or(&Value::Nil);
                if current != expected {
                    return Output::CasFailed {
                        current: current.clone(),
                    };
                }
                self.registers.insert(key.clone(), new.clone())
            }
        };
        Output::Written
    }

    /// The whole machine in bytes, equal for equal machines.
    ///
    /// # Errors
    /// Only when memory runs out; the format holds every machine.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        let registers: BTreeMap<&String, &Value> = self.registers.iter().collect();
        let sessions: BTreeMap<&u64, &SessionState> = self.sessions.iter().collect();
        postcard::to_stdvec(&(registers, sessions))
    }

    /// The machine that [`Machine::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn from_bytes(bytes: &[u8], max_sessions: usize) -> Result<Machine, postcard::Error> {
        let (registers, sessions): (HashMap<String, Value>, HashMap<u64, SessionState>) =
            postcard::from_bytes(bytes)?;
        let by_use = sessions
            .iter()
            .map(|(client, state)| (state.last_used, *client))
            .collect();
        Ok(Machine {
            registers,
            sessions,
            by_use,
            max_sessions: max_sessions.max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(value: i64) -> Command {
        Command::Write {
            key: "x".into(),
            value: Value::Int(value),
        }
    }

    fn cas(expected: Value, new: i64) -> Command {
        Command::Cas {
            key: "x".into(),
            expected,
            new: Value::Int(new),
        }
    }

    #[test]
    fn commands_do_what_they_say() {
        let current = |value| Output::CasFailed {
            current: Value::Int(value),
        };
        let cases = [
            (vec![write(1)], Output::Written, 1),
            (vec![write(1), cas(Value::Int(1), 2)], Output::Written, 2),
            (vec![write(1), cas(Value::Int(3), 2)], current(1), 1),
            (vec![cas(Value::Nil, 7)], Output::Written, 7),
            (vec![write(1), cas(Value::Nil, 7)], current(1), 1),
            (vec![write(1), cas(Value::Text("1".into()), 7)], current(1), 1),
        ];
        for (commands, last, value) in cases {
            let mut machine = Machine::new(10);
            let outputs: Vec<_> = (1..)
                .zip(&commands)
                .map(|(i, c)| machine.apply(i, None, c))
                .collect();
            assert_eq!(outputs.last(), Some(&Applied::Output(last)), "{commands:?}");
            assert_eq!(machine.read("x"), Value::Int(value), "{commands:?}");
        }
    }

    #[test]
    fn a_repeated_request_is_applied_once() {
        let mut machine = Machine::new(10);
        machine.open_session(1);
        let first = machine.apply(2, Some((1, 1)), &cas(Value::Nil, 5));
        assert_eq!(machine.apply(3, Some((1, 1)), &cas(Value::Nil, 5)), first);
        assert_eq!(
            machine.apply(4, Some((1, 2)), &write(6)),
            Applied::Output(Output::Written)
        );
        assert_eq!(machine.apply(5, Some((1, 1)), &write(5)), Applied::StaleSequence);
        assert_eq!(machine.apply(6, Some((9, 1)), &write(5)), Applied::SessionExpired);
        assert_eq!(machine.read("x"), Value::Int(6));
    }

    #[test]
    fn the_least_recently_used_session_is_evicted() {
        let mut machine = Machine::new(2);
        machine.open_session(1);
        machine.open_session(2);
        machine.apply(3, Some((1, 1)), &write(1));
        machine.open_session(4);
        assert_eq!(machine.session_count(), 2);
        assert_eq!(machine.apply(5, Some((2, 1)), &write(2)), Applied::SessionExpired);
        assert_eq!(
            machine.apply(6, Some((1, 2)), &write(3)),
            Applied::Output(Output::Written)
        );
    }

    #[test]
    fn bytes_and_back() {
        let mut machine = Machine::new(3);
        machine.open_session(1);
        machine.apply(2, Some((1, 1)), &write(1));
        let text = Command::Write {
            key: "y".into(),
            value: Value::Text("é".into()),
        };
        machine.apply(3, None, &text);
        let bytes = machine.to_bytes().unwrap();
        assert_eq!(Machine::from_bytes(&bytes, 3).unwrap(), machine);
        assert!(Machine::from_bytes(&bytes[..bytes.len() - 1], 3).is_err());
    }

    #[test]
    fn values_in_json_are_null_number_and_string() {
        let cases = [
            (Value::Nil, "null"),
            (Value::Int(-3), "-3"),
            (Value::Text("a".into()), "\"a\""),
        ];
        for (value, json) in cases {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<Value>(json).unwrap(), value);
        }
        for bad in ["1.5", "true", "18446744073709551615", "[]"] {
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
    }
}
