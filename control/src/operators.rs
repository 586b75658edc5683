//! What operators do to a store as a whole: hand over leadership, change its members, drop its past.

use async_trait::async_trait;

use crate::ControlError;

/// What operators can do to a store; the defaults are for stores that cannot. Nodes are indices into
/// [`crate::Environment::nodes`].
#[async_trait]
pub trait Operators: Send + Sync {
    /// Hands leadership to `to`; returns once the store says that it was done.
    ///
    /// # Errors
    /// When it was not done, or when the store cannot do it ([`crate::Ability::Transfer`]).
    async fn transfer_leadership(&self, _to: usize) -> Result<(), ControlError> {
        Err(cannot("hand over leadership"))
    }

    /// The nodes that are members, as the store says.
    ///
    /// # Errors
    /// When it does not say, or has no such notion ([`crate::Ability::Membership`]).
    async fn members(&self) -> Result<Vec<usize>, ControlError> {
        Err(cannot("list its members"))
    }

    /// Takes a node out of the cluster.
    ///
    /// # Errors
    /// As for [`Operators::members`].
    async fn remove_member(&self, _node: usize) -> Result<(), ControlError> {
        Err(cannot("change its members"))
    }

    /// Takes a node that was removed back into the cluster, as a voter.
    ///
    /// # Errors
    /// As for [`Operators::members`].
    async fn add_member(&self, _node: usize) -> Result<(), ControlError> {
        Err(cannot("change its members"))
    }

    /// Has `node` drop what it keeps of the past (log, old revisions), and verifies it; returns a
    /// human-readable account.
    ///
    /// # Errors
    /// When it did not, or when the store cannot do it ([`crate::Ability::Compact`]).
    async fn compact(&self, _node: usize) -> Result<String, ControlError> {
        Err(cannot("drop its past"))
    }
}

fn cannot(what: &str) -> ControlError {
    ControlError::Other(format!("this store cannot {what}"))
}
