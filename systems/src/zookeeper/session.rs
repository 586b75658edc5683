//! Sessions, each between one client and one server, and the run's own root node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::{Access, ControlError};
use history::ObjectKind;

use super::connection::{Error, OnDrop, Session, Settings};
use super::wire::{Acl, Mode, Stat};

/// How long a lock outlives its holder. The server grants between two and twenty of its ticks.
const LOCK_SESSION: Duration = Duration::from_secs(2);
/// How long the other sessions may be out of touch.
const SESSION: Duration = Duration::from_secs(4);
/// How long the session and the read of [`Sessions::try_out`] may take, each.
const TRY_OUT_LIMIT: Duration = Duration::from_secs(3);
/// Under which the roots of all runs lie.
const TOP: &str = "/perjury";

/// How sessions are opened.
pub(super) struct Sessions {
    addresses: Vec<String>,
    /// `user:password`.
    login: Option<Vec<u8>>,
    root: String,
    has_root: AtomicBool,
}

/// One session with one server, and what it needs to know of the run.
pub(super) struct RunSession {
    pub session: Session,
    /// The node below which all keys of the run lie.
    pub root: String,
    acl: Acl,
}

impl Sessions {
    pub(super) fn new(addresses: Vec<String>, access: &Access) -> Sessions {
        let login = access.user.as_ref().map(|user| {
            let password = access.password.as_ref().map_or("", |password| password.reveal());
            format!("{user}:{password}").into_bytes()
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Sessions {
            addresses,
            login,
            root: format!("{TOP}/{:x}-{:x}", now.as_nanos(), std::process::id()),
            has_root: AtomicBool::new(false),
        }
    }

    /// The node below which all keys of the run lie.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Where clients reach each node: `host:port`.
    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Opens a session with `node` and with no other.
    ///
    /// # Errors
    /// When it is not open within `limit`. None of a client's requests was sent then.
    pub(super) async fn open(
        &self,
        node: usize,
        object: ObjectKind,
        limit: Duration,
    ) -> Result<RunSession, ControlError> {
        let connecting = self.connect(&self.addresses[node], object);
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(ControlError::Other(format!("no session: {error}"))),
            Err(_) => Err(ControlError::Other(format!(
                "no session within {} ms",
                limit.as_millis()
            ))),
        }
    }

    /// Whether a client can read from the first node.
    pub(super) async fn try_out(&self) -> Result<(), String> {
        let session = self.open(0, ObjectKind::Register, TRY_OUT_LIMIT);
        let session = session.await.map_err(|error| error.to_string())?;
        let reading = tokio::time::timeout(TRY_OUT_LIMIT, session.session.get_data(&session.root));
        match reading.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("a read fails: {error}")),
            Err(_) => Err("a read gets no answer".to_owned()),
        }
    }

    async fn connect(&self, address: &str, object: ObjectKind) -> Result<RunSession, Error> {
        // A lock must outlive a client that is dropped, as it outlives one that crashes; other sessions are
        // closed.
        let (timeout, on_drop) = match object {
            ObjectKind::Lock => (LOCK_SESSION, OnDrop::Abandon),
            _ => (SESSION, OnDrop::Close),
        };
        let settings = Settings {
            address: address.to_owned(),
            login: self.login.clone(),
            timeout,
            on_drop,
        };
        let run = RunSession {
            session: Session::open(settings).await?,
            root: self.root.clone(),
            acl: match self.login {
                Some(_) => Acl::Creator,
                None => Acl::Anyone,
            },
        };
        if !self.has_root.load(Ordering::Relaxed) {
            // The node that all runs share stays open to everyone, with a login or without.
            let shared = run.session.create(TOP, b"", Acl::Anyone, Mode::Persistent);
            exists_after(shared.await.map(drop))?;
            exists_after(run.create_lasting(&self.root, b"").await)?;
            self.has_root.store(true, Ordering::Relaxed);
        }
        Ok(run)
    }
}

/// A node that is already there is as good as one that was created.
fn exists_after(created: Result<(), Error>) -> Result<(), Error> {
    match created {
        Err(Error::NODE_EXISTS) => Ok(()),
        created => created,
    }
}

impl RunSession {
    /// Creates a node that stays.
    pub(super) async fn create_lasting(&self, path: &str, data: &[u8]) -> Result<(), Error> {
        let created = self.session.create(path, data, self.acl, Mode::Persistent).await;
        created.map(drop)
    }

    /// Creates a node that goes with the session, with a number behind its name that grows with each. Returns
    /// its path.
    pub(super) async fn create_queued(&self, path: &str) -> Result<(String, Stat), Error> {
        (self.session)
            .create(path, b"", self.acl, Mode::EphemeralSequential)
            .await
    }
}
