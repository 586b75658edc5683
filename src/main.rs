//! perjury finds out whether a distributed store tells the truth. See the README for the tour and the code map.
//!
//! The story: [`cli`] says what the user may ask, [`commands`] has one file a subcommand, [`plan`] turns flags into
//! a checked plan, [`run`] performs it. Everything else lives in the other rooms.

mod bench;
mod cli;
mod commands;
mod exit;
mod github;
mod input;
mod judging;
mod output;
mod plan;
mod process;
mod run;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Before any thread exists: `test` may have to move into namespaces of its own, which a process with threads
    // cannot do.
    let argv: Vec<_> = std::env::args_os().collect();
    match cli::Cli::try_parse_from(&argv) {
        Ok(cli) => {
            exit::code(plan::replay_flags::expand(cli, &argv).and_then(|cli| commands::run(cli.command)))
        }
        Err(error) => exit::usage(&error),
    }
}
