//! A real etcd of one node: what every operation answers, and how errors come back.

mod access;
#[path = "../../../tests/support/missing.rs"]
mod missing;
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{Client, EnvKind, Environment, OpenOptions, System, SystemOptions};
use history::{MicroOp, ObjectKind, Op, Outcome, Value};

use support::{TIMEOUT, failed, make, program, read, write};

/// A system of one node, started in `directory`.
struct Started {
    environment: Arc<dyn Environment>,
    system: Arc<dyn System>,
}

impl Started {
    async fn new(directory: &Path, binary: PathBuf) -> Started {
        let environment = control::open(EnvKind::Local, &OpenOptions::new(1, directory)).unwrap();
        let options = SystemOptions {
            binary: Some(binary),
            ..SystemOptions::default()
        };
        let system = make(&environment, &options);
        system.db().start(0).await.unwrap();
        system.db().ready(Duration::from_secs(20)).await.unwrap();
        Started { environment, system }
    }

    async fn client(&self, object: ObjectKind) -> Box<dyn Client> {
        self.system.connect(0, object, TIMEOUT).await.unwrap()
    }
}

fn cas(key: i64, expected: Value, new: i64) -> Op {
    Op::Cas {
        key: key.into(),
        expected,
        new: new.into(),
    }
}

fn add(key: i64, value: impl Into<Value>) -> Op {
    Op::Add {
        key: key.into(),
        value: value.into(),
    }
}

fn list(values: &[i64]) -> Value {
    Value::list(values.iter().map(|&value| value.into()).collect())
}

fn number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Ok(answer) => match answer.value {
            Some(Value::Int(number)) => number,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object() {
    let Some(binary) = program("etcd") else { return };
    let directory = tempfile::tempdir().unwrap();
    let started = Started::new(directory.path(), binary).await;
    assert!(!started.system.db().version().await.is_empty());
    assert_eq!(started.system.db().primaries().await[0].node, 0);
    registers(&started).await;
    sets(&started).await;
    counters(&started).await;
    locks(&started).await;
    lists(&started).await;
    watched(&started).await;
    restart(&started).await;
    started.environment.tear_down().await.unwrap();
}

async fn registers(started: &Started) {
    let mut client = started.client(ObjectKind::Register).await;
    let deep = Value::list(vec![Value::text("a\n\"é"), Value::Nil, i64::MIN.into()]);
    let cases = [
        (read(1), Outcome::ok_value(Value::Nil)),
        (cas(1, 3.into(), 4), Outcome::mismatch(Some(Value::Nil))),
        (cas(1, Value::Nil, 4), Outcome::ok()),
        (cas(1, Value::Nil, 5), Outcome::mismatch(Some(4.into()))),
        (cas(1, 4.into(), 6), Outcome::ok()),
        (read(1), Outcome::ok_value(6.into())),
        (write(1, i64::MAX), Outcome::ok()),
        (read(1), Outcome::ok_value(i64::MAX.into())),
        (
            Op::Write {
                key: Value::text("x/1"),
                value: deep.clone(),
            },
            Outcome::ok(),
        ),
        (
            Op::Read {
                key: Value::text("x/1"),
            },
            Outcome::ok_value(deep),
        ),
        (read(12), Outcome::ok_value(Value::Nil)),
    ];
    for (op, expected) in cases {
        assert_eq!(client.invoke(&op).await, expected, "{op}");
    }
    // What a client does not support, it does not send.
    assert_eq!(failed(&client.invoke(&add(1, 2)).await), "not-supported");
    // etcd accepts no more than 1.5 MiB, and refuses before it does anything. From 2 MiB on gRPC refuses,
    // with a text that does not tell a request from an answer.
    let large = Op::Write {
        key: 1.into(),
        value: Value::text(&"x".repeat(1_700_000)),
    };
    assert_eq!(failed(&client.invoke(&large).await), "too-large");
}

async fn sets(started: &Started) {
    let mut client = started.client(ObjectKind::Set).await;
    assert_eq!(client.invoke(&read(1)).await, Outcome::ok_value(list(&[])));
    for element in [3, 1, 3] {
        assert_eq!(client.invoke(&add(1, element)).await, Outcome::ok());
    }
    assert_eq!(client.invoke(&add(12, 9)).await, Outcome::ok());
    assert_eq!(client.invoke(&add(2, Value::text("a/b"))).await, Outcome::ok());
    assert_eq!(client.invoke(&read(1)).await, Outcome::ok_value(list(&[1, 3])));
    let texts = Value::list(vec![Value::text("a/b")]);
    assert_eq!(client.invoke(&read(2)).await, Outcome::ok_value(texts));
}

async fn counters(started: &Started) {
    let mut client = started.client(ObjectKind::Counter).await;
    assert_eq!(number(client.invoke(&read(1)).await), 0);
    for amount in [5, -7] {
        assert_eq!(client.invoke(&add(1, amount)).await, Outcome::ok());
    }
    assert_eq!(number(client.invoke(&read(1)).await), -2);
    assert_eq!(failed(&client.invoke(&add(1, i64::MIN)).await), "not-supported");

    // Of concurrent adds those that fail have not happened.
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut client = started.client(ObjectKind::Counter).await;
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            for _ in 0..20 {
                match client.invoke(&add(2, 1)).await {
                    Outcome::Ok(_) => done += 1,
                    other => assert_eq!(failed(&other), "lost-race"),
                }
            }
            done
        }));
    }
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    assert_eq!(number(client.invoke(&read(2)).await), done);
}

