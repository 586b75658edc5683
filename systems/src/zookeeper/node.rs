//! ZooKeeper's servers: their settings, how they are started, and what they say of themselves.
//!
//! They are queried with the four-letter word `srvr` (ZooKeeper Administrator's Guide, "The Four Letter
//! Words"), which every server answers on its client port, also one that has no leader.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{ControlError, Daemon, Environment, Operators, Primary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::session::Sessions;
use crate::cluster::{Store, data_dir, log_file, put_file};

/// The port on which a server listens for clients.
const CLIENT_PORT: u16 = 2181;
/// The port on which a leader listens for its followers.
const PEER_PORT: u16 = 2888;
/// The port on which a server listens in elections.
const ELECTION_PORT: u16 = 3888;
/// How long a server may take to answer `srvr`.
const STATUS_LIMIT: Duration = Duration::from_millis(250);
/// More than any server says to `srvr`.
const STATUS_BYTES: u64 = 16 << 10;

/// `tickTime`, milliseconds: short, for a session lasts at least two ticks and at most twenty, and a follower
/// or leader that hears nothing for `syncLimit` ticks gives up.
const TICK_MS: u32 = 250;
/// `syncLimit`: one second.
const SYNC_TICKS: u32 = 4;
/// `initLimit`: ten seconds, for a machine that has much else to do.
const INIT_TICKS: u32 = 40;

const CLASS: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

/// For releases since 3.8, whose logger is logback. Debian's has none; see [`Nodes::daemons`].
const LOGBACK: &str = r#"<configuration>
  <appender name="CONSOLE" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5p [%t:%C{1}@%L] - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="CONSOLE"/></root>
</configuration>
"#;
/// For releases before.
const LOG4J: &str = "log4j.rootLogger=INFO, CONSOLE
log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
log4j.appender.CONSOLE.layout.ConversionPattern=%d{ISO8601} %-5p [%t:%C{1}@%L] - %m%n
";

/// Where a server listens.
#[derive(Clone, Copy)]
struct Ports {
    client: SocketAddr,
    peer: SocketAddr,
    election: SocketAddr,
}

/// The servers of one run.
pub(super) struct Nodes {
    environment: Arc<dyn Environment>,
    /// The jar, or the directory of jars or of a release, on the nodes.
    classes: PathBuf,
    /// By node; empty where nothing is started.
    ports: Vec<Ports>,
    sessions: Arc<Sessions>,
}

/// Where clients reach each node: `host:port`.
///
/// # Errors
/// When the environment has no address for a node.
pub(super) fn addresses(
    environment: &dyn Environment,
    endpoints: &[String],
) -> Result<Vec<String>, ControlError> {
    if environment.kind().is_foreign() {
        return Ok(endpoints.iter().map(|url| host_and_port(url)).collect());
    }
    (environment.nodes().iter())
        .map(|node| Ok(environment.endpoint(node.index, CLIENT_PORT)?.to_string()))
        .collect()
}

/// Of an endpoint, which was made a URL where the user wrote none.
fn host_and_port(url: &str) -> String {
    let text = url.split_once("://").map_or(url, |(_, rest)| rest);
    let text = text.split('/').next().unwrap_or(text);
    let has_port = match text.rsplit_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok(),
        None => false,
    };
    match has_port {
        true => text.to_owned(),
        false => format!("{text}:{CLIENT_PORT}"),
    }
}

impl Nodes {
    pub(super) fn new(
        environment: Arc<dyn Environment>,
        classes: PathBuf,
        sessions: Arc<Sessions>,
    ) -> Result<Nodes, ControlError> {
        let ports = match environment.kind().is_foreign() {
            true => Vec::new(),
            false => (environment.nodes().iter())
                .map(|node| {
                    Ok(Ports {
                        client: environment.endpoint(node.index, CLIENT_PORT)?,
                        peer: environment.endpoint(node.index, PEER_PORT)?,
                        election: environment.endpoint(node.index, ELECTION_PORT)?,
                    })
                })
                .collect::<Result<_, ControlError>>()?,
        };
        Ok(Nodes {
            environment,
            classes,
            ports,
            sessions,
        })
    }

