//! Whether links pass, found out by sending packets over them.
//!
//! One UDP socket a node, bound to the node's address (in its network namespace where it has one). A probe of
//! a link sends numbered datagrams one way and looks whether any arrives: nothing needs to come back, so that
//! a link that is cut one way is seen as such.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{ControlError, Link, Sample};

/// A datagram is sent again after this long.
const RESEND: Duration = Duration::from_millis(20);

/// Datagrams start with this, then the number of the probe and the place of the link in it, both as u64
/// little endian.
const MAGIC: &[u8; 8] = b"perjury?";
const DATAGRAM: usize = 24;

/// Datagrams of samples: this, the number of the sample, the number of the datagram.
const SAMPLE_MAGIC: &[u8; 8] = b"perjury#";
const SAMPLE_HEADER: usize = 24;
/// Between two datagrams of a sample.
const SAMPLE_GAP: Duration = Duration::from_millis(2);

/// The sockets of all nodes.
#[derive(Debug)]
pub(crate) struct Prober {
    sockets: Vec<(UdpSocket, SocketAddr)>,
    /// The number of the last probe: datagrams of an earlier one that were held up on the way do not count.
    last: u64,
}

impl Prober {
    /// A prober with one bound socket a node.
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> io::Result<Prober> {
        let sockets = sockets
            .into_iter()
            .map(|socket| {
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                Ok((socket, address))
            })
            .collect::<io::Result<_>>()?;
        Ok(Prober { sockets, last: 0 })
    }

    /// Which of these links pass a packet within `limit`; all are tried at once. Blocks.
    pub(crate) fn probe(&mut self, links: &[Link], limit: Duration) -> Result<Vec<bool>, ControlError> {
        check(links, self.sockets.len())?;
        self.last += 1;
        let failed = |source: io::Error| ControlError::System {
            what: "cannot probe the links".into(),
            source,
        };
        let mut passes = vec![false; links.len()];
        let deadline = Instant::now() + limit;
        loop {
            let now = Instant::now();
            for (place, link) in links.iter().enumerate() {
                if !passes[place] {
                    self.send(place, *link).map_err(failed)?;
                }
            }
            let until = (now + RESEND).min(deadline);
            self.receive(links, &mut passes, until).map_err(failed)?;
            if passes.iter().all(|&passes| passes) || Instant::now() >= deadline {
                return Ok(passes);
            }
        }
    }

