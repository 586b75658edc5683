//! What all stores with an HTTP API have in common: where they listen, a client that never repeats a request,
//! and what it means when no whole answer comes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control::{Access, ControlError, Environment};
use history::{ErrorClass, ErrorRule, Op, Outcome};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

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
/// The request may have been served.
pub(crate) const CONNECTION_LOST: ErrorRule = ErrorRule::new(
    "connection-lost",
    "the connection broke before the whole answer came",
    false,
    ErrorClass::ConnectionLost,
    "the request may have been served before the connection broke",
);
/// Unknown whether it happened.
pub(crate) const NOT_UNDERSTOOD: ErrorRule = ErrorRule::new(
    "not-understood",
    "an answer that the client does not understand",
    false,
    ErrorClass::Protocol,
    "an answer that is not understood proves nothing",
);
/// The client refuses an operation that its workload should not have requested.
pub(crate) const NOT_SUPPORTED: ErrorRule = ErrorRule::new(
    "not-supported",
    "the client cannot do this operation on such an object",
    true,
    ErrorClass::Rejected,
    "nothing was sent",
);

/// Where each node is queried: the endpoints that the user named, or those of the environment.
///
/// # Errors
/// When the environment has no address for a node.
pub(crate) fn base_urls(
    environment: &dyn Environment,
    endpoints: &[String],
    port: u16,
) -> Result<Vec<String>, ControlError> {
    if environment.kind().is_foreign() {
        return Ok(endpoints
            .iter()
            .map(|url| url.trim_end_matches('/').to_owned())
            .collect());
    }
    (environment.nodes().iter())
        .map(|node| Ok(format!("http://{}", environment.endpoint(node.index, port)?)))
        .collect()
}

/// An HTTP client with one connection that repeats no request and follows no redirect. With `https` it checks
/// the store's certificate against the system's and those of `access`, and presents its own if it has one.
///
/// # Errors
/// When a certificate file cannot be read or understood.
pub(crate) fn client(timeout: Duration, access: &Access) -> Result<reqwest::Client, ControlError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls(access)?)
        .timeout(timeout)
        .pool_max_idle_per_host(1)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .map_err(|error| ControlError::Other(format!("cannot make an HTTP client: {error}")))
}

/// The files that TLS is set up with.
#[derive(Clone, PartialEq, Eq)]
struct TlsFiles {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// The configuration of TLS. Clients are made often, after every `info`, so that files are read only once.
fn tls(access: &Access) -> Result<ClientConfig, ControlError> {
    static MADE: Mutex<Vec<(TlsFiles, ClientConfig)>> = Mutex::new(Vec::new());
    let files = TlsFiles {
        ca: access.ca_file.clone(),
        cert: access.cert_file.clone(),
        key: access.key_file.clone(),
    };
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, config)) = made.iter().find(|(other, _)| *other == files) {
        return Ok(config.clone());
    }
    let config = read_tls(&files)?;
    made.push((files, config.clone()));
    Ok(config)
}

fn read_tls(files: &TlsFiles) -> Result<ClientConfig, ControlError> {
    let mut roots = RootCertStore::empty();
    // A machine without any certificates can still connect to a store whose authority the user names, or
    // without TLS.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &files.ca {
        for certificate in certificates("--ca-file", path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable("--ca-file", path, &error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ControlError::Other(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&files.cert, &files.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("--cert-file", cert)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("--key-file", key, &error))?;
    builder
        .with_client_auth_cert(chain, key_der)
        .map_err(|error| unusable("--key-file", key, &error))
}

/// The certificates in a PEM file, at least one.
fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ControlError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(unusable(flag, path, &"there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(flag, path, &error)),
    }
}

fn unusable(flag: &str, path: &Path, error: &dyn std::fmt::Display) -> ControlError {
    ControlError::Other(format!("{flag} {}: {error}; name a PEM file", path.display()))
}

/// No whole answer came. Only when no connection was made is it certain that nothing was sent.
pub(crate) fn unanswered(op: &Op, error: &reqwest::Error) -> Outcome {
    let (rule, message) = why_unanswered(error);
    rule.outcome(op, message)
}

/// The rule for it, and the connection's error.
pub(crate) fn why_unanswered(error: &reqwest::Error) -> (ErrorRule, String) {
    let message = innermost(error);
    let rule = if error.is_connect() {
        NOT_CONNECTED
    } else if error.is_timeout() {
        NO_ANSWER
    } else {
        CONNECTION_LOST
    };
    (rule, message)
}

/// The text of the last cause, which is the one that says what happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
