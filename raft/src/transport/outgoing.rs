//! One link to one peer: connect, send, notice when it is dead, connect again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::frame::{self, FrameError, Kind, MAX_PAYLOAD_BYTES};
use super::{Hello, Incoming, TransportConfig, TransportCounters, VERSION};
use crate::core::api::NodeId;

/// The pause after the first failed attempt to connect; it doubles with each.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// One write takes in no more frames once it has this many bytes.
const WRITE_BYTES: usize = 256 << 10;
/// How long a link may take to carry a large frame, beyond `dead_after`; a slower one counts as dead.
const SLOWEST_BYTES_PER_MS: u64 = 8 << 10;

/// The driver's end of a link. Dropping it closes the link.
#[derive(Debug)]
pub(super) struct Outgoing {
    address: String,
    queue: mpsc::Sender<Bytes>,
    state: Arc<LinkState>,
    queue_bytes: usize,
    task: JoinHandle<()>,
}

/// What the driver's end and the task share.
#[derive(Debug, Default)]
struct LinkState {
    up: AtomicBool,
    waiting_bytes: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it sent {0}")]
    Frame(#[from] FrameError),
    #[error("it closed the connection")]
    Ended,
    #[error("it does not answer")]
    Dead,
    #[error("it is not the peer that was expected")]
    WrongPeer,
    #[error("this node is stopping")]
    Stopping,
}

impl Outgoing {
    /// The first pair: this node and the port that it listens on. After `attempts` failed ones in a row to
    /// connect, if there is such a limit, the link ends.
    pub(super) fn start(
        (config, port): (Arc<TransportConfig>, u16),
        counters: Arc<TransportCounters>,
        peer: NodeId,
        address: String,
        attempts: Option<u32>,
        incoming: mpsc::Sender<Incoming>,
    ) -> Outgoing {
        let (queue, waiting) = mpsc::channel(config.queue_frames);
        let state = Arc::new(LinkState::default());
        let queue_bytes = config.queue_bytes;
        let link = Link {
            config,
            port,
            attempts,
            counters,
            peer,
            address: address.clone(),
            waiting,
            state: state.clone(),
            incoming,
        };
        Outgoing {
            address,
            queue,
            state,
            queue_bytes,
            task: tokio::spawn(link.run()),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it still tries to connect when it is not connected.
    pub(super) fn lasts(&self) -> bool {
        !self.task.is_finished()
    }

    /// How many bytes wait to be sent.
    pub(super) fn queued_bytes(&self) -> usize {
        self.state.waiting_bytes.load(Ordering::Relaxed)
    }

    /// See [`super::Transport::send`].
    pub(super) fn send(&self, payload: Bytes) -> bool {
        let bytes = payload.len();
        let room = self.state.waiting_bytes.load(Ordering::Relaxed) < self.queue_bytes;
        // While the link is down frames would only grow old in the queue.
        if bytes > MAX_PAYLOAD_BYTES || !room || !self.state.up.load(Ordering::Acquire) {
            return false;
        }
        self.state.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let queued = self.queue.try_send(payload).is_ok();
        if !queued {
            self.state.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        queued
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task's end of a link.
struct Link {
    config: Arc<TransportConfig>,
    port: u16,
    attempts: Option<u32>,
    counters: Arc<TransportCounters>,
    peer: NodeId,
    address: String,
    waiting: mpsc::Receiver<Bytes>,
    state: Arc<LinkState>,
    incoming: mpsc::Sender<Incoming>,
}

impl Link {
    async fn run(mut self) {
        let mut backoff = FIRST_BACKOFF;
        let mut failed = 0;
        loop {
            match self.connect().await {
                Ok(stream) => {
                    tracing::info!(peer = self.peer, address = %self.address, "connected to a peer");
                    self.counters.connects.fetch_add(1, Ordering::Relaxed);
                    (backoff, failed) = (FIRST_BACKOFF, 0);
                    self.state.up.store(true, Ordering::Release);
                    let Err(reason) = self.send_all(stream).await;
                    self.state.up.store(false, Ordering::Release);
                    // From here on nothing is queued; what is there was meant for the connection that is
                    // gone.
                    while let Ok(payload) = self.waiting.try_recv() {
                        self.state
                            .waiting_bytes
                            .fetch_sub(payload.len(), Ordering::Relaxed);
                    }
                    tracing::warn!(peer = self.peer, %reason, "lost the connection to a peer");
                    let stopping = matches!(reason, Closed::Stopping);
                    if stopping
                        || self
                            .incoming
                            .send(Incoming::Lost { to: self.peer })
                            .await
                            .is_err()
                    {
                        return;
                    }
                }
                Err(reason) => {
                    failed += 1;
                    self.counters.failed_connects.fetch_add(1, Ordering::Relaxed);
                    // Logged once for each time that the peer is away.
                    if failed == 1 {
                        let (peer, address) = (self.peer, &self.address);
                        tracing::warn!(peer, %address, %reason, "cannot connect to a peer");
                    }
                    if self.attempts.is_some_and(|attempts| failed >= attempts) {
                        return;
                    }
                }
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(self.config.max_backoff);
        }
    }

    async fn connect(&self) -> Result<TcpStream, Closed> {
        let connecting = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            limit_unanswered(&stream, self.config.dead_after)?;
            let cluster = self.config.cluster.clone();
            let hello = Hello {
                version: VERSION,
                cluster,
                from: self.config.id,
                to: self.peer,
                port: self.port,
            };
            let mut buffer = BytesMut::new();
            frame::encode(
                &mut buffer,
                Kind::Hello,
                &postcard::to_stdvec(&hello).map_err(std::io::Error::other)?,
            );
            stream.write_all(&buffer).await?;
            buffer.clear();
            let (kind, payload) = loop {
                match frame::decode(&mut buffer)? {
                    Some(answer) => break answer,
                    None if stream.read_buf(&mut buffer).await? == 0 => return Err(Closed::Ended),
                    None => {}
                }
            };
            let expected = Hello {
                from: self.peer,
                to: self.config.id,
                port: 0,
                ..hello
            };
            match postcard::from_bytes::<Hello>(&payload) {
                Ok(answer) if kind == Kind::Hello && answer == expected => Ok(stream),
                _ => Err(Closed::WrongPeer),
            }
        };
        tokio::time::timeout(self.config.connect_timeout, connecting)
            .await
            .unwrap_or(Err(Closed::Dead))
    }

    async fn send_all(&mut self, mut stream: TcpStream) -> Result<std::convert::Infallible, Closed> {
        let (mut reader, mut writer) = stream.split();
        let mut answers = BytesMut::new();
        let mut out = BytesMut::new();
        let mut timer = tokio::time::interval(self.config.ping_every);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // When the answer to the ping under way is overdue.
        let mut overdue: Option<Instant> = None;
        loop {
            out.clear();
            tokio::select! {
                payload = self.waiting.recv() => {
                    self.take(&mut out, payload.ok_or(Closed::Stopping)?);
                    while out.len() < WRITE_BYTES && let Ok(payload) = self.waiting.try_recv() {
                        self.take(&mut out, payload);
                    }
                }
                read = reader.read_buf(&mut answers) => {
                    if read? == 0 {
                        return Err(Closed::Ended);
                    }
                    while let Some((kind, _)) = frame::decode(&mut answers)? {
                        if kind == Kind::Pong {
                            overdue = None;
                        }
                    }
                    continue;
                }
                now = timer.tick() => match overdue {
                    Some(overdue) if overdue < now => return Err(Closed::Dead),
                    Some(_) => continue,
                    None => {
                        frame::encode(&mut out, Kind::Ping, &[]);
                        overdue = Some(now + self.config.dead_after);
                    }
                },
            }
            let carrying = Duration::from_millis(out.len() as u64 / SLOWEST_BYTES_PER_MS);
            let limit = self.config.dead_after + carrying;
            tokio::time::timeout(limit, writer.write_all(&out))
                .await
                .unwrap_or(Err(dead()))?;
            self.counters
                .sent_bytes
                .fetch_add(out.len() as u64, Ordering::Relaxed);
            // A ping behind a large frame is answered only once that has arrived.
            overdue = overdue.map(|overdue| overdue + carrying);
            if out.capacity() > 4 * WRITE_BYTES {
                out = BytesMut::new();
            }
        }
    }

    fn take(&self, out: &mut BytesMut, payload: Bytes) {
        self.state
            .waiting_bytes
            .fetch_sub(payload.len(), Ordering::Relaxed);
        self.counters.sent_frames.fetch_add(1, Ordering::Relaxed);
        frame::encode(out, Kind::Data, &payload);
    }
}

fn dead() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "it accepts nothing any more")
}

/// Has the kernel close the connection when what was sent is not acknowledged for this long (RFC 5482), which
/// frees what a partition leaves in its buffers. The pings do the same where this option does not exist.
fn limit_unanswered(stream: &TcpStream, limit: Duration) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let limit_ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::TcpUserTimeout, &limit_ms)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, limit);
    Ok(())
}
