//! Moments at which the operations of an order can have taken effect.
//!
//! Each lies between the operation's invocation and its completion, and none before that of its predecessor.
//! Many choices satisfy this; the one made here is in the middle between the earliest and the latest.

use std::collections::HashMap;

use history::{History, Outcome};

/// The place of an operation in an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    /// From 1.
    pub number: usize,
    /// When it can have taken effect, nanoseconds since the run's start.
    pub point_ns: f64,
}

/// Places by index into the history's operations; nothing took effect after `until_ns`. Indices that are not
/// in the history are left out.
pub(crate) fn places(history: &History, order: &[usize], until_ns: u64) -> HashMap<usize, Place> {
    let of = |index: &usize| {
        history
            .operations
            .get(*index)
            .map(|operation| (*index, operation))
    };
    let steps: Vec<_> = order.iter().filter_map(of).collect();
    let mut latest = vec![0; steps.len()];
    let mut bound = until_ns;
    for (place, (_, operation)) in steps.iter().enumerate().rev() {
        let end_ns = match (&operation.outcome, operation.completed_ns) {
            (Outcome::Ok(_) | Outcome::Fail(_), Some(end)) => end.get(),
            _ => u64::MAX,
        };
        bound = bound.min(end_ns);
        latest[place] = bound;
    }
    let mut earliest = 0;
    let mut places = HashMap::with_capacity(steps.len());
    for (place, (index, operation)) in steps.into_iter().enumerate() {
        earliest = operation.invoked_ns.max(earliest);
        let point_ns = (earliest as f64 + latest[place].max(earliest) as f64) / 2.0;
        let number = place + 1;
        places.insert(index, Place { number, point_ns });
    }
    places
}

#[cfg(test)]
mod tests {
    use history::{ErrorClass, OPEN, Op, Operation, Value};

    use super::*;

    #[test]
    fn points_lie_within_their_operations_and_in_order() {
        // (invoked, completed) in nanoseconds, in the order that is to be drawn.
        let check = |spans: &[(u64, Option<u64>)], until_ns: u64, expected: &[f64]| {
            let operations = spans.iter().map(|&(invoked_ns, end_ns)| Operation {
                process: 0,
                op: Op::Read { key: Value::Nil },
                outcome: match end_ns {
                    Some(_) => Outcome::ok(),
                    None => Outcome::info(ErrorClass::Timeout, ""),
                },
                invoked: invoked_ns,
                completed: end_ns.unwrap_or(OPEN),
                invoked_ns,
                completed_ns: end_ns.map(Into::into),
                node: None,
            });
            let history = History {
                operations: operations.collect(),
                ..History::default()
            };
            let order: Vec<usize> = (0..spans.len()).collect();
            let places = places(&history, &order, until_ns);
            let points: Vec<f64> = order.iter().map(|index| places[index].point_ns).collect();
            assert_eq!(points, expected);
            assert!(points.is_sorted());
        };
        check(&[(10, Some(20)), (30, Some(40))], 100, &[15.0, 35.0]);
        // The later one must come first, so the earlier one waits for it.
        check(&[(18, Some(40)), (10, Some(20))], 100, &[19.0, 19.0]);
        check(&[(10, None), (30, Some(40))], 100, &[25.0, 35.0]);
        check(&[(10, None)], 100, &[55.0]);
        check(&[], 100, &[]);
    }

    #[test]
    fn indices_that_are_not_there_are_left_out() {
        assert!(places(&History::default(), &[3, 4], 9).is_empty());
    }
}
