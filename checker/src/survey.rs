//! One pass over a history before it is judged, on several threads where it is long.

use history::{History, Operation};
use rayon::prelude::*;

use crate::model::finish;
use crate::objects::Entry;

/// What one pass over all operations finds out, so that no second one is needed.
#[derive(Clone, Copy)]
pub(crate) struct Survey {
    /// The model understands them all.
    pub only_known: bool,
    /// They address the same object.
    pub one_key: bool,
    /// Each begins before it ends.
    pub in_time: bool,
}

impl Survey {
    /// How many operations one thread looks at: where there are fewer, a second thread does not pay.
    const SHARE: usize = 1 << 16;

    pub fn of(history: &History, model: &Entry) -> Survey {
        let key = history.operations.first().map(|first| first.op.key());
        let nothing = Survey {
            only_known: true,
            one_key: true,
            in_time: true,
        };
        let look = |seen: Survey, x: &Operation| Survey {
            only_known: seen.only_known & model.operations.contains(&x.op.kind()),
            one_key: seen.one_key & (Some(x.op.key()) == key),
            in_time: seen.in_time & (finish(x) > x.invoked),
        };
        let parts = history.operations.par_chunks(Self::SHARE);
        parts
            .map(|part| part.iter().fold(nothing, look))
            .reduce(|| nothing, Survey::and)
    }

    fn and(self, other: Survey) -> Survey {
        Survey {
            only_known: self.only_known && other.only_known,
            one_key: self.one_key && other.one_key,
            in_time: self.in_time && other.in_time,
        }
    }
}
