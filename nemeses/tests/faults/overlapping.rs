//! Faults that know of each other: who keeps a node down, and whose clock is shifted.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_node_starts_when_the_last_fault_lets_go_of_it() {
    use NemesisAction::{Start, Stop};
    let gone = |world: &World| world.nodes_in(ProcessState::Gone);
    // (acts, how each ends, the nodes that are down after it)
    type Acts<'a> = &'a [(&'a str, NemesisAction, &'a str, &'a str, &'a [usize])];
    let cases: [Acts; 4] = [
        &[
            ("kill", Start, "n1+n2", "verified", &[0, 1]),
            ("power", Start, "n2", "verified", &[0, 1]),
            ("kill", Stop, "n1+n2", "verified", &[1]),
            ("power", Stop, "n2", "verified", &[]),
        ],
        &[
            ("power", Start, "n2+n3", "verified", &[1, 2]),
            ("kill", Start, "n2", "skipped: n2 is kept down by power", &[1, 2]),
            // Only what is up is hit.
            ("kill", Start, "n2+n4", "verified", &[1, 2, 3]),
            ("power", Stop, "n2+n3", "verified", &[3]),
            ("restart", Start, "n4", "skipped: n4 is kept down by kill", &[3]),
            ("kill", Stop, "n2+n4", "verified", &[]),
        ],
        &[
            ("kill", Start, "n5", "verified", &[4]),
            ("pause", Start, "n5", "skipped: n5 is kept down by kill", &[4]),
            (
                "membership",
                Start,
                "n5",
                "skipped: n5 is kept down by kill",
                &[4],
            ),
            ("membership", Start, "n1", "verified", &[4]),
            ("crash-loop", Start, "n1", "skipped: n1 is not a member now", &[4]),
            ("membership", Stop, "n1", "verified", &[4]),
            ("kill", Stop, "n5", "verified", &[]),
        ],
        &[
            ("fsync", Start, "fail@n1", "verified", &[]),
            ("kill", Start, "n1", "verified", &[0]),
            // Not by the end of the fault that did not end it.
            ("fsync", Stop, "fail@n1", "verified", &[0]),
            ("kill", Stop, "n1", "verified", &[]),
        ],
    ];
    for acts in cases {
        let world = World::new(5, &[]);
        let ctx = world.context();
        let mut faults = every_fault(2, 0).nemeses;
        for (name, action, target, expected, down) in acts {
            let outcome = faults.invoke(&ctx, &act(name, *action, target)).await;
            assert_eq!(
                held(&outcome),
                *expected,
                "{name} {action:?} {target} of {acts:?}"
            );
            assert_eq!(gone(&world), *down, "{name} {action:?} {target} of {acts:?}");
        }
        assert!(world.is_whole());
        // And from wherever they are left, the heal brings everything back.
        for (name, action, target, ..) in acts.iter().filter(|(_, action, ..)| *action == Start) {
            faults.invoke(&ctx, &act(name, *action, target)).await;
        }
        assert_eq!(held(&faults.heal(&ctx).await), "verified");
        assert!(world.is_whole(), "{acts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_disk_has_ended_comes_back_with_the_disk() {
    use NemesisAction::{Start, Stop};
    let world = World::new(5, &[Flaw::DiesWhereFsyncFails]);
    let ctx = world.context();
    let mut faults = every_fault(2, 0).nemeses;
    for (name, action, target, expected, gone) in [
        ("fsync", Start, "fail@n1+n3", "verified", vec![]),
        ("kill", Start, "n1+n3", "verified", vec![0, 2]),
        ("kill", Stop, "n1+n3", "verified", vec![0, 2]),
        ("power", Start, "n3", "verified", vec![0, 2]),
        // It ends a moment later.
        ("power", Stop, "n3", "verified", vec![0]),
        (
            "kill",
            Start,
            "n2",
            "skipped: n1 did not come back, so nothing more is killed",
            vec![0, 2],
        ),
        ("fsync", Stop, "fail@n1+n3", "verified", vec![]),
        ("kill", Start, "n2", "verified", vec![1]),
        ("kill", Stop, "n2", "verified", vec![]),
    ] {
        let outcome = faults.invoke(&ctx, &act(name, action, target)).await;
        assert_eq!(held(&outcome), expected, "{name} {action:?} {target}");
        assert_eq!(
            world.nodes_in(ProcessState::Gone),
            gone,
            "{name} {action:?} {target}"
        );
    }
    assert!(world.is_whole());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_sees_the_clock_of_its_node() {
    use NemesisAction::{Start, Stop};
    let world = World::new(5, &[]);
    let ctx = world.context();
    let mut faults = every_fault(2, 0).nemeses;
    let shifted = || {
        let tampered = world.tampered.lock().expect("no test thread panicked");
        let processes = tampered.keys().filter(|(what, _)| what == "clock");
        processes.map(|(_, pid)| pid.clone()).collect::<Vec<_>>()
    };
    for (name, action, target, clocks) in [
        ("clock", Start, "jump=50@n1", vec!["1000"]),
        ("kill", Start, "n1+n2", vec![]),
        ("kill", Stop, "n1+n2", vec!["1000"]),
        ("power", Start, "n1", vec![]),
        ("power", Stop, "n1", vec!["1000"]),
        ("kill", Start, "n1", vec![]),
        ("clock", Stop, "jump=50@n1", vec![]),
        ("kill", Stop, "n1", vec![]),
    ] {
        let outcome = faults.invoke(&ctx, &act(name, action, target)).await;
        assert_eq!(held(&outcome), "verified", "{name} {action:?}");
        assert_eq!(shifted(), clocks, "{name} {action:?}");
    }
}
