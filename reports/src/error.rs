//! What can go wrong when reports are written.

use std::path::PathBuf;

use thiserror::Error;

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An exporter could not make its text. This is a bug, not the user's mistake.
    #[error("cannot make {}: {reason}", path.display())]
    Render {
        /// The file that it was for.
        path: PathBuf,
        /// What the exporter says.
        reason: String,
    },
}
