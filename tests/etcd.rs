//! A whole run against an etcd that was already running and demands a login: it is judged, and no secret is
//! left in the run directory or on the screen.

#[path = "support/missing.rs"]
mod missing;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use missing::missing;

const PASSWORD: &str = "open-sesame-4711";

struct Etcd {
    child: Child,
    host: String,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Etcd {
    fn start(directory: &Path) -> Etcd {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (client, peer) = (free(), free());
        let host = client.local_addr().unwrap().to_string();
        let peer_url = format!("http://{}", peer.local_addr().unwrap());
        drop((client, peer));
        let child = Command::new("etcd")
            .args([
                "--name=foreign".to_owned(),
                format!("--data-dir={}", directory.join("data").display()),
                format!("--listen-client-urls=http://{host}"),
                format!("--advertise-client-urls=http://{host}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=foreign={peer_url}"),
            ])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.join("etcd.log")).unwrap())
            .spawn()
            .unwrap();
        Etcd { child, host }
    }

    /// What the server answers, or nothing.
    fn post(&self, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.host,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Waits until it serves, and lets in only who knows the password.
    fn demand_login(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let serves = || self.post("/v3/kv/range", r#"{"key":"aw=="}"#);
        while !serves().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(Instant::now() < deadline, "etcd does not serve");
            std::thread::sleep(Duration::from_millis(50));
        }
        let user = format!(r#"{{"name":"root","password":"{PASSWORD}"}}"#);
        for (path, body) in [
            ("user/add", user.as_str()),
            ("role/add", r#"{"name":"root"}"#),
            ("user/grant", r#"{"user":"root","role":"root"}"#),
            ("enable", "{}"),
        ] {
            let answer = self.post(&format!("/v3/auth/{path}"), body).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }
    }
}

/// Every file below `directory`.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn secrets_are_left_nowhere() {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|directory| directory.join("etcd").is_file());
    if !found {
        missing("etcd", "it is not on the PATH");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(directory.path());
    etcd.demand_login();
    std::fs::write(directory.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    let inline = format!("root:{PASSWORD}");
    let logins: [&[&str]; 2] = [
        &["--user", "root", "--password-file", "password"],
        &["--user", &inline],
    ];
    for (number, login) in logins.into_iter().enumerate() {
        let runs = format!("runs{number}");
        let endpoint = format!("http://{}", etcd.host);
        let output = Command::new(env!("CARGO_BIN_EXE_perjury"))
            .args(["test", "etcd", "--endpoints", &endpoint, "--concurrency", "4"])
            .args(["--time-limit", "3s", "--runs", &runs])
            .args(login)
            .env("PERJURY_LOG", "trace")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        let files = files(&directory.path().join(&runs));
        for name in ["test.json", "history.jsonl", "perjury.log", "report.html"] {
            assert!(
                files.iter().any(|file| file.ends_with(name)),
                "no {name}: {files:?}"
            );
        }
        for file in files {
            let text = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(PASSWORD), "{}", file.display());
            // As etcd's tokens are written: sixteen letters, a dot, a number.
            let token = text
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
                .find(|word| {
                    word.split_once('.').is_some_and(|(letters, number)| {
                        letters.len() == 16
                            && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
                            && number.parse::<u64>().is_ok()
                    })
                });
            assert_eq!(token, None, "{}", file.display());
        }
    }
}
