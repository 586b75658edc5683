//! ZooKeeper's binary protocol: how requests and answers are written, and the codes of its errors.
//!
//! The records are those of `zookeeper.jute` in ZooKeeper's sources, with the encoding of its
//! `BinaryOutputArchive`: numbers are big-endian, a string or a buffer is its length (32 bits, -1 for none)
//! and its bytes, a list is its length and its elements. Each message is a frame: its length (32 bits), then
//! its bytes.
//!
//! **Invariant.** No received length is trusted: nothing is reserved for more than what has arrived, and a
//! frame above [`FRAME_LIMIT`] ends the connection.

use std::fmt;

/// More than a server sends: a node holds at most `jute.maxbuffer`, one megabyte.
pub(super) const FRAME_LIMIT: usize = 4 << 20;

/// The numbers of requests that have none of their own, from ZooKeeper's `ClientCnxn`.
pub(super) const WATCH_XID: i32 = -1;
pub(super) const PING_XID: i32 = -2;
pub(super) const AUTH_XID: i32 = -4;

/// The kinds of requests, from ZooKeeper's `ZooDefs.OpCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Kind {
    Delete = 2,
    GetData = 4,
    SetData = 5,
    GetChildren = 8,
    Sync = 9,
    Ping = 11,
    /// A create that is answered with the new node's [`Stat`].
    Create2 = 15,
    Auth = 100,
    CloseSession = -11,
}

/// An error that the server answered with, from ZooKeeper's `KeeperException.Code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub i32);

impl Code {
    pub(super) const MARSHALLING_ERROR: Code = Code(-5);
    pub(super) const UNIMPLEMENTED: Code = Code(-6);
    pub(super) const BAD_ARGUMENTS: Code = Code(-8);
    pub(super) const NO_NODE: Code = Code(-101);
    pub(super) const NO_AUTH: Code = Code(-102);
    pub(super) const BAD_VERSION: Code = Code(-103);
    pub(super) const NO_CHILDREN_FOR_EPHEMERALS: Code = Code(-108);
    pub(super) const NODE_EXISTS: Code = Code(-110);
    pub(super) const NOT_EMPTY: Code = Code(-111);
    pub(super) const SESSION_EXPIRED: Code = Code(-112);
    pub(super) const INVALID_ACL: Code = Code(-114);
    pub(super) const AUTH_FAILED: Code = Code(-115);
    pub(super) const SESSION_MOVED: Code = Code(-118);
    pub(super) const NOT_READ_ONLY: Code = Code(-119);
    pub(super) const NO_WATCHER: Code = Code(-121);
    pub(super) const RECONFIG_DISABLED: Code = Code(-123);
    pub(super) const SESSION_CLOSED_REQUIRE_SASL_AUTH: Code = Code(-124);
    pub(super) const QUOTA_EXCEEDED: Code = Code(-125);
    pub(super) const THROTTLED: Code = Code(-127);

    /// The name of ZooKeeper's constant, for the codes above.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Code::MARSHALLING_ERROR => "MARSHALLINGERROR",
            Code::UNIMPLEMENTED => "UNIMPLEMENTED",
            Code::BAD_ARGUMENTS => "BADARGUMENTS",
            Code::NO_NODE => "NONODE",
            Code::NO_AUTH => "NOAUTH",
            Code::BAD_VERSION => "BADVERSION",
            Code::NO_CHILDREN_FOR_EPHEMERALS => "NOCHILDRENFOREPHEMERALS",
            Code::NODE_EXISTS => "NODEEXISTS",
            Code::NOT_EMPTY => "NOTEMPTY",
            Code::SESSION_EXPIRED => "SESSIONEXPIRED",
            Code::INVALID_ACL => "INVALIDACL",
            Code::AUTH_FAILED => "AUTHFAILED",
            Code::SESSION_MOVED => "SESSIONMOVED",
            Code::NOT_READ_ONLY => "NOTREADONLY",
            Code::NO_WATCHER => "NOWATCHER",
            Code::RECONFIG_DISABLED => "RECONFIGDISABLED",
            Code::SESSION_CLOSED_REQUIRE_SASL_AUTH => "SESSIONCLOSEDREQUIRESASLAUTH",
            Code::QUOTA_EXCEEDED => "QUOTAEXCEEDED",
            Code::THROTTLED => "THROTTLEDOP",
            _ => return None,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error code {}", self.0),
        }
    }
}

