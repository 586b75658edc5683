//! What nodes send each other: Raft's messages, and requests that a follower passes on to its leader.
//!
//! A frame's payload is one or more of these, one after another, in postcard.

use serde::{Deserialize, Serialize};

use crate::core::api::{Answer, Message, Request, RequestError, RequestId};

/// One thing that a node sends to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wire {
    /// From core to core.
    Raft(Message),
    /// A client's request, for the leader.
    Forward {
        /// The request at the node that forwards it.
        origin: Origin,
        /// What is wanted.
        request: Request,
    },
    /// The leader's answer to a forwarded request.
    Forwarded {
        /// The request at the node that forwarded it.
        origin: Origin,
        /// What came of it.
        result: Result<Answer, RequestError>,
    },
}

/// Names a request at the node where it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// Drawn when that node's process started, so that an answer never reaches a later process's request.
    pub life: u64,
    /// The request's number in that process.
    pub request: RequestId,
}

/// Appends one to a frame's payload. False: it could not be encoded and nothing was appended.
pub(super) fn encode(out: &mut Vec<u8>, wire: &Wire) -> bool {
    let before = out.len();
    match postcard::to_io(wire, &mut *out) {
        Ok(_) => true,
        Err(_) => {
            out.truncate(before);
            false
        }
    }
}

/// Takes a payload apart.
pub(super) fn decode(mut payload: &[u8]) -> impl Iterator<Item = Result<Wire, postcard::Error>> {
    std::iter::from_fn(move || {
        if payload.is_empty() {
            return None;
        }
        Some(match postcard::take_from_bytes(payload) {
            Ok((wire, rest)) => {
                payload = rest;
                Ok(wire)
            }
            Err(error) => {
                payload = &[];
                Err(error)
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::{Body, Session};
    use crate::machine::{Command, Output, Value};

    #[test]
    fn what_is_encoded_is_decoded() {
        let origin = Origin {
            life: u64::MAX,
            request: 7,
        };
        let said = [
            Wire::Raft(Message {
                from: 1,
                to: 2,
                term: 3,
                body: Body::Accepted { match_index: 4 },
            }),
            Wire::Forward {
                origin,
                request: Request::Apply {
                    session: Some(Session {
                        client: 1,
                        sequence: 2,
                    }),
                    command: Command::Cas {
                        key: "k".into(),
                        expected: Value::Nil,
                        new: Value::Text("t".into()),
                    },
                },
            },
            Wire::Forwarded {
                origin,
                result: Ok(Answer::Applied(Output::CasFailed {
                    current: Value::Int(-1),
                })),
            },
            Wire::Forwarded {
                origin,
                result: Err(RequestError::NotLeader { leader: None }),
            },
        ];
        let mut payload = Vec::new();
        assert!(said.iter().all(|wire| encode(&mut payload, wire)));
        let heard: Vec<Wire> = decode(&payload).collect::<Result<_, _>>().unwrap();
        assert_eq!(heard, said);
        // What cannot be understood ends the payload, after what can.
        payload.push(0xff);
        assert_eq!(decode(&payload).filter(Result::is_ok).count(), said.len());
        assert_eq!(decode(&payload).filter(Result::is_err).count(), 1);
    }
}
