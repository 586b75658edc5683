//! The HTTP API: JSON in, JSON out. See [`super::answer`] for what errors say.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/read {"key"}` | `{"value"}`, linearizable |
//! | `POST /v1/stale-read {"key"}` | `{"value"}`, of this node's state |
//! | `POST /v1/write {"key","value"}` | `{}` |
//! | `POST /v1/cas {"key","expected","new"}` | `{"swapped":true}` or `{"swapped":false,"current"}` |
//! | `POST /v1/add {"key","value"}` | `{"added":true,"value"}`, the sum, or `{"added":false,"current"}` |
//! | `POST /v1/session` | `{"session"}` |
//! | `POST /v1/members {"add":{"id","address"}}` or `{"remove":id}` | `{"members"}` |
//! | `POST /v1/transfer-leadership {"to"}` | `{"leader"}` |
//! | `POST /v1/snapshot` | `{"snapshot_index"}`, of this node |
//! | `GET /status` | who this node is, what it knows, and what to compare nodes by |
//! | `GET /metrics` | counters, for Prometheus |
//!
//! A value is `null`, a whole number or a string. An add takes a whole number and needs one, or `null`, in
//! the register; repeated, it adds again. A write, a cas or an add may carry `"session"` and `"sequence"`: a
//! request repeated under the same numbers is applied once (thesis §6.3).

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::answer::{Happened, Refusal, member_answers};
use super::driver::Handle;
use super::limit::LimitedListener;
use crate::core::api::{Answer, Change, NodeId, Request, Session};
use crate::machine::{Command, Output, Value};

/// No request body is longer. With the limits on open requests it bounds what a node's queues can hold.
const MAX_BODY_BYTES: usize = 64 << 10;
/// More clients than this wait to be accepted; below the usual limit of 1,024 open files.
const MAX_CONNECTIONS: usize = 768;
/// How long a new member may take to catch up before it stays a learner.
const PROMOTION_LIMIT: Duration = Duration::from_secs(10);
/// The pause between attempts to promote it.
const PROMOTION_PAUSE: Duration = Duration::from_millis(20);

