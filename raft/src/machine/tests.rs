//! What commands do, once each, and what survives in bytes.

use super::*;

fn write(value: i64) -> Command {
    Command::Write {
        key: "x".into(),
        value: Value::Int(value),
    }
}

fn cas(expected: Value, new: i64) -> Command {
    Command::Cas {
        key: "x".into(),
        expected,
        new: Value::Int(new),
    }
}

fn add(amount: i64) -> Command {
    Command::Add {
        key: "x".into(),
        amount,
    }
}

#[test]
fn commands_do_what_they_say() {
    let not_added = |value| Output::NotAdded {
        current: Value::Int(value),
    };
    let current = |value| Output::CasFailed {
        current: Value::Int(value),
    };
    let cases = [
        (vec![write(1)], Output::Written, 1),
        (vec![write(1), cas(Value::Int(1), 2)], Output::Written, 2),
        (vec![write(1), cas(Value::Int(3), 2)], current(1), 1),
        (vec![cas(Value::Nil, 7)], Output::Written, 7),
        (vec![write(1), cas(Value::Nil, 7)], current(1), 1),
        (vec![write(1), cas(Value::Text("1".into()), 7)], current(1), 1),
        (vec![add(3)], Output::Added(3), 3),
        (vec![write(1), add(2), add(-4)], Output::Added(-1), -1),
        (vec![write(i64::MAX), add(1)], not_added(i64::MAX), i64::MAX),
    ];
    for (commands, last, value) in cases {
        let mut machine = Machine::new(10);
        let outputs: Vec<_> = (1..)
            .zip(&commands)
            .map(|(i, c)| machine.apply(i, None, c))
            .collect();
        assert_eq!(outputs.last(), Some(&Applied::Output(last)), "{commands:?}");
        assert_eq!(machine.read("x"), Value::Int(value), "{commands:?}");
    }
}

#[test]
fn a_repeated_request_is_applied_once() {
    let mut machine = Machine::new(10);
    machine.open_session(1);
    let first = machine.apply(2, Some((1, 1)), &cas(Value::Nil, 5));
    assert_eq!(machine.apply(3, Some((1, 1)), &cas(Value::Nil, 5)), first);
    assert_eq!(
        machine.apply(4, Some((1, 2)), &write(6)),
        Applied::Output(Output::Written)
    );
    assert_eq!(machine.apply(5, Some((1, 1)), &write(5)), Applied::StaleSequence);
    assert_eq!(machine.apply(6, Some((9, 1)), &write(5)), Applied::SessionExpired);
    assert_eq!(machine.read("x"), Value::Int(6));
}

#[test]
fn the_least_recently_used_session_is_evicted() {
    let mut machine = Machine::new(2);
    machine.open_session(1);
    machine.open_session(2);
    machine.apply(3, Some((1, 1)), &write(1));
    machine.open_session(4);
    assert_eq!(machine.session_count(), 2);
    assert_eq!(machine.apply(5, Some((2, 1)), &write(2)), Applied::SessionExpired);
    assert_eq!(
        machine.apply(6, Some((1, 2)), &write(3)),
        Applied::Output(Output::Written)
    );
}

#[test]
fn bytes_and_back() {
    let mut machine = Machine::new(3);
    machine.open_session(1);
    machine.apply(2, Some((1, 1)), &write(1));
    let text = Command::Write {
        key: "y".into(),
        value: Value::Text("é".into()),
    };
    machine.apply(3, None, &text);
    let bytes = machine.to_bytes().unwrap();
    assert_eq!(Machine::from_bytes(&bytes, 3).unwrap(), machine);
    assert!(Machine::from_bytes(&bytes[..bytes.len() - 1], 3).is_err());
}

#[test]
fn only_numbers_can_be_added_to() {
    let mut machine = Machine::new(10);
    let text = Value::Text("1".into());
    let write = Command::Write {
        key: "x".into(),
        value: text.clone(),
    };
    machine.apply(1, None, &write);
    let refused = Output::NotAdded {
        current: text.clone(),
    };
    assert_eq!(machine.apply(2, None, &add(1)), Applied::Output(refused));
    assert_eq!(machine.read("x"), text);
}

/// The last of each list is applied at the same index to two machines that differ before it.
#[test]
fn digests_tell_states_apart_that_answers_do_not() {
    let digest = |commands: &[Command]| {
        let mut machine = Machine::new(10);
        for (index, command) in (1..).zip(commands) {
            machine.apply(index, None, command);
        }
        machine.digest()
    };
    assert_eq!(digest(&[write(1), add(1)]), digest(&[write(1), add(1)]));
    let cases: [(&[Command], &[Command]); 4] = [
        (&[write(1), write(2)], &[write(2), write(1)]),
        (&[write(1), write(2), write(3)], &[write(1), write(1), write(3)]),
        (
            &[write(1), cas(Value::Int(1), 2)],
            &[write(1), cas(Value::Int(3), 2)],
        ),
        (&[write(1)], &[write(1), write(1)]),
    ];
    for (one, other) in cases {
        assert_ne!(digest(one), digest(other), "{one:?} {other:?}");
    }
}

#[test]
fn a_machine_read_from_bytes_goes_on_with_the_same_digest() {
    let mut machine = Machine::new(10);
    machine.apply(1, None, &write(1));
    let mut copy = Machine::from_bytes(&machine.to_bytes().unwrap(), 10).unwrap();
    assert_ne!(copy.digest(), Machine::new(10).digest());
    for machine in [&mut machine, &mut copy] {
        machine.open_session(2);
        machine.apply(3, Some((2, 1)), &add(1));
    }
    assert_eq!(copy.digest(), machine.digest());
}
