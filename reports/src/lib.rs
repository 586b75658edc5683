//! What people read of a run: `report.html`, `results.json`, `junit.xml` and the summary on the terminal; and of a history
//! that was checked by itself: one page ([`check_html`]).
//!
//! Invariants:
//! - Reports are made of a run directory alone: the plan, the history and the checker's analysis of it.
//! - A report is a self-contained file: it refers to nothing on any network.
//! - Files are written whole or not at all: to a temporary name first, then renamed.

mod check_page;
mod conflict;
mod coverage;
mod error;
mod export;
mod faults;
mod html;
mod json;
mod junit;
mod plots;
mod results;
mod sentence;
mod shade;
mod still;
mod summary;
mod text;
mod timeline;

pub use check_page::{CHECK_PAGE_MARK, Checked, check_html};
pub use coverage::{CoverageRow, Role};
pub use error::ReportError;
pub use export::write_all;
pub use results::{
    Check, CheckName, ConflictRecord, Counts, ErrorRow, FaultHold, FaultRow, KindCounts, LatencyRow, NoteRow,
    OperationRecord, OtherNote, Results, SCHEMA_VERSION,
};
pub use still::{AnomalyRow, StillRecord, StillRow};
pub use summary::{FEWEST_OK, summarize};
pub use text::summary_text;