    /// The server's settings. With one server in the list ZooKeeper runs standalone, which needs no list.
    fn settings(&self, node: usize) -> String {
        let data = data_dir(&*self.environment, node);
        let ports = &self.ports[node];
        let mut text = format!(
            "tickTime={TICK_MS}\n\
             initLimit={INIT_TICKS}\n\
             syncLimit={SYNC_TICKS}\n\
             dataDir={}\n\
             clientPort={}\n\
             clientPortAddress={}\n\
             admin.enableServer=false\n\
             4lw.commands.whitelist=srvr,ruok\n\
             maxClientCnxns=0\n\
             preAllocSize=1024\n",
            data.display(),
            ports.client.port(),
            ports.client.ip(),
        );
        if self.ports.len() > 1 {
            for (ports, id) in self.ports.iter().zip(1..) {
                text += &format!("server.{id}={}:{}\n", ports.peer, ports.election.port());
            }
        }
        text
    }

    /// What every node says about itself, with its index. All are queried at once.
    async fn statuses(&self) -> Vec<(usize, Result<Status, String>)> {
        let addresses = self.sessions.addresses();
        let queries = (0..addresses.len()).map(|node| async move {
            let answer = tokio::time::timeout(STATUS_LIMIT, srvr(&addresses[node])).await;
            let status = match answer {
                Ok(Ok(text)) => Status::parse(&text),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            };
            (node, status)
        });
        futures_util::future::join_all(queries).await
    }
}

impl Operators for Nodes {}

#[async_trait]
impl Store for Nodes {
    fn title(&self) -> &'static str {
        "ZooKeeper"
    }

    fn daemons(&self, node: usize) -> Vec<Daemon> {
        let remote = self.environment.remote(node);
        let directory = remote.directory();
        let mut class_path = directory.as_os_str().to_owned();
        // What is not there is passed over.
        let places = match self.classes.extension() {
            // Debian's jar names what it needs but no logger.
            Some(suffix) if suffix == "jar" => [
                self.classes.clone(),
                self.classes.with_file_name("slf4j-simple.jar"),
            ],
            _ => [self.classes.join("*"), self.classes.join("lib/*")],
        };
        for place in places {
            class_path.push(":");
            class_path.push(place);
        }
        let mut args: Vec<std::ffi::OsString> = [
            "-Xmx128m",
            "-XX:+UseSerialGC",
            // Up soon, which counts for more here than full speed later; and nothing is left in the host's
            // /tmp.
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-Dorg.slf4j.simpleLogger.showShortLogName=true",
            "-Dzookeeper.jmx.log4j.disable=true",
            "-cp",
        ]
        .iter()
        .map(Into::into)
        .collect();
        args.extend([class_path, CLASS.into(), directory.join("zoo.cfg").into()]);
        vec![Daemon {
            program: "java".into(),
            args,
            env: Vec::new(),
            directory: directory.to_owned(),
            log: log_file(&*self.environment, node, "node"),
        }]
    }

    async fn prepare(&self, node: usize) -> Result<(), ControlError> {
        let environment = &*self.environment;
        let mkdir = control::Command::new(
            "mkdir",
            ["-p".into(), data_dir(environment, node).into_os_string()],
        );
        let remote = environment.remote(node);
        remote.exec(&mkdir).await?.or_failed(remote.node(), &mkdir)?;
        // Before every start: a wipe takes it away.
        put_file(environment, node, "data/myid", &format!("{}\n", node + 1)).await?;
        put_file(environment, node, "zoo.cfg", &self.settings(node)).await?;
        put_file(environment, node, "logback.xml", LOGBACK).await?;
        put_file(environment, node, "log4j.properties", LOG4J).await?;
        Ok(())
    }

    async fn look(&self) -> Result<(), String> {
        if self.environment.kind().is_foreign() {
            // The leader may be a server that is not among those, and `srvr` may be forbidden.
            return self.sessions.try_out().await;
        }
        let mut is_led = false;
        for (node, status) in self.statuses().await {
            let status = status.map_err(|why| format!("{}: {why}", self.environment.nodes()[node].name))?;
            is_led |= status.leads;
        }
        if !is_led {
            return Err("every node answers but none leads".to_owned());
        }
        self.sessions.try_out().await
    }

    /// The epoch is ZooKeeper's term.
    async fn primaries(&self) -> Vec<Primary> {
        let mut leaders: Vec<Primary> = (self.statuses().await.into_iter())
            .filter_map(|(node, status)| {
                let status = status.ok().filter(|status| status.leads)?;
                let term = Some(status.epoch);
                Some(Primary { node, term })
            })
            .collect();
        leaders.sort_by_key(|primary| std::cmp::Reverse((primary.term, primary.node)));
        leaders
    }

    async fn version(&self) -> String {
        let statuses = self.statuses().await;
        let first = statuses.into_iter().find_map(|(_, status)| status.ok());
        first.map_or_else(String::new, |status| status.version)
    }
}

