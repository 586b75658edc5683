//! What each combinator does, on the fake clock.

use generator::sim::{End, Run, Sim, ok};
use generator::*;
use history::{EventKind, NemesisAction, NemesisOp, Op};

const MS: u64 = 1_000_000;

fn write(value: i64) -> Action {
    Action::Op(Op::Write {
        key: 0.into(),
        value: value.into(),
    })
}

fn writes(values: impl IntoIterator<Item = i64>) -> Box<dyn Generator> {
    Box::new(list(values.into_iter().map(write)))
}

fn fault() -> Action {
    Action::Nemesis(NemesisOp {
        nemesis: "kill".into(),
        action: NemesisAction::Start,
        target: "one".into(),
    })
}

/// One thread; every operation takes 1 ms. Gives `time in ms: value` of each write.
fn alone(generator: impl Generator) -> Vec<(u64, i64)> {
    let mut generator = generator;
    let sim = Sim {
        clients: 1,
        ..Sim::default()
    };
    let run = sim.run_ok(&mut generator, MS);
    assert_eq!(run.end, End::Done);
    values(&run)
        .into_iter()
        .map(|(ns, value)| (ns / MS, value))
        .collect()
}

fn values(run: &Run) -> Vec<(u64, i64)> {
    run.ops()
        .into_iter()
        .map(|(time_ns, _, op)| match op {
            Op::Write {
                value: history::Value::Int(value),
                ..
            } => (time_ns, *value),
            other => panic!("{other} was never generated"),
        })
        .collect()
}

#[test]
fn one_thread_alone() {
    assert_eq!(alone(nothing()), []);
    assert_eq!(alone(once(write(7))), [(0, 7)]);
    assert_eq!(alone(writes([1, 2, 3])), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(alone(limit(2, writes([1, 2, 3]))), [(0, 1), (1, 2)]);
    assert_eq!(alone(limit(0, writes([1, 2, 3]))), []);
    assert_eq!(alone(time_limit(2 * MS, writes([1, 2, 3]))), [(0, 1), (1, 2)]);
    assert_eq!(
        alone(time_limit(9 * MS, delay(4 * MS, writes([1, 2, 3])))),
        [(4, 1)],
        "9 ms is past the end"
    );
    assert_eq!(alone(delay(4 * MS, writes([1, 2]))), [(4, 1), (9, 2)]);
    assert_eq!(
        alone(rate(500.0, 0, writes([1, 2, 3])).evenly()),
        [(0, 1), (2, 2), (4, 3)]
    );
    assert_eq!(alone(rate(0.0, 0, writes([1, 2]))), [(0, 1), (1, 2)], "no limit");
    let slept = sequence(vec![
        Box::new(sleep(5 * MS)),
        writes([1, 2]),
        Box::new(sleep(5 * MS)),
        writes([3]),
    ]);
    assert_eq!(alone(slept), [(5, 1), (6, 2), (12, 3)]);
    assert_eq!(
        alone(repeat(Some(2), |round| writes([round as i64, 9]))),
        [(0, 0), (1, 9), (2, 1), (3, 9)]
    );
    assert_eq!(
        alone(repeat(None, |_| Box::new(nothing()))),
        [],
        "an empty round is the last"
    );
    assert_eq!(alone(repeat(Some(0), |_| writes([1]))), []);
    let soonest = any(vec![
        Box::new(sequence(vec![Box::new(sleep(3 * MS)), writes([1])])),
        Box::new(delay(2 * MS, writes([2]))),
        Box::new(delay(10 * MS, writes([3]))),
    ]);
    assert_eq!(alone(soonest), [(2, 2), (3, 1), (10, 3)]);
    assert_eq!(
        alone(mix(0, vec![(0, writes([1])), (1, writes([2, 3]))])),
        [(0, 2), (1, 3), (2, 1)]
    );
    assert_eq!(alone(mix(0, Vec::new())), []);
    let asleep = || Box::new(sequence(vec![Box::new(sleep(5 * MS)), writes([1])]));
    assert_eq!(
        alone(mix(0, vec![(1000, asleep()), (1, writes([2]))])),
        [(0, 2), (5, 1)],
        "who sleeps makes way"
    );
    assert_eq!(
        alone(any(vec![asleep(), Box::new(delay(10 * MS, writes([2])))])),
        [(5, 1), (10, 2)],
        "no child is slept past"
    );
}

#[test]
fn each_kind_of_thread_gets_its_own() {
    let both = || list([write(1), fault()]);
    // (generator, writes, faults)
    let cases: Vec<(Box<dyn Generator>, usize, usize)> = vec![
        (Box::new(both()), 1, 1),
        (Box::new(clients(both())), 1, 0),
        (Box::new(nemesis(both())), 0, 1),
        (Box::new(split(writes([1, 2]), once(fault()))), 2, 1),
        (
            Box::new(each_thread(|_| Box::new(list([write(1), fault()])))),
            3,
            1,
        ),
        (Box::new(phases(vec![Box::new(both()), Box::new(both())])), 2, 0),
        (
            Box::new(phases(vec![Box::new(both()), Box::new(both())]).with_nemesis()),
            2,
            2,
        ),
        (Box::new(limit(5, ops(|_| Op::Read { key: 0.into() }))), 5, 0),
    ];
    for (index, (mut generator, writes, faults)) in cases.into_iter().enumerate() {
        let sim = Sim {
            nemesis: true,
            ..Sim::default()
        };
        let run = sim.run_ok(&mut generator, MS);
        assert_eq!(
            (run.ops().len(), run.nemesis().len(), run.end),
            (writes, faults, End::Done),
            "case {index}"
        );
    }
}

#[test]
fn a_phase_begins_when_nothing_of_the_last_is_in_flight() {
    for seed in 0..50 {
        let sim = Sim {
            seed,
            ..Sim::default()
        };
        let mut generator = phases(vec![
            writes(0..7),
            Box::new(nothing()),
            writes(100..105),
            writes(200..201),
        ]);
        let mut latency_ns = MS;
        let run = sim.run(&mut generator, |_, action| {
            latency_ns = latency_ns * 7 % (11 * MS) + 1;
            (latency_ns, ok(action))
        });
        assert_eq!(run.end, End::Done);
        let mut phase = 0;
        let mut open = 0;
        for step in &run.steps {
            match &step.event {
                EventKind::Invoke {
                    op:
                        Op::Write {
                            value: history::Value::Int(value),
                            ..
                        },
                    ..
                } => {
                    assert!(value / 100 >= phase, "seed {seed}: {value} in phase {phase}");
                    assert!(
                        value / 100 == phase || open == 0,
                        "seed {seed}: {value} came too soon"
                    );
                    phase = value / 100;
                    open += 1;
                }
                _ => open -= 1,
            }
        }
        assert_eq!(values(&run).len(), 13);
    }
}

#[test]
fn a_schedule_does_not_drift_when_threads_are_busy() {
    // 1,000 a second, but each of the 2 threads needs 10 ms for the first 20 operations, then next to
    // nothing.
    let mut generator = rate(1000.0, 1, writes(0..200)).evenly();
    let sim = Sim {
        clients: 2,
        ..Sim::default()
    };
    let mut count = 0;
    let run = sim.run(&mut generator, |_, action| {
        count += 1;
        (if count <= 20 { 10 * MS } else { 1000 }, ok(action))
    });
    let times = values(&run);
    // Behind after the slow part, caught up well before the end, and on schedule from there on.
    assert!(times[19].0 > 80 * MS, "{:?}", times[19]);
    for (index, (time_ns, _)) in times.iter().enumerate().skip(120) {
        assert_eq!(time_ns / MS, index as u64);
    }
}

#[test]
fn poisson_gaps_have_the_right_mean_and_spread() {
    let times = alone_ns(rate(100.0, 42, writes(0..2000)));
    let gaps: Vec<f64> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64 / (10.0 * MS as f64))
        .collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    assert!((0.9..1.1).contains(&mean), "mean {mean}");
    assert!((0.8..1.2).contains(&variance), "variance {variance}");
}

