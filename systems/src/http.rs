//! What all stores that are asked over HTTP have in common: where they listen, a client that never repeats anything,
//! and what it means when no whole answer comes.

use std::time::Duration;

use control::{Access, ControlError, EnvKind, Environment};
use history::{ErrorClass, ErrorRule, Op, Outcome};

/// No connection was made, so nothing was sent.
pub(crate) const NOT_CONNECTED: ErrorRule = ErrorRule::new(
    "not-connected",
    "no connection could be made",
    true,
    ErrorClass::ConnectionRefused,
    "nothing can have been sent without a connection (TCP, RFC 9293)",
);
/// The request may have arrived.
pub(crate) const NO_ANSWER: ErrorRule = ErrorRule::new(
    "no-answer",
    "no answer in time",
    false,
    ErrorClass::Timeout,
    "the request may have arrived, and may yet be served",
);
/// The same.
pub(crate) const CONNECTION_LOST: ErrorRule = ErrorRule::new(
    "connection-lost",
    "the connection broke before the whole answer came",
    false,
    ErrorClass::ConnectionLost,
    "the request may have been served before the connection broke",
);
/// Nobody knows.
pub(crate) const NOT_UNDERSTOOD: ErrorRule = ErrorRule::new(
    "not-understood",
    "an answer that the client does not understand",
    false,
    ErrorClass::Protocol,
    "what is not understood proves nothing",
);
/// The client refuses an operation that its workload should not have asked for.
pub(crate) const NOT_SUPPORTED: ErrorRule = ErrorRule::new(
    "not-supported",
    "the client cannot do this operation on such an object",
    true,
    ErrorClass::Rejected,
    "nothing was sent",
);

/// Where each node is asked: the endpoints that the user named, or those of the environment.
///
/// # Errors
/// When the environment has no address for a node.
pub(crate) fn base_urls(
    environment: &dyn Environment,
    endpoints: &[String],
    port: u16,
) -> Result<Vec<String>, ControlError> {
    if environment.kind() == EnvKind::External {
        return Ok(endpoints
            .iter()
            .map(|url| url.trim_end_matches('/').to_owned())
            .collect());
    }
    (environment.nodes().iter())
        .map(|node| Ok(format!("http://{}", environment.endpoint(node.index, port)?)))
        .collect()
}

/// An HTTP client with one connection that repeats nothing and follows nothing.
///
/// # Errors
/// When a certificate file cannot be read or makes no sense.
pub(crate) fn client(timeout: Duration, access: &Access) -> Result<reqwest::Client, ControlError> {
    let _ = access;
    // An error says that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .pool_max_idle_per_host(1)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .map_err(|error| ControlError::Other(format!("cannot make an HTTP client: {error}")))
}

/// No whole answer came. Only when no connection was made is it certain that nothing was sent.
pub(crate) fn unanswered(op: &Op, error: &reqwest::Error) -> Outcome {
    let message = innermost(error);
    let rule = if error.is_connect() {
        NOT_CONNECTED
    } else if error.is_timeout() {
        NO_ANSWER
    } else {
        CONNECTION_LOST
    };
    rule.outcome(op, message)
}

/// The text of the last cause, which is the one that says what happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
