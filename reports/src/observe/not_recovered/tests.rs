//! Which stores are accused of not coming back, and which are not.

use super::*;
use history::{
    Event, EventKind, Hold, NemesisAction, NemesisOp, NemesisOutcome, Op, Outcome, Process, TestRecord,
};

use crate::measure::faults::fault_rows;
use crate::node_logs::NodeLogs;

/// A run: a fault, the heal, and how the store was found.
struct Case {
    nemesis: &'static str,
    target: &'static str,
    hold: Hold,
    heal: Option<Hold>,
    fact: Option<NotBack>,
    endpoints: bool,
    stopped: bool,
    /// How operations after the heal end.
    later: Vec<Outcome>,
}

fn node(name: &str, state: FoundState) -> NodeFound {
    NodeFound {
        node: name.to_owned(),
        state,
        ended: u32::from(state == FoundState::Gone) * 9,
        started: u32::from(state == FoundState::Gone) * 9,
        said: vec!["No snapshot found".to_owned()],
        ..NodeFound::default()
    }
}

fn fact() -> NotBack {
    NotBack {
        given_ms: 60_000,
        nodes: vec![
            node("n1", FoundState::Gone),
            node("n2", FoundState::Gone),
            node("n3", FoundState::Running),
        ],
        ..NotBack::default()
    }
}

impl Default for Case {
    fn default() -> Case {
        Case {
            nemesis: "power",
            target: "all",
            hold: Hold::Verified,
            heal: Some(Hold::Verified),
            fact: Some(fact()),
            endpoints: false,
            stopped: false,
            later: Vec::new(),
        }
    }
}

fn outcome(hold: &Hold) -> EventKind {
    EventKind::NemesisComplete(Box::new(NemesisOutcome {
        nodes: vec!["n1".into()],
        detail: "done".into(),
        exact: Default::default(),
        hold: hold.clone(),
    }))
}

impl Case {
    fn history(&self) -> History {
        let act = |action, target: &str| {
            EventKind::NemesisInvoke(NemesisOp {
                nemesis: self.nemesis.into(),
                action,
                target: target.into(),
            })
        };
        let mut kinds = vec![
            act(NemesisAction::Start, self.target),
            outcome(&self.hold),
            act(NemesisAction::Stop, ""),
            outcome(&Hold::Verified),
        ];
        if self.stopped {
            kinds.push(EventKind::Note(Box::new(Note::new(NoteKind::Stopped))));
        }
        if let Some(heal) = &self.heal {
            kinds.extend([EventKind::NemesisInvoke(NemesisOp::heal()), outcome(heal)]);
        }
        kinds.push(EventKind::Note(Box::new(Note {
            detail: "n1 does not answer".into(),
            fact: self.fact.clone().map(Fact::NotBack),
            ..Note::new(NoteKind::NotBack)
        })));
        let mut events: Vec<(Process, EventKind)> =
            kinds.into_iter().map(|kind| (Process::Nemesis, kind)).collect();
        for (process, outcome) in (0..).map(Process::Client).zip(self.later.clone()) {
            let op = Op::Read { key: 1.into() };
            events.push((process, EventKind::Invoke { op, node: None }));
            events.push((process, EventKind::Complete(outcome)));
        }
        let timed = (1..).zip(events).map(|(time_ns, (process, kind))| Event {
            time_ns,
            process,
            kind,
        });
        History::from_events(timed).unwrap()
    }

    fn look(&self) -> (Vec<Observation>, Option<String>) {
        let history = self.history();
        let record = TestRecord {
            system: "zookeeper".into(),
            endpoints: (self.endpoints.then(|| "http://10.0.0.1".to_owned()))
                .into_iter()
                .collect(),
            ..TestRecord::default()
        };
        let faults = fault_rows(&history);
        let looked = Looked {
            record: &record,
            history: &history,
            faults: &faults,
            logs: &NodeLogs::default(),
            latency: &[],
            availability: None,
        };
        (observe(&looked), excused(&looked))
    }
}

#[test]
fn a_store_that_does_not_come_back_has_failed() {
    let (mut found, excused) = Case::default().look();
    assert_eq!(excused, None);
    let found = found.pop().unwrap();
    assert!(found.proves);
    assert_eq!(
        found.text,
        "the store did not come back within 60 s after the last heal: n1 does not answer"
    );
    assert_eq!(
        found.evidence,
        [
            "n1 ended by itself 9 times, was started again 9 times, and was gone; its last words: No \
             snapshot found",
            "n2 ended by itself 9 times, was started again 9 times, and was gone; its last words: No \
             snapshot found",
            "n3 was running; its last words: No snapshot found",
        ]
    );
}

