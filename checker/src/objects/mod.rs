//! The objects that can be judged: a folder each, one list ([`MODELS`]).
//!
//! Invariant: an entry decides any history whose operations it names, and says `unknown` rather than
//! something wrong.

mod bank;
mod causal;
mod converged;
mod counter;
mod entry;
mod guess;
mod ids;
mod list;
mod locks;
mod monotonic;
mod multi;
mod queue;
mod reentrant;
pub mod register;
mod semaphore;
mod set;
mod text;
mod versioned;
mod watch;

use history::{History, Value};

pub use bank::{Balances, Bank};
pub use counter::{Counter, CounterOp};
pub use entry::{Entry, Readable, Weaken};
pub use guess::Seen;
pub use ids::{UniqueIds, UniqueIdsOp};
pub use list::{AppendedList, ListAppend, ListMicro};
pub use locks::{
    FencedLock, FencedLockOp, FencedLockState, Lease, LeaseOp, LeaseState, Lock, LockOp, Mutex, MutexOp,
};
pub use monotonic::{Monotonic, MonotonicOp};
pub use multi::{MultiRegister, RegisterMicro};
pub use queue::{FifoQueue, QueueOp, UnorderedQueue};
pub use reentrant::{ReentrantLock, ReentrantLockOp, ReentrantLockState};
pub use register::{Register, RegisterOp};
pub use semaphore::{Semaphore, SemaphoreOp};
pub use set::{ElementFate, Fate, Set, SetFull, SetOp, set_full};
pub use text::{KvAppend, KvAppendOp};
pub use versioned::{VersionedRegister, VersionedRegisterOp, VersionedRegisterState};
pub use watch::{Watched, WatchedOp, WatchedState};

/// Every model. The order matters for [`guess`]; the first one is the default.
pub static MODELS: &[Entry] = &[
    register::CAS_REGISTER,
    register::REGISTER,
    versioned::ENTRY,
    list::ENTRY,
    multi::ENTRY,
    text::ENTRY,
    locks::FENCED,
    locks::MUTEX,
    locks::LOCK,
    locks::LEASE,
    reentrant::ENTRY,
    semaphore::ENTRY,
    set::ENTRY,
    converged::G_SET,
    counter::ENTRY,
    converged::PN_COUNTER,
    bank::BANK,
    bank::OVERDRAFT,
    queue::UNORDERED,
    queue::FIFO,
    ids::ENTRY,
    monotonic::ENTRY,
    watch::ENTRY,
    causal::CAUSAL,
    causal::REVERSE,
    causal::LONG_FORK,
];

/// The model of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name)
}

/// A model that was chosen because a history looks like its own.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    /// The model.
    pub entry: &'static Entry,
    /// Why the history may be another's, if it may. An accusation by this model is none then.
    pub doubt: Option<&'static str>,
}

/// The first model that understands all operations of a history that looks like its own.
pub fn guess(history: &History) -> Option<Guess> {
    let seen = Seen::new(history);
    let entry = MODELS
        .iter()
        .find(|entry| entry.stranger(history).is_none() && (entry.suits)(&seen))?;
    let doubt = seen.doubt();
    Some(Guess { entry, doubt })
}

/// What every object of a history held at first, if it is one of `entry`'s and the user names nothing else:
/// the model's own idea of it, or nil where transactions saw nil, which no one wrote, and nothing tells for
/// that idea. (Knossos' registers begin with 0, Elle's with nil.)
pub fn guess_initial(entry: &Entry, history: &History) -> Value {
    let initial = (entry.initial)();
    let of_several_registers = entry.name == multi::ENTRY.name;
    match of_several_registers && multi::began_with_nil(history, &initial) {
        true => Value::Nil,
        false => initial,
    }
}