async fn locks(started: &Started) {
    let (acquire, release) = (Op::Acquire { key: 1.into() }, Op::Release { key: 1.into() });
    let mut first = started.client(ObjectKind::Lock).await;
    let mut second = started.client(ObjectKind::Lock).await;
    assert_eq!(failed(&second.invoke(&release).await), "not-held");
    let token = number(first.invoke(&acquire).await);
    assert_eq!(failed(&second.invoke(&acquire).await), "held");
    assert_eq!(failed(&first.invoke(&acquire).await), "held");
    // It outlives its time to live because it is kept alive.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(failed(&second.invoke(&acquire).await), "held");
    assert_eq!(first.invoke(&release).await, Outcome::ok());
    assert_eq!(failed(&first.invoke(&release).await), "not-held");
    let next = number(second.invoke(&acquire).await);
    assert!(next > token, "{next} after {token}");
    // No client keeps it alive any more.
    drop(second);
    let deadline = Instant::now() + Duration::from_secs(10);
    let last = loop {
        match first.invoke(&acquire).await {
            Outcome::Ok(answer) => break answer.value,
            other => assert_eq!(failed(&other), "held"),
        }
        assert!(Instant::now() < deadline, "the lease does not run out");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(last > Some(next.into()), "{last:?} after {next}");
}

async fn lists(started: &Started) {
    let mut client = started.client(ObjectKind::List).await;
    let txn = |micro_ops: Vec<MicroOp>| Op::Txn {
        key: Value::Nil,
        micro_ops,
    };
    let look = |key: i64| MicroOp::Read { key: key.into() };
    let version = |key: i64| MicroOp::Version { key: key.into() };
    let append = |key: i64, value: i64| MicroOp::Append {
        key: key.into(),
        value: value.into(),
    };
    let answers = |values: Vec<Value>| Outcome::ok_value(Value::list(values));
    let cases = [
        (vec![look(1), version(1)], answers(vec![Value::Nil, Value::Nil])),
        (
            vec![append(1, 5), look(1), append(2, 7), append(2, 8)],
            answers(vec![Value::Nil, list(&[5]), Value::Nil, Value::Nil]),
        ),
        (
            vec![look(2), append(1, 6), look(1)],
            answers(vec![list(&[7, 8]), Value::Nil, list(&[5, 6])]),
        ),
    ];
    for (micro_ops, expected) in cases {
        let op = txn(micro_ops);
        assert_eq!(client.invoke(&op).await, expected, "{op}");
    }
    // List 1 was changed twice, list 2 once, in the transaction before.
    let Outcome::Ok(answer) = client.invoke(&txn(vec![version(1), version(2)])).await else {
        panic!("no versions")
    };
    let versions = serde_json::to_value(answer.value).unwrap();
    assert_eq!((&versions[0][0], &versions[1][0]), (&2.into(), &1.into()));
    let (later, earlier) = (versions[0][1].as_i64(), versions[1][1].as_i64());
    assert_eq!(later, earlier.map(|revision| revision + 1), "{versions}");
}

async fn watched(started: &Started) {
    let mut client = started.client(ObjectKind::Watched).await;
    let watch = |from: i64| Op::Watch { key: 1.into(), from };
    let heard = |outcome: Outcome| match outcome {
        Outcome::Ok(answer) => {
            serde_json::from_value::<(i64, Vec<(i64, i64)>)>(serde_json::to_value(answer.value).unwrap())
                .unwrap()
        }
        other => panic!("{other:?}"),
    };
    let (now, changes) = heard(client.invoke(&watch(1)).await);
    assert!(changes.is_empty(), "{changes:?}");
    let first = number(client.invoke(&write(1, 10)).await);
    assert_eq!(first, now + 1);
    // Another key's changes do not arrive, but count as revisions.
    number(client.invoke(&write(2, 11)).await);
    let second = number(client.invoke(&write(1, 12)).await);
    let last = number(client.invoke(&write(2, 13)).await);
    let both = vec![(first, 10), (second, 12)];
    assert_eq!(heard(client.invoke(&watch(1)).await), (last, both));
    assert_eq!(
        heard(client.invoke(&watch(second)).await),
        (last, vec![(second, 12)])
    );
    assert_eq!(heard(client.invoke(&watch(last)).await), (last, vec![]));
    // Nothing has changed at a later revision yet.
    assert_eq!(heard(client.invoke(&watch(last + 5)).await), (last, vec![]));
    // What was compacted is not told, and that it is not is.
    started.system.db().compact(0).await.unwrap();
    let pair = |revision: i64, value: i64| list(&[revision, value]);
    let answer = |through: i64, changes: Vec<Value>| {
        let parts = vec![through.into(), Value::list(changes), (last + 1).into()];
        Outcome::ok_value(Value::list(parts))
    };
    assert_eq!(client.invoke(&watch(1)).await, answer(last, vec![]));
    let third = number(client.invoke(&write(1, 14)).await);
    assert_eq!(
        client.invoke(&watch(first)).await,
        answer(third, vec![pair(third, 14)])
    );
}

/// What was acknowledged outlives kill -9, and a connection that cannot be made is a certain `fail`.
async fn restart(started: &Started) {
    let db = started.system.db();
    let mut client = started.client(ObjectKind::Register).await;
    assert_eq!(client.invoke(&write(77, 1)).await, Outcome::ok());
    db.kill(0).await.unwrap();
    let mut other = started.client(ObjectKind::Register).await;
    assert_eq!(failed(&other.invoke(&write(77, 2)).await), "not-connected");
    assert!(db.primaries().await.is_empty());
    db.start(0).await.unwrap();
    db.ready(Duration::from_secs(20)).await.unwrap();
    assert_eq!(other.invoke(&read(77)).await, Outcome::ok_value(1.into()));
}
