//! Consul's HTTP API, as its documentation and source describe it; and a real Consul where there is one.
//!
//! **The exchanges here were not recorded from a real server.** They are written down from Consul's
//! documentation (api-docs/kv, api-docs/session) and source (agent/consul/kvs_endpoint.go,
//! agent/structs/errors.go), and served by a loopback server that demands every request exactly as written
//! here.

#[path = "../../tests/support/missing.rs"]
mod missing;

use std::sync::Arc;
use std::time::Duration;

use control::{Client, EnvKind, OpenOptions, Secret, System, SystemOptions};
use history::{Failure, ObjectKind, Op, Outcome, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use missing::missing;

const TIMEOUT: Duration = Duration::from_secs(10);

/// `ROOT` stands for the prefix of the run.
struct Exchange {
    /// The request's first line without the protocol.
    asked: &'static str,
    body: &'static str,
    status: u16,
    answer: &'static str,
}

const fn exchange(asked: &'static str, body: &'static str, status: u16, answer: &'static str) -> Exchange {
    Exchange {
        asked,
        body,
        status,
        answer,
    }
}

#[tokio::test]
async fn registers() {
    // The sample response of api-docs/kv, "Read Key", whose value is changed to the JSON text `5`.
    const FIVE: &str = r#"[{"CreateIndex":100,"ModifyIndex":200,"LockIndex":200,"Key":"zip","Flags":0,"Value":"NQ==",
        "Session":"adf4238a-882b-9ddc-4a9d-5b6758e4159e"}]"#;
    const GET: &str = "GET /v1/kv/ROOT/1?consistent";
    let exchanges = [
        exchange(GET, "", 404, ""),
        exchange("PUT /v1/kv/ROOT/1", "5", 200, "true"),
        exchange(GET, "", 200, FIVE),
        // cas of what is there: the index that was read.
        exchange(GET, "", 200, FIVE),
        exchange("PUT /v1/kv/ROOT/1?cas=200", "6", 200, "true"),
        // Another client was faster.
        exchange(GET, "", 200, FIVE),
        exchange("PUT /v1/kv/ROOT/1?cas=200", "6", 200, "false"),
        // Another value is there.
        exchange(GET, "", 200, FIVE),
        // cas of what is not there: "if the index is 0, Consul will only put the key if it does not already
        // exist".
        exchange(GET, "", 404, ""),
        exchange("PUT /v1/kv/ROOT/1?cas=0", "6", 200, "true"),
    ];
    let cas = |expected: Value| Op::Cas {
        key: 1.into(),
        expected,
        new: 6.into(),
    };
    let steps = [
        (read(1), Ok(Some(Value::Nil))),
        (write(1, 5), Ok(None)),
        (read(1), Ok(Some(5.into()))),
        (cas(5.into()), Ok(None)),
        (cas(5.into()), Err(("fail", "lost-race"))),
        (cas(7.into()), Err(("fail", "mismatch"))),
        (cas(Value::Nil), Ok(None)),
    ];
    check(ObjectKind::Register, "consistent", exchanges, steps).await;
}

#[tokio::test]
async fn read_modes() {
    for (mode, asked) in [
        ("default", "GET /v1/kv/ROOT/1"),
        ("stale", "GET /v1/kv/ROOT/1?stale"),
        ("consistent", "GET /v1/kv/ROOT/1?consistent"),
    ] {
        check(
            ObjectKind::Register,
            mode,
            [exchange(asked, "", 404, "")],
            [(read(1), Ok(Some(Value::Nil)))],
        )
        .await;
    }
}