/// Who may do what with a new node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acl {
    /// Anyone, everything.
    Anyone,
    /// Only those who are logged in as the node's creator is, everything.
    Creator,
}

/// What becomes of a new node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Mode {
    /// It stays until it is deleted.
    Persistent = 0,
    /// It goes with its creator's session; the server puts a number behind its name that grows with each.
    EphemeralSequential = 3,
}

/// What is used of what the server says about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The number of the transaction that created the node.
    pub created_zxid: i64,
    /// How often its data were changed.
    pub version: i32,
}

/// The session that a client wants, or the one that the server granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub timeout_ms: i32,
    /// 0 in a request for a new session, and in the answer if the requested session is over.
    pub session: i64,
    /// By which a session is resumed.
    pub password: Vec<u8>,
}

impl Grant {
    /// The password of a session that does not exist yet.
    pub(super) const NO_PASSWORD: [u8; 16] = [0; 16];
}

/// The start of each answer but the first on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyHeader {
    pub xid: i32,
    /// The number of the newest transaction that the server knows.
    pub zxid: i64,
    /// 0 if all is well.
    pub error: i32,
}

/// A frame that is being written.
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    /// The first frame on a connection. `last_zxid` is the newest transaction that the client has seen: a
    /// server that is behind it refuses.
    pub(super) fn connect(wanted: &Grant, last_zxid: i64) -> Encoder {
        const PROTOCOL_VERSION: i32 = 0;
        const READ_ONLY: bool = false;
        Encoder::empty()
            .int(PROTOCOL_VERSION)
            .long(last_zxid)
            .int(wanted.timeout_ms)
            .long(wanted.session)
            .buffer(&wanted.password)
            .bool(READ_ONLY)
    }

    pub(super) fn request(xid: i32, kind: Kind) -> Encoder {
        Encoder::empty().int(xid).int(kind as i32)
    }

    fn empty() -> Encoder {
        // The frame's length is filled in last.
        Encoder(vec![0; 4])
    }

    pub(super) fn int(mut self, number: i32) -> Encoder {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, number: i64) -> Encoder {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn bool(mut self, truth: bool) -> Encoder {
        self.0.push(u8::from(truth));
        self
    }

    pub(super) fn buffer(mut self, bytes: &[u8]) -> Encoder {
        self = self.int(length(bytes));
        self.0.extend(bytes);
        self
    }

    pub(super) fn string(self, text: &str) -> Encoder {
        self.buffer(text.as_bytes())
    }

    /// A list of one entry that allows everything.
    pub(super) fn acl(self, acl: Acl) -> Encoder {
        const ENTRIES: i32 = 1;
        const ALL_PERMISSIONS: i32 = 31;
        let (scheme, id) = match acl {
            Acl::Anyone => ("world", "anyone"),
            Acl::Creator => ("auth", ""),
        };
        self.int(ENTRIES).int(ALL_PERMISSIONS).string(scheme).string(id)
    }

    /// The bytes to send.
    pub(super) fn frame(mut self) -> Vec<u8> {
        let prefix = length(&self.0[4..]).to_be_bytes();
        self.0[..4].copy_from_slice(&prefix);
        self.0
    }
}

/// A length as the protocol writes it. What is sent is far below the limit; the server would refuse more.
fn length(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).unwrap_or(i32::MAX)
}

/// Why an answer makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub String);

