//! A switch in user space: every packet between the nodes passes through one thread, which may drop or delay
//! it.
//!
//! Packet sockets sit on the host ends of the veths (packet(7)). With PACKET_VNET_HDR a frame comes with the
//! state of its checksum and segmentation and goes on with the same header, so that neither is ever computed
//! here and a frame may be a bundle of up to 64 KiB. With PACKET_IGNORE_OUTGOING a socket does not hear what
//! was sent through it.
//!
//! Invariants:
//! - A frame belongs to the port it came in by, whatever it claims: cutting a link cuts ARP and IPv6 as well.
//! - The controller's port comes after those of the nodes; it is never shaped.
//! - A rule is in force for every frame that is read after the call that set it has returned, and for the
//!   frames that wait.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::delay::DelayQueue;
use super::namespace::Namespace;
use super::shaping::Lane;
use super::topology::{port_mac, port_name};
use crate::{ControlError, Link, Shape};

/// The size of `struct virtio_net_hdr`, which precedes each frame.
const VNET_HEADER: usize = 10;

/// Longer than any frame: 64 KiB of IP packet, Ethernet header and VLAN tag, and the header above.
const FRAME_LIMIT: usize = 66_000;

/// The most frames read from one port before the next one gets its turn.
const BATCH: usize = 64;

/// Room for frames that the thread has not read yet, each port.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The running switch; stops when dropped.
#[derive(Debug)]
pub(crate) struct Switch {
    rules: Arc<Mutex<Rules>>,
    /// Its end tells the thread to stop.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// How each link treats frames.
#[derive(Debug)]
struct Rules {
    ports: usize,
    links: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rule {
    cut: bool,
    shape: Shape,
}

/// What the thread works with.
struct Forwarder {
    ports: Vec<OwnedFd>,
    macs: Vec<[u8; 6]>,
    rules: Arc<Mutex<Rules>>,
    /// By link, as the rules are.
    lanes: Vec<Lane>,
    queue: DelayQueue,
    rng: ChaCha8Rng,
    /// Frames that found a full queue or a full port.
    overflowed: u64,
}

impl Switch {
    /// Starts a switch between the ports in `namespace`: `nodes` of them and the controller's.
    pub(super) fn start(namespace: &Namespace, nodes: usize, seed: u64) -> Result<Switch, ControlError> {
        let failed = |source| ControlError::System {
            what: "cannot start the switch".into(),
            source,
        };
        let ports: Vec<OwnedFd> = namespace
            .run(|| (0..=nodes).map(|port| packet_socket(&port_name(port))).collect())
            .map_err(failed)?;
        let rules = Arc::new(Mutex::new(Rules {
            ports: nodes + 1,
            links: vec![Rule::default(); (nodes + 1) * (nodes + 1)],
        }));
        let (stopped, stop) = io::pipe().map_err(failed)?;
        let forwarder = Forwarder {
            macs: (0..=nodes).map(|port| port_mac(port, nodes)).collect(),
            ports,
            rules: Arc::clone(&rules),
            lanes: vec![Lane::new(Instant::now()); (nodes + 1) * (nodes + 1)],
            queue: DelayQueue::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            overflowed: 0,
        };
        let thread = std::thread::Builder::new()
            .name("switch".into())
            .spawn(move || forwarder.run(&stopped))
            .map_err(failed)?;
        Ok(Switch {
            rules,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Cuts a link.
    pub(super) fn cut(&self, link: Link) {
        self.rules().at(link).cut = true;
    }

    /// The links that are cut.
    pub(super) fn cuts(&self) -> BTreeSet<Link> {
        let mut rules = self.rules();
        let ports = rules.ports;
        let links = (0..ports).flat_map(|from| (0..ports).map(move |to| Link { from, to }));
        links.filter(|&link| rules.at(link).cut).collect()
    }

    /// Shapes a link.
    pub(super) fn shape(&self, link: Link, shape: Shape) {
        self.rules().at(link).shape = shape;
    }

    /// Undoes every cut and shape.
    pub(super) fn heal(&self) {
        self.rules().links.fill(Rule::default());
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        lock(&self.rules)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the switch thread panicked");
        }
    }
}

impl Rules {
    /// The rule of a link between two ports.
    fn at(&mut self, link: Link) -> &mut Rule {
        &mut self.links[link.from * self.ports + link.to]
    }

    /// The rule of a link between two ports, read-only.
    fn between(&self, from: usize, to: usize) -> Rule {
        self.links[from * self.ports + to]
    }
}

impl Forwarder {
    fn run(mut self, stopped: &PipeReader) {
        let mut frame = vec![0; FRAME_LIMIT];
        let mut readable = Vec::with_capacity(self.ports.len());
        loop {
            match self.wait(stopped, &mut readable) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!("the switch cannot wait for packets: {error}");
                    break;
                }
            }
            self.release();
            for &port in &readable {
                self.read(port, &mut frame);
            }
        }
        tracing::debug!(overflowed = self.overflowed, "the switch has stopped");
    }

