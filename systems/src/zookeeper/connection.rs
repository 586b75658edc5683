//! One session with one server, and the connection that it is using.
//!
//! A task owns the connection. It sends requests, matches the answers to them, keeps an idle session alive
//! with pings and, when the connection is lost, resumes the session on a new one (ZooKeeper Programmer's
//! Guide, "ZooKeeper Sessions").
//!
//! ```text
//!           connect                  lost                     too late, refused
//!  open ────────────► Connected ───────────► Disconnected ───────────────────────► Over
//!                         ▲                       │
//!                         └───────────────────────┘ resumed
//! ```
//!
//! **Invariants.**
//! - A request is sent at most once. When the connection is lost, every request that is under way gets the
//!   error and is forgotten; a new connection starts with the session's own request and login, and nothing
//!   else.
//! - Nothing waits forever for the server: not a connection, not a write, not an answer. A server that has
//!   been silent for two fifths of the session's timeout counts as lost.
//! - The state changes before the requests under way are answered, so that the next operation already sees
//!   it.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::wire::{
    AUTH_XID, Acl, Code, Decoder, Encoder, Grant, Kind, Malformed, Mode, PING_XID, Stat, WATCH_XID,
    frame_length,
};

/// Between two attempts to resume a session.
const PAUSE: Duration = Duration::from_millis(50);
/// What is reserved for what arrives; answers are small.
const RECEIVE_BYTES: usize = 4 << 10;

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// The server's answer to this very request.
    Code(Code),
    /// The connection was lost while the request was under way.
    ConnectionLost(String),
    /// The session ended while the request was under way, or before.
    SessionEnded(String),
    /// The server sent something that makes no sense.
    NotUnderstood(String),
}

impl Error {
    pub(super) const NO_NODE: Error = Error::Code(Code::NO_NODE);
    pub(super) const NODE_EXISTS: Error = Error::Code(Code::NODE_EXISTS);
    pub(super) const BAD_VERSION: Error = Error::Code(Code::BAD_VERSION);
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Code(code) => code.fmt(f),
            Error::ConnectionLost(why) => write!(f, "the connection is lost: {why}"),
            Error::SessionEnded(why) => write!(f, "the session has ended: {why}"),
            Error::NotUnderstood(why) => write!(f, "an answer makes no sense: {why}"),
        }
    }
}

impl From<Malformed> for Error {
    fn from(Malformed(why): Malformed) -> Error {
        Error::NotUnderstood(why)
    }
}

/// Whether requests can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// They can.
    Connected,
    /// Not now; the session may still be resumed.
    Disconnected,
    /// Never again.
    Over,
}

/// What becomes of the session when its client is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDrop {
    /// It is closed, and its ephemeral nodes go at once.
    Close,
    /// It is left to expire, as if the client had crashed.
    Abandon,
}

/// How a session is opened.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `host:port` of the only server.
    pub address: String,
    /// `user:password`.
    pub login: Option<Vec<u8>>,
    /// How long the session outlives its connection; the server may grant less or more.
    pub timeout: Duration,
    pub on_drop: OnDrop,
}

/// Sends requests in one session.
pub(super) struct Session {
    requests: mpsc::UnboundedSender<Request>,
    state: watch::Receiver<State>,
}

/// A request on its way to the task that owns the connection.
struct Request {
    kind: Kind,
    /// What follows the header.
    body: Box<dyn Fn(Encoder) -> Encoder + Send>,
    answer: oneshot::Sender<Result<Vec<u8>, Error>>,
}

