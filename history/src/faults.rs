//! Which faults are in force: the only place that pairs the nemesis' starts with its stops.
//!
//! ```text
//! kill n3       ├────────┤                  a stop ends every fault of its nemesis
//! partition           ├─────────┤           the network is healed as a whole: the end of one of its faults
//! packet                  ├─────┤           ends them all
//! pause                      (skipped)      never in force
//! clock n1                        ├─────┤   the heal at the end of a run ends everything
//! disk n2                                ├  the history ends first
//! ```
//!
//! - A fault is in force from its start, also where a probe contradicts that it took hold: something may be
//!   broken. One that was skipped never is.
//! - It is over when its stop is done, whatever came of that stop: that it could not be undone is the
//!   outcome's to say.

use std::fmt;

use crate::{EventKind, History, Hold, NemesisAction, NemesisOp, NemesisOutcome};

/// The faults of the network, which is healed as a whole.
pub const NETWORK: [&str; 3] = ["partition", "client-partition", "packet"];

/// The faults that are in force while events come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// How many acts there were.
    acts: usize,
    /// The act that is under way.
    acting: Option<NemesisOp>,
    faults: Vec<Fault>,
}

/// A fault that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which of the nemesis' acts began it: its place in [`History::nemesis`].
    pub act: usize,
    /// What was requested.
    pub op: NemesisOp,
    /// What was done, human-readable.
    pub detail: String,
}

/// A finished act of the nemesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What was requested.
    pub op: NemesisOp,
    /// What was done.
    pub outcome: NemesisOutcome,
    /// What it changed.
    pub change: Change,
}

/// What an act of the nemesis changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A fault began.
    Began,
    /// A fault was skipped.
    Skipped,
    /// The faults that these acts had begun ended.
    Ended(Vec<usize>),
}

/// A fault of a recorded history, by the places of its acts in [`History::nemesis`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultSpan {
    /// The act that began it.
    pub start: usize,
    /// The act that ended it; `None` for a fault that was skipped, and for one that the history does not see
    /// end.
    pub end: Option<usize>,
}

impl InForce {
    /// Takes the next event; says what an act of the nemesis changed when it is done.
    pub fn feed(&mut self, event: &EventKind) -> Option<Act> {
        match event {
            EventKind::NemesisInvoke(op) => {
                self.acting = Some(op.clone());
                None
            }
            EventKind::NemesisComplete(outcome) => {
                let op = self.acting.take()?;
                let change = self.act(&op, Some(outcome));
                Some(Act {
                    op,
                    outcome: (**outcome).clone(),
                    change,
                })
            }
            EventKind::Invoke { .. } | EventKind::Complete(_) | EventKind::Note(_) => None,
        }
    }

    /// The faults whose start is done and which have not ended, in the order in which they began.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn act(&mut self, op: &NemesisOp, outcome: Option<&NemesisOutcome>) -> Change {
        let act = self.acts;
        self.acts += 1;
        match (op.action, outcome) {
            (NemesisAction::Start, Some(outcome)) if matches!(outcome.hold, Hold::Skipped(_)) => {
                Change::Skipped
            }
            (NemesisAction::Start, outcome) => {
                self.faults.push(Fault {
                    act,
                    op: op.clone(),
                    detail: outcome.map_or_else(String::new, |outcome| outcome.detail.clone()),
                });
                Change::Began
            }
            (NemesisAction::Stop, _) => {
                let ended = self.faults.extract_if(.., |fault| ends(op, &fault.op));
                Change::Ended(ended.map(|fault| fault.act).collect())
            }
        }
    }
}

/// Whether `stop` ends a fault that `start` began.
fn ends(stop: &NemesisOp, start: &NemesisOp) -> bool {
    let of_network = |op: &NemesisOp| NETWORK.contains(&op.nemesis.as_str());
    stop.is_heal() || stop.nemesis == start.nemesis || of_network(stop) && of_network(start)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op.nemesis, self.detail)
    }
}

