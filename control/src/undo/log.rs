//! The undo log: what would outlive a controller that died, noted before it is made.
//!
//! `undo.jsonl` in the run directory has one JSON line for the controller, one before each thing that would
//! outlive it, and one when such a thing is gone. A frozen process needs no line of its own: SIGKILL ends it
//! frozen or not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use history::RunDir;
use serde::{Deserialize, Serialize};

use crate::processes::strays::Mark;
use crate::{ControlError, EnvKind, Pid, SshAccess};

/// Where a process number means something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Linux' boot id; empty elsewhere.
    pub(super) boot: String,
    /// The PID namespace, as `/proc/self/ns/pid` names it; empty elsewhere.
    pub(super) pid_namespace: String,
}

/// One line of `undo.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UndoLine {
    /// The first line: who wrote this file. In `netns` the supervisor, which lives as long as the controller.
    Controller { pid: Pid, place: Place, env: String },
    /// A process is about to run. `inner`: in a PID namespace that ends with the controller.
    Process {
        id: u64,
        node: String,
        program: String,
        pid: Pid,
        inner: bool,
    },
    /// A filesystem is about to be mounted on the data of a node. `inner`: in a mount namespace that ends
    /// with the controller.
    Volume {
        id: u64,
        node: String,
        directory: PathBuf,
        inner: bool,
    },
    /// Perjury's chain is about to be created in this host's own tables.
    Chain { id: u64 },
    /// Faults are about to be injected into a process that perjury did not start and that listens on this
    /// port.
    Adopted { id: u64, pid: Pid, port: u16 },
    /// Containers, a network and an image with this label are about to be created.
    Containers { id: u64, label: String },
    /// An agent is about to be started on a host.
    Host {
        id: u64,
        node: String,
        host: Box<HostRecord>,
    },
    /// What this id stands for is gone.
    Undone { id: u64 },
}

/// How a host is reached again, and where an agent worked there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    pub(crate) access: SshAccess,
    pub(crate) directory: PathBuf,
    /// The command that starts this program there.
    pub(crate) program: Vec<String>,
}

/// How the report on a run begins whose controller lives. An agent's host reports it to the healer of the
/// run, which is the same build.
pub(crate) const STILL_RUNNING: &str = "the run is still in progress";

/// The undo log of a live controller.
#[derive(Debug)]
pub(crate) struct UndoLog {
    path: PathBuf,
    file: Mutex<File>,
    next: AtomicU64,
    inner: bool,
    mark: Mark,
}

impl UndoLine {
    /// The id, if it is something that outlives its controller.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            UndoLine::Process { id, inner, .. } | UndoLine::Volume { id, inner, .. } => {
                (!inner).then_some(*id)
            }
            UndoLine::Chain { id }
            | UndoLine::Adopted { id, .. }
            | UndoLine::Containers { id, .. }
            | UndoLine::Host { id, .. } => Some(*id),
            UndoLine::Controller { .. } | UndoLine::Undone { .. } => None,
        }
    }
}

/// The lines that can be understood, in order. A torn last line is normal after a crash; others are reported.
pub(super) fn read_lines(text: &str, left: &mut Vec<String>) -> Vec<UndoLine> {
    let mut lines = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) if !line.ends_with('\n') || line.trim().is_empty() => {}
            Err(_) => left.push(format!("line {} of the undo log cannot be read", number + 1)),
        }
    }
    lines
}

pub(super) fn open_to_append(path: &Path) -> Result<File, ControlError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| ControlError::File {
            path: path.to_path_buf(),
            source,
        })
}

/// One write a line, so that lines of two writers never mix. No fsync: processes do not survive a power cut
/// either.
pub(super) fn append(file: &mut File, path: &Path, line: &UndoLine) -> Result<(), ControlError> {
    let mut bytes = serde_json::to_vec(line).map_err(|error| ControlError::Other(error.to_string()))?;
    bytes.push(b'\n');
    file.write_all(&bytes).map_err(|source| ControlError::File {
        path: path.to_path_buf(),
        source,
    })
}