impl Session {
    /// Opens a session. The caller limits how long that may take.
    pub(super) async fn open(settings: Settings) -> Result<Session, Error> {
        let mut session = Resumable::new(&settings);
        let link = Link::open(&settings, &mut session).await?;
        let (requests, inbox) = mpsc::unbounded_channel();
        let (state, seen) = watch::channel(State::Connected);
        let keeper = Keeper {
            settings,
            session,
            inbox,
            state,
        };
        tokio::spawn(keeper.keep(link));
        Ok(Session {
            requests,
            state: seen,
        })
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Creates a node. Returns its path, which has a number more than `path` if the mode is sequential.
    pub(super) async fn create(
        &self,
        path: &str,
        data: &[u8],
        acl: Acl,
        mode: Mode,
    ) -> Result<(String, Stat), Error> {
        let (path, data) = (path.to_owned(), data.to_owned());
        let body = move |to: Encoder| to.string(&path).buffer(&data).acl(acl).int(mode as i32);
        let answer = self.ask(Kind::Create2, body).await?;
        let mut answer = Decoder::new(&answer);
        Ok((answer.string()?, answer.stat()?))
    }

    pub(super) async fn get_data(&self, path: &str) -> Result<(Vec<u8>, Stat), Error> {
        let answer = self.ask(Kind::GetData, unwatched(path)).await?;
        let mut answer = Decoder::new(&answer);
        Ok((answer.buffer()?.to_vec(), answer.stat()?))
    }

    /// Replaces a node's data if it has this version; `None` is any.
    pub(super) async fn set_data(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<(), Error> {
        let (path, data) = (path.to_owned(), data.to_owned());
        let version = version.unwrap_or(ANY_VERSION);
        let body = move |to: Encoder| to.string(&path).buffer(&data).int(version);
        self.ask(Kind::SetData, body).await.map(drop)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Error> {
        let path = path.to_owned();
        let body = move |to: Encoder| to.string(&path).int(ANY_VERSION);
        self.ask(Kind::Delete, body).await.map(drop)
    }

    /// The names of a node's children.
    pub(super) async fn children(&self, path: &str) -> Result<Vec<String>, Error> {
        let answer = self.ask(Kind::GetChildren, unwatched(path)).await?;
        Ok(Decoder::new(&answer).strings()?)
    }

    /// Waits until the server has caught up with its leader.
    pub(super) async fn sync(&self, path: &str) -> Result<(), Error> {
        let path = path.to_owned();
        self.ask(Kind::Sync, move |to| to.string(&path)).await.map(drop)
    }

    /// What follows the header of the answer.
    async fn ask(
        &self,
        kind: Kind,
        body: impl Fn(Encoder) -> Encoder + Send + 'static,
    ) -> Result<Vec<u8>, Error> {
        let (answer, answered) = oneshot::channel();
        let body = Box::new(body);
        // If the task has ended, so has the session; then the request, and with it the sender of its answer,
        // is dropped.
        let _ = self.requests.send(Request { kind, body, answer });
        let ended = || Error::SessionEnded("before the request was answered".to_owned());
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// In a request: whatever version the node has.
const ANY_VERSION: i32 = -1;

/// A path, and that no watch is set.
fn unwatched(path: &str) -> impl Fn(Encoder) -> Encoder + Send + 'static {
    let path = path.to_owned();
    move |to| to.string(&path).bool(false)
}

/// What must be known to resume a session on another connection.
struct Resumable {
    grant: Grant,
    /// The newest transaction that the client has seen.
    last_zxid: i64,
}

impl Resumable {
    fn new(settings: &Settings) -> Resumable {
        let timeout_ms = i32::try_from(settings.timeout.as_millis()).unwrap_or(i32::MAX);
        let grant = Grant {
            timeout_ms,
            session: 0,
            password: Grant::NO_PASSWORD.to_vec(),
        };
        Resumable { grant, last_zxid: 0 }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.grant.timeout_ms).unwrap_or(0))
    }

    /// How long the server may be silent: after that there is time to resume the session before it expires.
    fn silence_limit(&self) -> Duration {
        self.timeout() * 2 / 5
    }

    /// How long the client may be silent: a ping and its answer fit in twice before the limit.
    fn ping_interval(&self) -> Duration {
        self.timeout() * 3 / 20
    }

    /// After so long without the server the session is given up. The server expires it earlier, but its clock
    /// starts later.
    fn expiry(&self) -> Duration {
        self.timeout() * 7 / 5
    }
}

/// One connection.
struct Link {
    stream: TcpStream,
    received: Vec<u8>,
    last_sent: Instant,
    last_received: Instant,
}

impl Link {
    /// Connects, opens or resumes the session, and logs in.
    async fn open(settings: &Settings, session: &mut Resumable) -> Result<Link, Error> {
        let stream = TcpStream::connect(&settings.address).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let mut link = Link {
            stream,
            received: Vec::with_capacity(RECEIVE_BYTES),
            last_sent: Instant::now(),
            last_received: Instant::now(),
        };
        link.send(&Encoder::connect(&session.grant, session.last_zxid).frame())
            .await?;
        let granted = Decoder::new(&link.frame().await?).grant()?;
        if granted.session == 0 {
            return Err(Error::SessionEnded("it has expired".to_owned()));
        }
        if granted.timeout_ms <= 0 {
            return Err(Error::NotUnderstood(format!(
                "a session of {} ms",
                granted.timeout_ms
            )));
        }
        session.grant = granted;
        if let Some(login) = &settings.login {
            const TYPE: i32 = 0;
            let auth = Encoder::request(AUTH_XID, Kind::Auth).int(TYPE);
            link.send(&auth.string("digest").buffer(login).frame()).await?;
            let header = Decoder::new(&link.frame().await?).header()?;
            if header.xid != AUTH_XID || header.error != 0 {
                let code = Code(header.error);
                return Err(Error::SessionEnded(format!("the login is refused: {code}")));
            }
        }
        Ok(link)
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), Error> {
        self.stream.write_all(frame).await.map_err(lost)?;
        self.last_sent = Instant::now();
        Ok(())
    }

    /// The next frame, without its length. Nothing is lost if this is given up half-way.
    async fn frame(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(length) = frame_length(&self.received)?
                && let Some(frame) = self.received.get(4..4 + length)
            {
                let frame = frame.to_vec();
                self.received.drain(..4 + length);
                return Ok(frame);
            }
            self.received.reserve(RECEIVE_BYTES);
            if self.stream.read_buf(&mut self.received).await.map_err(lost)? == 0 {
                return Err(Error::ConnectionLost("the server closed it".to_owned()));
            }
            self.last_received = Instant::now();
        }
    }
}

fn lost(error: std::io::Error) -> Error {
    Error::ConnectionLost(error.to_string())
}

/// A request that was sent; `None` is the closing of the session.
struct Pending {
    xid: i32,
    answer: Option<oneshot::Sender<Result<Vec<u8>, Error>>>,
}

/// The task that owns the connection.
struct Keeper {
    settings: Settings,
    session: Resumable,
    inbox: mpsc::UnboundedReceiver<Request>,
    state: watch::Sender<State>,
}

impl Keeper {
    /// Until the client is dropped or the session is over.
    async fn keep(mut self, mut link: Link) {
        loop {
            let mut pending = VecDeque::new();
            let Err(error) = self.serve(&mut link, &mut pending).await else {
                return;
            };
            let is_over = matches!(error, Error::SessionEnded(_));
            self.state.send_replace(match is_over {
                true => State::Over,
                false => State::Disconnected,
            });
            tracing::debug!("{}: {error}", self.settings.address);
            for answer in pending.into_iter().filter_map(|request: Pending| request.answer) {
                let _ = answer.send(Err(error.clone()));
            }
            link = match self.resume(link.last_received).await {
                Some(resumed) if !is_over => resumed,
                _ => break,
            };
            self.state.send_replace(State::Connected);
        }
        self.state.send_replace(State::Over);
    }

