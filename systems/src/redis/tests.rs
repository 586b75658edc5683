//! The client against a real Redis and sentinel, on loopback ports.

#[path = "../../../tests/support/missing.rs"]
mod missing;

use control::{EnvKind, OpenOptions};
use history::{Failure, Key, Op, Outcome, Value};

use super::*;
use missing::missing;

const TIMEOUT: Duration = Duration::from_secs(2);

/// A cluster of its own, or `None`, with a message, where there is no Redis.
async fn started(nodes: usize, directory: &Path) -> Option<(Arc<dyn Environment>, Arc<dyn System>)> {
    let binary = match locate(None) {
        Ok(binary) => binary,
        Err(why) => {
            missing("redis", why);
            return None;
        }
    };
    let options = SystemOptions {
        binary: Some(binary),
        ..SystemOptions::default()
    };
    let environment = control::open(EnvKind::Local, &OpenOptions::new(nodes, directory)).unwrap();
    let system = make(environment.clone(), &options).unwrap();
    let db = system.db();
    for node in 0..nodes {
        db.start(node).await.unwrap();
    }
    db.ready(Duration::from_secs(30)).await.unwrap();
    Some((environment, system))
}

fn key() -> Key {
    1.into()
}

fn read() -> Op {
    Op::Read { key: key() }
}

fn write(value: i64) -> Op {
    Op::Write {
        key: key(),
        value: value.into(),
    }
}

fn cas(expected: Value, new: i64) -> Op {
    Op::Cas {
        key: key(),
        expected,
        new: new.into(),
    }
}

fn add(value: i64) -> Op {
    Op::Add {
        key: 2.into(),
        value: value.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_do_what_they_say() {
    let directory = tempfile::tempdir().unwrap();
    let Some((environment, system)) = started(1, directory.path()).await else {
        return;
    };
    assert!(!system.db().version().await.is_empty());
    assert_eq!(system.db().primaries().await[0].node, 0);

    let mut register = system.connect(0, ObjectKind::Register, TIMEOUT).await.unwrap();
    let steps = [
        (read(), Outcome::ok_value(Value::Nil)),
        (cas(4.into(), 5), Outcome::mismatch(Some(Value::Nil))),
        (cas(Value::Nil, 3), Outcome::ok()),
        (write(4), Outcome::ok()),
        (cas(3.into(), 5), Outcome::mismatch(Some(4.into()))),
        (cas(4.into(), 5), Outcome::ok()),
        (read(), Outcome::ok_value(5.into())),
    ];
    for (op, expected) in steps {
        assert_eq!(register.invoke(&op).await, expected, "{op}");
    }

    let sum = Op::Read { key: 2.into() };
    let mut counter = system.connect(0, ObjectKind::Counter, TIMEOUT).await.unwrap();
    let steps = [
        (sum.clone(), Outcome::ok_value(0.into())),
        (add(5), Outcome::ok()),
        (add(-7), Outcome::ok()),
        (sum, Outcome::ok_value((-2).into())),
    ];
    for (op, expected) in steps {
        assert_eq!(counter.invoke(&op).await, expected, "{op}");
    }

    let mut set = system.connect(0, ObjectKind::Set, TIMEOUT).await.unwrap();
    let elements = Op::Read { key: 3.into() };
    let element = |value: i64| Op::Add {
        key: 3.into(),
        value: value.into(),
    };
    assert_eq!(
        set.invoke(&elements).await,
        Outcome::ok_value(Value::list(Vec::new()))
    );
    for op in [element(4), element(2), element(4)] {
        assert_eq!(set.invoke(&op).await, Outcome::ok());
    }
    match set.invoke(&elements).await {
        Outcome::Ok(answer) => {
            let Some(Value::List(elements)) = answer.value else {
                panic!("{answer:?} is no list");
            };
            let mut elements = elements.to_vec();
            elements.sort();
            assert_eq!(elements, [2.into(), 4.into()]);
        }
        other => panic!("{other:?}"),
    }
    // The key of the register, as another kind of object.
    let Outcome::Fail(Failure::Error(reason)) = set
        .invoke(&Op::Add {
            key: key(),
            value: 1.into(),
        })
        .await
    else {
        panic!("a register took an element");
    };
    assert_eq!(reason.rule, "wrong-type");
    environment.tear_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_comes_back_is_a_replica() {
    let directory = tempfile::tempdir().unwrap();
    let Some((environment, system)) = started(3, directory.path()).await else {
        return;
    };
    let db = system.db();
    let mut client = system.connect(1, ObjectKind::Register, TIMEOUT).await.unwrap();
    assert_eq!(client.invoke(&write(1)).await, Outcome::ok());
    assert_eq!(db.primaries().await[0].node, 0);

    db.kill(0).await.unwrap();
    let mut orphan = system.connect(0, ObjectKind::Register, TIMEOUT).await.unwrap();
    let Outcome::Fail(Failure::Error(reason)) = orphan.invoke(&write(9)).await else {
        panic!("a write without a sentinel");
    };
    assert_eq!(reason.rule, "no-master");

    // The failover is over when the others' sentinels both name a new master.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    for node in [1, 2] {
        let mut client = system.connect(node, ObjectKind::Register, TIMEOUT).await.unwrap();
        while client.invoke(&write(2)).await != Outcome::ok() {
            assert!(tokio::time::Instant::now() < deadline, "no failover");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let masters = db.primaries().await;
    assert!(masters.len() == 1 && masters[0].node != 0, "{masters:?}");
    db.start(0).await.unwrap();
    // Long enough for the sentinels to notice a jump of their clocks, which must not keep them from their
    // work.
    for node in 0..3 {
        db.pause(node).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for node in 0..3 {
        db.resume(node).await.unwrap();
    }
    db.ready(Duration::from_secs(30)).await.unwrap();
    let masters = db.primaries().await;
    assert!(masters.len() == 1 && masters[0].node != 0, "{masters:?}");
    let mut client = system.connect(0, ObjectKind::Register, TIMEOUT).await.unwrap();
    assert_eq!(client.invoke(&write(3)).await, Outcome::ok());
    environment.tear_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_perjury_did_not_start_are_reached_directly() {
    let directory = tempfile::tempdir().unwrap();
    let Some((environment, _system)) = started(2, directory.path()).await else {
        return;
    };
    let endpoint = |node| format!("redis://{}", environment.endpoint(node, 6379).unwrap());
    let options = SystemOptions {
        endpoints: vec![endpoint(0), endpoint(1)],
        ..SystemOptions::default()
    };
    let elsewhere = control::open(EnvKind::External, &OpenOptions::new(2, directory.path())).unwrap();
    let system = make(elsewhere, &options).unwrap();
    system.db().ready(Duration::from_secs(5)).await.unwrap();
    let mut master = system.connect(0, ObjectKind::Register, TIMEOUT).await.unwrap();
    assert_eq!(master.invoke(&write(1)).await, Outcome::ok());
    let mut replica = system.connect(1, ObjectKind::Register, TIMEOUT).await.unwrap();
    for op in [write(2), cas(1.into(), 2)] {
        // The replica may not have heard of 1 yet, and a cas that finds another value writes nothing.
        match replica.invoke(&op).await {
            Outcome::Fail(Failure::Error(reason)) => assert_eq!(reason.rule, "read-only", "{op}"),
            Outcome::Fail(Failure::Mismatch { .. }) => {}
            other => panic!("{op}: {other:?}"),
        }
    }
    environment.tear_down().await.unwrap();
}
