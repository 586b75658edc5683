//! The HTML pages: of a run, of a checked history, of a matrix of runs, of a hunt, of all runs below a
//! directory; and the parts that they share.

pub(crate) mod check_page;
pub(crate) mod compare_page;
pub(crate) mod conflict;
pub(crate) mod hunt_page;
pub(crate) mod matrix_page;
pub(crate) mod run_page;
pub(crate) mod runs_page;
pub(crate) mod still;
