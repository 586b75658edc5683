//! Which faults hit which role, and what clients did during them: coverage by nemesis, target and role.
//!
//! Invariant: the role is that at the beginning of the fault: what the fault was aimed at, or else what the
//! last change of leader before it says. A leader that was never reported is unknown, not absent.

use std::collections::BTreeMap;

use history::units::seconds;
use history::{Aim, History, NoteKind, Pick, Target, Whom};

use crate::results::{CoverageRow, FaultRow, Role};

/// Counts the faults, which are those of this history.
pub(crate) fn coverage(history: &History, faults: &[FaultRow]) -> Vec<CoverageRow> {
    let mut rows: BTreeMap<(String, String, Role), CoverageRow> = BTreeMap::new();
    let completions = Completions::new(history);
    for fault in faults.iter().filter(|fault| fault.is_drawn()) {
        let target = Target::from(fault.target.as_str());
        let role = role(history, fault, &target);
        let target = kind_of_target(&target);
        let row = rows
            .entry((fault.nemesis.clone(), target.clone(), role))
            .or_insert_with(|| CoverageRow {
                nemesis: fault.nemesis.clone(),
                target,
                role,
                faults: 0,
                verified: 0,
                ok: 0,
                not_ok: 0,
            });
        row.faults += 1;
        row.verified += u64::from(fault.is_verified());
        let end_s = fault.end_s.unwrap_or(f64::INFINITY);
        row.ok += completions.ok.between(fault.start_s, end_s);
        row.not_ok += completions.not_ok.between(fault.start_s, end_s);
    }
    rows.into_values().collect()
}

/// A target as it is written; of one that only names nodes, how many.
fn kind_of_target(target: &Target) -> String {
    match target.aim() {
        Some(Aim {
            kind: None,
            whom: Some(Whom::Nodes(nodes)),
            ..
        }) => format!("{} named", nodes.len()),
        Some(Aim {
            kind: None,
            whom: Some(Whom::Links(_)),
            ..
        }) => "named links".to_owned(),
        _ => target.to_string(),
    }
}

fn role(history: &History, fault: &FaultRow, target: &Target) -> Role {
    // A fault that is aimed at the leader asks who leads just then; the notes come from a poll now and then.
    match target.pick().and_then(Pick::with_leader) {
        Some(true) => return Role::Leader,
        Some(false) => return Role::Followers,
        None => {}
    }
    let leads = history
        .notes
        .iter()
        .rfind(|(time_ns, note)| note.kind == NoteKind::Leader && seconds(*time_ns) <= fault.start_s)
        .map(|(_, note)| &note.node);
    match leads {
        None => Role::Unknown,
        Some(node) if node.is_empty() => Role::Unknown,
        Some(node) if fault.nodes.contains(node) => Role::Leader,
        Some(_) => Role::Followers,
    }
}

/// When operations ended, to be counted by spans of time.
struct Completions {
    ok: Times,
    /// By invocation: many of them never ended.
    not_ok: Times,
}

struct Times(Vec<f64>);

impl Completions {
    fn new(history: &History) -> Completions {
        let (mut ok, mut not_ok) = (Vec::new(), Vec::new());
        for operation in &history.operations {
            match (&operation.outcome, operation.completed_ns) {
                (history::Outcome::Ok(_), Some(end_ns)) => ok.push(seconds(end_ns.get())),
                _ => not_ok.push(seconds(operation.invoked_ns)),
            }
        }
        ok.sort_unstable_by(f64::total_cmp);
        not_ok.sort_unstable_by(f64::total_cmp);
        Completions {
            ok: Times(ok),
            not_ok: Times(not_ok),
        }
    }
}

impl Times {
    fn between(&self, start_s: f64, end_s: f64) -> u64 {
        let before = |limit: f64| self.0.partition_point(|time| *time < limit);
        (before(end_s).saturating_sub(before(start_s))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::FaultHold;

    #[test]
    fn targets_that_name_nodes_are_counted_together() {
        for (target, expected) in [
            ("leader", "leader"),
            ("n1", "1 named"),
            ("n1+n3", "2 named"),
            ("n1|n2+n3", "named links"),
            ("n1>n2;n2>n1", "named links"),
            ("majorities-ring", "majorities-ring"),
            ("", ""),
        ] {
            assert_eq!(kind_of_target(&target.into()), expected, "{target}");
        }
    }

    #[test]
    fn roles() {
        let note = |time_s: u64, node: &str| {
            let note = history::Note {
                node: node.to_owned(),
                ..history::Note::new(NoteKind::Leader)
            };
            (time_s * 1_000_000_000, note)
        };
        let history = History {
            notes: vec![note(1, "n1"), note(5, "n2")],
            ..History::default()
        };
        let cases = [
            ("one", "n1", 0.5, Role::Unknown),
            ("one", "n1", 2.0, Role::Leader),
            ("one", "n2", 2.0, Role::Followers),
            ("one", "n2", 6.0, Role::Leader),
            ("leader", "n3", 6.0, Role::Leader),
            ("majority-without-leader", "n2", 6.0, Role::Followers),
        ];
        for (target, node, start_s, expected) in cases {
            let fault = FaultRow {
                nemesis: "kill".into(),
                target: target.into(),
                detail: String::new(),
                nodes: vec![node.into()],
                start_s,
                end_s: None,
                hold: FaultHold::Verified,
                why: None,
                recovery: None,
            };
            assert_eq!(
                role(&history, &fault, &target.into()),
                expected,
                "{target} {node} at {start_s}"
            );
        }
    }

    #[test]
    fn spans_are_half_open() {
        let times = Times(vec![1.0, 2.0, 3.0]);
        for (start, end, expected) in [
            (0.0, 1.0, 0),
            (1.0, 2.0, 1),
            (1.0, f64::INFINITY, 3),
            (4.0, 9.0, 0),
        ] {
            assert_eq!(times.between(start, end), expected, "{start}..{end}");
        }
    }
}
