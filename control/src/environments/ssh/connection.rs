//! One SSH connection: made, used for a few commands, then turned into the line to an agent.
//!
//! `ssh2` blocks, so all of this happens on one thread for each host (libssh2's sessions cannot be used by
//! several threads at once). The user's `~/.ssh/config` is not read.
//!
//! Invariants:
//! - The host's key is checked before any credentials are sent.
//! - Only connecting is tried again, and only when the network failed, not when the host refused.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel, CheckResult, KnownHostFileKind, MethodType, Session};

use crate::{ControlError, SshAccess};

/// How long a host may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often it is tried.
const TRIES: u32 = 3;
/// How long a host may send nothing and accept nothing before the agent runs. Generous, because the program
/// is then being written to its disk.
const QUIET_LIMIT: Duration = Duration::from_secs(120);
/// How much of a command's output is read.
const OUTPUT_LIMIT: u64 = 64 << 10;
/// The kinds of host keys, the usual one first. One at a time: a host has several, and the user may know only
/// one of them.
const HOST_KEYS: [&str; 3] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256,ssh-rsa",
];

/// A connection to a host, logged in.
pub(super) struct Connection {
    session: Session,
    stream: TcpStream,
    /// Where the host is.
    pub(super) address: IpAddr,
    /// Where this end of the connection is.
    pub(super) own_address: IpAddr,
    destination: String,
}

/// A line to a program on a host: its input and output go through the socket, and its error output is kept.
pub(super) struct Line {
    pub(super) socket: UnixStream,
    pub(super) words: Arc<Mutex<String>>,
    /// Ends once the program has ended, and returns the connection.
    pub(super) thread: std::thread::JoinHandle<Connection>,
}

impl Connection {
    /// Connects and logs in. Blocks.
    pub(super) fn open(access: &SshAccess) -> Result<Connection, ControlError> {
        let failed = |why: String| ControlError::Unreachable {
            host: access.destination.clone(),
            why,
        };
        let address = (&*access.host, access.port)
            .to_socket_addrs()
            .map_err(|error| failed(format!("unknown host: {error}")))?
            .next()
            .ok_or_else(|| failed("unknown host".into()))?;
        let mut unknown = String::new();
        for kind in HOST_KEYS {
            let stream = connect(address).map_err(|error| {
                failed(format!(
                    "cannot connect to port {}: {error}; does sshd run there?",
                    access.port
                ))
            })?;
            let mut session = Session::new().map_err(|error| failed(error.to_string()))?;
            session.set_timeout(QUIET_LIMIT.as_millis() as u32);
            session.set_tcp_stream(stream.try_clone().map_err(|error| failed(error.to_string()))?);
            let shaken = session
                .method_pref(MethodType::HostKey, kind)
                .and_then(|()| session.handshake());
            if let Err(error) = shaken {
                // The host may have no key of this kind.
                unknown = if unknown.is_empty() {
                    explain(error.into())
                } else {
                    unknown
                };
                continue;
            }
            match check_host_key(&session, access) {
                Ok(true) => {
                    log_in(&session, access).map_err(failed)?;
                    session.set_keepalive(true, 15);
                    let own = stream.local_addr().map_err(|error| failed(error.to_string()))?;
                    return Ok(Connection {
                        own_address: own.ip(),
                        session,
                        stream,
                        address: address.ip(),
                        destination: access.destination.clone(),
                    });
                }
                Ok(false) => {
                    unknown = format!(
                        "its key is not in {}; check it and add it (`ssh-keyscan -p {} {}`), or use \
                         --ssh-no-host-key-check",
                        join(&access.known_hosts),
                        access.port,
                        access.host
                    );
                }
                Err(why) => return Err(failed(why)),
            }
        }
        Err(failed(unknown))
    }

