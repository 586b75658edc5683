//! What each client thread has in flight, for generators that learn from answers.

use generator::{Context, Thread};
use history::{EventKind, Op, Outcome};

/// The operation that each client thread waits for.
#[derive(Default)]
pub(crate) struct InFlight(Vec<Option<Op>>);

impl InFlight {
    /// Takes every event; for a completion it returns the thread, the operation and its outcome.
    pub fn update<'e>(&mut self, ctx: &Context, event: &'e EventKind) -> Option<(usize, Op, &'e Outcome)> {
        let Thread::Client(thread) = ctx.thread else {
            return None;
        };
        if self.0.len() <= thread {
            self.0.resize(thread + 1, None);
        }
        match event {
            EventKind::Invoke { op, .. } => {
                self.0[thread] = Some(op.clone());
                None
            }
            EventKind::Complete(outcome) => Some((thread, self.0[thread].take()?, outcome)),
            EventKind::NemesisInvoke(_) | EventKind::NemesisComplete(_) | EventKind::Note { .. } => None,
        }
    }
}
