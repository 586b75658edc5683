//! What a nemesis says of itself, so that its faults overlap with others only where that makes sense.

/// How the faults of a nemesis get along with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alongside {
    /// It acts on processes, and needs some that run.
    pub needs_process: bool,
    /// Processes end by it, and stay down while it holds.
    pub ends_process: bool,
    /// The nodes that it hits may no longer take part in what the store agrees on.
    pub takes_nodes: bool,
    /// It asks the store to agree on something when it begins.
    pub needs_quorum: bool,
    /// It asks the store to agree on something when it ends.
    pub ends_alone: bool,
    /// The nemeses with which it is never in force; saying it on one side is enough.
    pub never_with: &'static [&'static str],
    /// A kind of this fault, and a nemesis: where both take part in a test they make void what the store
    /// promises, even one after the other. The kind is drawn only if the user names it.
    pub void: Option<(&'static str, &'static str)>,
}

impl Alongside {
    /// Gets along with everything.
    pub const ANYTHING: Alongside = Alongside {
        needs_process: false,
        ends_process: false,
        takes_nodes: false,
        needs_quorum: false,
        ends_alone: false,
        never_with: &[],
        void: None,
    };
}
