//! Every fault on a cluster in memory: it does what its name says, verifies it, undoes it, and reports what
//! went wrong.

mod fakes;
mod overlapping;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use control::ProcessState;
use fakes::{Flaw, World};
use generator::sim::{End, Sim};
use generator::{Action, time_limit};
use history::{Aim, EventKind, Hold, NemesisAction, NemesisOp, NemesisOutcome};
use nemeses::{ALL, Drawing, Fault, FaultOptions, Faults, Nemesis, NemesisContext, compose, find};

fn fault(name: &str, seed: u64) -> Fault {
    let planned = find(name).expect("in the list").plan(&FaultOptions::default());
    planned
        .expect("five nodes are enough for the default mix")
        .fault(seed)
}

/// So many faults at once, on five nodes.
fn drawing(at_once: usize, seed: u64) -> Drawing {
    Drawing {
        at_once,
        nodes: (1..=5).map(|number| format!("n{number}")).collect(),
        seed,
    }
}

fn make(name: &str) -> Faults {
    compose(vec![fault(name, 0)], drawing(1, 1))
}

fn every_fault(at_once: usize, seed: u64) -> Faults {
    let faults = (ALL.iter().zip(seed..)).map(|(entry, seed)| fault(entry.name, seed));
    compose(faults.collect(), drawing(at_once, seed))
}

fn act(nemesis: &str, action: NemesisAction, target: &str) -> NemesisOp {
    NemesisOp {
        nemesis: nemesis.into(),
        action,
        target: target.into(),
    }
}