/// What is left to read of a frame.
pub(super) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Decoder<'a> {
        Decoder(frame)
    }

    /// The answer to [`Encoder::connect`]. What may follow (whether the session is read-only) was not
    /// requested.
    pub(super) fn grant(&mut self) -> Result<Grant, Malformed> {
        let _protocol_version = self.int()?;
        Ok(Grant {
            timeout_ms: self.int()?,
            session: self.long()?,
            password: self.buffer()?.to_vec(),
        })
    }

    pub(super) fn header(&mut self) -> Result<ReplyHeader, Malformed> {
        Ok(ReplyHeader {
            xid: self.int()?,
            zxid: self.long()?,
            error: self.int()?,
        })
    }

    pub(super) fn stat(&mut self) -> Result<Stat, Malformed> {
        let created_zxid = self.long()?;
        let _modified_zxid = self.long()?;
        let _created_ms = self.long()?;
        let _modified_ms = self.long()?;
        let version = self.int()?;
        let _children_version = self.int()?;
        let _acl_version = self.int()?;
        let _ephemeral_owner = self.long()?;
        let _data_length = self.int()?;
        let _children = self.int()?;
        let _children_zxid = self.long()?;
        Ok(Stat {
            created_zxid,
            version,
        })
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn int(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// No buffer at all is read as an empty one.
    pub(super) fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        match self.length()? {
            Some(length) => self.take(length),
            None => Ok(&[]),
        }
    }

    pub(super) fn string(&mut self) -> Result<String, Malformed> {
        let bytes = self.buffer()?;
        let text = std::str::from_utf8(bytes).map_err(|error| Malformed(format!("a string is {error}")))?;
        Ok(text.to_owned())
    }

    /// No list at all is read as an empty one.
    pub(super) fn strings(&mut self) -> Result<Vec<String>, Malformed> {
        let count = self.length()?.unwrap_or(0);
        (0..count).map(|_| self.string()).collect()
    }

    fn length(&mut self) -> Result<Option<usize>, Malformed> {
        match self.int()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(length)),
                Err(_) => Err(Malformed(format!("a length is {length}"))),
            },
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        match self.0.split_first_chunk() {
            Some((array, rest)) => {
                self.0 = rest;
                Ok(*array)
            }
            None => Err(self.too_short(N)),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        match self.0.split_at_checked(length) {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(taken)
            }
            None => Err(self.too_short(length)),
        }
    }

    fn too_short(&self, wanted: usize) -> Malformed {
        Malformed(format!(
            "{wanted} bytes are announced and {} are left",
            self.0.len()
        ))
    }
}

