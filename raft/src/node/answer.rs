//! What a client is answered: JSON for answers, and for refusals a status, a reason, and whether the
//! operation may have happened.
//!
//! Invariant: `"happened":"no"` only when the operation certainly had no effect and never will have. When in
//! doubt it is `"maybe"`; an operation that changes nothing is never in doubt.

use serde::Serialize;

use crate::bug::{Bug, Bugs};
use crate::core::api::{Member, Membership, NodeId, RequestError};

/// Whether an operation that was refused may still have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Happened {
    /// Certainly not, and it never will.
    No,
    /// Unknown.
    Maybe,
}

/// Why a client gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    pub status: u16,
    /// Machine-readable.
    pub error: &'static str,
    /// Human-readable.
    pub message: String,
    pub happened: Happened,
}

/// One member, in `/status` and the answers of `/v1/members`.
#[derive(Debug, Serialize)]
pub(super) struct MemberAnswer {
    pub(super) id: NodeId,
    address: String,
    pub(super) voter: bool,
}

/// The members, by number.
pub(super) fn member_answers(membership: &Membership) -> Vec<MemberAnswer> {
    let member = |(id, member): (&NodeId, &Member)| MemberAnswer {
        id: *id,
        address: member.address.clone(),
        voter: member.voter,
    };
    membership.members.iter().map(member).collect()
}

impl Refusal {
    /// No leader is known, or it cannot be reached.
    pub(super) fn no_leader(message: impl Into<String>) -> Refusal {
        Refusal::new(503, "no-leader", message, Happened::No)
    }

    /// The node has as many requests as it accepts.
    pub(super) fn overloaded() -> Refusal {
        Refusal::new(
            503,
            "overloaded",
            "too many requests are waiting already",
            Happened::No,
        )
    }

    /// The request makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "bad-request", message, Happened::No)
    }

    /// There is nothing under this path or method.
    pub(super) fn not_found() -> Refusal {
        Refusal::new(404, "not-found", "no such path or method", Happened::No)
    }

    /// The node's own deadline has passed.
    pub(super) fn timeout() -> Refusal {
        Refusal::new(504, "timeout", "no answer in time", Happened::Maybe)
    }

    /// The leader that a request was forwarded to cannot be reached any more.
    pub(super) fn connection_lost(bugs: Bugs) -> Refusal {
        let message = "lost the connection to the leader";
        let happened = if bugs.contains(Bug::ConnectionLostIsNo) {
            Happened::No
        } else {
            Happened::Maybe
        };
        Refusal::new(503, "connection-lost", message, happened)
    }

    /// The node's process is about to end.
    pub(super) fn stopping() -> Refusal {
        Refusal::new(503, "stopping", "the node is stopping", Happened::Maybe)
    }

    /// A bug in this program.
    pub(super) fn internal() -> Refusal {
        Refusal::new(
            500,
            "internal",
            "an internal error of the node; see its log",
            Happened::Maybe,
        )
    }

    /// The same refusal of an operation that changes nothing.
    pub(super) fn of_a_read(self) -> Refusal {
        Refusal {
            happened: Happened::No,
            ..self
        }
    }

    fn new(status: u16, error: &'static str, message: impl Into<String>, happened: Happened) -> Refusal {
        Refusal {
            status,
            error,
            message: message.into(),
            happened,
        }
    }
}

impl Refusal {
    /// What the client is told of a request that came to nothing.
    pub(super) fn of(error: &RequestError, bugs: Bugs) -> Refusal {
        let (status, name) = match error {
            RequestError::NotLeader { .. } => (503, "no-leader"),
            RequestError::Busy => (503, "overloaded"),
            RequestError::Transferring => (503, "transferring"),
            RequestError::ChangeInProgress => (409, "change-in-progress"),
            RequestError::BadChange(_) => (400, "bad-request"),
            RequestError::SessionExpired => (410, "session-expired"),
            RequestError::StaleSequence => (409, "stale-sequence"),
            RequestError::LeadershipLost => (503, "leadership-lost"),
            RequestError::ReadTimeout | RequestError::TransferTimeout => (504, "timeout"),
        };
        let happened = match error {
            // This attempt had no effect, but an earlier one with the same number may have had.
            RequestError::SessionExpired | RequestError::StaleSequence => Happened::Maybe,
            RequestError::LeadershipLost if bugs.contains(Bug::LeadershipLostIsNo) => Happened::No,
            error if error.certain() => Happened::No,
            _ => Happened::Maybe,
        };
        Refusal::new(status, name, error.to_string(), happened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_claims_no_more_than_it_knows() {
        let cases = [
            (
                RequestError::NotLeader { leader: None },
                503,
                "no-leader",
                Happened::No,
            ),
            (RequestError::Busy, 503, "overloaded", Happened::No),
            (
                RequestError::BadChange("x".into()),
                400,
                "bad-request",
                Happened::No,
            ),
            (
                RequestError::SessionExpired,
                410,
                "session-expired",
                Happened::Maybe,
            ),
            (
                RequestError::StaleSequence,
                409,
                "stale-sequence",
                Happened::Maybe,
            ),
            (
                RequestError::LeadershipLost,
                503,
                "leadership-lost",
                Happened::Maybe,
            ),
            (RequestError::TransferTimeout, 504, "timeout", Happened::Maybe),
            (RequestError::ReadTimeout, 504, "timeout", Happened::No),
        ];
        for (error, status, name, happened) in cases {
            let refusal = Refusal::of(&error, Bugs::NONE);
            assert_eq!(
                (refusal.status, refusal.error, refusal.happened),
                (status, name, happened),
                "{error}"
            );
        }
        assert_eq!(Refusal::timeout().of_a_read().happened, Happened::No);
        assert_eq!(
            serde_json::to_string(&Refusal::timeout()).unwrap(),
            r#"{"error":"timeout","message":"no answer in time","happened":"maybe"}"#
        );
    }

    /// What each planted bug claims, and a healthy node does not.
    #[test]
    fn planted_bugs_are_armed() {
        for bug in [None, Some(Bug::LeadershipLostIsNo), Some(Bug::ConnectionLostIsNo)] {
            let bugs: Bugs = bug.into_iter().collect();
            let lost = Refusal::of(&RequestError::LeadershipLost, bugs).happened == Happened::No;
            assert_eq!(lost, bug == Some(Bug::LeadershipLostIsNo), "{bug:?}");
            let unconnected = Refusal::connection_lost(bugs).happened == Happened::No;
            assert_eq!(unconnected, bug == Some(Bug::ConnectionLostIsNo), "{bug:?}");
        }
    }
}
