//! What the transport promises: frames arrive in order or not at all, nothing grows, and a link that a
//! partition has silenced is given up and made again soon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use raft::transport::{Incoming, Transport, TransportConfig, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

struct End {
    transport: Transport,
    incoming: mpsc::Receiver<Incoming>,
    address: SocketAddr,
}

fn end(config: TransportConfig) -> End {
    let listener = listen(ANY).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, incoming) = mpsc::channel(16);
    End {
        transport: Transport::start(config, listener, sender),
        incoming,
        address,
    }
}

/// Sends until the link takes it.
async fn send(end: &End, to: u64, payload: &'static [u8]) {
    let sent = timeout(DEADLINE, async {
        while !end.transport.send(to, Bytes::from_static(payload)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    sent.await.expect("the link does not come up");
}

/// The next frame or loss.
async fn next(end: &mut End) -> Incoming {
    loop {
        match timeout(DEADLINE, end.incoming.recv())
            .await
            .expect("nothing comes in")
        {
            Some(Incoming::Greeted { .. }) => {}
            incoming => return incoming.expect("the transport has stopped"),
        }
    }
}

#[tokio::test]
async fn frames_arrive_in_order() {
    let (one, mut two) = (&mut end(TransportConfig::new(1)), end(TransportConfig::new(2)));
    one.transport.set_peers([(2, two.address.to_string().as_str())]);
    send(one, 2, b"0").await;
    let large = Bytes::from(vec![7; 5 << 20]);
    let sent = [
        Bytes::from_static(b"0"),
        Bytes::from_static(b"1"),
        large,
        Bytes::from_static(b""),
    ];
    for payload in &sent[1..] {
        assert!(one.transport.send(2, payload.clone()));
    }
    for expected in &sent {
        match next(&mut two).await {
            Incoming::Frame { from: 1, payload } => assert_eq!(payload, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_waits_for_a_peer_that_is_away() {
    let one = &mut end(TransportConfig::new(1));
    assert!(!one.transport.send(2, Bytes::from_static(b"to no peer")));
    one.transport.set_peers([(2, "127.0.0.1:1")]);
    for _ in 0..10 {
        assert!(!one.transport.send(2, Bytes::from_static(b"to a closed port")));
        tokio::task::yield_now().await;
    }
    assert_eq!(
        one.transport.counters().dropped_frames.load(Ordering::Relaxed),
        11
    );
}

#[tokio::test]
async fn a_full_queue_drops() {
    let config = TransportConfig {
        queue_frames: 4,
        ..TransportConfig::new(1)
    };
    let (one, mut two) = (&mut end(config), end(TransportConfig::new(2)));
    one.transport.set_peers([(2, two.address.to_string().as_str())]);
    send(one, 2, b"up").await;
    assert!(matches!(next(&mut two).await, Incoming::Frame { .. }));
    // The link's task gets no turn between these.
    let taken = (0..9)
        .filter(|_| one.transport.send(2, Bytes::from_static(b"x")))
        .count();
    assert_eq!(taken, 4);

    let config = TransportConfig {
        queue_bytes: 10,
        ..TransportConfig::new(1)
    };
    let three = &mut end(config);
    three.transport.set_peers([(2, two.address.to_string().as_str())]);
    send(three, 2, b"up").await;
    while !matches!(next(&mut two).await, Incoming::Frame { payload, .. } if payload == "up") {}
    assert!(three.transport.send(2, Bytes::from_static(b"more than ten")));
    assert!(!three.transport.send(2, Bytes::from_static(b"y")));
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let two = end(TransportConfig::new(2));
    let strangers = [
        TransportConfig {
            cluster: "another".into(),
            ..TransportConfig::new(1)
        },
        // Takes node 2 for node 3.
        TransportConfig::new(1),
    ];
    for (stranger, to) in strangers.into_iter().zip([2, 3]) {
        let one = &mut end(stranger);
        one.transport.set_peers([(to, two.address.to_string().as_str())]);
        let failed = || one.transport.counters().failed_connects.load(Ordering::Relaxed);
        let turned_away = timeout(DEADLINE, async {
            while failed() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        turned_away.await.expect("it is not turned away");
        assert!(!one.transport.send(to, Bytes::from_static(b"x")));
        assert_eq!(one.transport.counters().connects.load(Ordering::Relaxed), 0);
    }
    // Nor is one that does not speak the protocol at all.
    let mut raw = TcpStream::connect(two.address).await.unwrap();
    raw.write_all(&[0xff; 64]).await.unwrap();
    let closed = timeout(DEADLINE, raw.read(&mut [0; 16]))
        .await
        .expect("it is not turned away");
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

/// Carries bytes to and fro until it is cut; then it keeps the connections open and carries nothing, as a
/// firewall that drops packets does. New connections hang too.
async fn proxy(listener: TcpListener, to: SocketAddr, cut: Arc<AtomicBool>) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(to).await.unwrap();
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        for (mut from, mut to) in [(near_read, far_write), (far_read, near_write)] {
            let cut = cut.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut buffer).await {
                    if cut.load(Ordering::Relaxed) {
                        // Nothing of this connection arrives any more, however long it lives.
                        std::future::pending::<()>().await;
                    }
                    if to.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    }
}

#[tokio::test]
async fn a_silent_link_is_given_up_and_made_again() {
    let (mut one, mut two) = (end(TransportConfig::new(1)), end(TransportConfig::new(2)));
    let between = listen(ANY).unwrap();
    let address = between.local_addr().unwrap();
    let cut = Arc::new(AtomicBool::new(false));
    let carrying = tokio::spawn(proxy(between, two.address, cut.clone()));
    one.transport.set_peers([(2, address.to_string().as_str())]);
    send(&one, 2, b"before").await;
    assert!(matches!(next(&mut two).await, Incoming::Frame { payload, .. } if payload == "before"));

    cut.store(true, Ordering::Relaxed);
    assert!(matches!(next(&mut one).await, Incoming::Lost { to: 2 }));
    assert!(!one.transport.send(2, Bytes::from_static(b"during")));

    cut.store(false, Ordering::Relaxed);
    send(&one, 2, b"after").await;
    assert!(matches!(next(&mut two).await, Incoming::Frame { payload, .. } if payload == "after"));
    carrying.abort();
}

#[tokio::test]
async fn a_peer_that_starts_again_is_found_again() {
    let mut one = end(TransportConfig::new(1));
    let two = end(TransportConfig::new(2));
    let address = two.address;
    one.transport.set_peers([(2, address.to_string().as_str())]);
    send(&one, 2, b"first life").await;
    drop(two);
    assert!(matches!(next(&mut one).await, Incoming::Lost { to: 2 }));

    let listener = timeout(DEADLINE, async {
        loop {
            match listen(address) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    let listener = listener.await.expect("the port is not free again");
    let (sender, incoming) = mpsc::channel(16);
    let transport = Transport::start(TransportConfig::new(2), listener, sender);
    let mut two = End {
        transport,
        incoming,
        address,
    };
    send(&one, 2, b"second life").await;
    assert!(matches!(next(&mut two).await, Incoming::Frame { payload, .. } if payload == "second life"));
}

#[tokio::test]
async fn who_greets_can_be_answered() {
    let (mut one, mut two) = (end(TransportConfig::new(1)), end(TransportConfig::new(2)));
    one.transport.set_peers([(2, two.address.to_string().as_str())]);
    match timeout(DEADLINE, two.incoming.recv())
        .await
        .expect("no greeting arrives")
    {
        Some(Incoming::Greeted { from: 1, address }) => {
            assert_eq!(address, one.address);
            two.transport.welcome(1, address);
        }
        other => panic!("{other:?}"),
    }
    send(&two, 1, b"welcome").await;
    assert!(matches!(next(&mut one).await, Incoming::Frame { from: 2, payload } if payload == "welcome"));
}