/// Answers clients; ends only if the listener fails, which it never does.
pub(super) async fn serve(listener: TcpListener, handle: Handle) {
    let router = Router::new()
        .route("/v1/read", post(read))
        .route("/v1/stale-read", post(stale_read))
        .route("/v1/write", post(write))
        .route("/v1/cas", post(cas))
        .route("/v1/add", post(add))
        .route("/v1/session", post(session))
        .route("/v1/members", post(members))
        .route("/v1/transfer-leadership", post(transfer))
        .route("/v1/snapshot", post(snapshot))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .fallback(|| async { Refusal::not_found() })
        .method_not_allowed_fallback(|| async { Refusal::not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(handle);
    let listener = LimitedListener::new(listener, MAX_CONNECTIONS);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the HTTP server has stopped");
    }
}

type Answered = Result<Response, Refusal>;
type Raw = Result<Bytes, axum::extract::rejection::BytesRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteBody {
    key: String,
    value: Value,
    session: Option<u64>,
    sequence: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasBody {
    key: String,
    expected: Value,
    new: Value,
    session: Option<u64>,
    sequence: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    key: String,
    value: i64,
    session: Option<u64>,
    sequence: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum MembersBody {
    Add { id: NodeId, address: String },
    Remove(NodeId),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    to: Option<NodeId>,
}

#[derive(Serialize)]
struct ReadAnswer {
    value: Value,
}

#[derive(Serialize)]
struct CasAnswer {
    swapped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Value>,
}

async fn read(State(handle): State<Handle>, body: Raw) -> Answered {
    let ReadBody { key } = parse(body)?;
    match handle
        .request(Request::Read { key })
        .await
        .map_err(Refusal::of_a_read)?
    {
        Answer::Read(value) => json(&ReadAnswer { value }),
        other => Err(unexpected(&other)),
    }
}

async fn stale_read(State(handle): State<Handle>, body: Raw) -> Answered {
    let ReadBody { key } = parse(body)?;
    json(&ReadAnswer {
        value: handle.stale_read(key).await.map_err(Refusal::of_a_read)?,
    })
}

async fn write(State(handle): State<Handle>, body: Raw) -> Answered {
    let WriteBody {
        key,
        value,
        session,
        sequence,
    } = parse(body)?;
    let session = numbered(session, sequence)?;
    let command = Command::Write { key, value };
    match handle.request(Request::Apply { session, command }).await? {
        Answer::Applied(Output::Written) => json(&serde_json::json!({})),
        other => Err(unexpected(&other)),
    }
}

async fn cas(State(handle): State<Handle>, body: Raw) -> Answered {
    let CasBody {
        key,
        expected,
        new,
        session,
        sequence,
    } = parse(body)?;
    let session = numbered(session, sequence)?;
    let command = Command::Cas { key, expected, new };
    match handle.request(Request::Apply { session, command }).await? {
        Answer::Applied(Output::Written) => json(&CasAnswer {
            swapped: true,
            current: None,
        }),
        Answer::Applied(Output::CasFailed { current }) => json(&CasAnswer {
            swapped: false,
            current: Some(current),
        }),
        other => Err(unexpected(&other)),
    }
}

async fn add(State(handle): State<Handle>, body: Raw) -> Answered {
    let AddBody {
        key,
        value: amount,
        session,
        sequence,
    } = parse(body)?;
    let session = numbered(session, sequence)?;
    let command = Command::Add { key, amount };
    match handle.request(Request::Apply { session, command }).await? {
        Answer::Applied(Output::Added(sum)) => json(&serde_json::json!({ "added": true, "value": sum })),
        Answer::Applied(Output::NotAdded { current }) => {
            json(&serde_json::json!({ "added": false, "current": current }))
        }
        other => Err(unexpected(&other)),
    }
}

async fn session(State(handle): State<Handle>) -> Answered {
    match handle.request(Request::OpenSession).await? {
        Answer::Session(session) => json(&serde_json::json!({ "session": session })),
        other => Err(unexpected(&other)),
    }
}

async fn members(State(handle): State<Handle>, body: Raw) -> Answered {
    let changed = match parse(body)? {
        MembersBody::Remove(id) => handle.request(Request::Change(Change::Remove { id })).await?,
        // An earlier request added it, and it had not caught up in time.
        MembersBody::Add { id, .. } if is_learner(&handle, id).await? => promote(&handle, id).await?,
        MembersBody::Add { id, address } => {
            handle
                .request(Request::Change(Change::AddLearner { id, address }))
                .await?;
            promote(&handle, id).await?
        }
    };
    match changed {
        Answer::Changed(membership) => json(&serde_json::json!({ "members": member_answers(&membership) })),
        other => Err(unexpected(&other)),
    }
}

/// Whether this node knows it as a member without a vote.
async fn is_learner(handle: &Handle, id: NodeId) -> Result<bool, Refusal> {
    let status = handle.status().await.map_err(Refusal::of_a_read)?;
    Ok(status.learners().any(|learner| learner == id))
}

/// Gives a new member its vote once it has caught up (thesis §4.2.1).
async fn promote(handle: &Handle, id: NodeId) -> Result<Answer, Refusal> {
    let deadline = Instant::now() + PROMOTION_LIMIT;
    loop {
        let refusal = match handle.request(Request::Change(Change::Promote { id })).await {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        // It is a member by now, if only a learner.
        let refusal = Refusal {
            happened: Happened::Maybe,
            ..refusal
        };
        let waits = matches!(
            refusal.error,
            "bad-request" | "change-in-progress" | "no-leader" | "transferring"
        );
        if !waits || Instant::now() > deadline {
            let message = format!(
                "node {id} was added as a learner but not promoted: {}",
                refusal.message
            );
            return Err(Refusal {
                status: 503,
                message,
                ..refusal
            });
        }
        tokio::time::sleep(PROMOTION_PAUSE).await;
    }
}

async fn transfer(State(handle): State<Handle>, body: Raw) -> Answered {
    let TransferBody { to } = match body {
        Ok(bytes) if bytes.is_empty() => TransferBody::default(),
        body => parse(body)?,
    };
    match handle.request(Request::Transfer { to }).await? {
        Answer::Transferred(leader) => json(&serde_json::json!({ "leader": leader })),
        other => Err(unexpected(&other)),
    }
}

async fn snapshot(State(handle): State<Handle>) -> Answered {
    match handle.request(Request::Snapshot).await? {
        Answer::Snapshot(index) => json(&serde_json::json!({ "snapshot_index": index })),
        other => Err(unexpected(&other)),
    }
}

async fn status(State(handle): State<Handle>) -> Answered {
    json(&handle.status().await.map_err(Refusal::of_a_read)?)
}

async fn metrics(State(handle): State<Handle>) -> Answered {
    let text = handle.metrics().await.map_err(Refusal::of_a_read)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(&self).unwrap_or_else(|_| Response::new(Body::empty()));
        *response.status_mut() = status;
        response
    }
}

fn parse<T: DeserializeOwned>(body: Raw) -> Result<T, Refusal> {
    let bytes = body.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn numbered(client: Option<u64>, sequence: Option<u64>) -> Result<Option<Session>, Refusal> {
    match (client, sequence) {
        (Some(client), Some(sequence)) => Ok(Some(Session { client, sequence })),
        (None, None) => Ok(None),
        _ => Err(Refusal::bad_request(
            "`session` and `sequence` must come together",
        )),
    }
}

fn json(answer: &impl Serialize) -> Answered {
    let bytes = serde_json::to_vec(answer).map_err(|error| unexpected(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// A bug in this program: the client must not conclude anything from it.
fn unexpected(what: &impl std::fmt::Debug) -> Refusal {
    tracing::error!(?what, "an answer that does not fit its request");
    Refusal::internal()
}
