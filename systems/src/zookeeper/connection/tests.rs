//! The session against a server whose every byte is scripted.

use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A server that sends what the test says.
struct Server(TcpListener);

impl Server {
    async fn start() -> (Server, Settings) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Settings {
            address: listener.local_addr().unwrap().to_string(),
            login: None,
            timeout: Duration::from_secs(4),
            on_drop: OnDrop::Close,
        };
        (Server(listener), settings)
    }

    /// The next connection, and what it wants: the newest transaction, the timeout, the session.
    async fn accept(&self) -> (Peer, (i64, i32, i64)) {
        let (stream, _) = timeout(LIMIT, self.0.accept()).await.unwrap().unwrap();
        let mut peer = Peer(stream);
        let frame = peer.frame().await.unwrap();
        let mut wanted = Decoder::new(&frame);
        assert_eq!(wanted.int(), Ok(0));
        let wanted = (
            wanted.long().unwrap(),
            wanted.int().unwrap(),
            wanted.long().unwrap(),
        );
        (peer, wanted)
    }

    /// Grants a session of 4 seconds.
    async fn grant(&self) -> Peer {
        let (mut peer, (_, timeout_ms, session)) = self.accept().await;
        assert_eq!((timeout_ms, session), (4000, 0));
        peer.grant(4000, 77).await;
        peer
    }
}

struct Peer(TcpStream);

impl Peer {
    /// `None` where the client has closed the connection.
    async fn frame(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        let read = timeout(LIMIT, self.0.read_exact(&mut length)).await.unwrap();
        read.ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        timeout(LIMIT, self.0.read_exact(&mut frame))
            .await
            .unwrap()
            .unwrap();
        Some(frame)
    }

    /// The next request that is no ping: its number and its kind.
    async fn request(&mut self) -> Option<(i32, i32)> {
        loop {
            let frame = self.frame().await?;
            let mut header = Decoder::new(&frame);
            let request = (header.int().unwrap(), header.int().unwrap());
            if request.0 != PING_XID {
                return Some(request);
            }
            self.answer(PING_XID, 0, 0, &[]).await;
        }
    }

    async fn grant(&mut self, timeout_ms: i32, session: i64) {
        let mut body = [0_i32.to_be_bytes(), timeout_ms.to_be_bytes()].concat();
        body.extend(session.to_be_bytes());
        body.extend(16_i32.to_be_bytes());
        body.extend([5; 16]);
        body.push(0);
        self.write(&body).await;
    }

    async fn answer(&mut self, xid: i32, zxid: i64, error: i32, body: &[u8]) {
        let mut frame = xid.to_be_bytes().to_vec();
        frame.extend(zxid.to_be_bytes());
        frame.extend(error.to_be_bytes());
        frame.extend(body);
        self.write(&frame).await;
    }

    async fn write(&mut self, body: &[u8]) {
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.extend(body);
        self.0.write_all(&frame).await.unwrap();
    }
}

async fn open(server: &Server, settings: Settings) -> (Session, Peer) {
    let (session, peer) = tokio::join!(Session::open(settings), server.grant());
    (session.unwrap(), peer)
}

async fn becomes(session: &Session, state: State) {
    let mut seen = session.state.clone();
    let waited = timeout(LIMIT, seen.wait_for(|now| *now == state)).await;
    waited.unwrap().unwrap();
}

#[tokio::test]
async fn answers_reach_their_requests_and_a_dropped_client_closes_its_session() {
    let (server, settings) = Server::start().await;
    let (session, mut peer) = open(&server, settings).await;
    let script = async {
        assert_eq!(peer.request().await, Some((1, Kind::Sync as i32)));
        assert_eq!(peer.request().await, Some((2, Kind::Delete as i32)));
        // In one write, and with the second one's error.
        let mut both = Vec::new();
        for (xid, error) in [(1, 0), (2, Code::NO_NODE.0)] {
            both.extend(16_i32.to_be_bytes());
            both.extend(i32::to_be_bytes(xid));
            both.extend(9_i64.to_be_bytes());
            both.extend(error.to_be_bytes());
        }
        peer.0.write_all(&both).await.unwrap();
    };
    let (synced, deleted, ()) = tokio::join!(session.sync("/a"), session.delete("/b"), script);
    assert_eq!(synced, Ok(()));
    assert_eq!(deleted, Err(Error::NO_NODE));

    drop(session);
    assert_eq!(peer.request().await, Some((3, Kind::CloseSession as i32)));
    peer.answer(3, 10, 0, &[]).await;
    assert_eq!(peer.request().await, None);
}