/// Like [`alone`], with operations that take no time.
fn alone_ns(mut generator: impl Generator) -> Vec<u64> {
    let sim = Sim {
        clients: 1,
        ..Sim::default()
    };
    let run = sim.run_ok(&mut generator, 0);
    values(&run).into_iter().map(|(time_ns, _)| time_ns).collect()
}

#[test]
fn weights_hold() {
    let endless = |value: i64| -> Box<dyn Generator> {
        Box::new(ops(move |_| Op::Write {
            key: 0.into(),
            value: history::Value::Int(value),
        }))
    };
    let children = vec![(1, endless(1)), (3, endless(2)), (0, endless(3))];
    let run = Sim::default().run_ok(&mut limit(4000, mix(5, children)), MS);
    let count = |wanted| values(&run).iter().filter(|(_, value)| *value == wanted).count();
    assert!((900..1100).contains(&count(1)), "{}", count(1));
    assert_eq!(count(3), 0);
    assert_eq!(count(1) + count(2), 4000);
}

#[test]
fn the_simulation_notices_a_generator_that_leaves_threads_waiting() {
    let mut generator = func(|_| Next::Pending { until_ns: None });
    assert_eq!(Sim::default().run_ok(&mut generator, MS).end, End::Stuck);
    let mut generator = func(|ctx: &Context| Next::pending_until(ctx.now_ns));
    assert_eq!(Sim::default().run_ok(&mut generator, MS).end, End::CutOff);
}

#[test]
fn the_load_is_heavy_and_light_and_rests_now_and_then() {
    let endless = || {
        func(|ctx| Next::Do {
            at_ns: ctx.now_ns,
            action: write(1),
        })
    };
    let run = Sim {
        clients: 12,
        ..Sim::default()
    }
    .run_ok(&mut time_limit(60_000 * MS, lulls(5, 2, endless())), 5 * MS);
    assert_eq!(run.end, End::Done);
    let mut a_tenth = vec![0; 600];
    for (time_ns, ..) in run.ops() {
        a_tenth[(time_ns / (100 * MS)) as usize] += 1;
    }
    // 12 threads, 5 ms an operation: 240 in a tenth of a second; under a light load 4 threads make 80, and in
    // a lull 2 threads with some 3 each.
    let tenths = |of: std::ops::Range<usize>| a_tenth.iter().filter(|&count| of.contains(count)).count();
    let (lulls, light, heavy) = (tenths(1..20), tenths(70..90), tenths(200..260));
    assert!((20..100).contains(&lulls), "{lulls} of lulls");
    assert!(
        (180..320).contains(&light) && (180..320).contains(&heavy),
        "{light} and {heavy}"
    );
    assert!(a_tenth.iter().all(|&count| count > 0));
}
