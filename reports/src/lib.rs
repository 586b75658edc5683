//! What people read of a run: `report.html`, `results.json`, `junit.xml`, `summary.md` and the summary on the terminal; and of a history
//! that was checked by itself: one page ([`check_html`]).
//!
//! Invariants:
//! - Reports are made of a run directory alone: the plan, the history and the checker's analysis of it.
//! - A report is a self-contained file: it refers to nothing on any network.
//! - Files are written whole or not at all: to a temporary name first, then renamed.

mod check_page;
mod compare;
mod conflict;
mod coverage;
mod error;
mod export;
mod faults;
mod html;
mod index;
mod interactive;
mod json;
mod junit;
mod markdown;
mod plots;
mod recovery;
mod results;
mod runs;
mod sentence;
mod shade;
mod still;
mod summary;
mod text;
mod timeline;

pub use check_page::{CHECK_PAGE_MARK, Checked, check_html};
pub use compare::{
    Change, Comparison, Estimate, FEWEST_SAMPLES, Group, compare, compare_html, compare_text, worse,
};
pub use coverage::{CoverageRow, Role};
pub use error::ReportError;
pub use export::write_all;
pub use index::{Index, IndexRow, index_html, index_junit, index_markdown};
pub use recovery::{Availability, Recovery};
pub use results::{
    Check, CheckName, ConflictRecord, Counts, ErrorRow, FaultHold, FaultRow, KindCounts, LatencyRow, NoteRow,
    OperationRecord, OtherNote, Results, SCHEMA_VERSION, schema,
};
pub use runs::{RunFilter, RunRow, live_html, runs_html};
pub use still::{AnomalyRow, StillRecord, StillRow};
pub use summary::{FEWEST_OK, grouped, summarize};
pub use text::summary_text;