/// What a server says to `srvr`.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    version: String,
    /// It leads, or is alone.
    leads: bool,
    /// The upper half of its newest transaction's number: which leader made it.
    epoch: u64,
}

impl Status {
    /// # Errors
    /// The server's own reason, if it serves no clients.
    fn parse(text: &str) -> Result<Status, String> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim)
        };
        let Some(mode) = field("Mode:") else {
            let first = text.lines().next().unwrap_or_default();
            return Err(match first.trim() {
                "" => "the answer is empty".to_owned(),
                words => words.chars().take(200).collect(),
            });
        };
        let version = field("Zookeeper version:").unwrap_or_default();
        let zxid = field("Zxid:").and_then(|zxid| zxid.strip_prefix("0x"));
        let zxid = zxid.and_then(|zxid| u64::from_str_radix(zxid, 16).ok());
        Ok(Status {
            version: version.split(['-', ',']).next().unwrap_or_default().to_owned(),
            leads: matches!(mode, "leader" | "standalone"),
            epoch: zxid.unwrap_or(0) >> 32,
        })
    }
}

async fn srvr(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"srvr").await?;
    let mut answer = Vec::new();
    stream.take(STATUS_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from ZooKeeper 3.8.0; only the mode and the number were changed.
    fn srvr_answer(mode: &str, zxid: &str) -> String {
        format!(
            "Zookeeper version: 3.8.0-${{mvngit.commit.id}}, built on 2024-12-29 17:54 UTC\n\
             Latency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 0\nConnections: 1\nOutstanding: 0\n\
             Zxid: {zxid}\nMode: {mode}\nNode count: 5\n"
        )
    }

    #[test]
    fn servers_say_what_they_are() {
        let status = |leads, epoch| {
            Ok(Status {
                version: "3.8.0".into(),
                leads,
                epoch,
            })
        };
        let cases = [
            (srvr_answer("leader", "0x300000007"), status(true, 3)),
            (srvr_answer("follower", "0x2ffffffff"), status(false, 2)),
            (srvr_answer("observer", "0x0"), status(false, 0)),
            (srvr_answer("standalone", "nonsense"), status(true, 0)),
            (
                "This ZooKeeper instance is not currently serving requests\n".into(),
                Err("This ZooKeeper instance is not currently serving requests".into()),
            ),
            (
                "srvr is not executed because it is not in the whitelist.\n".into(),
                Err("srvr is not executed because it is not in the whitelist.".into()),
            ),
            (String::new(), Err("the answer is empty".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(Status::parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn endpoints_lose_their_scheme() {
        let cases = [
            ("http://10.0.0.1:2182", "10.0.0.1:2182"),
            ("zookeeper://zk.example", "zk.example:2181"),
            ("http://[::1]:2181", "[::1]:2181"),
            ("http://[::1]", "[::1]:2181"),
            ("10.0.0.1:2181", "10.0.0.1:2181"),
        ];
        for (url, expected) in cases {
            assert_eq!(host_and_port(url), expected, "{url}");
        }
    }
}
