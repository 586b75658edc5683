//! One connection to one Redis or sentinel.
//!
//! Invariant: nothing is sent twice. `MultiplexedConnection` hands each command to its socket once
//! (`Pipeline::send_recv` in src/aio/multiplexed_connection.rs of the crate `redis` 1.8) and is dead once the
//! socket is; what repeats and reconnects there is `ConnectionManager` and the cluster client, which are not
//! compiled in. The crate's own choice of a deadline for answers (500 ms) is replaced by ours.

use std::net::SocketAddr;
use std::time::Duration;

use control::{Access, ControlError, Secret};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult,
};

/// Where a server is and how to log in there.
#[derive(Clone)]
pub(super) struct Address(ConnectionInfo);

/// The user to log in as.
#[derive(Clone, Default)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<Secret>,
}

impl Login {
    pub fn of(access: &Access) -> Login {
        Login {
            user: access.user.clone(),
            password: access.password.clone(),
        }
    }
}

impl Address {
    /// A server of ours.
    ///
    /// # Errors
    /// Only if the library refused the address, which it never does.
    pub fn new(host: impl Into<String>, port: u16) -> RedisResult<Address> {
        let info = ConnectionAddr::Tcp(host.into(), port).into_connection_info()?;
        Ok(Address::with(info, &Login::default(), 0))
    }

    /// A server that perjury started, for a user who logs in.
    ///
    /// # Errors
    /// As for [`Address::new`].
    pub fn of(socket: SocketAddr) -> Result<Address, ControlError> {
        Address::new(socket.ip().to_string(), socket.port()).map_err(unusable(&socket.to_string()))
    }

    /// An endpoint that the user named: `redis://host:port`, or with a database `redis://host:port/2`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn named(url: &str, login: &Login) -> Result<Address, ControlError> {
        // `http` is accepted too.
        let url = match url.strip_prefix("http://") {
            Some(rest) => format!("redis://{rest}"),
            None => url.to_owned(),
        };
        let info = url.as_str().into_connection_info().map_err(unusable(&url))?;
        let database = info.redis_settings().db();
        Ok(Address::with(info, login, database))
    }

    fn with(info: ConnectionInfo, login: &Login, database: i64) -> Address {
        let mut settings = RedisConnectionInfo::default()
            .set_skip_set_lib_name()
            .set_db(database);
        if let Some(user) = login.user.as_ref().filter(|user| !user.is_empty()) {
            settings = settings.set_username(user);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password.reveal());
        }
        Address(
            info.set_redis_settings(settings)
                .set_tcp_settings(TcpSettings::default().set_nodelay(true)),
        )
    }

    /// Connects, and logs in where that is required, within `limit`. Answers are later waited for no longer
    /// than `answer_limit` each.
    ///
    /// # Errors
    /// When it fails; nothing but the login was sent then.
    pub async fn connect(
        &self,
        limit: Duration,
        answer_limit: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(answer_limit));
        redis::Client::open(self.0.clone())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// Sends one command over a connection of its own, all within `limit`.
    ///
    /// # Errors
    /// When there is no answer in time, or one that is no `T`.
    pub async fn ask<T: redis::FromRedisValue>(
        &self,
        question: &redis::Cmd,
        limit: Duration,
    ) -> RedisResult<T> {
        let asking = async {
            let mut connection = self.connect(limit, limit).await?;
            question.query_async(&mut connection).await
        };
        let late = (ErrorKind::Io, "no answer in time");
        tokio::time::timeout(limit, asking)
            .await
            .unwrap_or_else(|_| Err(late.into()))
    }
}

fn unusable(url: &str) -> impl FnOnce(redis::RedisError) -> ControlError {
    let url = url.to_owned();
    move |error| {
        ControlError::Other(format!(
            "{url} is not a Redis endpoint ({error}); write it like `redis://10.0.0.1:6379`"
        ))
    }
}
