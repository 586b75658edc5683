//! A schedule of faults: written by hand in TOML, or what a recorded run really did.
//!
//! ```toml
//! [[fault]]
//! at = "3s"              # since the start of the run
//! lasts = "2500ms"
//! nemesis = "partition"
//! target = "n1+n2|n3"    # as after `--nemesis partition:`
//! ```
//!
//! Invariants:
//! - What a run did becomes a schedule that does it again: the same faults at the same times to the same
//!   nodes. A target that speaks of the leader stays one, because what such a fault shows depends on the role
//!   and not on the name.
//! - Faults may overlap; but a fault's end ends all faults of its nemesis, because that is how a nemesis
//!   undoes; and the end of a partition, a client-partition or a packet fault ends all three, because the
//!   network is healed as a whole.
//! - Same faults, not same outcome: the store and the machine have a will of their own.

use std::time::Duration;

use generator::{Action, Context, Generator, Next, Thread};
use history::{Aim, History, NemesisAction, NemesisOp, Pick, Target};
use serde::{Deserialize, Serialize};

/// The most faults of a schedule.
const MOST: usize = 10_000;

/// Faults, in order of their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The faults.
    #[serde(rename = "fault", default)]
    pub faults: Vec<Scheduled>,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// When it begins, since the start of the run.
    #[serde(with = "time")]
    pub at: Duration,
    /// How long until its end is begun.
    #[serde(with = "time")]
    pub lasts: Duration,
    /// Which nemesis.
    pub nemesis: String,
    /// At what it is aimed, as on the command line.
    pub target: Target,
}

impl Schedule {
    /// Reads TOML.
    ///
    /// # Errors
    /// One line that names the place and the mistake.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        let mut schedule: Schedule = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text[..span.start.min(text.len())].matches('\n').count()
            });
            format!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        if schedule.faults.is_empty() {
            return Err("there is no [[fault]] in it".into());
        }
        if schedule.faults.len() > MOST {
            return Err(format!(
                "{} faults are too many: at most {MOST}",
                schedule.faults.len()
            ));
        }
        schedule.faults.sort_by_key(|fault| fault.at);
        Ok(schedule)
    }

    /// What the nemesis did in a recorded run. Faults that were skipped are left out.
    pub fn recorded(history: &History) -> Schedule {
        let spans = &history.nemesis;
        let mut faults = Vec::new();
        for fault in history.faults() {
            let span = &spans[fault.start];
            if span.is_skipped() {
                continue;
            }
            let end_ns = fault.end.map_or(history.end_ns, |end| spans[end].invoked_ns);
            let exact = span.outcome.as_ref().map(|outcome| &outcome.exact);
            let speaks_of_leader = span.op.target.pick().and_then(Pick::with_leader).is_some();
            let target = match exact {
                Some(exact) if !exact.is_empty() && !speaks_of_leader => with_kind(exact, &span.op.target),
                _ => span.op.target.clone(),
            };
            faults.push(Scheduled {
                at: to_ms(span.invoked_ns),
                lasts: to_ms(end_ns.saturating_sub(span.invoked_ns)),
                nemesis: span.op.nemesis.clone(),
                target,
            });
        }
        Schedule { faults }
    }

    /// As TOML, which [`Schedule::parse`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain tables of texts can be written as TOML")
    }

    /// The nemeses that it needs, each once, in order.
    pub fn nemeses(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for fault in &self.faults {
            if !names.contains(&fault.nemesis.as_str()) {
                names.push(&fault.nemesis);
            }
        }
        names
    }

    /// The acts of the nemesis, each at its time.
    pub fn generator(&self) -> Box<dyn Generator> {
        let mut acts = Vec::with_capacity(2 * self.faults.len());
        for fault in &self.faults {
            let act = |action| NemesisOp {
                nemesis: fault.nemesis.clone(),
                action,
                target: fault.target.clone(),
            };
            acts.push((to_ns(fault.at), act(NemesisAction::Start)));
            acts.push((to_ns(fault.at + fault.lasts), act(NemesisAction::Stop)));
        }
        // Stable: what ends when something else begins ends first if it began first.
        acts.sort_by_key(|(at_ns, _)| *at_ns);
        Box::new(Acts(acts.into_iter()))
    }
}

/// What was hit, with the kind that was requested where the journal of an older version does not repeat it.
fn with_kind(exact: &Target, requested: &Target) -> Target {
    match (exact.aim(), requested.aim()) {
        (Some(exact), Some(requested)) if exact.kind.is_none() && requested.kind.is_some() => {
            Target::from(Aim {
                whom: exact.whom.clone(),
                ..requested.clone()
            })
        }
        _ => exact.clone(),
    }
}

struct Acts(std::vec::IntoIter<(u64, NemesisOp)>);

impl Generator for Acts {
    fn next(&mut self, ctx: &Context) -> Next {
        match (ctx.thread, self.0.next()) {
            (Thread::Nemesis, Some((at_ns, op))) => Next::Do {
                at_ns: at_ns.max(ctx.now_ns),
                action: Action::Nemesis(op),
            },
            _ => Next::Done,
        }
    }
}

