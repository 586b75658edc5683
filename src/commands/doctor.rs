//! `perjury doctor`: what works on this machine, and how to get the rest to work.
//!
//! Invariant: it only looks, or tries things in places that vanish with it; on hosts, in a directory that is
//! removed at the end.

use anyhow::Context;
use control::{Ability, EnvKind, OpenOptions, SshAccess, can};

use history::units::plural;

use crate::cli::DoctorArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::output::say;
use crate::plan::hosts;
use crate::process::block_on;

/// Prints the environments, what can be done to nodes in each, and the stores that are found here.
pub fn run(args: &DoctorArgs) -> CommandResult {
    let hosts = hosts::named(&args.ssh)?;
    if !hosts.is_empty() {
        return look_at(&hosts);
    }
    let trial = control::netns::try_namespaces();
    say!("environments");
    match &trial {
        Ok(control::Means::Privileged) => line("netns", "yes, as root"),
        Ok(control::Means::UserNamespace) => line("netns", "yes, in a user namespace"),
        Err(refusal) => line("netns", &format!("no: {}; {}", refusal.why, refusal.remedy)),
    }
    line("local", "yes");
    let docker = docker();
    match &docker {
        Ok(version) => line("docker", &format!("yes, version {version}")),
        Err(why) => line("docker", &format!("no: {why}")),
    }
    line("ssh", ssh());
    for kind in [EnvKind::Netns, EnvKind::Local, EnvKind::Docker] {
        if kind == EnvKind::Netns && trial.is_err() || kind == EnvKind::Docker && docker.is_err() {
            continue;
        }
        say!("\nwith --env {}", kind.name());
        abilities(|ability| can(kind, ability));
    }
    say!("\nstores");
    for entry in systems::ALL {
        match entry.locate.map(|locate| locate(None)) {
            None => line(entry.name, &format!("built in{}", operators(entry))),
            Some(Ok(program)) => line(entry.name, &format!("{}{}", program.display(), operators(entry))),
            Some(Err(why)) => line(entry.name, &format!("no: {why}")),
        }
    }
    Ok(Done::Fine)
}

/// Looks at hosts, one after the other, so that the output says what each of them cannot do.
fn look_at(hosts: &[SshAccess]) -> CommandResult {
    let mut refused = 0;
    for host in hosts {
        say!("{}", host.destination);
        let place = tempfile::Builder::new()
            .prefix("perjury-doctor-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let options = OpenOptions {
            hosts: vec![host.clone()],
            ..OpenOptions::new(1, place.path())
        };
        let looked = block_on(async {
            let environment = match control::open(EnvKind::Ssh, &options) {
                Ok(environment) => environment,
                Err(error) => return Ok(Err(error.to_string())),
            };
            abilities(|ability| environment.can(ability));
            environment.tear_down().await?;
            Ok(Ok(()))
        })?;
        if let Err(why) = looked {
            line("", &format!("no: {why}"));
            refused += 1;
        }
    }
    match refused {
        0 => Ok(Done::Fine),
        _ => Err(Failure::Usage(format!(
            "{refused} of {} could not be reached, see above",
            plural(hosts.len() as u64, "host")
        ))),
    }
}

/// Prints a line for each nemesis that depends on the environment.
fn abilities(can: impl Fn(Ability) -> Result<(), String>) {
    for entry in nemeses::ALL {
        if entry.needs.iter().any(|need| need.is_of_store()) {
            continue;
        }
        match entry.needs.iter().try_for_each(|&need| can(need)) {
            Ok(()) => line(entry.name, "yes"),
            Err(why) => line(entry.name, &format!("no: {why}")),
        }
    }
}

/// The nemeses that only some stores support: what their operators do.
fn operators(entry: &systems::Entry) -> String {
    let known = |need: &Ability| need.is_of_store() && entry.abilities.contains(need);
    let nemeses: Vec<&str> = (nemeses::ALL.iter())
        .filter(|nemesis| nemesis.needs.iter().any(known))
        .map(|nemesis| nemesis.name)
        .collect();
    match nemeses.is_empty() {
        true => String::new(),
        false => format!("; with the nemeses {}", nemeses.join(", ")),
    }
}

#[cfg(target_os = "linux")]
fn docker() -> Result<String, String> {
    control::docker_trial()
}

#[cfg(not(target_os = "linux"))]
fn docker() -> Result<String, String> {
    Err("start perjury on Linux".into())
}

fn ssh() -> &'static str {
    match cfg!(all(target_os = "linux", feature = "ssh")) {
        true => {
            "yes, to hosts that accept your key; `perjury doctor --node USER@HOST` shows what works there"
        }
        false => "no: this perjury was built without the feature `ssh`",
    }
}

fn line(name: &str, text: &str) {
    say!("  {name:<17} {text}");
}