#[tokio::test]
async fn errors() {
    let refusals = [
        (500, "No cluster leader", "fail", "no-leader"),
        (
            500,
            "rpc error making call: No cluster leader",
            "fail",
            "no-leader",
        ),
        (
            500,
            "leadership lost while committing log",
            "info",
            "server-error",
        ),
        (500, "rpc error making call: EOF", "info", "server-error"),
        (
            403,
            "Permission denied: token with AccessorID '00000000-0000-0000-0000-000000000002' lacks \
             permission 'key:write'",
            "fail",
            "denied",
        ),
        (429, "Rate limit reached, try again later", "fail", "limited"),
        (
            413,
            "Request body(600000 bytes) too large, max size: 524288 bytes.",
            "fail",
            "refused",
        ),
        (200, "<html>", "info", "not-understood"),
        (200, "false", "info", "not-understood"),
        (302, "", "info", "not-understood"),
    ];
    for (status, text, outcome, rule) in refusals {
        let exchanges = [
            exchange("PUT /v1/kv/ROOT/1", "2", status, text),
            // The read before a cas can change nothing.
            exchange("GET /v1/kv/ROOT/1?consistent", "", status, text),
        ];
        let cas = Op::Cas {
            key: 1.into(),
            expected: 1.into(),
            new: 2.into(),
        };
        let steps = [(write(1, 2), Err((outcome, rule))), (cas, Err(("fail", rule)))];
        check(ObjectKind::Register, "consistent", exchanges, steps).await;
    }
}

#[tokio::test]
async fn sets() {
    let exchanges = [
        exchange("GET /v1/kv/ROOT/1/?keys&consistent", "", 404, ""),
        exchange("PUT /v1/kv/ROOT/1/3", "", 200, "true"),
        exchange(
            "GET /v1/kv/ROOT/1/?keys&consistent",
            "",
            200,
            r#"["ROOT/1/3","ROOT/1/-4"]"#,
        ),
        exchange(
            "GET /v1/kv/ROOT/1/?keys&consistent",
            "",
            200,
            r#"["elsewhere/3"]"#,
        ),
    ];
    let list = |values: &[i64]| Value::list(values.iter().map(|&value| value.into()).collect());
    let steps = [
        (read(1), Ok(Some(list(&[])))),
        (add(1, 3), Ok(None)),
        (read(1), Ok(Some(list(&[3, -4])))),
        (read(1), Err(("fail", "not-understood"))),
    ];
    check(ObjectKind::Set, "consistent", exchanges, steps).await;
}

#[tokio::test]
async fn counters() {
    const GET: &str = "GET /v1/kv/ROOT/1?consistent";
    const FIVE: &str =
        r#"[{"CreateIndex":7,"ModifyIndex":9,"LockIndex":0,"Key":"c","Flags":0,"Value":"NQ=="}]"#;
    let exchanges = [
        exchange(GET, "", 404, ""),
        exchange(GET, "", 404, ""),
        exchange("PUT /v1/kv/ROOT/1?cas=0", "3", 200, "true"),
        exchange(GET, "", 200, FIVE),
        exchange("PUT /v1/kv/ROOT/1?cas=9", "3", 200, "false"),
        exchange(GET, "", 200, FIVE),
    ];
    let steps = [
        (read(1), Ok(Some(0.into()))),
        (add(1, 3), Ok(None)),
        (add(1, -2), Err(("fail", "lost-race"))),
        (read(1), Ok(Some(5.into()))),
    ];
    check(ObjectKind::Counter, "consistent", exchanges, steps).await;
}

