//! Requests to the kernel about interfaces, addresses and neighbours: the few of rtnetlink that namespaces
//! need.
//!
//! The crates for rtnetlink took a tenth of perjury's build (they bring derive macros for every message there
//! is); six requests of a fixed form take this file. Each is sent and its acknowledgement awaited before the
//! next one.
//!
//! Source: Linux, `rtnetlink(7)`, `netlink(7)`,
//! `include/uapi/linux/{netlink,rtnetlink,if_link,veth,neighbour}.h`. All numbers are in the byte order of
//! the machine.
//!
//! ```text
//!  nlmsghdr (16 bytes)            body                   attributes, each padded to 4 bytes
//!  length, type, flags, seq, 0    ifinfomsg, ndmsg, …    length, type, value
//! ```

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

// Types of messages.
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const NEW_NEIGHBOUR: u16 = 28;
const ERROR: u16 = 2;

// Flags of messages: what is asked of the kernel.
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;

// Attributes of links.
const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const LINK_NAMESPACE_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const NESTED: u16 = 0x8000;

// Attributes of addresses and neighbours.
const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const NEIGHBOUR_ADDRESS: u16 = 1;
const NEIGHBOUR_MAC: u16 = 2;

const INET: u8 = 2;
const UP: u32 = 1;
const PERMANENT: u16 = 0x80;

/// How long the kernel may take for an acknowledgement, seconds. It answers at once; a bug must not hang.
const PATIENCE_S: i64 = 10;

/// A connection to the kernel, about the namespace in which it was opened.
pub(super) struct Rtnetlink {
    socket: OwnedFd,
    sequence: u32,
}

/// The end of a veth that is made in another namespace.
pub(super) struct Peer<'a> {
    pub(super) name: &'a str,
    pub(super) mac: [u8; 6],
    /// The namespace.
    pub(super) namespace: RawFd,
}

impl Rtnetlink {
    /// Connects in the namespace of this thread.
    pub(super) fn open() -> io::Result<Rtnetlink> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE_S))?;
        Ok(Rtnetlink { socket, sequence: 0 })
    }

    /// Makes a bridge. It stays down until [`Self::up`].
    pub(super) fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let mut link = link(0, 0);
        text(&mut link, LINK_NAME, name);
        nested(&mut link, LINK_INFO, |info| text(info, INFO_KIND, "bridge"));
        self.request(NEW_LINK, CREATE | EXCLUSIVE, &link)
    }

    /// Makes a veth whose end here is up, in the bridge `master` if one is named, and whose other end is in
    /// the peer's namespace, or here under a name alone.
    pub(super) fn add_veth(&mut self, name: &str, peer: &Peer<'_>, master: Option<u32>) -> io::Result<()> {
        let mut other = link(0, 0);
        text(&mut other, LINK_NAME, peer.name);
        attribute(&mut other, LINK_ADDRESS, &peer.mac);
        attribute(&mut other, LINK_NAMESPACE_FD, &peer.namespace.to_ne_bytes());
        let mut link = link(0, UP);
        text(&mut link, LINK_NAME, name);
        if let Some(master) = master {
            attribute(&mut link, LINK_MASTER, &master.to_ne_bytes());
        }
        nested(&mut link, LINK_INFO, |info| {
            text(info, INFO_KIND, "veth");
            nested(info, INFO_DATA, |data| {
                attribute(data, VETH_PEER | NESTED, &other)
            });
        });
        self.request(NEW_LINK, CREATE | EXCLUSIVE, &link)
    }

    /// Brings an interface up.
    pub(super) fn up(&mut self, index: u32) -> io::Result<()> {
        self.request(NEW_LINK, 0, &link(index, UP))
    }

    /// Removes an interface.
    pub(super) fn delete(&mut self, index: u32) -> io::Result<()> {
        self.request(DELETE_LINK, 0, &link(index, 0))
    }

    /// Gives an interface an address.
    pub(super) fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix_bits: u8) -> io::Result<()> {
        let mut body = vec![INET, prefix_bits, 0, 0];
        body.extend(index.to_ne_bytes());
        attribute(&mut body, ADDRESS, &address.octets());
        attribute(&mut body, ADDRESS_LOCAL, &address.octets());
        self.request(NEW_ADDRESS, CREATE | EXCLUSIVE, &body)
    }

    /// Says which hardware address a neighbour has, for good.
    pub(super) fn add_neighbour(&mut self, index: u32, address: Ipv4Addr, mac: [u8; 6]) -> io::Result<()> {
        let mut body = vec![INET, 0, 0, 0];
        body.extend(index.to_ne_bytes());
        body.extend(PERMANENT.to_ne_bytes());
        body.extend([0, 0]);
        attribute(&mut body, NEIGHBOUR_ADDRESS, &address.octets());
        attribute(&mut body, NEIGHBOUR_MAC, &mac);
        self.request(NEW_NEIGHBOUR, CREATE | EXCLUSIVE, &body)
    }

    /// Sends a message and awaits its acknowledgement.
    fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let sent = message(kind, REQUEST | ACKNOWLEDGE | flags, self.sequence, body);
        send(self.socket.as_raw_fd(), &sent, MsgFlags::empty())?;
        let mut answer = [0; 4096];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            if let Some(result) = acknowledgement(&answer[..length], self.sequence) {
                return result;
            }
        }
    }
}