/// The length of the first frame in what was received, without its prefix; `None` if the prefix has not
/// arrived.
pub(super) fn frame_length(received: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(prefix) = received.first_chunk() else {
        return Ok(None);
    };
    let announced = i32::from_be_bytes(*prefix);
    match usize::try_from(announced) {
        Ok(length) if length <= FRAME_LIMIT => Ok(Some(length)),
        _ => Err(Malformed(format!("a frame of {announced} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame without its length.
    fn body(encoder: Encoder) -> Vec<u8> {
        encoder.frame()[4..].to_vec()
    }

    #[test]
    fn frames_are_written_as_the_protocol_wants_them() {
        let wanted = Grant {
            timeout_ms: 4000,
            session: 0,
            password: Grant::NO_PASSWORD.to_vec(),
        };
        let mut connect = vec![0, 0, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0x0f, 0xa0];
        connect.extend([0; 8]);
        connect.extend([0, 0, 0, 16]);
        connect.extend([0; 17]);
        let mut create = vec![0, 0, 0, 50, 0, 0, 0, 5, 0, 0, 0, 15, 0, 0, 0, 2];
        create.extend(b"/a\0\0\0\x01x\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\x03");
        let cases = [
            (Encoder::connect(&wanted, 7), connect),
            (
                Encoder::request(5, Kind::Create2)
                    .string("/a")
                    .buffer(b"x")
                    .acl(Acl::Anyone)
                    .int(Mode::EphemeralSequential as i32),
                create,
            ),
            (
                Encoder::request(PING_XID, Kind::Ping),
                vec![0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11],
            ),
        ];
        for (encoder, expected) in cases {
            assert_eq!(encoder.frame(), expected);
        }
    }

    #[test]
    fn answers_are_read() {
        let grant = Grant {
            timeout_ms: 500,
            session: -3,
            password: vec![1, 2],
        };
        // The answer has the session where the request has the newest transaction.
        let answer = body(
            Encoder::empty()
                .int(0)
                .int(500)
                .long(-3)
                .buffer(&[1, 2])
                .bool(false),
        );
        assert_eq!(Decoder::new(&answer).grant(), Ok(grant));

        let header = body(Encoder::empty().int(9).long(1 << 40).int(-101));
        let expected = ReplyHeader {
            xid: 9,
            zxid: 1 << 40,
            error: -101,
        };
        assert_eq!(Decoder::new(&header).header(), Ok(expected));

        let stat = Encoder::empty()
            .long(11)
            .long(12)
            .long(13)
            .long(14)
            .int(15)
            .int(16)
            .int(17);
        let stat = body(stat.long(18).int(19).int(20).long(21));
        let expected = Stat {
            created_zxid: 11,
            version: 15,
        };
        let mut decoder = Decoder::new(&stat);
        assert_eq!(decoder.stat(), Ok(expected));
        assert!(decoder.0.is_empty());

        let list = body(Encoder::empty().int(2).string("a").string("é"));
        assert_eq!(
            Decoder::new(&list).strings(),
            Ok(vec!["a".to_owned(), "é".to_owned()])
        );
        let none = body(Encoder::empty().int(-1));
        assert_eq!(Decoder::new(&none).strings(), Ok(Vec::new()));
        assert_eq!(Decoder::new(&none).buffer(), Ok(&[][..]));
    }

    #[test]
    fn no_received_length_is_trusted() {
        for length in [-2, i32::MIN, i32::MAX, 3, 1 << 30] {
            let text = body(Encoder::empty().int(length).bool(true).bool(true));
            assert!(Decoder::new(&text).buffer().is_err(), "{length}");
            assert!(Decoder::new(&text).string().is_err(), "{length}");
            assert!(Decoder::new(&text).strings().is_err(), "{length}");
        }
        assert!(
            Decoder::new(&body(Encoder::empty().buffer(&[0xff])))
                .string()
                .is_err()
        );
        // Wherever a record is cut off, that is an error.
        let whole = body(Encoder::empty().int(0).int(500).long(7).buffer(&[1; 16]));
        for length in 0..whole.len() {
            assert!(Decoder::new(&whole[..length]).grant().is_err(), "{length}");
        }
        for length in 0..68 {
            assert!(Decoder::new(&vec![0; length]).stat().is_err(), "{length}");
        }
        for length in 0..16 {
            assert!(Decoder::new(&vec![0; length]).header().is_err(), "{length}");
        }
    }

    #[test]
    fn frames_are_limited() {
        let limit = FRAME_LIMIT as i32;
        let cases = [
            (0, Some(0)),
            (8, Some(8)),
            (limit, Some(FRAME_LIMIT)),
            (limit + 1, None),
            (i32::MAX, None),
            (-1, None),
            (i32::MIN, None),
        ];
        for (announced, expected) in cases {
            assert_eq!(
                frame_length(&announced.to_be_bytes()).ok().flatten(),
                expected,
                "{announced}"
            );
        }
        assert_eq!(frame_length(&[0, 0, 0]), Ok(None));
    }

    #[test]
    fn codes_have_zookeepers_names() {
        assert_eq!(Code::NO_NODE.to_string(), "NONODE (-101)");
        assert_eq!(Code(-122).to_string(), "error code -122");
    }
}