    /// Serves requests on one connection; `Ok` once the client is dropped and all is answered.
    async fn serve(&mut self, link: &mut Link, pending: &mut VecDeque<Pending>) -> Result<(), Error> {
        let (silence_limit, ping_interval) = (self.session.silence_limit(), self.session.ping_interval());
        let mut next_xid = 1;
        let mut is_closing = false;
        while !(is_closing && pending.is_empty()) {
            let (silent_until, idle_until) =
                (link.last_received + silence_limit, link.last_sent + ping_interval);
            tokio::select! {
                frame = link.frame() => self.receive(&frame?, pending)?,
                request = self.inbox.recv(), if !is_closing => {
                    let (kind, body, answer) = match request {
                        // Its operation timed out while it waited for a connection.
                        Some(request) if request.answer.is_closed() => continue,
                        Some(request) => (request.kind, request.body, Some(request.answer)),
                        None => {
                            is_closing = true;
                            if self.settings.on_drop == OnDrop::Abandon {
                                continue;
                            }
                            (Kind::CloseSession, Box::new(|to| to) as Box<_>, None)
                        }
                    };
                    let frame = body(Encoder::request(next_xid, kind)).frame();
                    pending.push_back(Pending { xid: next_xid, answer });
                    next_xid = next_xid.checked_add(1).unwrap_or(1);
                    send_within(silence_limit, link, &frame).await?;
                }
                () = sleep_until(idle_until) => {
                    let ping = Encoder::request(PING_XID, Kind::Ping).frame();
                    send_within(silence_limit, link, &ping).await?;
                }
                () = sleep_until(silent_until) => {
                    let why = format!("no sign of the server within {} ms", silence_limit.as_millis());
                    return Err(Error::ConnectionLost(why));
                }
            }
        }
        Ok(())
    }

