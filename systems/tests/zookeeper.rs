//! ZooKeeper for real: one server, started here and then addressed as an external one, and every operation of
//! every object.
//!
//! It is skipped, visibly, where ZooKeeper or Java is missing.

#[path = "../../tests/support/missing.rs"]
mod missing;

use std::sync::Arc;
use std::time::Duration;

use control::{Client, EnvKind, Environment, OpenOptions, System, SystemOptions};
use history::{Failure, Key, ObjectKind, Op, Outcome, Value};

use missing::missing;

const TIMEOUT: Duration = Duration::from_secs(10);
const READY_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_of_one_server() {
    let entry = systems::find("zookeeper").unwrap();
    let binary = match (entry.locate.unwrap())(None) {
        Ok(binary) => binary,
        Err(why) => {
            missing("zookeeper", why);
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
    system.db().ready(READY_LIMIT).await.unwrap();
    assert_eq!(system.db().primaries().await[0].node, 0);
    let version = system.db().version().await;
    assert!(version.starts_with("3."), "{version:?}");

    // The same server again, as an external one and with a login.
    let endpoint = environment.endpoint(0, 2181).unwrap();
    let outside = external(&format!("http://{endpoint}"), &["sync", "local", "quorum"]);
    for system in std::iter::once(&system).chain(&outside) {
        registers(&**system).await;
    }
    outside[0].db().ready(READY_LIMIT).await.unwrap();
    sets(&*system).await;
    counters(&*system).await;
    locks(&*system).await;
    losses(&*system).await;
    environment.tear_down().await.unwrap();
}

fn external(endpoint: &str, read_modes: &[&str]) -> Vec<Arc<dyn System>> {
    let entry = systems::find("zookeeper").unwrap();
    let make = |mode: &&str| {
        let place = tempfile::tempdir().unwrap();
        let environment: Arc<dyn Environment> =
            control::open(EnvKind::External, &OpenOptions::new(1, place.path())).unwrap();
        let options = SystemOptions {
            endpoints: vec![endpoint.to_owned()],
            read_mode: Some((*mode).to_owned()),
            access: control::Access {
                user: Some("tester".into()),
                password: Some(control::Secret::new("secret")),
                ..control::Access::default()
            },
            ..SystemOptions::default()
        };
        (entry.make)(environment, &options).unwrap()
    };
    read_modes.iter().map(make).collect()
}

async fn connect(system: &dyn System, object: ObjectKind) -> Box<dyn Client> {
    system.connect(0, object, TIMEOUT).await.unwrap()
}

async fn registers(system: &dyn System) {
    let mut client = connect(system, ObjectKind::Register).await;
    let mut other = connect(system, ObjectKind::Register).await;
    assert_eq!(client.invoke(&read(1)).await, Outcome::ok_value(Value::Nil));
    let cas = |expected: Value, new: i64| Op::Cas {
        key: 1.into(),
        expected,
        new: new.into(),
    };
    // Of a register that is not there yet.
    assert_eq!(
        client.invoke(&cas(3.into(), 4)).await,
        Outcome::mismatch(Some(Value::Nil))
    );
    assert_eq!(client.invoke(&cas(Value::Nil, 5)).await, Outcome::ok());
    assert_eq!(other.invoke(&read(1)).await, Outcome::ok_value(5.into()));
    assert_eq!(
        client.invoke(&cas(6.into(), 7)).await,
        Outcome::mismatch(Some(5.into()))
    );
    assert_eq!(other.invoke(&cas(5.into(), 8)).await, Outcome::ok());
    for (key, value) in [(1, Value::Int(9)), (2, Value::text("ä/\u{1}")), (2, Value::Nil)] {
        let write = Op::Write {
            key: key.into(),
            value: value.clone(),
        };
        assert_eq!(client.invoke(&write).await, Outcome::ok());
        assert_eq!(client.invoke(&read(key)).await, Outcome::ok_value(value));
    }
    assert_fails_by(&client.invoke(&acquire(1)).await, "not-supported");
}

/// Every kind of object has keys of its own.
async fn sets(system: &dyn System) {
    let mut client = connect(system, ObjectKind::Set).await;
    assert_eq!(
        client.invoke(&read(21)).await,
        Outcome::ok_value(Value::list(Vec::new()))
    );
    // Twice the same: it is in the set.
    for element in [3, 5, 3] {
        assert_eq!(client.invoke(&add(21, element)).await, Outcome::ok());
    }
    let Outcome::Ok(answer) = client.invoke(&read(21)).await else {
        panic!("no answer")
    };
    let Some(Value::List(elements)) = answer.value else {
        panic!("no list")
    };
    let mut elements = elements.to_vec();
    elements.sort();
    assert_eq!(elements, [3.into(), 5.into()]);
}

async fn counters(system: &dyn System) {
    let mut client = connect(system, ObjectKind::Counter).await;
    assert_eq!(client.invoke(&read(22)).await, Outcome::ok_value(0.into()));
    assert_eq!(client.invoke(&add(22, 3)).await, Outcome::ok());
    assert_eq!(client.invoke(&add(22, -7)).await, Outcome::ok());
    assert_eq!(client.invoke(&read(22)).await, Outcome::ok_value((-4).into()));

    // Clients that lose the race report it, and the sum is that of the others.
    let mut racers = Vec::new();
    for _ in 0..8 {
        let mut client = connect(system, ObjectKind::Counter).await;
        racers.push(tokio::spawn(async move { client.invoke(&add(23, 1)).await }));
    }
    let mut sum = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Outcome::Ok(_) => sum += 1,
            lost => assert_fails_by(&lost, "lost-race"),
        }
    }
    assert!(sum >= 1);
    assert_eq!(client.invoke(&read(23)).await, Outcome::ok_value(sum.into()));
}