#[tokio::test]
async fn an_abandoned_session_is_not_closed() {
    let (server, settings) = Server::start().await;
    let on_drop = OnDrop::Abandon;
    let (session, mut peer) = open(&server, Settings { on_drop, ..settings }).await;
    drop(session);
    assert_eq!(peer.request().await, None);
}

#[tokio::test]
async fn a_lost_request_is_not_sent_again_and_the_session_is_resumed() {
    let (server, settings) = Server::start().await;
    let (session, mut peer) = open(&server, settings).await;
    let script = async {
        assert_eq!(peer.request().await, Some((1, Kind::Sync as i32)));
        peer.answer(1, 41, 0, &[]).await;
        assert_eq!(peer.request().await, Some((2, Kind::Delete as i32)));
        drop(peer);
    };
    let requests = async {
        assert_eq!(session.sync("/a").await, Ok(()));
        let lost = session.delete("/a").await;
        assert!(matches!(lost, Err(Error::ConnectionLost(_))), "{lost:?}");
        assert_eq!(session.state(), State::Disconnected);
    };
    tokio::join!(script, requests);

    // The same session; a server that is behind transaction 41 would refuse it.
    let (mut peer, wanted) = server.accept().await;
    assert_eq!(wanted, (41, 4000, 77));
    peer.grant(4000, 77).await;
    becomes(&session, State::Connected).await;
    let script = async {
        // The delete was not sent again.
        assert_eq!(peer.request().await, Some((1, Kind::Sync as i32)));
        peer.answer(1, 42, 0, &[]).await;
    };
    let (synced, ()) = tokio::join!(session.sync("/a"), script);
    assert_eq!(synced, Ok(()));
}

#[tokio::test]
async fn a_session_that_expired_is_over() {
    let (server, settings) = Server::start().await;
    let (session, peer) = open(&server, settings).await;
    drop(peer);
    let (mut peer, _) = server.accept().await;
    peer.grant(0, 0).await;
    becomes(&session, State::Over).await;
    let refused = session.sync("/a").await;
    assert!(matches!(refused, Err(Error::SessionEnded(_))), "{refused:?}");
}

#[tokio::test]
async fn what_makes_no_sense_ends_the_connection() {
    let hostile: [(&str, &[u8]); 5] = [
        ("a frame above the limit", &[0x7f, 0xff, 0xff, 0xff, 0]),
        ("a negative length", &[0xff, 0xff, 0xff, 0xfe, 0]),
        ("a frame without a header", &[0, 0, 0, 2, 0, 0]),
        (
            "an answer to another request",
            &[0, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "a list longer than its frame",
            &[
                0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff,
            ],
        ),
    ];
    for (name, bytes) in hostile {
        let (server, settings) = Server::start().await;
        let (session, mut peer) = open(&server, settings).await;
        let script = async {
            assert_eq!(peer.request().await, Some((1, Kind::GetChildren as i32)));
            peer.0.write_all(bytes).await.unwrap();
        };
        let (children, ()) = tokio::join!(session.children("/a"), script);
        assert!(
            matches!(children, Err(Error::NotUnderstood(_))),
            "{name}: {children:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_login_opens_no_session() {
    let (server, settings) = Server::start().await;
    let login = Some(b"someone:wrong".to_vec());
    let script = async {
        let mut peer = server.grant().await;
        assert_eq!(peer.request().await, Some((AUTH_XID, Kind::Auth as i32)));
        peer.answer(AUTH_XID, 0, Code::AUTH_FAILED.0, &[]).await;
    };
    let (session, ()) = tokio::join!(Session::open(Settings { login, ..settings }), script);
    assert!(matches!(session.err(), Some(Error::SessionEnded(_))));
}

#[tokio::test]
async fn a_silent_server_is_lost_and_an_idle_one_is_pinged() {
    let (server, settings) = Server::start().await;
    let timeout = Duration::from_millis(500);
    let script = async {
        let (mut peer, _) = server.accept().await;
        peer.grant(500, 77).await;
        peer
    };
    let (session, mut peer) = tokio::join!(Session::open(Settings { timeout, ..settings }), script);
    let session = session.unwrap();
    let frame = peer.frame().await.unwrap();
    assert_eq!(Decoder::new(&frame).int(), Ok(PING_XID));
    // The ping gets no answer.
    becomes(&session, State::Disconnected).await;
}