    /// See [`crate::Net::sample`]. Blocks.
    pub(crate) fn sample(
        &mut self,
        link: Link,
        count: usize,
        bytes: usize,
        limit: Duration,
    ) -> Result<Sample, ControlError> {
        check(&[link], self.sockets.len())?;
        self.last += 1;
        let failed = |source: io::Error| ControlError::System {
            what: "cannot sample a link".into(),
            source,
        };
        let mut sample = Sample::default();
        let mut sent_at: Vec<Instant> = Vec::with_capacity(count);
        let mut seen = vec![false; count];
        let mut latest = 0;
        let start = Instant::now();
        let mut datagram = vec![0; bytes.max(SAMPLE_HEADER)];
        datagram[..8].copy_from_slice(SAMPLE_MAGIC);
        datagram[8..16].copy_from_slice(&self.last.to_le_bytes());
        let mut buffer = vec![0; datagram.len() + 1];
        let mut deadline = None;
        // Where packets are doubled, the last one's double is waited for.
        while sample.arrived < count || sample.again > 0 {
            let now = Instant::now();
            if sent_at.len() < count && now >= start + SAMPLE_GAP * sent_at.len() as u32 {
                datagram[16..SAMPLE_HEADER].copy_from_slice(&(sent_at.len() as u64).to_le_bytes());
                // Noted before it is sent, so that no travel time seems shorter than it was.
                sent_at.push(Instant::now());
                match self.sockets[link.from]
                    .0
                    .send_to(&datagram, self.sockets[link.to].1)
                {
                    Err(error) if !is_temporary(&error) => return Err(failed(error)),
                    _ => {}
                }
                if sent_at.len() == count {
                    deadline = Some(now + limit);
                }
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            let mut ready = [PollFd::new(self.sockets[link.to].0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::from(1_u8)) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
            while let Ok(length) = self.sockets[link.to].0.recv(&mut buffer) {
                let arrived = Instant::now();
                let Some(number) = self.number(&buffer[..length], datagram.len()) else {
                    continue;
                };
                let (Some(sent), Some(seen)) = (sent_at.get(number), seen.get_mut(number)) else {
                    continue;
                };
                if std::mem::replace(seen, true) {
                    sample.again += 1;
                    continue;
                }
                sample.arrived += 1;
                sample.overtaken += usize::from(number < latest);
                latest = latest.max(number);
                sample.ways.push(arrived.saturating_duration_since(*sent));
                sample.lasted = arrived.saturating_duration_since(start);
            }
        }
        sample.sent = count;
        Ok(sample)
    }

    /// The number of a datagram of the current sample.
    fn number(&self, datagram: &[u8], length: usize) -> Option<usize> {
        if datagram.len() != length || &datagram[..8] != SAMPLE_MAGIC {
            return None;
        }
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
        (number(&datagram[8..16])? == self.last)
            .then(|| number(&datagram[16..SAMPLE_HEADER]))
            .flatten()
            .and_then(|number| usize::try_from(number).ok())
    }

    fn send(&self, place: usize, link: Link) -> io::Result<()> {
        let mut datagram = [0; DATAGRAM];
        datagram[..8].copy_from_slice(MAGIC);
        datagram[8..16].copy_from_slice(&self.last.to_le_bytes());
        datagram[16..].copy_from_slice(&(place as u64).to_le_bytes());
        match self.sockets[link.from]
            .0
            .send_to(&datagram, self.sockets[link.to].1)
        {
            Err(error) if !is_temporary(&error) => Err(error),
            // What could not be sent now is lost on the way and sent again.
            _ => Ok(()),
        }
    }

    /// Waits until all links have passed or `until`.
    fn receive(&self, links: &[Link], passes: &mut [bool], until: Instant) -> io::Result<()> {
        while !passes.iter().all(|&passes| passes) {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up, so that the last fraction of a millisecond is not spent in a busy loop.
            let timeout_ms = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
            let mut ready: Vec<PollFd> = self
                .sockets
                .iter()
                .map(|(socket, _)| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            match poll(&mut ready, PollTimeout::from(timeout_ms)) {
                Ok(0) => return Ok(()),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            for (node, (socket, _)) in self.sockets.iter().enumerate() {
                let mut datagram = [0; DATAGRAM + 1];
                while let Ok(length) = socket.recv(&mut datagram) {
                    if let Some(place) = self.place(&datagram[..length])
                        && links.get(place).is_some_and(|link| link.to == node)
                    {
                        passes[place] = true;
                    }
                }
            }
            if left.is_zero() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The place of the link in the current probe that a datagram belongs to.
    fn place(&self, datagram: &[u8]) -> Option<usize> {
        if datagram.len() != DATAGRAM || &datagram[..8] != MAGIC {
            return None;
        }
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
        (number(&datagram[8..16])? == self.last)
            .then(|| number(&datagram[16..]))
            .flatten()
            .and_then(|place| usize::try_from(place).ok())
    }
}

/// Errors of a send that come from the network and pass, such as an unreachable host.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
    ) || error.raw_os_error() == Some(nix::libc::ENOBUFS)
}

/// Whether every link is one between two different nodes of `nodes`.
pub(crate) fn check(links: &[Link], nodes: usize) -> Result<(), ControlError> {
    match links
        .iter()
        .find(|link| link.from >= nodes || link.to >= nodes || link.from == link.to)
    {
        None => Ok(()),
        Some(link) => Err(ControlError::Other(format!(
            "there is no link from node {} to node {} among {nodes} nodes",
            link.from, link.to
        ))),
    }
}

/// Probes on a thread that may block.
pub(crate) async fn probe_blocking(
    prober: &Arc<Mutex<Prober>>,
    links: &[Link],
    limit: Duration,
) -> Result<Vec<bool>, ControlError> {
    let (prober, links) = (Arc::clone(prober), links.to_vec());
    tokio::task::spawn_blocking(move || {
        let mut prober = prober.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        prober.probe(&links, limit)
    })
    .await
    .map_err(|error| ControlError::Other(format!("the probe was interrupted: {error}")))?
}

/// Samples on a thread that may block.
pub(crate) async fn sample_blocking(
    prober: &Arc<Mutex<Prober>>,
    link: Link,
    count: usize,
    bytes: usize,
    limit: Duration,
) -> Result<Sample, ControlError> {
    let prober = Arc::clone(prober);
    tokio::task::spawn_blocking(move || {
        let mut prober = prober.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        prober.sample(link, count, bytes, limit)
    })
    .await
    .map_err(|error| ControlError::Other(format!("the sample was interrupted: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(count: usize) -> Prober {
        let sockets = (0..count)
            .map(|_| UdpSocket::bind("127.0.0.1:0").expect("a loopback socket"))
            .collect();
        Prober::new(sockets).expect("a prober")
    }

    #[test]
    fn open_links_pass_and_a_deaf_node_does_not() {
        let mut prober = loopback(3);
        let links = crate::links_between(&[0, 1, 2], &[0, 1, 2]);
        let limit = Duration::from_secs(10);
        assert_eq!(prober.probe(&links, limit).expect("a probe"), vec![true; 6]);
        // What is sent to n3 now goes elsewhere.
        let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
        prober.sockets[2].1 = elsewhere.local_addr().expect("an address");
        let passes = prober.probe(&links, Duration::from_millis(50)).expect("a probe");
        for (link, passes) in links.iter().zip(passes) {
            assert_eq!(passes, link.to != 2, "{link:?}");
        }
    }

    #[test]
    fn a_sample_counts_each_datagram_once() {
        let mut prober = loopback(2);
        let link = Link { from: 0, to: 1 };
        let sample = prober
            .sample(link, 50, 200, Duration::from_secs(10))
            .expect("a sample");
        assert_eq!(
            (sample.sent, sample.arrived, sample.again, sample.overtaken),
            (50, 50, 0, 0)
        );
        assert_eq!(sample.ways.len(), 50);
        assert!(sample.lasted >= SAMPLE_GAP * 49, "{:?}", sample.lasted);
        // The socket is gone.
        let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
        prober.sockets[1].1 = elsewhere.local_addr().expect("an address");
        let sample = prober
            .sample(link, 5, 40, Duration::from_millis(30))
            .expect("a sample");
        assert_eq!(
            (sample.sent, sample.arrived, sample.way(50)),
            (5, 0, Duration::ZERO)
        );
    }

    #[test]
    fn late_and_foreign_datagrams_do_not_count() {
        let mut prober = loopback(2);
        prober.last = 7;
        let datagram = |magic: &[u8; 8], number: u64, place: u64| {
            [&magic[..], &number.to_le_bytes(), &place.to_le_bytes()].concat()
        };
        for (bytes, expected) in [
            (datagram(MAGIC, 7, 3), Some(3)),
            (datagram(MAGIC, 6, 3), None),
            (datagram(b"imposter", 7, 3), None),
            (Vec::new(), None),
        ] {
            assert_eq!(prober.place(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn links_must_exist() {
        for (from, to, good) in [(0, 1, true), (1, 1, false), (0, 2, false), (2, 0, false)] {
            assert_eq!(check(&[Link { from, to }], 2).is_ok(), good, "{from} {to}");
        }
    }
}