#[tokio::test]
async fn locks() {
    // The sample response of api-docs/session, "Create Session".
    const SESSION: &str = r#"{"ID":"adf4238a-882b-9ddc-4a9d-5b6758e4159e"}"#;
    const ACQUIRE: &str = "PUT /v1/kv/ROOT/1?acquire=adf4238a-882b-9ddc-4a9d-5b6758e4159e";
    const RELEASE: &str = "PUT /v1/kv/ROOT/1?release=adf4238a-882b-9ddc-4a9d-5b6758e4159e";
    const GET: &str = "GET /v1/kv/ROOT/1?consistent";
    const MINE: &str = r#"[{"CreateIndex":100,"ModifyIndex":200,"LockIndex":3,"Key":"zip","Flags":0,"Value":null,
        "Session":"adf4238a-882b-9ddc-4a9d-5b6758e4159e"}]"#;
    const OTHERS: &str = r#"[{"CreateIndex":100,"ModifyIndex":201,"LockIndex":4,"Key":"zip","Flags":0,"Value":null,
        "Session":"00000000-882b-9ddc-4a9d-5b6758e4159e"}]"#;
    let exchanges = [
        exchange(
            "PUT /v1/session/create",
            r#"{"Behavior":"release","LockDelay":"1ms","Name":"perjury","NodeChecks":[],"TTL":"10s"}"#,
            200,
            SESSION,
        ),
        // Another client holds it.
        exchange(ACQUIRE, "", 200, "false"),
        exchange(ACQUIRE, "", 200, "true"),
        exchange(GET, "", 200, MINE),
        exchange(RELEASE, "", 200, "true"),
        // Acquired and lost at once.
        exchange(ACQUIRE, "", 200, "true"),
        exchange(GET, "", 200, OTHERS),
        exchange(RELEASE, "", 200, "false"),
        // The session has ended.
        exchange(
            ACQUIRE,
            "",
            500,
            r#"rpc error making call: invalid session "adf4238a-882b-9ddc-4a9d-5b6758e4159e""#,
        ),
    ];
    let steps = [
        (release(1), Err(("fail", "not-held"))),
        (acquire(1), Err(("fail", "held"))),
        (acquire(1), Ok(Some(3.into()))),
        // The holder does not acquire it twice; nothing is sent.
        (acquire(1), Err(("fail", "held"))),
        (release(1), Ok(None)),
        (acquire(1), Err(("info", "no-token"))),
        (release(1), Err(("fail", "not-held"))),
        (acquire(1), Err(("fail", "no-session"))),
    ];
    check(ObjectKind::Lock, "consistent", exchanges, steps).await;
}

/// What is expected of a step: the answer's value, or `fail` or `info` by which rule.
type Expected = Result<Option<Value>, (&'static str, &'static str)>;

async fn check<const N: usize, const M: usize>(
    object: ObjectKind,
    read_mode: &str,
    exchanges: [Exchange; N],
    steps: [(Op, Expected); M],
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(serve(listener, exchanges.into()));
    let system = external(&endpoint, read_mode);
    let mut client = system.connect(0, object, TIMEOUT).await.unwrap();
    for (number, (op, expected)) in steps.iter().enumerate() {
        let outcome = client.invoke(op).await;
        let met = match &outcome {
            Outcome::Ok(answer) => Ok(answer.value.clone()),
            Outcome::Fail(Failure::Mismatch { .. }) => Err(("fail", "mismatch".to_owned())),
            Outcome::Fail(Failure::Error(reason)) => Err(("fail", reason.rule.clone())),
            Outcome::Info(reason) => Err(("info", reason.rule.clone())),
        };
        let expected = expected.clone().map_err(|(kind, rule)| (kind, rule.to_owned()));
        assert_eq!(met, expected, "step {number}, {op}: {outcome:?}");
    }
    drop(client);
    // Every exchange took place.
    tokio::time::timeout(TIMEOUT, serving).await.unwrap().unwrap();
}

fn external(endpoint: &str, read_mode: &str) -> Arc<dyn System> {
    let place = tempfile::tempdir().unwrap();
    let environment = control::open(EnvKind::External, &OpenOptions::new(1, place.path())).unwrap();
    let options = SystemOptions {
        endpoints: vec![endpoint.to_owned()],
        read_mode: Some(read_mode.to_owned()),
        access: control::Access {
            token: Some(Secret::new("b1gs33cr3t")),
            ..control::Access::default()
        },
        ..SystemOptions::default()
    };
    (systems::find("consul").unwrap().make)(environment, &options).unwrap()
}

/// Serves these exchanges in this order and nothing else, over however many connections.
async fn serve(listener: TcpListener, exchanges: Vec<Exchange>) {
    let mut exchanges = exchanges.into_iter().peekable();
    while exchanges.peek().is_some() {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some(expected) = exchanges.peek() {
            let Some((head, body)) = request(&mut stream).await else {
                break;
            };
            let root = root(&head);
            let asked = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
            let asked = match &root {
                Some(root) => asked.replace(root, "ROOT"),
                None => asked.to_owned(),
            };
            assert_eq!((asked.as_str(), body.as_str()), (expected.asked, expected.body));
            assert!(
                head.to_lowercase().contains("x-consul-token: b1gs33cr3t"),
                "{head}"
            );
            let answer = expected.answer.replace("ROOT", &root.unwrap_or_default());
            let response = format!(
                "HTTP/1.1 {} Whatever\r\nContent-Type: application/json\r\nX-Consul-Index: \
                 201\r\nContent-Length: {}\r\n\r\n{answer}",
                expected.status,
                answer.len()
            );
            stream.write_all(response.as_bytes()).await.unwrap();
            exchanges.next();
        }
    }
}

