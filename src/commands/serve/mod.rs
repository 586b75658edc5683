//! `perjury serve`: the runs of a directory in a browser: all of them, one of them, two side by side, and one
//! in progress.
//!
//! Invariants:
//! - Nothing is served but regular files of run directories below the one that was named ([`files`]), and
//!   nothing is written.
//! - Only requests that name this server's own address are answered, so that a page of another site cannot
//!   read it by a name that resolves to here (DNS rebinding).
//! - It listens on loopback unless the user names another address.
//! - Files of runs, which may come from anywhere, are shown in a sandbox: their scripts cannot read from this
//!   server.
//! - Connections are limited in number, and each in how long a request may take to come, so that idle ones do
//!   not lock others out.

mod files;
mod live;
mod runs;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use self::live::Watched;
use self::runs::Runs;
use crate::cli::ServeArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::output::say;
use crate::process::block_on;
use crate::versions::by_version;

/// What a page may do: show itself, with its inline styles and scripts, and call this server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a file of a run may do: show itself, with its inline styles and scripts.
const FILE_POLICY: &str = "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; \
                           script-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
/// The most connections at a time.
const MOST_CONNECTIONS: usize = 200;
/// How long the head of a request may take to come.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

struct Server {
    runs: Runs,
    watched: Watched,
    /// The values of `Host` that are answered.
    hosts: Vec<String>,
}

/// Serves until it is interrupted.
pub fn run(args: &ServeArgs) -> CommandResult {
    let root = args.runs.canonicalize().map_err(|error| {
        Failure::Usage(format!(
            "cannot read {}: {error}; name the directory of the runs with --runs",
            args.runs.display()
        ))
    })?;
    if !root.is_dir() {
        return Err(Failure::Usage(format!(
            "{} is not a directory; name the directory of the runs with --runs",
            root.display()
        )));
    }
    block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .map_err(|error| {
                Failure::Usage(format!(
                    "cannot listen on {}: {error}; choose another address with --listen",
                    args.listen
                ))
            })?;
        let address = listener.local_addr().context("the address is not known")?;
        if !address.ip().is_loopback() {
            eprintln!(
                "perjury: note: {address} is not a loopback address: anyone who can reach it can read all runs, without a password"
            );
        }
        say!("runs of {}: http://{address}/ (Ctrl-C ends it)", root.display());
        let server = Arc::new(Server {
            runs: Runs::new(root),
            watched: Watched::default(),
            hosts: hosts(address),
        });
        tokio::select! {
            () = accept(listener, router(server)) => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(Done::Fine)
    })
}

/// Answers every connection, forever.
async fn accept(listener: tokio::net::TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // A client that went away, or too few file descriptors: either passes.
            Err(error) => {
                tracing::debug!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let answered = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = answered.await {
                tracing::debug!("a connection broke: {error}");
            }
            drop(place);
        });
    }
}

/// The values of `Host` in requests that are meant for this server. If it listens on every address, its names
/// are unknown.
fn hosts(address: SocketAddr) -> Vec<String> {
    if address.ip().is_unspecified() {
        return Vec::new();
    }
    let port = address.port();
    let mut hosts = vec![address.to_string()];
    if address.ip().is_loopback() {
        hosts.extend([
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            format!("[::1]:{port}"),
        ]);
    }
    hosts
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(list))
        // Browsers request it on their own, and complain if there is none.
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/compare", get(compare))
        .route("/live/{*run}", get(live_page))
        .route("/state/{*run}", get(live_state))
        .route("/run/{*path}", get(file))
        .layer(axum::middleware::from_fn_with_state(server.clone(), guard))
        .with_state(server)
}

/// Refuses what was not meant for this server, and says to browsers what pages may do.
async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !server.hosts.is_empty() && !host.is_some_and(|host| server.hosts.iter().any(|own| own == host)) {
        return (
            StatusCode::MISDIRECTED_REQUEST,
            "this server answers only requests for its own address\n",
        )
            .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        // A header that the page itself has set stays.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn list(State(server): State<Arc<Server>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let of = |name: &str| query.get(name).map(String::as_str).unwrap_or_default().to_owned();
    let filter = reports::RunFilter {
        system: of("system"),
        verdict: of("verdict"),
        fault: of("fault"),
    };
    blocking(move || reports::runs_html(&server.runs.rows(), &filter)).await
}

/// `?run=A&run=B`, in any number.
async fn compare(State(server): State<Arc<Server>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let names: Vec<String> = reqwest::Url::parse(&format!("http://localhost/?{query}"))
        .map(|url| {
            url.query_pairs()
                .filter(|(name, _)| name == "run")
                .map(|(_, value)| value.into_owned())
                .collect()
        })
        .unwrap_or_default();
    blocking(move || {
        let runs: Vec<(String, reports::Results)> = (names.iter())
            .filter_map(|name| Some((name.clone(), server.runs.results(name)?)))
            .collect();
        if runs.len() < 2 {
            return Err("choose two or more runs that have been judged".to_owned());
        }
        reports::compare_html(&by_version(&runs))
    })
    .await
}

async fn live_page(State(server): State<Arc<Server>>, Path(run): Path<String>) -> Response {
    let Some(directory) = server.runs.directory(&run) else {
        return not_found();
    };
    if directory.join("report.html").is_file() {
        return Redirect::to(&format!("/run/{}/report.html", files::encoded(&run))).into_response();
    }
    blocking(move || reports::live_html(&run)).await
}

async fn live_state(State(server): State<Arc<Server>>, Path(run): Path<String>) -> Response {
    let Some(directory) = server.runs.directory(&run) else {
        return not_found();
    };
    let state = tokio::task::spawn_blocking(move || server.watched.state(&directory)).await;
    match state {
        Ok(Ok(state)) => axum::Json(state).into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn file(State(server): State<Arc<Server>>, Path(path): Path<String>) -> Response {
    let mut response = match files::find(server.runs.root(), &path) {
        Some(file) => files::send(file).await,
        None => not_found(),
    };
    let policy = HeaderValue::from_static(FILE_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such run or file\n").into_response()
}

/// A page that takes a while to make.
async fn blocking(page: impl FnOnce() -> Result<String, String> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(page).await {
        Ok(Ok(html)) => Html(html).into_response(),
        Ok(Err(why)) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