#[test]
fn a_member_that_never_starts_again_is_named() {
    let mut fact = fact();
    fact.nodes[1] = node("n2", FoundState::Running);
    let case = Case {
        fact: Some(fact),
        ..Case::default()
    };
    let (found, _) = case.look();
    assert!(
        found[0].text.starts_with("n1 did not come back within 60 s"),
        "{found:?}"
    );
}

#[test]
fn what_may_have_another_reason_is_no_accusation() {
    let changed = |change: fn(&mut NotBack)| {
        let mut fact = fact();
        change(&mut fact);
        Some(fact)
    };
    let refused = |class| Outcome::fail(class, "no");
    let silent = || changed(|fact| fact.unanswered = 2);
    // The case, and part of what excuses it; nothing where the store is accused.
    let cases = [
        (Case::default(), None),
        (
            Case {
                fact: None,
                ..Case::default()
            },
            Some("older perjury"),
        ),
        (
            Case {
                endpoints: true,
                ..Case::default()
            },
            Some("did not start this store"),
        ),
        (
            Case {
                stopped: true,
                ..Case::default()
            },
            Some("stopped early"),
        ),
        (
            Case {
                hold: Hold::Failed("its disk lost what had been synced".into()),
                ..Case::default()
            },
            Some("power (all) did not work"),
        ),
        (
            Case {
                heal: Some(Hold::Failed("n1: no space left on device".into())),
                ..Case::default()
            },
            Some("did not work as intended"),
        ),
        (
            Case {
                heal: None,
                ..Case::default()
            },
            Some("everything was healed"),
        ),
        (
            Case {
                fact: changed(|fact| fact.operator = Some("alarm NOSPACE".into())),
                ..Case::default()
            },
            Some("needs an operator: alarm NOSPACE"),
        ),
        (
            Case {
                fact: changed(|fact| fact.nodes[1].not_started = Some("no such program".into())),
                ..Case::default()
            },
            Some("could not start n2: no such program"),
        ),
        (
            Case {
                fact: changed(|fact| fact.nodes[2].state = FoundState::Stopped),
                ..Case::default()
            },
            Some("n3 was frozen"),
        ),
        (
            Case {
                nemesis: "corrupt",
                target: "bitflip",
                ..Case::default()
            },
            Some("damaged what n1 had on disk"),
        ),
        (
            // What a disk has not kept is not missed before the power fails.
            Case {
                nemesis: "fsync",
                target: "lie",
                ..Case::default()
            },
            None,
        ),
        (
            // Nothing stays of it.
            Case {
                nemesis: "transfer",
                target: "one",
                hold: Hold::Failed("n1 leads".into()),
                ..Case::default()
            },
            None,
        ),
        (
            // A node that is no member any more may end itself.
            Case {
                nemesis: "membership",
                target: "one",
                hold: Hold::Failed("n1: no leader".into()),
                ..Case::default()
            },
            Some("membership (one) did not work"),
        ),
        (
            // At most a minority is not members, and every node runs.
            Case {
                nemesis: "membership",
                target: "one",
                hold: Hold::Failed("n1: no leader".into()),
                fact: changed(|fact| {
                    fact.unanswered = 2;
                    fact.nodes = ["n1", "n2", "n3"]
                        .map(|name| node(name, FoundState::Running))
                        .into();
                }),
                later: vec![refused(ErrorClass::Timeout)],
                ..Case::default()
            },
            None,
        ),
        (
            Case {
                nemesis: "fsync",
                target: "fail",
                ..Case::default()
            },
            None,
        ),
        // The damaged node is not counted, and it was one of three.
        (
            Case {
                nemesis: "corrupt",
                target: "bitflip",
                fact: changed(|fact| fact.nodes[0].given_up = true),
                ..Case::default()
            },
            None,
        ),
        (
            Case {
                fact: silent(),
                later: vec![refused(ErrorClass::Timeout), refused(ErrorClass::Unavailable)],
                ..Case::default()
            },
            None,
        ),
        (
            Case {
                fact: silent(),
                later: vec![refused(ErrorClass::Timeout), refused(ErrorClass::Rejected)],
                ..Case::default()
            },
            Some("refused what it was asked"),
        ),
        (
            Case {
                fact: silent(),
                later: vec![refused(ErrorClass::Timeout), Outcome::ok()],
                ..Case::default()
            },
            Some("refused what it was asked"),
        ),
    ];
    for (number, (case, excuse)) in cases.iter().enumerate() {
        let (found, excused) = case.look();
        let is_accused = found.iter().any(|found| found.proves);
        assert_eq!(is_accused, excuse.is_none(), "case {number}: {excused:?}");
        let said = excused.unwrap_or_default();
        assert!(said.contains(excuse.unwrap_or_default()), "case {number}: {said}");
        assert_eq!(said.is_empty(), excuse.is_none(), "case {number}: {said}");
    }
}
