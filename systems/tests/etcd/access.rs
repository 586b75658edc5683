//! Clusters that perjury did not start: TLS with certificates on both sides, and a login.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{Access, EnvKind, OpenOptions, Secret, System, SystemOptions};
use history::{Failure, ObjectKind, Outcome};

use crate::support::{TIMEOUT, certificates, failed, make, post, program, read, write};

/// An etcd that perjury did not start: a process outside its environments, ended when this is dropped.
struct Foreign {
    binary: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    child: Child,
    url: String,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Foreign {
    fn start(binary: &Path, directory: &Path, scheme: &str, flags: &[String]) -> Foreign {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (client, peer) = (free(), free());
        let url = format!("{scheme}://{}", client.local_addr().unwrap());
        let peer_url = format!("http://{}", peer.local_addr().unwrap());
        drop((client, peer));
        let mut args = vec![
            "--name=foreign".to_owned(),
            format!("--data-dir={}", directory.join("data").display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=foreign={peer_url}"),
        ];
        args.extend_from_slice(flags);
        let log = directory.join("etcd.log");
        Foreign {
            child: spawn(binary, &args, &log),
            binary: binary.to_owned(),
            args,
            log,
            url,
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.binary, &self.args, &self.log);
    }

    /// The system for it, with this access.
    fn system(&self, directory: &Path, access: Access) -> Arc<dyn System> {
        let environment = control::open(EnvKind::External, &OpenOptions::new(1, directory)).unwrap();
        let options = SystemOptions {
            endpoints: vec![self.url.clone()],
            access,
            ..SystemOptions::default()
        };
        make(&environment, &options)
    }

    /// Whether a client with this access can write and read.
    async fn admits(&self, directory: &Path, access: Access) -> Result<(), Outcome> {
        let system = self.system(directory, access);
        let mut client = system.connect(0, ObjectKind::Register, TIMEOUT).await.unwrap();
        let outcome = client.invoke(&write(1, 2)).await;
        if outcome != Outcome::ok() {
            return Err(outcome);
        }
        assert_eq!(client.invoke(&read(1)).await, Outcome::ok_value(2.into()));
        system.db().ready(TIMEOUT).await.unwrap();
        assert_eq!(system.db().primaries().await[0].node, 0);
        Ok(())
    }
}

fn spawn(binary: &Path, args: &[String], log: &Path) -> Child {
    Command::new(binary)
        .args(args)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log).unwrap())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_certificates_of_both_sides() {
    let (Some(binary), Some(openssl)) = (program("etcd"), program("openssl")) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    certificates(&openssl, directory.path());
    let foreign = Foreign::start(
        &binary,
        directory.path(),
        "https",
        &[
            format!("--cert-file={}", at("server.pem").display()),
            format!("--key-file={}", at("server.key").display()),
            format!("--trusted-ca-file={}", at("ca.pem").display()),
            "--client-cert-auth".to_owned(),
        ],
    );
    let known = Access {
        ca_file: Some(at("ca.pem")),
        cert_file: Some(at("client.pem")),
        key_file: Some(at("client.key")),
        ..Access::default()
    };
    foreign
        .system(directory.path(), known.clone())
        .db()
        .ready(Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(foreign.admits(directory.path(), known.clone()).await, Ok(()));

    // Nothing is sent to a store that cannot prove its identity.
    let credulous = Access {
        ca_file: None,
        ..known.clone()
    };
    let refused = foreign.admits(directory.path(), credulous).await.unwrap_err();
    assert_eq!(failed(&refused), "not-connected");
    // A client without a certificate gets no answer; whether that was before or after the request is unknown.
    let unknown = Access {
        cert_file: None,
        key_file: None,
        ..known.clone()
    };
    let refused = foreign.admits(directory.path(), unknown).await.unwrap_err();
    assert!(
        matches!(&refused, Outcome::Info(_) | Outcome::Fail(_)),
        "{refused:?}"
    );

    // The error names a file that is not a certificate.
    let wrong = Access {
        ca_file: Some(at("client.key")),
        ..known
    };
    let environment = control::open(EnvKind::External, &OpenOptions::new(1, directory.path())).unwrap();
    let options = SystemOptions {
        endpoints: vec![foreign.url.clone()],
        access: wrong,
        ..SystemOptions::default()
    };
    let made = (systems::find("etcd").unwrap().make)(environment, &options);
    let error = made.err().unwrap().to_string();
    assert!(error.contains("client.key"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login() {
    let Some(binary) = program("etcd") else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut foreign = Foreign::start(&binary, directory.path(), "http", &[]);
    let here = directory.path();
    let without_login = foreign.system(here, Access::default());
    without_login.db().ready(Duration::from_secs(20)).await.unwrap();

    for (path, body) in [
        ("user/add", r#"{"name":"root","password":"sesame"}"#),
        ("role/add", r#"{"name":"root"}"#),
        ("user/grant", r#"{"user":"root","role":"root"}"#),
        ("enable", "{}"),
    ] {
        post(&foreign.url, &format!("/v3/auth/{path}"), body);
    }
    let with = |password: &str| Access {
        user: Some("root".into()),
        password: Some(Secret::new(password)),
        ..Access::default()
    };
    assert_eq!(foreign.admits(here, with("sesame")).await, Ok(()));
    let refused = foreign.admits(here, with("wrong")).await.unwrap_err();
    assert_eq!(failed(&refused), "login-failed");
    let refused = foreign.admits(here, Access::default()).await.unwrap_err();
    assert_eq!(failed(&refused), "not-permitted");

    // A member that was restarted has forgotten the logins: one certain `fail`, then a new login.
    let system = foreign.system(here, with("sesame"));
    let mut client = system.connect(0, ObjectKind::Register, TIMEOUT).await.unwrap();
    assert_eq!(client.invoke(&write(5, 1)).await, Outcome::ok());
    // Until the login is in the database, a restart would do it again from the log. Defragmentation, a part
    // of this, first writes all that was applied to the database (etcd, backend.go, `defrag`).
    system.db().compact(0).await.unwrap();
    foreign.restart();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut rules = Vec::new();
    loop {
        match client.invoke(&write(5, 2)).await {
            Outcome::Ok(_) => break,
            Outcome::Fail(Failure::Error(reason)) => rules.push(reason.rule.clone()),
            Outcome::Info(_) => {}
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "never logs in again: {rules:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        rules.iter().filter(|rule| *rule == "invalid-token").count(),
        1,
        "{rules:?}"
    );
}