    /// Waits for a frame or the next release; returns false when it shall stop.
    fn wait(&self, stopped: &PipeReader, readable: &mut Vec<usize>) -> nix::Result<bool> {
        let mut polled: Vec<PollFd> = self
            .ports
            .iter()
            .map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN))
            .collect();
        polled.push(PollFd::new(stopped.as_fd(), PollFlags::POLLIN));
        let timeout = self
            .queue
            .next_due()
            .map(|due| TimeSpec::from_duration(due.saturating_duration_since(Instant::now())));
        match ppoll(&mut polled, timeout, None) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(true),
            Err(error) => return Err(error),
        }
        let happened = |fd: &PollFd| fd.revents().is_some_and(|events| !events.is_empty());
        readable.clear();
        readable.extend((0..self.ports.len()).filter(|&port| happened(&polled[port])));
        Ok(!happened(&polled[self.ports.len()]))
    }

    /// Sends the frames whose time has come, unless their link was cut meanwhile.
    fn release(&mut self) {
        let now = Instant::now();
        while let Some(waiting) = self.queue.pop_due(now) {
            if !lock(&self.rules).between(waiting.from, waiting.to).cut {
                self.send(waiting.to, &waiting.frame);
            }
        }
    }

    /// Reads a batch of frames from a port and sends each on its way.
    fn read(&mut self, port: usize, buffer: &mut [u8]) {
        let rules = Arc::clone(&self.rules);
        // Held for the batch: a caller that sets a rule waits until the frames read before are gone.
        let rules = lock(&rules);
        for _ in 0..BATCH {
            let length = match recv(
                self.ports[port].as_raw_fd(),
                buffer,
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC,
            ) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            let Some(frame) = buffer.get(..length) else {
                self.overflowed += 1;
                continue;
            };
            let Some(destination) = frame.get(VNET_HEADER..VNET_HEADER + 6) else {
                continue;
            };
            if destination[0] & 1 == 1 {
                for to in (0..self.ports.len()).filter(|&to| to != port) {
                    self.forward(&rules, port, to, frame);
                }
            } else if let Some(to) = self.macs.iter().position(|mac| mac == destination)
                && to != port
            {
                self.forward(&rules, port, to, frame);
            }
        }
    }

    fn forward(&mut self, rules: &Rules, from: usize, to: usize, frame: &[u8]) {
        let Rule { cut, shape } = rules.between(from, to);
        if cut {
            return;
        }
        if shape == Shape::default() {
            return self.send(to, frame);
        }
        let now = Instant::now();
        let lane = &mut self.lanes[from * rules.ports + to];
        for copy in lane
            .pass(&shape, now, frame.len() - VNET_HEADER, &mut self.rng)
            .into_iter()
            .flatten()
        {
            let damaged;
            let frame = match copy.corrupt {
                false => frame,
                true => match self.damage(frame) {
                    Some(frame) => {
                        damaged = frame;
                        &damaged
                    }
                    None => continue,
                },
            };
            if copy.due <= now {
                self.send(to, frame);
            } else if !self.queue.push(copy.due, from, to, frame) {
                self.overflowed += 1;
            }
        }
    }

    /// The frame with one bit of its packet flipped, so that the receiver finds the checksum wrong: the
    /// header's flag that spares it the check is cleared (virtio 1.2, section 5.1.6). A bundle of segments
    /// cannot be sent without that flag; it counts as lost, as the receiver would drop it.
    fn damage(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        const FLAGS: usize = 0;
        const GSO_TYPE: usize = 1;
        const ETHERNET_HEADER: usize = 14;
        let first = VNET_HEADER + ETHERNET_HEADER;
        if frame[GSO_TYPE] != 0 || frame.len() <= first {
            return None;
        }
        let mut damaged = frame.to_vec();
        damaged[FLAGS] = 0;
        let at = self.rng.random_range(first..damaged.len());
        damaged[at] ^= 1 << self.rng.random_range(0..8);
        Some(damaged)
    }

    fn send(&mut self, to: usize, frame: &[u8]) {
        if send(self.ports[to].as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT).is_err() {
            self.overflowed += 1;
        }
    }
}

/// Opens a packet socket on an interface of this thread's namespace.
pub(super) fn packet_socket(interface: &str) -> io::Result<OwnedFd> {
    let index = if_nametoindex(interface)? as i32;
    // Protocol 0: it hears nothing until it is bound, so that no frame of another interface gets in.
    // SAFETY: a plain system call.
    let raw = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        )
    };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nothing else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    for option in [libc::PACKET_VNET_HDR, libc::PACKET_IGNORE_OUTGOING] {
        let on: libc::c_int = 1;
        // SAFETY: the value is an int that outlives the call.
        let result = unsafe {
            libc::setsockopt(
                raw,
                libc::SOL_PACKET,
                option,
                (&raw const on).cast(),
                size_of_val(&on) as libc::socklen_t,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // A user namespace may not exceed net.core.rmem_max; a smaller buffer only loses packets earlier.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    // SAFETY: all-zero is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    // SAFETY: the address is a valid sockaddr_ll that outlives the call.
    let result = unsafe {
        libc::bind(
            raw,
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

fn lock(rules: &Mutex<Rules>) -> MutexGuard<'_, Rules> {
    rules.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