fn to_ms(ns: u64) -> Duration {
    Duration::from_millis(ns / 1_000_000)
}

fn to_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Times as people write them.
mod time {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}ms", duration.as_millis()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|error| de::Error::custom(format!("`{text}`: {error}; write it like `3s` or `2500ms`")))
    }
}

#[cfg(test)]
mod tests {
    use history::{Hold, NemesisOutcome, NemesisSpan};

    use super::*;

    fn span(
        at_ms: u64,
        nemesis: &str,
        action: NemesisAction,
        target: &str,
        exact: &str,
        hold: Hold,
    ) -> NemesisSpan {
        NemesisSpan {
            op: NemesisOp {
                nemesis: nemesis.into(),
                action,
                target: target.into(),
            },
            outcome: Some(NemesisOutcome {
                nodes: Vec::new(),
                detail: String::new(),
                exact: exact.into(),
                hold,
            }),
            invoked_ns: at_ms * 1_000_000,
            completed_ns: Some(at_ms * 1_000_000 + 5),
        }
    }

    #[test]
    fn what_a_run_did_can_be_done_again() {
        use NemesisAction::{Start, Stop};
        let history = History {
            nemesis: vec![
                span(100, "kill", Start, "one", "n2", Hold::Verified),
                span(300, "kill", Stop, "one", "n2", Hold::Verified),
                span(
                    400,
                    "partition",
                    Start,
                    "leader",
                    "n1>n2+n3;n2>n1;n3>n1",
                    Hold::Verified,
                ),
                span(
                    500,
                    "pause",
                    Start,
                    "one",
                    "",
                    Hold::Skipped("nothing runs".into()),
                ),
                span(900, "heal", Stop, "", "", Hold::Verified),
            ],
            end_ns: 2_000_000_000,
            ..History::default()
        };
        let schedule = Schedule::recorded(&history);
        let expected = "[[fault]]\nat = \"100ms\"\nlasts = \"200ms\"\nnemesis = \"kill\"\ntarget = \"n2\"\n\n\
                        [[fault]]\nat = \"400ms\"\nlasts = \"500ms\"\nnemesis = \"partition\"\ntarget = \"leader\"\n";
        assert_eq!(schedule.to_toml(), expected);
        assert_eq!(Schedule::parse(expected), Ok(schedule.clone()));
        assert_eq!(schedule.nemeses(), ["kill", "partition"]);
    }

    #[test]
    fn the_network_is_healed_as_a_whole() {
        for name in history::faults::NETWORK {
            assert!(crate::ALL.iter().any(|entry| entry.name == name), "{name}");
        }
        use NemesisAction::{Start, Stop};
        let history = History {
            nemesis: vec![
                span(100, "partition", Start, "one", "n1|n2", Hold::Verified),
                span(200, "packet", Start, "delay=50", "", Hold::Verified),
                span(300, "kill", Start, "one", "n2", Hold::Verified),
                span(400, "partition", Stop, "", "", Hold::Verified),
            ],
            end_ns: 1_000_000_000,
            ..History::default()
        };
        let lasts: Vec<u128> = (Schedule::recorded(&history).faults.iter())
            .map(|fault| fault.lasts.as_millis())
            .collect();
        assert_eq!(lasts, [300, 200, 700]);
    }

    #[test]
    fn acts_come_in_order_of_their_times() {
        let fault = |at, lasts, nemesis: &str| {
            format!(
                "[[fault]]\nat = \"{at}\"\nlasts = \"{lasts}\"\nnemesis = \"{nemesis}\"\ntarget = \"one\"\n"
            )
        };
        let text = fault("2s", "3s", "pause") + &fault("1s", "2s", "kill");
        let mut generator = Schedule::parse(&text).expect("it is right").generator();
        let ctx = Context {
            now_ns: 0,
            thread: Thread::Nemesis,
            clients: 1,
        };
        let mut acts = Vec::new();
        while let Next::Do {
            at_ns,
            action: Action::Nemesis(op),
        } = generator.next(&ctx)
        {
            acts.push(format!(
                "{} {} {:?}",
                at_ns / 1_000_000_000,
                op.nemesis,
                op.action
            ));
        }
        assert_eq!(
            acts,
            ["1 kill Start", "2 pause Start", "3 kill Stop", "5 pause Stop"]
        );
    }

    #[test]
    fn mistakes_name_their_place() {
        let cases = [
            ("", "no [[fault]]"),
            ("[[fault]]\nat = \"soon\"\n", "line 2: `soon`: "),
            (
                "[[fault]]\nat = \"1s\"\nlasts = \"1s\"\nnemesis = \"kill\"\n",
                "missing field `target`",
            ),
            (
                "[[fault]]\nat = \"1s\"\nwhen = 3\n",
                "line 3: unknown field `when`",
            ),
            ("[[fault]\n", "line 1: "),
        ];
        for (text, expected) in cases {
            let why = Schedule::parse(text).expect_err(text);
            assert!(why.contains(expected) && !why.contains('\n'), "{text}: {why}");
        }
    }
}
