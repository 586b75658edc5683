//! perjury finds out whether a distributed store tells the truth. See the README for the tour and the code
//! map.
//!
//! The story: [`cli`] says what the user can call for, [`commands`] has one file a subcommand, [`plan`] turns
//! the flags of a test into a checked plan, [`run`] carries it out, [`exit`] says how it ended. Everything
//! else is in the other crates.

mod amounts;
mod bench;
mod cli;
mod commands;
mod exit;
mod fail_on;
mod found;
mod github;
#[cfg(feature = "parquet")]
mod groups;
mod input;
mod judging;
mod output;
mod plan;
mod process;
mod run;
mod versions;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread exists: `test` may have to move into namespaces of its own, which a process with
    // threads cannot do.
    match plan::flags::parse(std::env::args_os()) {
        Ok(cli) => exit::code(plan::replay_flags::expand(cli).and_then(|cli| commands::run(cli.command))),
        Err(error) => exit::usage(&error),
    }
}
