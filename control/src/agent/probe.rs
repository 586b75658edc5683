//! The agent's half of probing links: sends datagrams, and remembers which have arrived.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Datagrams are this, the number of the probe and the place of the link in it, both as u64 little endian.
const MAGIC: &[u8; 8] = b"perjury!";
const DATAGRAM: usize = 24;

/// The socket, and what came in of the newest probe.
pub(super) struct Probes {
    socket: UdpSocket,
    port: u16,
    seen: Arc<Mutex<(u64, BTreeSet<u64>)>>,
}

impl Probes {
    /// Binds a port and listens on a thread that ends with the process.
    pub(super) fn start() -> io::Result<Probes> {
        // One socket for both address families where both exist.
        let socket =
            UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).or_else(|_| UdpSocket::bind(("0.0.0.0", 0)))?;
        let port = socket.local_addr()?.port();
        let seen = Arc::new(Mutex::new((0, BTreeSet::new())));
        let (listener, noted) = (socket.try_clone()?, Arc::clone(&seen));
        std::thread::Builder::new().name("probes".into()).spawn(move || {
            loop {
                let mut datagram = [0; DATAGRAM + 1];
                match listener.recv(&mut datagram) {
                    Ok(length) => {
                        if let Some((number, place)) = parse(&datagram[..length]) {
                            note(&noted, number, place);
                        }
                    }
                    // Such as an ICMP message about an earlier datagram.
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        })?;
        Ok(Probes { socket, port, seen })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Sends a datagram for each link. What cannot be sent is lost on the way.
    pub(super) fn send(&self, number: u64, to: &[(u64, SocketAddr)]) {
        let is_v6 = self.socket.local_addr().is_ok_and(|own| own.is_ipv6());
        for &(place, address) in to {
            let address = match address {
                SocketAddr::V4(v4) if is_v6 => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
                other => other,
            };
            let datagram = [&MAGIC[..], &number.to_le_bytes(), &place.to_le_bytes()].concat();
            let _ = self.socket.send_to(&datagram, address);
        }
    }

    /// What has arrived of the probe with this number.
    pub(super) fn seen(&self, number: u64) -> Vec<u64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.0 == number {
            true => seen.1.iter().copied().collect(),
            false => Vec::new(),
        }
    }
}

/// Only the newest probe counts.
fn note(seen: &Mutex<(u64, BTreeSet<u64>)>, number: u64, place: u64) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if number > seen.0 {
        *seen = (number, BTreeSet::new());
    }
    // A probe has as many places as there are links: any program may send here, but none can fill the memory.
    if number == seen.0 && seen.1.len() < 100_000 {
        seen.1.insert(place);
    }
}

fn parse(datagram: &[u8]) -> Option<(u64, u64)> {
    if datagram.len() != DATAGRAM || &datagram[..8] != MAGIC {
        return None;
    }
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    Some((number(&datagram[8..16])?, number(&datagram[16..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_seen_once_and_only_of_the_newest_probe() {
        let probes = Probes::start().expect("a socket");
        let to = |place| (place, SocketAddr::from(([127, 0, 0, 1], probes.port())));
        let wait_for = |number, places: &[u64]| {
            for _ in 0..500 {
                if probes.seen(number) == places {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            false
        };
        probes.send(5, &[to(1), to(2), to(2)]);
        assert!(wait_for(5, &[1, 2]));
        assert!(probes.seen(6).is_empty());
        probes.send(6, &[to(3)]);
        assert!(wait_for(6, &[3]));
        probes.send(5, &[to(4)]);
        assert!(probes.seen(5).is_empty());
    }

    #[test]
    fn foreign_datagrams_do_not_count() {
        for bytes in [&b"perjury!"[..], b"imposter1234567812345678", b""] {
            assert_eq!(parse(bytes), None);
        }
    }
}