async fn locks(system: &dyn System) {
    let mut first = connect(system, ObjectKind::Lock).await;
    let mut second = connect(system, ObjectKind::Lock).await;
    assert_fails_by(&first.invoke(&release(24)).await, "not-held");
    let mut newest = token(&first.invoke(&acquire(24)).await);
    assert_fails_by(&second.invoke(&acquire(24)).await, "held");
    assert_fails_by(&first.invoke(&acquire(24)).await, "held");
    assert_fails_by(&second.invoke(&release(24)).await, "not-held");
    assert_eq!(first.invoke(&release(24)).await, Outcome::ok());
    for turn in 0..4 {
        let client = if turn % 2 == 0 { &mut second } else { &mut first };
        let next = token(&client.invoke(&acquire(24)).await);
        assert!(next > newest, "{next} after {newest}");
        newest = next;
        assert_eq!(client.invoke(&release(24)).await, Outcome::ok());
    }

    // A client that is gone keeps the lock until its session expires.
    newest = token(&first.invoke(&acquire(24)).await);
    drop(first);
    assert_fails_by(&second.invoke(&acquire(24)).await, "held");
    let expired = tokio::time::Instant::now() + TIMEOUT;
    let next = loop {
        match second.invoke(&acquire(24)).await {
            Outcome::Ok(answer) => break answer.value,
            held => assert_fails_by(&held, "held"),
        }
        assert!(
            tokio::time::Instant::now() < expired,
            "the lock of a dropped client never expires"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(next > Some(newest.into()), "{next:?} after {newest}");
}

/// What clients say when the server is gone.
async fn losses(system: &dyn System) {
    let mut client = connect(system, ObjectKind::Register).await;
    let write = Op::Write {
        key: 9.into(),
        value: 1.into(),
    };
    assert_eq!(client.invoke(&write).await, Outcome::ok());
    system.db().pause(0).await.unwrap();
    let under_way = tokio::spawn(async move { (client.invoke(&write).await, client) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    system.db().kill(0).await.unwrap();
    let (outcome, mut client) = under_way.await.unwrap();
    assert_eq!(outcome.name(), "info", "{outcome:?}");
    assert_eq!(
        outcome.reason().map(|reason| reason.rule.as_str()),
        Some("connection-loss")
    );
    assert_fails_by(&client.invoke(&read(9)).await, "disconnected");
    assert!(system.connect(0, ObjectKind::Register, TIMEOUT).await.is_err());
}

fn read(key: i64) -> Op {
    Op::Read { key: key.into() }
}

fn add(key: i64, value: i64) -> Op {
    Op::Add {
        key: key.into(),
        value: value.into(),
    }
}

fn acquire(key: i64) -> Op {
    Op::Acquire { key: Key::from(key) }
}

fn release(key: i64) -> Op {
    Op::Release { key: Key::from(key) }
}

fn token(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Ok(answer) => match answer.value {
            Some(Value::Int(token)) => token,
            _ => panic!("no token: {answer:?}"),
        },
        _ => panic!("not acquired: {outcome:?}"),
    }
}

#[track_caller]
fn assert_fails_by(outcome: &Outcome, rule: &str) {
    match outcome {
        Outcome::Fail(Failure::Error(reason)) if reason.rule == rule => {}
        _ => panic!("not a certain fail by {rule}: {outcome:?}"),
    }
}