/// The head and the body of the next request; `None` at the end of the connection.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some((head, String::from_utf8_lossy(&bytes[end + 4..]).into_owned()))
}

/// `perjury/<run>`, if it is in the request.
fn root(head: &str) -> Option<String> {
    let path = head.lines().next()?.split(' ').nth(1)?.strip_prefix("/v1/kv/")?;
    Some(path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/"))
}

fn read(key: i64) -> Op {
    Op::Read { key: key.into() }
}

fn write(key: i64, value: i64) -> Op {
    Op::Write {
        key: key.into(),
        value: value.into(),
    }
}

fn add(key: i64, value: i64) -> Op {
    Op::Add {
        key: key.into(),
        value: value.into(),
    }
}

fn acquire(key: i64) -> Op {
    Op::Acquire { key: key.into() }
}

fn release(key: i64) -> Op {
    Op::Release { key: key.into() }
}

/// Needs the program `consul`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server() {
    let entry = systems::find("consul").unwrap();
    let binary = match (entry.locate.unwrap())(None) {
        Ok(binary) => binary,
        Err(why) => {
            missing("consul", why);
            return;
        }
    };
    let place = tempfile::tempdir().unwrap();
    let environment = control::open(EnvKind::Local, &OpenOptions::new(1, place.path())).unwrap();
    let options = SystemOptions {
        binary: Some(binary),
        ..SystemOptions::default()
    };
    let system = (entry.make)(environment.clone(), &options).unwrap();
    system.db().start(0).await.unwrap();
    system.db().ready(Duration::from_secs(60)).await.unwrap();
    assert_eq!(system.db().primaries().await[0].node, 0);
    let connect = async |object| -> Box<dyn Client> { system.connect(0, object, TIMEOUT).await.unwrap() };

    let mut register = connect(ObjectKind::Register).await;
    assert_eq!(register.invoke(&read(1)).await, Outcome::ok_value(Value::Nil));
    assert_eq!(register.invoke(&write(1, 5)).await, Outcome::ok());
    let cas = |expected: i64| Op::Cas {
        key: 1.into(),
        expected: expected.into(),
        new: 6.into(),
    };
    assert_eq!(register.invoke(&cas(7)).await, Outcome::mismatch(Some(5.into())));
    assert_eq!(register.invoke(&cas(5)).await, Outcome::ok());
    assert_eq!(register.invoke(&read(1)).await, Outcome::ok_value(6.into()));

    let mut set = connect(ObjectKind::Set).await;
    assert_eq!(set.invoke(&add(2, 3)).await, Outcome::ok());
    assert_eq!(
        set.invoke(&read(2)).await,
        Outcome::ok_value(Value::list(vec![3.into()]))
    );

    let mut counter = connect(ObjectKind::Counter).await;
    assert_eq!(counter.invoke(&add(3, 3)).await, Outcome::ok());
    assert_eq!(counter.invoke(&add(3, -5)).await, Outcome::ok());
    assert_eq!(counter.invoke(&read(3)).await, Outcome::ok_value((-2).into()));

    let mut first = connect(ObjectKind::Lock).await;
    let mut second = connect(ObjectKind::Lock).await;
    assert_eq!(first.invoke(&acquire(4)).await, Outcome::ok_value(1.into()));
    assert_eq!(second.invoke(&acquire(4)).await.name(), "fail");
    assert_eq!(first.invoke(&release(4)).await, Outcome::ok());
    assert_eq!(second.invoke(&acquire(4)).await, Outcome::ok_value(2.into()));
    environment.tear_down().await.unwrap();
}