impl UndoLog {
    /// Starts the log of a run whose controller is `controller` at `place`. `inner`: the processes are in a
    /// PID namespace that ends with the controller.
    pub(crate) fn create(
        run_dir: &Path,
        env: EnvKind,
        controller: Pid,
        place: Place,
        inner: bool,
    ) -> Result<UndoLog, ControlError> {
        let path = RunDir::new(run_dir).undo();
        let mut file = open_to_append(&path)?;
        if file.metadata().is_ok_and(|meta| meta.len() > 0) {
            return Err(ControlError::Other(format!(
                "{} exists: a run directory serves one run only",
                path.display()
            )));
        }
        let first = UndoLine::Controller {
            pid: controller,
            place,
            env: env.name().into(),
        };
        append(&mut file, &path, &first)?;
        Ok(UndoLog {
            mark: Mark::of_log(&path, controller),
            path,
            file: Mutex::new(file),
            next: AtomicU64::new(1),
            inner,
        })
    }

    /// The mark of every process that is noted here.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Notes a process that is about to run; returns the id for [`UndoLog::undone`].
    pub(crate) fn process(&self, node: &str, program: &str, pid: Pid) -> Result<u64, ControlError> {
        self.note(|id| UndoLine::Process {
            id,
            node: node.into(),
            program: program.into(),
            pid,
            inner: self.inner,
        })
    }

    /// Notes a filesystem that is about to be mounted; returns the id for [`UndoLog::undone`].
    pub(crate) fn volume(&self, node: &str, directory: &Path) -> Result<u64, ControlError> {
        self.note(|id| UndoLine::Volume {
            id,
            node: node.into(),
            directory: directory.to_path_buf(),
            inner: self.inner,
        })
    }

    /// Notes that the chain is about to be made; returns the id for [`UndoLog::undone`].
    pub(crate) fn chain(&self) -> Result<u64, ControlError> {
        self.note(|id| UndoLine::Chain { id })
    }

    /// Notes a process that perjury did not start and into which faults are about to be injected; returns the
    /// id for [`UndoLog::undone`].
    pub(crate) fn adopted(&self, pid: Pid, port: u16) -> Result<u64, ControlError> {
        self.note(|id| UndoLine::Adopted { id, pid, port })
    }

    /// Notes containers with this label that are about to be made; returns the id for [`UndoLog::undone`].
    pub(crate) fn containers(&self, label: &str) -> Result<u64, ControlError> {
        self.note(|id| UndoLine::Containers {
            id,
            label: label.into(),
        })
    }

    /// Notes an agent that is about to be started; returns the id for [`UndoLog::undone`].
    #[cfg(all(target_os = "linux", feature = "ssh"))]
    pub(crate) fn host(&self, node: &str, host: HostRecord) -> Result<u64, ControlError> {
        self.note(|id| UndoLine::Host {
            id,
            node: node.into(),
            host: Box::new(host),
        })
    }

    fn note(&self, line: impl FnOnce(u64) -> UndoLine) -> Result<u64, ControlError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.append(&line(id))?;
        Ok(id)
    }

    /// Notes that what this id stands for is gone.
    pub(crate) fn undone(&self, id: u64) -> Result<(), ControlError> {
        self.append(&UndoLine::Undone { id })
    }

    fn append(&self, line: &UndoLine) -> Result<(), ControlError> {
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        append(&mut file, &self.path, line)
    }
}

impl Place {
    /// Linux' boot id.
    #[cfg(target_os = "linux")]
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Where this process is.
    pub(crate) fn here() -> Place {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_string()
        };
        let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Place {
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: link.to_string_lossy().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::kernel;

    #[test]
    fn torn_and_foreign_lines() {
        let undone = r#"{"undone":{"id":1}}"#;
        for (text, understood, left) in [
            (String::new(), 0, 0),
            (format!("{undone}\n"), 1, 0),
            (format!("{undone}\n{{\"proc"), 1, 0),
            (format!("{undone}\n\n{undone}\n"), 2, 0),
            (format!("{{\"chain\":{{}}}}\n{undone}\n"), 1, 1),
            (format!("{undone}\n{undone}"), 2, 0),
        ] {
            let mut complaints = Vec::new();
            assert_eq!(read_lines(&text, &mut complaints).len(), understood, "{text}");
            assert_eq!(complaints.len(), left, "{text}");
        }
    }

    #[test]
    fn a_run_directory_is_for_one_run() {
        let run_dir = tempfile::tempdir().expect("a directory");
        let create = || {
            UndoLog::create(
                run_dir.path(),
                EnvKind::Local,
                kernel::own(),
                Place::here(),
                false,
            )
        };
        let log = create().expect("the first");
        assert!(create().is_err());
        let id = log
            .process(
                "n1",
                "gone",
                Pid {
                    pid: i32::MAX,
                    started: 5,
                },
            )
            .expect("a line");
        log.undone(id).expect("a line");
    }
}
