//! What the tests of etcd share.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use control::{Environment, System, SystemOptions};
use history::{Failure, Op, Outcome};

use super::missing::missing;

/// How long a client waits for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// A program on the `PATH`; without it the test is skipped with a message.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        missing(name, "it is not on the PATH");
    }
    found
}

pub fn make(environment: &Arc<dyn Environment>, options: &SystemOptions) -> Arc<dyn System> {
    (systems::find("etcd").unwrap().make)(environment.clone(), options).unwrap()
}

pub fn read(key: i64) -> Op {
    Op::Read { key: key.into() }
}

pub fn write(key: i64, value: i64) -> Op {
    Op::Write {
        key: key.into(),
        value: value.into(),
    }
}

/// The rule by which an operation certainly failed.
pub fn failed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Fail(Failure::Error(reason)) => &reason.rule,
        other => panic!("{other:?}"),
    }
}

/// Sends `body` to a server that speaks HTTP without TLS, which must say 200.
pub fn post(url: &str, path: &str, body: &str) {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
}

/// Makes `ca.pem`, and `server.pem` and `client.pem` with their keys, which that authority vouches for.
pub fn certificates(openssl: &Path, directory: &Path) {
    let run = |args: &[&str]| {
        let output = Command::new(openssl)
            .args(args)
            .current_dir(directory)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {said}");
    };
    let new_key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let request = |args: &[&str]| run(&[&["req"], &new_key[..], args].concat());
    request(&[
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=test authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ]);
    for (name, usage) in [("server", "serverAuth,clientAuth"), ("client", "clientAuth")] {
        let (key, csr, pem, extensions) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.pem"),
            format!("{name}.ext"),
        );
        request(&["-subj", &format!("/O={name}"), "-keyout", &key, "-out", &csr]);
        let text = format!("subjectAltName=IP:127.0.0.1\nextendedKeyUsage={usage}\n");
        std::fs::write(directory.join(&extensions), text).unwrap();
        run(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &csr,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            &extensions,
            "-out",
            &pem,
        ]);
    }
}
