//! The kinds of environments, and their names.

/// The kinds of environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvKind {
    /// One network namespace a node.
    Netns,
    /// Plain processes on loopback ports, whose links cannot be cut.
    Local,
    /// A cluster that perjury did not start: clients only.
    External,
    /// One container a node.
    Docker,
    /// One host a node, reached by SSH.
    Ssh,
    /// A cluster that perjury did not start, on hosts that are reached by SSH.
    Reached,
}

impl EnvKind {
    /// Whether perjury did not start the store.
    pub fn is_foreign(self) -> bool {
        matches!(self, EnvKind::External | EnvKind::Reached)
    }

    /// `netns`, `local`, …
    pub fn name(self) -> &'static str {
        match self {
            EnvKind::Netns => "netns",
            EnvKind::Local => "local",
            EnvKind::External => "external",
            EnvKind::Docker => "docker",
            EnvKind::Ssh => "ssh",
            EnvKind::Reached => "external by ssh",
        }
    }
}
