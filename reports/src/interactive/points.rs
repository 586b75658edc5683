//! Moments at which operations can have taken effect, in an order that explains every answer of their key.
//!
//! The checker forgets the orders of keys that are in order; here they are found again, within small
//! limits: where those do not do, a key has no points.

use checker::engine::search::Limits;
use checker::{Analysis, Decision, Options, check_key};
use history::History;
use rustc_hash::FxHashMap;

use crate::timeline::{Place, places};

/// By index into the history's operations.
pub(super) type Points = FxHashMap<usize, Place>;

/// The limits for one key: some hundredths of a second.
const STEPS: u64 = 2_000_000;
const MEMORY: usize = 64 << 20;
/// All searches together, in steps of which no more than [`STEPS`] are ever taken for one key.
const MOST_SEARCHED: usize = 40;

/// Points of all operations whose keys have an order that is found easily.
pub(super) fn points(history: &History, analysis: &Analysis) -> Points {
    let mut points = Points::default();
    let Some(model) = checker::objects::find(analysis.model) else {
        return points;
    };
    let options = Options {
        model,
        limits: Limits {
            steps: STEPS,
            memory_bytes: MEMORY,
            stop: Vec::new(),
        },
        ..Options::default()
    };
    let keys: Vec<Vec<usize>> = if model.per_key {
        checker::partition(history).into_values().collect()
    } else {
        vec![(0..history.operations.len()).collect()]
    };
    let mut given_up = 0;
    for indices in keys {
        match check_key(history, &indices, &options).0 {
            Decision::Valid(order) => {
                points.extend(places(history, &order, history.end_ns));
            }
            Decision::Invalid(_) => {}
            Decision::Unknown(_) => given_up += 1,
        }
        if given_up >= MOST_SEARCHED {
            break;
        }
    }
    points
}
