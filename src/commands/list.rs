//! `perjury list`: what there is to choose from.

use crate::exit::{CommandResult, Done};

/// Prints the systems with their planted bugs, the workloads, the nemeses, the models and the formats.
pub fn run() -> CommandResult {
    println!("systems");
    for entry in systems::ALL {
        println!("  {:<18} {}", entry.name, entry.description);
    }
    println!("\nworkloads");
    for entry in workloads::ALL {
        println!("  {:<18} {}", entry.name, entry.description);
    }
    println!("\nnemeses");
    for entry in nemeses::ALL {
        println!("  {:<18} {}", entry.name, entry.description);
        println!("  {:<18} targets: {}", "", entry.targets.join(", "));
    }
    println!("\nmodels");
    for entry in checker::models::MODELS {
        println!("  {:<18} {}", entry.name, entry.about);
    }
    println!("\nformats");
    for format in &history::formats::FORMATS {
        let read_only = if format.is_writable() { "" } else { " (read only)" };
        println!("  {:<18} {}{read_only}", format.name, format.about);
    }
    for entry in systems::ALL {
        let bugs = (entry.bugs)();
        if !bugs.is_empty() {
            println!("\nplanted bugs of `{}`", entry.name);
        }
        for bug in bugs {
            println!(
                "  {:<18} {} (shown by --nemesis {})",
                bug.name, bug.description, bug.nemesis
            );
        }
    }
    Ok(Done::Fine)
}
