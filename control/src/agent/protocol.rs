//! Requests of a controller and answers of an agent: one JSON object a line, each with the number of its
//! request.
//!
//! Invariant: both ends are the same build of this program, so that nothing here needs to be understood by
//! another version.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Ability, Command, Daemon, Pid, ProcessState, Signal};

/// The longest line, either way: a chunk of a file or what a program wrote, in base64, and some words.
pub(crate) const LINE_LIMIT: usize = 48 << 20;
/// How much of a file goes in one line.
pub(crate) const CHUNK: usize = 256 << 10;

/// A question with its number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) id: u64,
    pub(crate) ask: Ask,
}

/// An answer with the number of its question.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    pub(crate) answer: Result<Answer, String>,
}

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Introduce yourself and say what you can do. Also shows that the controller lives.
    Hello,
    /// Run a program to its end.
    Exec(Command),
    /// Start a daemon.
    Spawn(Daemon),
    /// Send a signal and wait until it has taken hold.
    Signal { pid: Pid, signal: Signal },
    /// Report what a process is doing.
    State(Pid),
    /// Find the process that listens on this TCP port.
    Listener { port: u16, address: Option<IpAddr> },
    /// Append to a file, or begin it.
    Write { path: PathBuf, begin: bool, data: Bytes },
    /// Read a file from an offset.
    Read { path: PathBuf, offset: u64 },
    /// Delete a directory.
    RemoveDir(PathBuf),
    /// From now on drop what these senders send, and nothing else.
    Drop(Vec<IpAddr>),
    /// Send datagrams with this number and these places.
    Probe { number: u64, to: Vec<(u64, SocketAddr)> },
    /// Report which places of the probe with this number have arrived.
    Seen(u64),
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Hello(Hello),
    Output {
        code: Option<i32>,
        stdout: Bytes,
        stderr: Bytes,
    },
    Pid(Option<Pid>),
    State(ProcessState),
    Data {
        data: Bytes,
        is_last: bool,
    },
    Seen(Vec<u64>),
    Done,
}

/// The agent's introduction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// What it cannot do, and why.
    pub(crate) refused: BTreeMap<Ability, String>,
    /// The addresses of its host but for loopback and link-local ones.
    pub(crate) addresses: Vec<IpAddr>,
    /// The UDP port on which it waits for probes.
    pub(crate) probe_port: u16,
    /// Linux' boot id and the network namespace: two nodes with the same ones share their addresses.
    pub(crate) host: String,
}

/// Any bytes, in base64.
#[derive(Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_both_ways() {
        let asks = [
            Ask::Hello,
            Ask::Exec(Command::new("true", ["a b", "\u{fc}"])),
            Ask::Write {
                path: "/x".into(),
                begin: true,
                data: Bytes(vec![0, 255, 10]),
            },
            Ask::Drop(vec![IpAddr::from([10, 0, 0, 1])]),
        ];
        for ask in asks {
            let line = serde_json::to_string(&Question { id: 7, ask }).expect("JSON");
            assert!(!line.contains('\n'));
            let again: Question = serde_json::from_str(&line).expect("a question");
            assert_eq!(serde_json::to_string(&again).expect("JSON"), line);
        }
        let reply = r#"{"id":1,"answer":{"Err":"no"}}"#;
        let read: Reply = serde_json::from_str(reply).expect("a reply");
        assert_eq!(read.answer.err().as_deref(), Some("no"));
    }
}
