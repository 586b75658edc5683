//! The chain in which a host drops what others send, in the host's own tables.
//!
//! Invariant: it is noted in the undo log before it is made, and it is made only when the first link is cut.

use std::net::IpAddr;
use std::sync::Arc;

use crate::ControlError;
use crate::links::iptables::{Family, Iptables};
use crate::undo::UndoLog;

/// The chains of a host, one for each address family.
#[derive(Debug)]
pub(super) struct HostChain {
    undo: Arc<UndoLog>,
    made: Option<(u64, Vec<Iptables>)>,
}

impl HostChain {
    pub(super) fn new(undo: Arc<UndoLog>) -> HostChain {
        HostChain { undo, made: None }
    }

    /// Drops what exactly these send. Blocks for some milliseconds.
    pub(super) fn set(&mut self, senders: &[IpAddr]) -> Result<(), ControlError> {
        if self.made.is_none() {
            if senders.is_empty() {
                return Ok(());
            }
            let tables = tables()?;
            if tables.iter().any(|table| table.is_hooked(None)) {
                return Err(ControlError::Other(
                    "another controller has cut links of this host: wait until it ends, or, if it died, run \
                     `perjury heal` where it ran"
                        .into(),
                ));
            }
            let id = self.undo.chain()?;
            self.made = Some((id, Vec::new()));
            for table in tables {
                table.hook(None)?;
                if let Some((_, made)) = &mut self.made {
                    made.push(table);
                }
            }
        }
        for table in self.made.iter().flat_map(|(_, tables)| tables) {
            table.set(None, senders)?;
        }
        Ok(())
    }

    /// Removes them. May be called twice.
    pub(super) fn remove(&mut self) -> Result<(), ControlError> {
        let Some((id, tables)) = &mut self.made else {
            return Ok(());
        };
        while let Some(table) = tables.last() {
            table.unhook(None)?;
            tables.pop();
        }
        self.undo.undone(*id)?;
        self.made = None;
        Ok(())
    }
}

impl Drop for HostChain {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("the chain PERJURY is still there: {error}");
        }
    }
}

/// Whether links of this host can be cut.
///
/// # Errors
/// Why not, and the remedy.
pub(super) fn can_cut() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("perjury is not root there; log in as root, or use --sudo".into());
    }
    tables().map(drop).map_err(|error| error.to_string())
}

/// Removes what a dead agent left behind; returns whether there was anything.
pub(crate) fn remove_left() -> Result<bool, ControlError> {
    let mut was_there = false;
    for table in tables()? {
        if table.is_hooked(None) {
            table.unhook(None)?;
            was_there = true;
        }
    }
    Ok(was_there)
}

fn tables() -> Result<Vec<Iptables>, ControlError> {
    let families = match std::path::Path::new("/proc/net/if_inet6").exists() {
        true => vec![Family::V4, Family::V6],
        false => vec![Family::V4],
    };
    let found = families.into_iter().map(Iptables::find);
    found
        .collect::<Result<_, _>>()
        .map_err(|(why, remedy)| ControlError::Other(format!("{why}; {remedy}")))
}