    /// Runs a command to its end; gives what it writes. Blocks.
    pub(super) fn run(&self, command: &str, mut input: impl Read) -> Result<String, ControlError> {
        let failed = |why: String| ControlError::Other(format!("{}: {why}", self.destination));
        let short: String = command.chars().take(80).collect();
        let io = |error: io::Error| failed(format!("`{short}`: {}", explain(error)));
        let ssh = |error: ssh2::Error| io(error.into());
        let mut channel = self.session.channel_session().map_err(ssh)?;
        channel.exec(command).map_err(ssh)?;
        // It may end before it has read everything; then its output says more than the error.
        let sent = io::copy(&mut input, &mut channel);
        let _ = channel.send_eof();
        let mut output = String::new();
        let mut words = String::new();
        (&mut channel)
            .take(OUTPUT_LIMIT)
            .read_to_string(&mut output)
            .map_err(io)?;
        channel
            .stderr()
            .take(OUTPUT_LIMIT)
            .read_to_string(&mut words)
            .map_err(io)?;
        channel.wait_close().map_err(ssh)?;
        match channel.exit_status().map_err(ssh)? {
            0 => {
                sent.map_err(io)?;
                Ok(output)
            }
            code => {
                let said = words.trim().lines().last().unwrap_or("nothing").to_owned();
                Err(failed(format!("`{short}` failed (exit code {code}): {said}")))
            }
        }
    }

