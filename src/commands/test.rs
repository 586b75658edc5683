//! `perjury test`: one run, from its flags to its verdict.

use crate::cli::TestArgs;
use crate::exit::CommandResult;
use crate::plan::Plan;
use crate::run;

/// Plans the run and carries it out.
pub fn run(args: TestArgs) -> CommandResult {
    run::perform(&Plan::new(args)?)
}
