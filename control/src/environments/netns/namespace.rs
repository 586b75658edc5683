//! One network namespace without a name, and how to act inside it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

use crate::ControlError;

/// A network namespace; it lives as long as this or a process inside does.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    fd: Arc<OwnedFd>,
}

impl Namespace {
    /// Makes a new, empty namespace.
    pub(crate) fn create() -> Result<Namespace, ControlError> {
        // Threads enter namespaces, so a short-lived thread makes it and returns the descriptor.
        on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })
        .map(|file| Namespace {
            fd: Arc::new(file.into()),
        })
        .map_err(|source| ControlError::System {
            what: "cannot make a network namespace".into(),
            source,
        })
    }

    /// The namespace of this thread.
    pub(crate) fn own() -> io::Result<Namespace> {
        let file = File::open("/proc/thread-self/ns/net")?;
        Ok(Namespace {
            fd: Arc::new(file.into()),
        })
    }

    /// The namespace in which a process runs.
    pub(crate) fn of_process(pid: i32) -> io::Result<Namespace> {
        let file = File::open(format!("/proc/{pid}/ns/net"))?;
        Ok(Namespace {
            fd: Arc::new(file.into()),
        })
    }

    /// The descriptor that holds it.
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Runs `work` on a thread inside the namespace. Sockets made there stay there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_thread(|| {
            setns(&self.fd, CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("namespace".into())
            .spawn_scoped(scope, work)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