/// A whole message.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    /// The length of the header.
    const HEADER: u32 = 16;
    let mut message = Vec::new();
    message.extend((HEADER + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

/// What the kernel says of the request with this number, if the message is about it: zero, or an error number
/// less than zero.
fn acknowledgement(message: &[u8], sequence: u32) -> Option<io::Result<()>> {
    let word = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    if kind != ERROR || word(8)? != sequence {
        return None;
    }
    Some(match word(16)?.cast_signed() {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
    })
}

/// The body of a message about a link; index 0 means a new one.
fn link(index: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    // Which flags are meant.
    body.extend(flags.to_ne_bytes());
    body
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).expect("names, addresses and what holds them are short");
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// A text with the zero that ends it.
fn text(message: &mut Vec<u8>, kind: u16, value: &str) {
    attribute(message, kind, &[value.as_bytes(), &[0]].concat());
}

/// An attribute that holds attributes.
fn nested(message: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inside = Vec::new();
    fill(&mut inside);
    attribute(message, kind | NESTED, &inside);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let mut body = link(7, UP);
        assert_eq!(body.len(), 16);
        text(&mut body, LINK_NAME, "lo");
        nested(&mut body, LINK_INFO, |info| text(info, INFO_KIND, "veth"));
        let expected: Vec<u8> = [
            &[0, 0, 0, 0][..],
            &7u32.to_ne_bytes(),
            &1u32.to_ne_bytes(),
            &1u32.to_ne_bytes(),
            &7u16.to_ne_bytes(),
            &LINK_NAME.to_ne_bytes(),
            b"lo\0\0",
            &16u16.to_ne_bytes(),
            &(LINK_INFO | NESTED).to_ne_bytes(),
            &9u16.to_ne_bytes(),
            &INFO_KIND.to_ne_bytes(),
            b"veth\0\0\0\0",
        ]
        .concat();
        assert_eq!(body, expected);
        let whole = message(NEW_LINK, REQUEST, 3, &body);
        assert_eq!(whole.len(), 16 + body.len());
        assert_eq!(whole[..4], (whole.len() as u32).to_ne_bytes());
    }

    #[test]
    fn an_acknowledgement_is_zero_or_an_error() {
        let answer = |kind: u16, sequence: u32, error: i32| message(kind, 0, sequence, &error.to_ne_bytes());
        assert!(matches!(acknowledgement(&answer(ERROR, 5, 0), 5), Some(Ok(()))));
        let Some(Err(error)) = acknowledgement(&answer(ERROR, 5, -17), 5) else {
            panic!("an error is an error");
        };
        assert_eq!(error.raw_os_error(), Some(17));
        // Of another request, of another kind, cut off, absurd.
        assert!(acknowledgement(&answer(ERROR, 4, 0), 5).is_none());
        assert!(acknowledgement(&answer(NEW_LINK, 5, 0), 5).is_none());
        assert!(acknowledgement(&answer(ERROR, 5, 0)[..18], 5).is_none());
        assert!(acknowledgement(&answer(ERROR, 5, i32::MIN), 5).is_some());
    }
}
