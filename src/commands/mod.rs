//! The subcommands, one file or folder each. None of them imports another: what they share lives beside this
//! folder.

#[cfg(target_os = "linux")]
mod agent;
mod bench;
mod check;
mod compare;
mod doctor;
mod export;
mod gallery;
mod heal;
mod hunt;
mod list;
mod node;
mod report;
mod serve;
mod tamper;
mod test;
mod test_all;

use crate::cli::Command;
use crate::exit::CommandResult;
#[cfg(not(target_os = "linux"))]
use crate::exit::Failure;

/// Runs a subcommand.
pub fn run(command: Command) -> CommandResult {
    match command {
        Command::Test(args) => test::run(*args),
        Command::TestAll(args) => test_all::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::List => list::run(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Heal(args) => heal::run(&args),
        Command::Gallery(args) => gallery::run(&args),
        Command::Hunt(args) => hunt::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Node(args) => node::run(args),
        Command::Tamper(args) => tamper::run(&args.what),
        #[cfg(target_os = "linux")]
        Command::Agent(args) => agent::run(args),
        #[cfg(not(target_os = "linux"))]
        Command::Agent(_) => Err(Failure::Usage("agents work on Linux only".into())),
    }
}
