//! `perjury doctor`: what this machine can do, and what to do about the rest.
//!
//! Invariant: it only looks, or tries in places that vanish with it.

use control::{Ability, EnvKind, can};

use crate::exit::{CommandResult, Done};
use crate::say::say;

/// Prints the environments, what can be done to nodes in each, and the stores that are found here.
pub fn run() -> CommandResult {
    let trial = control::netns::try_namespaces();
    say!("environments");
    match &trial {
        Ok(control::Means::Privileged) => line("netns", "yes, as root"),
        Ok(control::Means::UserNamespace) => line("netns", "yes, in a user namespace"),
        Err(refusal) => line("netns", &format!("no: {}; {}", refusal.why, refusal.remedy)),
    }
    line("local", "yes");
    for kind in [EnvKind::Netns, EnvKind::Local] {
        if kind == EnvKind::Netns && trial.is_err() {
            continue;
        }
        say!("\nwith --env {}", kind.name());
        for &ability in Ability::ALL {
            let nemeses: Vec<&str> = (nemeses::ALL.iter())
                .filter(|entry| entry.needs.contains(&ability))
                .map(|entry| entry.name)
                .collect();
            let names = nemeses.join(", ");
            match can(kind, ability) {
                Ok(()) => line(&names, &format!("yes: {ability}")),
                Err(why) => line(&names, &format!("no: {why}")),
            }
        }
        for entry in nemeses::ALL.iter().filter(|entry| entry.needs.is_empty()) {
            line(entry.name, "yes");
        }
    }
    say!("\nstores");
    for entry in systems::ALL {
        match entry.locate.map(|locate| locate(None)) {
            None => line(entry.name, "built in"),
            Some(Ok(program)) => line(entry.name, &program.display().to_string()),
            Some(Err(why)) => line(entry.name, &format!("no: {why}")),
        }
    }
    Ok(Done::Fine)
}

fn line(name: &str, words: &str) {
    say!("  {name:<14} {words}");
}