impl History {
    /// Every fault that was requested, in the order of their starts.
    pub fn faults(&self) -> Vec<FaultSpan> {
        let mut in_force = InForce::default();
        let mut faults: Vec<FaultSpan> = Vec::new();
        for (place, span) in self.nemesis.iter().enumerate() {
            match in_force.act(&span.op, span.outcome.as_ref()) {
                Change::Began | Change::Skipped => faults.push(FaultSpan {
                    start: place,
                    end: None,
                }),
                Change::Ended(starts) => {
                    for fault in faults.iter_mut().filter(|fault| starts.contains(&fault.start)) {
                        fault.end = Some(place);
                    }
                }
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Process};

    /// `+kill` starts, `-kill` stops, `~pause` is skipped, `!disk` starts and a probe contradicts it,
    /// `?clock` starts and the history ends; `=` is the heal at the end of a run.
    fn events(acts: &str) -> Vec<EventKind> {
        let mut events = Vec::new();
        for word in acts.split(' ') {
            let (sign, name) = word.split_at(1);
            let action = match sign {
                "-" => NemesisAction::Stop,
                _ => NemesisAction::Start,
            };
            events.push(EventKind::NemesisInvoke(match sign {
                "=" => NemesisOp::heal(),
                _ => NemesisOp {
                    nemesis: name.to_owned(),
                    action,
                    target: Default::default(),
                },
            }));
            let hold = match sign {
                "~" => Hold::Skipped("no such node".into()),
                "!" => Hold::Failed("nothing broke".into()),
                "?" => continue,
                _ => Hold::Verified,
            };
            events.push(EventKind::NemesisComplete(Box::new(NemesisOutcome {
                nodes: Vec::new(),
                detail: name.to_owned(),
                exact: Default::default(),
                hold,
            })));
        }
        events
    }

    #[test]
    fn every_start_meets_its_stop() {
        // The acts, the pairs of a start's and a stop's place, and what is in force at the end.
        for (acts, pairs, left) in [
            ("+kill -kill", "0-1", ""),
            ("+kill +kill -kill", "0-2 1-2", ""),
            ("+kill +pause -kill", "0-2 1-", "pause"),
            ("+kill +pause =", "0-2 1-2", ""),
            ("+kill ~pause -pause", "0- 1-", "kill"),
            ("-kill +kill", "1-", "kill"),
            ("!disk -disk", "0-1", ""),
            ("+kill ?clock", "0- 1-", "kill"),
            ("+disk +disk-full -disk", "0-2 1-", "disk-full"),
            ("+partition +packet +kill -partition", "0-3 1-3 2-", "kill"),
            (
                "+client-partition -packet +packet -packet -client-partition",
                "0-1 2-3",
                "",
            ),
        ] {
            let mut in_force = InForce::default();
            let events = events(acts);
            for event in &events {
                in_force.feed(event);
            }
            let timed = events.into_iter().zip(0..).map(|(kind, time_ns)| Event {
                time_ns,
                process: Process::Nemesis,
                kind,
            });
            let history = History::from_events(timed).unwrap();
            let found: Vec<String> = (history.faults().iter())
                .map(|fault| match fault.end {
                    Some(end) => format!("{}-{end}", fault.start),
                    None => format!("{}-", fault.start),
                })
                .collect();
            assert_eq!(found.join(" "), pairs, "{acts}");
            let names: Vec<&str> = in_force
                .faults()
                .iter()
                .map(|fault| fault.op.nemesis.as_str())
                .collect();
            assert_eq!(names.join(" "), left, "{acts}");
        }
    }

    #[test]
    fn changes_are_said_when_an_act_is_done() {
        let mut in_force = InForce::default();
        let changes: Vec<Option<Change>> = (events("+kill ~pause -kill").iter())
            .map(|event| in_force.feed(event).map(|act| act.change))
            .collect();
        let done = [Change::Began, Change::Skipped, Change::Ended(vec![0])];
        let expected: Vec<Option<Change>> =
            done.into_iter().flat_map(|change| [None, Some(change)]).collect();
        assert_eq!(changes, expected);
        assert_eq!(in_force.faults(), []);
    }
}
