//! What judges one object while a run goes on: an object brings its own monitor, or is judged by the search's
//! frontier.

use std::sync::Arc;

use history::{Operation, Value};

use crate::engine::search::Limits;
use crate::sentence::Sentence;
use crate::verdict::Rule;

/// An operation and its number.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// How many client operations were invoked before it.
    pub number: usize,
    /// What is known of it; while it runs its outcome is an `info`.
    pub operation: Operation,
}

/// What a monitor found.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// A violation, for certain.
    Violation {
        rule: Rule,
        operations: Vec<Arc<Seen>>,
        sentence: Sentence,
    },
    /// It cannot go on, for this reason.
    Lost(String),
}

/// Judges one object while its operations come in.
pub(crate) trait Monitor: Send {
    /// An operation was invoked.
    fn invoked(&mut self, _operation: &Arc<Seen>) -> Result<(), Found> {
        Ok(())
    }

    /// An operation has completed, or will never. `since` is the invocation of the operation that runs
    /// longest: whatever completes later was invoked then or later.
    fn completed(&mut self, operation: Seen, since: u64) -> Result<(), Found>;

    /// Nothing more comes: looks at what was held back.
    fn finish(&mut self) -> Result<(), Found> {
        Ok(())
    }

    /// How many operations it holds in memory, about.
    fn held(&self) -> usize;
}

/// Makes the monitor of one object with this initial value.
pub(crate) type MakeMonitor = fn(&Value, &Limits) -> Result<Box<dyn Monitor>, String>;