/// `verified`, or `failed: why`, or `skipped: why`.
fn held(outcome: &NemesisOutcome) -> String {
    match &outcome.hold {
        Hold::Verified => "verified".into(),
        Hold::Failed(why) => format!("failed: {why}"),
        Hold::Refused(why) => format!("refused: {why}"),
        Hold::Unsettled(why) => format!("unsettled: {why}"),
        Hold::Skipped(why) => format!("skipped: {why}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_with_every_target_takes_hold_and_is_undone() {
    for entry in ALL {
        for target in entry.targets.listed() {
            let world = World::new(5, &[]);
            let ctx = world.context();
            let mut fault = make(entry.name);
            let started = fault
                .nemeses
                .invoke(&ctx, &act(entry.name, NemesisAction::Start, target))
                .await;
            assert_eq!(held(&started), "verified", "{}:{target}", entry.name);
            // What operators do is done at once and for good, but for a change of members.
            let calls = world.calls.lock().expect("no test thread panicked").len();
            let is_lasting = matches!(entry.name, "transfer" | "compact");
            let has_changed = if is_lasting { calls > 0 } else { !world.is_whole() };
            assert!(has_changed, "{}:{target} changed nothing", entry.name);
            assert!(
                !started.nodes.is_empty() && !started.detail.is_empty(),
                "{started:?}"
            );
            let stopped = fault
                .nemeses
                .invoke(&ctx, &act(entry.name, NemesisAction::Stop, target))
                .await;
            assert_eq!(held(&stopped), "verified", "{}:{target}", entry.name);
            assert!(world.is_whole(), "{}:{target} was not undone", entry.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_nodes_are_hit() {
    // (fault, target, state, how many of 5 at least, at most)
    let cases = [
        ("kill", "one", ProcessState::Gone, 1, 1),
        ("kill", "minority", ProcessState::Gone, 1, 2),
        ("kill", "majority", ProcessState::Gone, 3, 4),
        ("kill", "all", ProcessState::Gone, 5, 5),
        ("pause", "minority", ProcessState::Stopped, 1, 2),
        ("pause", "all", ProcessState::Stopped, 5, 5),
    ];
    for (name, target, state, least, most) in cases {
        let world = World::new(5, &[]);
        let started = make(name)
            .nemeses
            .invoke(&world.context(), &act(name, NemesisAction::Start, target))
            .await;
        let hit = world.nodes_in(state);
        assert!((least..=most).contains(&hit.len()), "{name}:{target} hit {hit:?}");
        let names: Vec<String> = hit.iter().map(|node| format!("n{}", node + 1)).collect();
        assert_eq!(started.nodes, names);
    }
}

#[tokio::test(start_paused = true)]
async fn the_leader_is_the_one_that_the_store_names() {
    let world = World::new(5, &[]);
    let ctx = world.context();
    *world.leader.lock().expect("no test thread panicked") = Some(3);
    let outcome = make("kill")
        .nemeses
        .invoke(&ctx, &act("kill", NemesisAction::Start, "leader"))
        .await;
    assert_eq!(outcome.detail, "killed n4 (leader)");
    let outcome = make("partition")
        .nemeses
        .invoke(&ctx, &act("partition", NemesisAction::Start, "leader"))
        .await;
    assert_eq!(outcome.detail, "n4 | n1 n2 n3 n5");

    *world.leader.lock().expect("no test thread panicked") = None;
    for name in ["kill", "pause", "partition"] {
        let outcome = make(name)
            .nemeses
            .invoke(&ctx, &act(name, NemesisAction::Start, "leader"))
            .await;
        assert_eq!(
            held(&outcome),
            "skipped: no node says that it is leader",
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_killed_once_one_did_not_come_back() {
    for flaws in [&[][..], &[Flaw::StartFails]] {
        let world = World::new(5, flaws);
        let ctx = world.context();
        let mut kill = make("kill").nemeses;
        // Two that overlap, as a schedule may want them.
        for target in ["n1", "n2"] {
            let killed = kill
                .invoke(&ctx, &act("kill", NemesisAction::Start, target))
                .await;
            assert_eq!(held(&killed), "verified", "{target}");
        }
        kill.invoke(&ctx, &act("kill", NemesisAction::Stop, "n1")).await;
        let third = kill.invoke(&ctx, &act("kill", NemesisAction::Start, "n3")).await;
        let (expected, gone) = match flaws {
            [] => ("verified", vec![2]),
            _ => (
                "skipped: n1 n2 did not come back, so nothing more is killed",
                vec![0, 1],
            ),
        };
        let mut words: Vec<String> = held(&third).split(' ').map(str::to_owned).collect();
        // They are started in random order.
        if words.len() > 2 {
            words[1..3].sort();
        }
        assert_eq!(words.join(" "), expected);
        assert_eq!(world.nodes_in(ProcessState::Gone), gone);
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_fault_has_cut_is_no_surprise() {
    let ctx = World::new(3, &[]).context();
    let mut partition = make("partition").nemeses;
    for target in ["n1|n2+n3", "n3|n1+n2"] {
        let cut = partition
            .invoke(&ctx, &act("partition", NemesisAction::Start, target))
            .await;
        assert_eq!(held(&cut), "verified", "{target}");
    }
    let healed = partition
        .invoke(&ctx, &act("partition", NemesisAction::Stop, "n1|n2+n3"))
        .await;
    assert_eq!(held(&healed), "verified");
    // What was cut before the heal must be open now.
    let cut = partition
        .invoke(&ctx, &act("partition", NemesisAction::Start, "n1>n2"))
        .await;
    assert_eq!(held(&cut), "verified");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_take_hold_is_reported() {
    // (fault, target, flaw, what the start says, what the stop says)
    let cases = [
        (
            "kill",
            "leader",
            Flaw::KillDoesNothing,
            "failed: n1: it is still running",
            "verified",
        ),
        (
            "pause",
            "leader",
            Flaw::PauseDoesNothing,
            "failed: n1: it is still running",
            "verified",
        ),
        (
            "pause",
            "leader",
            Flaw::ResumeDoesNothing,
            "verified",
            "failed: n1: it is still stopped",
        ),
        (
            "kill",
            "leader",
            Flaw::DiesAfterStart,
            "verified",
            // That it ended by itself is the store's doing.
            "verified",
        ),
        (
            "kill",
            "leader",
            Flaw::StartFails,
            "verified",
            "failed: n1: no space left on device",
        ),
        (
            "kill",
            "leader",
            Flaw::StartNeverEnds,
            "verified",
            "failed: n1: it did not end within 20 s",
        ),
        (
            "partition",
            "leader",
            Flaw::CutLeaks,
            "failed: a packet still passes n1->n2",
            "verified",
        ),
        (
            "partition",
            "leader",
            Flaw::CutBreaksOthers,
            "failed: nothing passes n1->clients n2->n3 n2->n4 n2->n5 n2->clients n3->n2 and 16 more",
            "verified",
        ),
        (
            "partition",
            "leader",
            Flaw::CutFails,
            "failed: iptables: permission denied",
            "verified",
        ),
        (
            "partition",
            "leader",
            Flaw::HealForgetsOne,
            "verified",
            "failed: nothing passes n1->n2",
        ),
        (
            "clock",
            "jump=50@n1",
            Flaw::TamperFails,
            "failed: n1: not permitted",
            "failed: n1: not permitted",
        ),
        (
            "packet",
            "delay=50@n1",
            Flaw::ShapeDoesNothing,
            "failed: a sample of 60 datagrams contradicts delay 50 ms: 60 arrived, 0 twice, 0 overtaken, median way 0.0 ms",
            "verified",
        ),
        (
            "partition",
            "leader",
            Flaw::ProbeFails,
            "failed: the links cannot be probed: no sockets left",
            "failed: the links cannot be probed: no sockets left",
        ),
        (
            "partition",
            "leader",
            Flaw::NoLinks,
            "skipped: links cannot be cut in this environment",
            "verified",
        ),
        (
            "membership",
            "n2",
            Flaw::RemoveDoesNothing,
            "failed: still members: n2",
            "verified",
        ),
        (
            "membership",
            "n2",
            Flaw::AddFails,
            "verified",
            "failed: n2: it does not catch up; not members yet: n2",
        ),
        (
            "membership",
            "n2",
            Flaw::NoOneLeads,
            "unsettled: who the members are: no one leads",
            "unsettled: who the members are: no one leads",
        ),
        (
            "transfer",
            "n2",
            Flaw::TransferDoesNothing,
            "failed: n1 leads",
            "verified",
        ),
        (
            "compact",
            "n2",
            Flaw::CompactLies,
            "failed: n2: the past can still be read",
            "verified",
        ),
        (
            "compact",
            "n2",
            Flaw::CompactRefused,
            "refused: n2: no leader",
            "verified",
        ),
        (
            "kill",
            "everyone",
            Flaw::NoLinks,
            "skipped: kill has no target `everyone`; it has one, minority, majority, all, leader, minority-with-leader, \
             minority-without-leader, majority-with-leader, majority-without-leader, or names of nodes",
            "verified",
        ),
    ];
    for (name, target, flaw, start, stop) in cases {
        let world = World::new(5, &[flaw]);
        let ctx = world.context();
        let mut fault = make(name);
        let started = fault
            .nemeses
            .invoke(&ctx, &act(name, NemesisAction::Start, target))
            .await;
        let stopped = fault
            .nemeses
            .invoke(&ctx, &act(name, NemesisAction::Stop, target))
            .await;
        assert_eq!(
            (held(&started).as_str(), held(&stopped).as_str()),
            (start, stop),
            "{flaw:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn heal_undoes_everything_and_can_be_repeated() {
    let world = World::new(5, &[]);
    let ctx = world.context();
    let mut fault = every_fault(1, 0);
    for (name, target) in [("partition", "bridge"), ("pause", "minority"), ("kill", "one")] {
        let outcome = fault
            .nemeses
            .invoke(&ctx, &act(name, NemesisAction::Start, target))
            .await;
        assert_eq!(held(&outcome), "verified");
    }
    // What another controller left behind is healed too.
    world.states.lock().expect("no test thread panicked")[4] = ProcessState::Gone;
    for _ in 0..2 {
        assert_eq!(held(&fault.nemeses.heal(&ctx).await), "verified");
        assert!(world.is_whole());
    }
    let fresh = World::new(5, &[]);
    let calls = || fresh.calls.lock().expect("no test thread panicked").clone();
    assert_eq!(held(&fault.nemeses.heal(&fresh.context()).await), "verified");
    assert!(calls().is_empty(), "a whole cluster is left alone: {:?}", calls());
}

/// Heals only while no other one holds.
struct Hindered(Arc<AtomicBool>);

/// Holds until it is healed.
struct Hindrance(Arc<AtomicBool>);

fn healed(hold: Hold) -> NemesisOutcome {
    NemesisOutcome {
        nodes: Vec::new(),
        detail: String::new(),
        exact: Default::default(),
        hold,
    }
}

#[async_trait::async_trait]
impl Nemesis for Hindered {
    async fn begin(&mut self, _: &NemesisContext, _: &Aim) -> Result<NemesisOutcome, String> {
        Ok(healed(Hold::Verified))
    }

    async fn end(&mut self, _: &NemesisContext) -> NemesisOutcome {
        healed(Hold::Verified)
    }

    async fn heal(&mut self, _: &NemesisContext) -> NemesisOutcome {
        match self.0.load(Ordering::SeqCst) {
            true => healed(Hold::Failed("it does not stay up".into())),
            false => healed(Hold::Verified),
        }
    }
}

#[async_trait::async_trait]
impl Nemesis for Hindrance {
    async fn begin(&mut self, _: &NemesisContext, _: &Aim) -> Result<NemesisOutcome, String> {
        Ok(healed(Hold::Verified))
    }

    async fn end(&mut self, _: &NemesisContext) -> NemesisOutcome {
        healed(Hold::Verified)
    }

    async fn heal(&mut self, _: &NemesisContext) -> NemesisOutcome {
        self.0.store(false, Ordering::SeqCst);
        healed(Hold::Verified)
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_fault_hinders_is_healed_after_it() {
    let ctx = World::new(3, &[]).context();
    for first_is_hindered in [true, false] {
        let holds = Arc::new(AtomicBool::new(true));
        let (mut hindered, mut hindrance) = (fault("kill", 0), fault("pause", 0));
        hindered.nemesis = Box::new(Hindered(holds.clone()));
        hindrance.nemesis = Box::new(Hindrance(holds.clone()));
        let mut faults = vec![hindered, hindrance];
        if !first_is_hindered {
            faults.reverse();
        }
        let mut fault = compose(faults, drawing(1, 1));
        assert_eq!(held(&fault.nemeses.heal(&ctx).await), "verified");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nemesis_that_takes_no_part_is_refused() {
    let world = World::new(5, &[]);
    let mut fault = make("kill");
    let outcome = fault
        .nemeses
        .invoke(&world.context(), &act("pause", NemesisAction::Start, "one"))
        .await;
    assert_eq!(held(&outcome), "skipped: this run has no nemesis `pause`");
}

#[test]
fn what_makes_no_sense_is_refused() {
    // (fault, target, nodes, possible)
    let cases = [
        ("kill", "majority", 2, false),
        ("pause", "minority", 2, false),
        ("partition", "majority", 2, false),
        ("partition", "majorities-ring", 3, false),
        ("partition", "bridge", 3, true),
        ("partition", "halves", 1, false),
        ("partition", "all", 5, false),
        ("kill", "leader", 1, true),
    ];
    for (name, target, nodes, possible) in cases {
        let options = FaultOptions {
            nodes,
            targets: vec![target.into()],
            ..FaultOptions::default()
        };
        let made = find(name).expect("in the list").plan(&options);
        assert_eq!(
            made.is_ok(),
            possible,
            "{name}:{target} with {nodes} nodes: {:?}",
            made.err()
        );
    }
    for entry in ALL {
        for nodes in 0..7 {
            let options = FaultOptions {
                nodes,
                ..FaultOptions::default()
            };
            assert_eq!(
                entry.plan(&options).is_ok(),
                nodes >= entry.targets.min_nodes(),
                "{} of {nodes}",
                entry.name
            );
        }
    }
}

/// The schedule of 30 s in which every act takes 300 ms: `(time, act)`; `skip` says which starts are skipped.
fn schedule(faults: Faults, skip: fn(&NemesisOp) -> bool) -> Vec<(u64, NemesisOp)> {
    schedule_of(30, faults, skip)
}

/// The same of so many seconds.
fn schedule_of(seconds: u64, faults: Faults, skip: fn(&NemesisOp) -> bool) -> Vec<(u64, NemesisOp)> {
    let mut generator = time_limit(seconds * 1_000_000_000, faults.generator);
    let sim = Sim {
        nemesis: true,
        ..Sim::default()
    };
    let run = sim.run(&mut generator, |_, action| {
        let Action::Nemesis(op) = action else {
            panic!("a fault has nothing to do for clients");
        };
        let hold = if op.action == NemesisAction::Start && skip(op) {
            Hold::Skipped("no leader".into())
        } else {
            Hold::Verified
        };
        let outcome = NemesisOutcome {
            nodes: Vec::new(),
            detail: String::new(),
            exact: Default::default(),
            hold,
        };
        (300_000_000, EventKind::NemesisComplete(Box::new(outcome)))
    });
    assert_eq!(run.end, End::Done);
    run.nemesis()
        .into_iter()
        .map(|(time_ns, op)| (time_ns, op.clone()))
        .collect()
}

#[test]
fn thirty_seconds_hold_many_cycles() {
    for seed in 0..20 {
        for (name, least) in [("kill", 7), ("pause", 4), ("partition", 4)] {
            let acts = schedule(compose(vec![fault(name, seed)], drawing(1, seed)), |_| false);
            let starts = acts
                .iter()
                .filter(|(_, op)| op.action == NemesisAction::Start)
                .count();
            assert!(starts >= least, "{name} starts {starts} times");
        }
    }
}

#[test]
fn starts_and_stops_alternate_and_every_fault_has_a_turn() {
    for seed in 0..20 {
        // A turn takes no more than 8 s, three times longer after a long quiet.
        let acts = schedule_of(12 * ALL.len() as u64, every_fault(1, seed), |_| false);
        for pair in acts.chunks(2) {
            assert_eq!(pair[0].1.action, NemesisAction::Start);
            if let [(started_ns, start), (stopped_ns, stop)] = pair {
                assert_eq!(stop.action, NemesisAction::Stop);
                assert_eq!((&start.nemesis, &start.target), (&stop.nemesis, &stop.target));
                assert!(stopped_ns - started_ns > 300_000_000);
            }
        }
        for entry in ALL {
            assert!(
                acts.iter().any(|(_, op)| op.nemesis == entry.name),
                "{} had no turn",
                entry.name
            );
        }
    }
}

#[test]
fn a_skipped_start_is_not_stopped() {
    let acts = schedule(every_fault(1, 3), |op| op.target.as_str() == "leader");
    let mut open = None;
    let mut skipped = 0;
    for (_, op) in &acts {
        match op.action {
            NemesisAction::Start if op.target.as_str() == "leader" => skipped += 1,
            NemesisAction::Start => assert_eq!(open.replace(&op.nemesis), None),
            NemesisAction::Stop => assert_eq!(open.take(), Some(&op.nemesis)),
        }
    }
    assert!(skipped > 0);
}

#[test]
fn faults_overlap_as_the_rules_allow() {
    let never = [
        ("corrupt", "kill"),
        ("corrupt", "power"),
        ("power", "disk-full"),
        ("transfer", "client-partition"),
    ];
    for at_once in 1..=3 {
        let mut pairs = std::collections::BTreeSet::new();
        let (mut starts, mut most, mut quiet) = (0, 0, 0);
        for seed in 0..30 {
            let mut in_force: Vec<(&str, &str)> = Vec::new();
            let acts = schedule_of(600, every_fault(at_once, seed), |op| {
                op.target.as_str() == "leader"
            });
            for (place, (_, op)) in acts.iter().enumerate() {
                let (name, target) = (op.nemesis.as_str(), op.target.as_str());
                if op.action == NemesisAction::Stop {
                    let before = in_force.len();
                    let ends = |other: &str| {
                        let network = history::faults::NETWORK;
                        other == name || network.contains(&other) && network.contains(&name)
                    };
                    in_force.retain(|(other, _)| !ends(other));
                    assert!(
                        in_force.len() < before,
                        "{name} ended although it was not in force"
                    );
                    assert!(
                        name != "membership" || in_force.is_empty(),
                        "members among {in_force:?}: {:?}",
                        &acts[place.saturating_sub(8)..=place]
                    );
                    continue;
                }
                starts += 1;
                quiet += u32::from(in_force.is_empty());
                assert!(
                    !(name == "fsync" && target.starts_with("lie")),
                    "a lying fsync beside power"
                );
                for &(other, of) in &in_force {
                    assert!(!never.contains(&(name, other)) && !never.contains(&(other, name)));
                    assert!(!(other == "kill" && of == "all" && name == "pause"));
                    pairs.insert((other.to_owned(), name.to_owned()));
                }
                if target != "leader" {
                    in_force.push((name, target));
                    most = most.max(in_force.len());
                }
            }
        }
        assert_eq!(most, at_once);
        assert!(
            quiet * 4 > starts,
            "{quiet} of {starts} faults came after some quiet"
        );
        // Of 15 · 14 ordered pairs some are forbidden; all others are drawn.
        let expected = if at_once == 1 { 0..1 } else { 150..15 * 14 };
        assert!(
            expected.contains(&pairs.len()),
            "{at_once} at once: {} pairs",
            pairs.len()
        );
    }
}

#[test]
fn nothing_composed_does_nothing() {
    assert!(schedule(compose(Vec::new(), drawing(2, 0)), |_| false).is_empty());
}

#[test]
fn equal_seeds_give_equal_schedules() {
    for entry in ALL {
        assert_eq!(
            schedule(make(entry.name), |_| false),
            schedule(make(entry.name), |_| false)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_tells_what_is_torn_and_leaves_a_lying_disk_lying() {
    use NemesisAction::{Start, Stop};
    let lying = |world: &World| {
        let tampered = world.tampered.lock().expect("no test thread panicked");
        tampered
            .iter()
            .filter(|((what, _), _)| what == "fsync")
            .map(|((_, node), looks)| (node.clone(), looks[0].clone()))
            .collect::<Vec<_>>()
    };
    let world = World::new(3, &[]);
    let ctx = world.context();
    let mut faults = every_fault(2, 0).nemeses;
    let lie = [("n1".to_owned(), "lie".to_owned())];
    // (act, what its outcome tells, the nodes whose fsync is changed after it)
    for (name, action, target, told, changed) in [
        ("fsync", Start, "lie@n1", "lie", &lie[..]),
        (
            "power",
            Start,
            "n1+n2",
            "cut the power of n1 (leader) n2; 2 files came back torn",
            &lie[..],
        ),
        ("power", Stop, "n1+n2", "n1", &lie[..]),
        ("fsync", Stop, "lie@n1", "honest", &[]),
        (
            "power",
            Start,
            "n3",
            "cut the power of n3; 1 file came back torn",
            &[],
        ),
    ] {
        let outcome = faults.invoke(&ctx, &act(name, action, target)).await;
        assert_eq!(held(&outcome), "verified", "{name} {target}");
        assert!(
            outcome.detail.contains(told),
            "{name} {target}: {}",
            outcome.detail
        );
        assert_eq!(lying(&world), changed, "{name} {target}");
    }
}
