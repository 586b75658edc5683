//! The runner against clients that misbehave in every way, in simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use generator::Generator;
use history::{Event, EventKind, History, Op, Outcome, Process, Value};

use super::*;
use control::{Client, ControlError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Answers by the written value: most are fine, some fail, hang, stay unknown or refuse the connection.
struct Moody {
    connections: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<i64>>>,
}

#[async_trait::async_trait]
impl Connect for Moody {
    async fn connect(&self, _: usize, _: Duration) -> Result<Box<dyn Client>, ControlError> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        if number % 7 == 6 {
            return Err(ControlError::Other("refused".into()));
        }
        Ok(Box::new(Moody {
            connections: self.connections.clone(),
            seen: self.seen.clone(),
        }))
    }
}

#[async_trait::async_trait]
impl Client for Moody {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        let Op::Write {
            value: Value::Int(number),
            ..
        } = op
        else {
            return Outcome::ok_value(Value::Nil);
        };
        self.seen.lock().unwrap().push(*number);
        tokio::time::sleep(Duration::from_micros(100 + *number as u64 % 13 * 50)).await;
        match number % 20 {
            3 => Outcome::info(history::ErrorClass::ConnectionLost, "gone"),
            5 => Outcome::fail(history::ErrorClass::Rejected, "no"),
            8 => std::future::pending().await,
            _ => Outcome::ok(),
        }
    }
}

fn writes() -> Box<dyn Generator> {
    let mut number = 0;
    Box::new(generator::ops(move |_| {
        number += 1;
        Op::Write {
            key: 1.into(),
            value: number.into(),
        }
    }))
}

struct Ran {
    events: Vec<Event>,
    seen: Vec<i64>,
    end_ns: u64,
}

/// Runs `generator` with `clients` moody clients; `stop_after` stops it early.
async fn run(generator: Box<dyn Generator>, clients: usize, stop_after: Option<Duration>) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let dispatcher = Arc::new(Dispatcher::new(
        TokioRuntime::start(),
        Journal::create(&path, None).unwrap(),
        clients,
    ));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let connect = Arc::new(Moody {
        connections: Arc::default(),
        seen: seen.clone(),
    });
    let mut runner = Runner::new(dispatcher.clone(), connect, 3, Duration::from_millis(20));
    if let Some(after) = stop_after {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            dispatcher.stop();
        });
    }
    runner.run(generator, None).await.unwrap();
    let end_ns = dispatcher.runtime().now_ns();
    dispatcher.close().unwrap();
    let seen = seen.lock().unwrap().clone();
    Ran {
        events: (std::fs::read_to_string(&path).unwrap().lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        seen,
        end_ns,
    }
}

fn invoked(events: &[Event]) -> Vec<i64> {
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Invoke {
                op:
                    Op::Write {
                        value: Value::Int(number),
                        ..
                    },
                ..
            } => Some(*number),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn no_operation_is_lost_and_every_one_ends() {
    for clients in [1, 4, 16] {
        let ran = run(
            Box::new(generator::clients(generator::limit(500, writes()))),
            clients,
            None,
        )
        .await;
        let numbers = invoked(&ran.events);
        let distinct: BTreeSet<i64> = numbers.iter().copied().collect();
        assert_eq!(distinct, (1..=500).collect(), "{clients} clients");
        assert_eq!(numbers.len(), 500);
        let history = History::from_events(ran.events).unwrap();
        assert!(
            history
                .operations
                .iter()
                .all(|operation| operation.completed_ns.is_some())
        );
        // What reached a client was invoked before, and once.
        let seen: BTreeSet<i64> = ran.seen.iter().copied().collect();
        assert_eq!(seen.len(), ran.seen.len(), "an operation was sent twice");
        assert!(seen.is_subset(&distinct));
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_is_retired_by_info_and_by_nothing_else() {
    let ran = run(
        Box::new(generator::clients(generator::limit(400, writes()))),
        4,
        None,
    )
    .await;
    let mut infos = 0;
    let mut last: BTreeMap<Process, bool> = BTreeMap::new();
    for event in &ran.events {
        match &event.kind {
            EventKind::Invoke { .. } => {
                assert_ne!(
                    last.get(&event.process),
                    Some(&true),
                    "{:?} went on after info",
                    event.process
                );
            }
            EventKind::Complete(outcome) => {
                infos += usize::from(outcome.is_info());
                last.insert(event.process, outcome.is_info());
            }
            _ => {}
        }
    }
    assert!(infos > 20, "only {infos} infos: the test shows nothing");
    // A retired process' number mod the threads stays the thread's.
    assert!(last.len() >= infos, "{} processes for {infos} infos", last.len());
}

#[tokio::test(start_paused = true)]
async fn times_never_go_back_and_the_rate_is_kept() {
    let generator = generator::rate(200.0, 1, writes()).evenly();
    let limited = generator::time_limit(5_000_000_000, generator);
    let ran = run(Box::new(generator::clients(limited)), 10, None).await;
    assert!(
        ran.events
            .windows(2)
            .all(|pair| pair[0].time_ns <= pair[1].time_ns)
    );
    let count = invoked(&ran.events).len();
    assert!(
        (950..=1001).contains(&count),
        "{count} operations in 5 s at 200/s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_run_soon_and_leaves_a_whole_history() {
    let slow = generator::rate(2.0, 1, writes()).evenly();
    let ran = run(
        Box::new(generator::clients(slow)),
        4,
        Some(Duration::from_secs(3)),
    )
    .await;
    assert!(
        (3_000_000_000..3_200_000_000).contains(&ran.end_ns),
        "ended at {}",
        ran.end_ns
    );
    let history = History::from_events(ran.events).unwrap();
    assert!(
        history
            .operations
            .iter()
            .all(|operation| operation.completed_ns.is_some())
    );
}

/// A client of which it is recorded when it was dropped.
struct Held(Arc<Mutex<Vec<Instant>>>);

#[async_trait::async_trait]
impl Connect for Held {
    async fn connect(&self, _: usize, _: Duration) -> Result<Box<dyn Client>, ControlError> {
        Ok(Box::new(Held(self.0.clone())))
    }
}

#[async_trait::async_trait]
impl Client for Held {
    async fn invoke(&mut self, _: &Op) -> Outcome {
        Outcome::ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_done_stays_until_all_are() {
    // The first thread has one operation, the other one works on for ten seconds.
    struct Uneven([bool; 2]);
    impl Generator for Uneven {
        fn next(&mut self, ctx: &generator::Context) -> generator::Next {
            let generator::Thread::Client(thread) = ctx.thread else {
                return generator::Next::Done;
            };
            if std::mem::replace(&mut self.0[thread], true) {
                return generator::Next::Done;
            }
            generator::Next::Do {
                at_ns: thread as u64 * 10_000_000_000,
                action: generator::Action::Op(Op::Read { key: 1.into() }),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("history.jsonl"), None).unwrap();
    let dispatcher = Arc::new(Dispatcher::new(TokioRuntime::start(), journal, 2));
    let dropped = Arc::new(Mutex::new(Vec::new()));
    let connect = Arc::new(Held(dropped.clone()));
    let start = Instant::now();
    let mut runner = Runner::new(dispatcher.clone(), connect.clone(), 1, Duration::from_secs(1));
    runner.run(Box::new(Uneven([false; 2])), None).await.unwrap();
    let times: Vec<u64> = (dropped.lock().unwrap().iter())
        .map(|at| at.duration_since(start).as_secs())
        .collect();
    assert_eq!(times, [10, 10]);
    dispatcher.close().unwrap();
}
