//! What people read about a run: `report.html`, `results.json`, `junit.xml`, `summary.md` and the summary on
//! the terminal; and about a history that was checked on its own: one page ([`check_html`]); and the
//! pages that show several runs: a comparison, a matrix, the list of runs, a run in progress.
//!
//! Invariants:
//! - Reports are made from a run directory alone: the plan, the history and the checker's analysis of it.
//! - A report is a self-contained file: it refers to nothing on any network.
//! - Files are written whole or not at all: to a temporary name first, then renamed.

mod checks;
mod class;
mod error;
mod exporters;
mod fault_bands;
mod format;
mod interactive;
mod log_files;
mod measure;
mod node_logs;
mod observe;
mod pages;
mod plots;
mod remarks;
mod results;
mod scale;
mod summary;
mod svg;
mod timeline;
mod view;

pub use checks::FEWEST_OK;
pub use error::ReportError;
pub use exporters::terminal::summary_text;
pub use exporters::write_all;
pub use measure::compare::{Change, Comparison, Estimate, FEWEST_SAMPLES, Group, compare, worse};
pub use node_logs::NodeLogs;
pub use pages::check_page::{CHECK_PAGE_MARK, Checked, check_html};
pub use pages::compare_page::{compare_html, compare_text};
pub use pages::hunt_page::{HuntPage, HuntRun, PairSeen};
pub use pages::matrix_page::{MatrixPage, MatrixRow, matrix_html, matrix_junit, matrix_markdown};
pub use pages::runs_page::{RunFilter, RunRow, live_html, runs_html};
#[cfg(feature = "schema")]
pub use results::schema;
pub use results::{
    AnomalyRow, Availability, Check, CheckName, ConflictRecord, Counts, CoverageRow, ErrorRow, FaultHold,
    FaultRow, KindCounts, LatencyRow, NoteRow, Observation, OperationRecord, OtherNote, Recovery, Results,
    Role, SCHEMA_VERSION, StillRecord, StillRow,
};
pub use summary::summarize;
