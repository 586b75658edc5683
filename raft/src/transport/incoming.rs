//! The connections that peers made: receive, pass on, answer pings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::frame::{self, FrameError, Kind};
use super::{Hello, Incoming, TransportConfig, VERSION};
use crate::bug::{Bug, Bugs};
use crate::core::api::NodeId;

/// More connections than this wait to be accepted.
const MAX_CONNECTIONS: usize = 128;
/// A peer pings ten times a second; one that is silent for this long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How much is read at once, at least.
const READ_BYTES: usize = 64 << 10;

/// The newest connection of each peer. An older one is what a partition left behind.
type Newest = Mutex<HashMap<NodeId, AbortHandle>>;

#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it sent {0}")]
    Frame(#[from] FrameError),
    #[error("it closed the connection")]
    Ended,
    #[error("it was silent for too long")]
    Silent,
    #[error("it is not a peer: {0}")]
    NotAPeer(String),
    #[error("this node is stopping")]
    Stopping,
}

/// Accepts connections until it is aborted; all of them end with it.
pub(super) async fn listen(
    config: Arc<TransportConfig>,
    listener: TcpListener,
    incoming: mpsc::Sender<Incoming>,
) {
    let newest = Arc::new(Newest::default());
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most likely out of file descriptors; trying again at once would only waste processor time.
                tracing::warn!(%error, "cannot accept a peer's connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (config, newest, incoming) = (config.clone(), newest.clone(), incoming.clone());
        // The task needs its own handle to be found by the peer's next connection.
        let (tell, told) = tokio::sync::oneshot::channel();
        let task = connections.spawn(async move {
            let _place = place;
            if let Ok(own) = told.await {
                serve(&config, stream, &newest, own, &incoming).await;
            }
        });
        let _ = tell.send(task);
    }
}

async fn serve(
    config: &TransportConfig,
    mut stream: TcpStream,
    newest: &Newest,
    own: AbortHandle,
    incoming: &mpsc::Sender<Incoming>,
) {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let greeted = tokio::time::timeout(config.connect_timeout, greet(config, &mut stream, &mut buffer)).await;
    let (from, address) = match greeted.unwrap_or(Err(Closed::Silent)) {
        Ok(greeted) => greeted,
        Err(reason) => {
            tracing::debug!(%reason, "turned a connection away");
            return;
        }
    };
    if !take_over(newest, from, own, config.bugs) {
        return;
    }
    tracing::debug!(peer = from, "a peer connected");
    if incoming.send(Incoming::Greeted { from, address }).await.is_err() {
        return;
    }
    let Err(reason) = receive(&mut stream, &mut buffer, from, incoming).await;
    tracing::debug!(peer = from, %reason, "a peer's connection ended");
}

/// Ends a peer's older connection: what it was for, only the newest can know. Whether the newer one may stay.
fn take_over(newest: &Newest, from: NodeId, own: AbortHandle, bugs: Bugs) -> bool {
    let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
    let lives = newest.get(&from).is_some_and(|older| !older.is_finished());
    if bugs.contains(Bug::OlderConnectionWins) && lives {
        return false;
    }
    if let Some(older) = newest.insert(from, own) {
        older.abort();
    }
    true
}

async fn greet(
    config: &TransportConfig,
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> Result<(NodeId, SocketAddr), Closed> {
    stream.set_nodelay(true)?;
    let (kind, payload) = loop {
        match frame::decode(buffer)? {
            Some(first) => break first,
            None => read(stream, buffer).await?,
        }
    };
    let hello = match postcard::from_bytes::<Hello>(&payload) {
        Ok(hello) if kind == Kind::Hello => hello,
        _ => return Err(Closed::NotAPeer("it does not introduce itself".into())),
    };
    let Hello { from, port, .. } = hello;
    let expected = Hello {
        version: VERSION,
        cluster: config.cluster.clone(),
        from,
        to: config.id,
        port,
    };
    if hello != expected {
        return Err(Closed::NotAPeer(format!(
            "it sent {hello:?} instead of {expected:?}"
        )));
    }
    let answer = Hello {
        from: config.id,
        to: from,
        port: 0,
        ..expected
    };
    let payload = postcard::to_stdvec(&answer).map_err(std::io::Error::other)?;
    let mut out = BytesMut::new();
    frame::encode(&mut out, Kind::Hello, &payload);
    stream.write_all(&out).await?;
    Ok((from, SocketAddr::new(stream.peer_addr()?.ip(), port)))
}

async fn receive(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    from: NodeId,
    incoming: &mpsc::Sender<Incoming>,
) -> Result<std::convert::Infallible, Closed> {
    let mut pong = BytesMut::new();
    frame::encode(&mut pong, Kind::Pong, &[]);
    loop {
        while let Some((kind, payload)) = frame::decode(buffer)? {
            match kind {
                Kind::Data => {
                    (incoming.send(Incoming::Frame { from, payload }).await).map_err(|_| Closed::Stopping)?
                }
                Kind::Ping => stream.write_all(&pong).await?,
                Kind::Hello | Kind::Pong => {}
            }
        }
        tokio::time::timeout(SILENCE, read(stream, buffer))
            .await
            .unwrap_or(Err(Closed::Silent))?;
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<(), Closed> {
    buffer.reserve(READ_BYTES);
    match stream.read_buf(buffer).await? {
        0 => Err(Closed::Ended),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_connection_is_refused_by_a_planted_bug_alone() {
        for bugs in [Bugs::NONE, Bug::OlderConnectionWins.into()] {
            let newest = Newest::default();
            let tasks: Vec<_> = (0..2)
                .map(|_| tokio::spawn(std::future::pending::<()>()))
                .collect();
            assert!(take_over(&newest, 7, tasks[0].abort_handle(), bugs));
            let stays = take_over(&newest, 7, tasks[1].abort_handle(), bugs);
            assert_eq!(stays, bugs == Bugs::NONE);
            // Once the task that aborts itself has had its turn, so has any other that was told to end.
            let last = tokio::spawn(std::future::pending::<()>());
            last.abort();
            assert!(last.await.is_err());
            assert_eq!(
                tasks[0].is_finished(),
                stays,
                "the older one ends if the newer one stays"
            );
            assert!(!tasks[1].is_finished());
        }
    }
}
