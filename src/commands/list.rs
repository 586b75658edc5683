//! `perjury list`: what there is to choose from.

use crate::exit::{CommandResult, Done};
use crate::output::say;

/// Prints the systems with their planted bugs, the workloads, the nemeses, the models and the formats.
pub fn run() -> CommandResult {
    say!("systems");
    for entry in systems::ALL {
        say!("  {:<18} {}", entry.name, entry.description);
        for mode in entry.read_modes {
            say!("  {:<18} --read-mode {}: {}", "", mode.name, mode.description);
        }
    }
    say!("\nworkloads");
    for entry in workloads::ALL {
        say!("  {:<18} {}", entry.name, entry.description);
    }
    say!("\nnemeses");
    for entry in nemeses::ALL {
        say!("  {:<18} {}", entry.name, entry.description);
        say!(
            "  {:<18} targets: {}",
            "",
            entry.targets.listed().collect::<Vec<_>>().join(", ")
        );
    }
    say!("\nmodels");
    for entry in checker::objects::MODELS {
        say!("  {:<18} {}", entry.name, entry.about);
    }
    say!("\nformats");
    for format in history::formats::FORMATS {
        let read_only = if format.is_writable() { "" } else { " (read only)" };
        say!("  {:<18} {}{read_only}", format.name, format.about);
    }
    for entry in systems::ALL {
        let bugs = (entry.bugs)();
        if !bugs.is_empty() {
            say!("\nplanted bugs of `{}`", entry.name);
        }
        for bug in bugs {
            say!(
                "  {:<18} {} (shown by {})",
                bug.name,
                bug.description,
                bug.flags()
            );
        }
    }
    Ok(Done::Fine)
}