    /// An answer. The server answers in the order of the requests.
    fn receive(&mut self, frame: &[u8], pending: &mut VecDeque<Pending>) -> Result<(), Error> {
        let mut rest = Decoder::new(frame);
        let header = rest.header()?;
        match Code(header.error) {
            code @ (Code::SESSION_EXPIRED | Code::AUTH_FAILED | Code::SESSION_CLOSED_REQUIRE_SASL_AUTH) => {
                return Err(Error::SessionEnded(code.to_string()));
            }
            _ if matches!(header.xid, PING_XID | WATCH_XID) => return Ok(()),
            _ => {}
        }
        self.session.last_zxid = self.session.last_zxid.max(header.zxid);
        let Some(request) = pending.pop_front() else {
            return Err(Error::NotUnderstood(format!(
                "an answer to {}, which was not sent",
                header.xid
            )));
        };
        if request.xid != header.xid {
            let why = format!("an answer to {} instead of {}", header.xid, request.xid);
            // It is under way like the others.
            pending.push_front(request);
            return Err(Error::NotUnderstood(why));
        }
        if let Some(answer) = request.answer {
            let _ = answer.send(match header.error {
                0 => Ok(rest.rest().to_vec()),
                code => Err(Error::Code(Code(code))),
            });
        }
        Ok(())
    }

    /// A new connection for the same session; `None` if the session is over, or if it does not matter any
    /// more.
    async fn resume(&mut self, last_received: Instant) -> Option<Link> {
        let expired = last_received + self.session.expiry();
        while !self.inbox.is_closed() && Instant::now() < expired {
            let limit = self.session.silence_limit();
            let attempt = timeout(limit, Link::open(&self.settings, &mut self.session));
            match attempt.await {
                Ok(Ok(link)) => return Some(link),
                Ok(Err(Error::SessionEnded(_))) => return None,
                _ => sleep(PAUSE).await,
            }
        }
        None
    }
}

/// A server that reads nothing does not hold up the task.
async fn send_within(limit: Duration, link: &mut Link, frame: &[u8]) -> Result<(), Error> {
    match timeout(limit, link.send(frame)).await {
        Ok(sent) => sent,
        Err(_) => Err(Error::ConnectionLost(format!(
            "the server accepted nothing for {} ms",
            limit.as_millis()
        ))),
    }
}

#[cfg(test)]
mod tests;
