//! Files of run directories, and no others.

use std::path::{Component, Path, PathBuf};

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio_util::io::ReaderStream;

/// The file that `path` names below `root`, which is canonical: a regular file within a run directory (one
/// with a `test.json`), reached without `..`, hidden names or links that lead out.
pub fn find(root: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path);
    let is_plain = relative.components().all(|component| match component {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    });
    if path.is_empty() || path.contains('\\') || !is_plain {
        return None;
    }
    let found = root.join(relative).canonicalize().ok()?;
    let inside = found.strip_prefix(root).ok()?;
    let is_of_run = inside
        .ancestors()
        .skip(1)
        .any(|ancestor| root.join(ancestor).join("test.json").is_file());
    (found.is_file() && is_of_run).then_some(found)
}

/// Sends a file; only what perjury makes as pages and pictures is shown as such.
pub async fn send(path: PathBuf) -> Response {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let kind = match (
        name.as_str(),
        path.extension().and_then(|extension| extension.to_str()),
    ) {
        ("report.html", _) => "text/html; charset=utf-8",
        (_, Some("svg")) => "image/svg+xml",
        (_, Some("json")) => "application/json",
        ("junit.xml", _) => "application/xml",
        (_, Some("log" | "jsonl" | "md" | "toml" | "txt")) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    match tokio::fs::File::open(&path).await {
        Ok(file) => {
            let body = Body::from_stream(ReaderStream::new(file));
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(error) => (StatusCode::NOT_FOUND, format!("cannot be read: {error}\n")).into_response(),
    }
}

/// A path, encoded for a URL.
pub fn encoded(path: &str) -> String {
    let mut url = reqwest::Url::parse("http://localhost/").expect("a URL");
    url.set_path(path);
    url.path().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_runs_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join("runs");
        for run in ["one", "all/run-1/two"] {
            std::fs::create_dir_all(root.join(run).join("n1")).unwrap();
            std::fs::write(root.join(run).join("test.json"), "{}").unwrap();
            std::fs::write(root.join(run).join("n1/node.log"), "x").unwrap();
            std::fs::write(root.join(run).join(".hidden"), "x").unwrap();
        }
        std::fs::write(root.join("loose.txt"), "x").unwrap();
        std::fs::write(directory.path().join("secret.txt"), "x").unwrap();
        std::os::unix::fs::symlink(directory.path().join("secret.txt"), root.join("one/link.txt")).unwrap();
        std::os::unix::fs::symlink(directory.path(), root.join("one/up")).unwrap();
        std::os::unix::fs::symlink(root.join("one/test.json"), root.join("one/inner.json")).unwrap();
        for good in [
            "one/test.json",
            "one/n1/node.log",
            "all/run-1/two/test.json",
            "one/inner.json",
        ] {
            assert!(find(&root, good).is_some(), "{good}");
        }
        for bad in [
            "",
            "one",
            "one/",
            "loose.txt",
            "../secret.txt",
            "one/../../secret.txt",
            "one/../loose.txt",
            "/etc/passwd",
            "//etc/passwd",
            "one//etc/passwd/..",
            "./one/test.json",
            "one/.hidden",
            "one/link.txt",
            "one/up/secret.txt",
            "one/up/runs/loose.txt",
            "one\\..\\..\\secret.txt",
            "one/missing",
            "one/test.json\0",
        ] {
            assert!(find(&root, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn paths_become_urls() {
        assert_eq!(encoded("a b/c?d#e"), "a%20b/c%3Fd%23e");
    }
}