    /// Starts a command and returns the line to it.
    pub(super) fn line(self, command: &str) -> Result<Line, ControlError> {
        let failed = |why: String| ControlError::Other(format!("{}: {why}", self.destination));
        let mut channel = self
            .session
            .channel_session()
            .map_err(|error| failed(error.to_string()))?;
        channel.exec(command).map_err(|error| failed(error.to_string()))?;
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed(error.to_string()))?;
        let words = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&words);
        let thread = std::thread::Builder::new()
            .name("ssh".into())
            .spawn(move || {
                if let Err(error) = self.pump(&mut channel, &theirs, &heard) {
                    let mut words = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    if words.is_empty() {
                        *words = format!("lost the connection: {error}");
                    }
                }
                drop(theirs);
                self.session.set_blocking(true);
                let _ = channel.close();
                let _ = channel.wait_close();
                self
            })
            .map_err(|source| ControlError::System {
                what: "cannot start a thread".into(),
                source,
            })?;
        Ok(Line {
            socket: ours,
            words,
            thread,
        })
    }

    /// Carries bytes both ways until the program has ended.
    fn pump(&self, channel: &mut Channel, local: &UnixStream, words: &Mutex<String>) -> io::Result<()> {
        self.session.set_blocking(false);
        local.set_nonblocking(true)?;
        let (mut to_host, mut from_host) = (Vec::new(), Vec::new());
        let mut local_ended = false;
        let mut buffer = vec![0; 64 << 10];
        let mut last_keepalive = Instant::now();
        loop {
            let mut has_moved = false;
            if to_host.is_empty() && !local_ended {
                match ready((&mut &*local).read(&mut buffer))? {
                    Some(0) => {
                        local_ended = true;
                        has_moved = true;
                    }
                    Some(length) => {
                        to_host.extend_from_slice(&buffer[..length]);
                        has_moved = true;
                    }
                    None => {}
                }
            }
            if !to_host.is_empty() {
                if let Some(length) = ready(channel.write(&to_host))? {
                    to_host.drain(..length);
                    has_moved |= length > 0;
                }
            } else if local_ended {
                // Once it is accepted; asking again is harmless.
                let _ = channel.send_eof();
            }
            if from_host.is_empty()
                && let Some(length) = ready(channel.read(&mut buffer))?
            {
                from_host.extend_from_slice(&buffer[..length]);
                has_moved |= length > 0;
            }
            if !from_host.is_empty()
                && let Some(length) = ready((&mut &*local).write(&from_host))?
            {
                from_host.drain(..length);
                has_moved = true;
            }
            if let Some(length) = ready(channel.stderr().read(&mut buffer))? {
                let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                if words.len() < OUTPUT_LIMIT as usize {
                    words.push_str(&String::from_utf8_lossy(&buffer[..length]));
                }
                has_moved |= length > 0;
            }
            if channel.eof() && from_host.is_empty() && !has_moved {
                return Ok(());
            }
            if last_keepalive.elapsed() > Duration::from_secs(5) {
                let _ = self.session.keepalive_send();
                last_keepalive = Instant::now();
            }
            if !has_moved {
                self.wait(local, !to_host.is_empty(), local_ended, !from_host.is_empty())?;
            }
        }
    }

    /// Waits until there may be something to do, for a second at most.
    fn wait(
        &self,
        local: &UnixStream,
        is_sending: bool,
        local_ended: bool,
        is_giving: bool,
    ) -> io::Result<()> {
        let mut host = PollFlags::POLLIN;
        if is_sending
            && matches!(
                self.session.block_directions(),
                BlockDirections::Outbound | BlockDirections::Both
            )
        {
            host |= PollFlags::POLLOUT;
        }
        let mut ours = PollFlags::empty();
        if !is_sending && !local_ended {
            ours |= PollFlags::POLLIN;
        }
        if is_giving {
            ours |= PollFlags::POLLOUT;
        }
        let mut all = vec![PollFd::new(self.stream.as_fd(), host)];
        // A socket whose other end is gone is always ready.
        if !ours.is_empty() {
            all.push(PollFd::new(local.as_fd(), ours));
        }
        match poll(&mut all, PollTimeout::from(1000_u16)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What went wrong, human-readable.
fn explain(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => format!(
            "no answer within {} s; is the host overloaded, or cut off?",
            QUIET_LIMIT.as_secs()
        ),
        _ => error.to_string(),
    }
}

/// What was done, or `None` if nothing can be now.
fn ready(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Tries again while the network does not carry it; a closed port is an answer.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let mut tried = 1;
    loop {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if tried < TRIES && error.kind() != io::ErrorKind::ConnectionRefused => {
                std::thread::sleep(Duration::from_millis(500) * tried);
                tried += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the key is that of the host; `false` if the files do not know the host.
fn check_host_key(session: &Session, access: &SshAccess) -> Result<bool, String> {
    if access.known_hosts.is_empty() {
        return Ok(true);
    }
    let Some((key, _)) = session.host_key() else {
        return Err("it presents no key".into());
    };
    let mut known = session.known_hosts().map_err(|error| error.to_string())?;
    for file in access.known_hosts.iter().filter(|file| file.exists()) {
        known
            .read_file(file, KnownHostFileKind::OpenSSH)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    }
    match known.check_port(&access.host, access.port, key) {
        CheckResult::Match => Ok(true),
        CheckResult::NotFound => Ok(false),
        CheckResult::Mismatch => Err(format!(
            "its key differs from the one in {}: it is another host, or the connection is being intercepted",
            join(&access.known_hosts)
        )),
        CheckResult::Failure => Err("its key cannot be checked".into()),
    }
}

fn log_in(session: &Session, access: &SshAccess) -> Result<(), String> {
    let mut tried = Vec::new();
    if let Some(key) = &access.key {
        return session
            .userauth_pubkey_file(&access.user, None, key, None)
            .map_err(|error| format!("cannot log in as {} with {}: {error}", access.user, key.display()));
    }
    match log_in_by_agent(session, &access.user) {
        Ok(true) => return Ok(()),
        Ok(false) => tried.push("the keys of the SSH agent".to_owned()),
        Err(_) => {}
    }
    for key in usual_keys() {
        if session
            .userauth_pubkey_file(&access.user, None, &key, None)
            .is_ok()
        {
            return Ok(());
        }
        tried.push(key.display().to_string());
    }
    Err(match tried.is_empty() {
        true => "there is no key to log in with; name one with --ssh-key".into(),
        false => format!(
            "cannot log in as {}; tried {}; name a key without a passphrase with --ssh-key, or add one to \
             the SSH agent",
            access.user,
            tried.join(", ")
        ),
    })
}

fn log_in_by_agent(session: &Session, user: &str) -> Result<bool, ssh2::Error> {
    let mut agent = session.agent()?;
    agent.connect()?;
    agent.list_identities()?;
    for identity in agent.identities()? {
        if agent.userauth(user, &identity).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn usual_keys() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME") else {
        return Vec::new();
    };
    let directory = Path::new(&home).join(".ssh");
    ["id_ed25519", "id_ecdsa", "id_rsa"]
        .map(|name| directory.join(name))
        .into_iter()
        .filter(|key| key.is_file())
        .collect()
}

fn join(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(" or ")
}
