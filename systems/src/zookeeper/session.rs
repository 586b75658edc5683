//! Sessions: each of one client with one server, and the run's own root node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::{Access, ControlError};
use history::ObjectKind;
use zookeeper_client::{Acls, Client, Connector, CreateMode, CreateOptions, Error};

/// How long a lock outlives its holder. The server grants between two and twenty of its ticks.
const LOCK_SESSION: Duration = Duration::from_secs(2);
/// How long the other sessions may be out of touch.
const SESSION: Duration = Duration::from_secs(4);
/// How long a try-out may take.
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

/// One session with one server.
pub(super) struct Session {
    pub client: Client,
    /// The node below which all keys of the run lie.
    pub root: String,
    acls: Acls<'static>,
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
    ) -> Result<Session, ControlError> {
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

    /// Whether a client can do something, asked of the first node.
    pub(super) async fn try_out(&self) -> Result<(), String> {
        let session = self.open(0, ObjectKind::Register, TRY_OUT_LIMIT);
        let session = session.await.map_err(|error| error.to_string())?;
        let reading = tokio::time::timeout(TRY_OUT_LIMIT, session.client.get_data(&session.root));
        match reading.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("a read fails: {error}")),
            Err(_) => Err("a read gets no answer".to_owned()),
        }
    }

    async fn connect(&self, address: &str, object: ObjectKind) -> Result<Session, Error> {
        let mut connector = Client::connector().with_fail_eagerly();
        // A lock must outlive a client that is dropped, as it outlives one that crashes; other sessions are closed.
        connector = match object {
            ObjectKind::Lock => connector.with_session_timeout(LOCK_SESSION).with_detached(),
            _ => connector.with_session_timeout(SESSION),
        };
        let session = Session {
            client: self.logged_in(connector).connect(address).await?,
            root: self.root.clone(),
            acls: match self.login {
                Some(_) => Acls::creator_all(),
                None => Acls::anyone_all(),
            },
        };
        if !self.has_root.load(Ordering::Relaxed) {
            // What all runs share belongs to nobody, whoever makes it.
            let shared = CreateMode::Persistent.with_acls(Acls::anyone_all());
            session.client.mkdir(TOP, &shared).await?;
            session.client.mkdir(&self.root, &session.lasting()).await?;
            self.has_root.store(true, Ordering::Relaxed);
        }
        Ok(session)
    }

    fn logged_in(&self, connector: Connector) -> Connector {
        match &self.login {
            Some(login) => connector.with_auth("digest", login),
            None => connector,
        }
    }
}

impl Session {
    /// For a node that stays.
    pub(super) fn lasting(&self) -> CreateOptions<'static> {
        CreateMode::Persistent.with_acls(self.acls)
    }

    /// For a node that goes with the session, with a number behind its name that grows with each.
    pub(super) fn queued(&self) -> CreateOptions<'static> {
        CreateMode::EphemeralSequential.with_acls(self.acls)
    }
}
