//! From flags to the options of a system: its program, its endpoints, how reads are done, and how clients log
//! in.
//!
//! Invariant: secrets go from a file or a flag into [`control::Secret`]; neither the plan's command line nor
//! the run directory ever holds one.

use std::path::Path;

use control::{Access, EnvChoice, Secret, SystemOptions};
use history::tell::plain;
use systems::Demand;

use crate::cli::TestArgs;
use crate::exit::Failure;
use crate::plan::faults::FaultPlan;

/// Checks the flags and finds the store's program.
pub fn system_options(args: &TestArgs, system: &systems::Entry) -> Result<SystemOptions, Failure> {
    let endpoints: Vec<String> = (args.endpoints.iter())
        .map(|endpoint| url(endpoint, system))
        .collect::<Result<_, _>>()?;
    let mut others = endpoints.iter();
    while let Some(endpoint) = others.next() {
        if others.as_slice().contains(endpoint) {
            return Err(Failure::Usage(format!("--endpoints: {endpoint} is named twice")));
        }
    }
    if !endpoints.is_empty() {
        for (flag, is_given) in [("--bug", args.bug.is_some()), ("--binary", args.binary.is_some())] {
            if is_given {
                return Err(Failure::Usage(format!(
                    "{flag} has no meaning with --endpoints: nothing is started; drop one of the two"
                )));
            }
        }
    }
    demands(args, system, &endpoints)?;
    Ok(SystemOptions {
        bug: args.bug.clone(),
        start_command: args.start_command.clone(),
        binary: match system.locate {
            // On the nodes, not here.
            Some(_) if matches!(args.env, EnvChoice::Docker | EnvChoice::Ssh) => args.binary.clone(),
            Some(locate) if endpoints.is_empty() => {
                Some(locate(args.binary.as_deref()).map_err(Failure::Usage)?)
            }
            None if args.binary.is_some() => {
                return Err(Failure::Usage(format!(
                    "--binary: `{}` is part of perjury and has no program of its own; leave it out",
                    system.name
                )));
            }
            _ => None,
        },
        endpoints,
        read_mode: read_mode(args.read_mode.as_deref(), system)?,
        access: access(args)?,
        ..SystemOptions::default()
    })
}

/// Refuses flags that would be ignored: a user who gives a certificate file must not find out later that
/// nothing was checked against it.
fn demands(args: &TestArgs, system: &systems::Entry, endpoints: &[String]) -> Result<(), Failure> {
    let given = [
        (Demand::User, args.user.is_some()),
        (Demand::Password, args.password_file.is_some()),
        (Demand::Token, args.token_file.is_some()),
        (Demand::Ca, args.ca_file.is_some()),
        (Demand::Cert, args.cert_file.is_some()),
        (Demand::Key, args.key_file.is_some()),
    ];
    for (demand, _) in given.iter().filter(|(_, is_given)| *is_given) {
        let flag = demand.flag();
        if endpoints.is_empty() {
            return Err(Failure::Usage(format!(
                "--{flag} has no meaning without --endpoints: the cluster that perjury starts has no logins and no TLS"
            )));
        }
        if !system.demands.contains(demand) {
            return Err(Failure::Usage(format!(
                "--{flag}: the client of `{}` supports {}",
                system.name,
                match system.demands {
                    [] => "no login and no TLS".to_owned(),
                    known => {
                        let flags: Vec<&str> = known.iter().map(|demand| demand.flag()).collect();
                        format!("only --{}", flags.join(", --"))
                    }
                }
            )));
        }
    }
    Ok(())
}

/// A cluster of which perjury knows only the endpoints suffers no faults.
pub fn no_nemeses(named: Option<&str>) -> Result<FaultPlan, Failure> {
    match named {
        None | Some("none") => Ok(FaultPlan::none()),
        Some(list) => Err(Failure::Usage(format!(
            "--nemesis {list}: there can be no faults behind --endpoints unless --node says how the nodes are reached"
        ))),
    }
}

fn read_mode(named: Option<&str>, system: &systems::Entry) -> Result<Option<String>, Failure> {
    let names: Vec<&str> = system.read_modes.iter().map(|mode| mode.name).collect();
    match named {
        None => Ok(names.first().map(|&name| name.to_owned())),
        Some(name) if names.contains(&name) => Ok(Some(name.to_owned())),
        Some(name) if names.is_empty() => Err(Failure::Usage(format!(
            "--read-mode {name}: `{}` has only one way of reading",
            system.name
        ))),
        Some(name) => Err(Failure::Usage(format!(
            "--read-mode {name}: `{}` has {}",
            system.name,
            names.join(", ")
        ))),
    }
}

/// `http://host:port`; without a scheme the first one of the system is meant.
fn url(endpoint: &str, system: &systems::Entry) -> Result<String, Failure> {
    let text = match endpoint.contains("://") {
        true => endpoint.trim().to_owned(),
        false => format!("{}://{}", system.schemes[0], endpoint.trim()),
    };
    let text = text.trim_end_matches('/').to_owned();
    let example = system.example_endpoint;
    match reqwest::Url::parse(&text) {
        Ok(url) if url.scheme() == "https" && !system.schemes.contains(&"https") => Err(Failure::Usage(format!(
            "--endpoints {endpoint}: the client of `{}` speaks no TLS",
            system.name
        ))),
        Ok(url) if !system.schemes.contains(&url.scheme()) => Err(Failure::Usage(format!(
            "--endpoints {endpoint}: write it like `{example}`"
        ))),
        // The address is recorded in the run directory.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(Failure::Usage(
            "--endpoints: leave user and password out of the address; name them with --user and --password-file".into(),
        )),
        Ok(url) if url.has_host() && url.query().is_none() => Ok(text),
        Ok(_) => Err(Failure::Usage(format!(
            "--endpoints {endpoint}: there is no host in it, or too much behind it; write it like `{example}`"
        ))),
        Err(error) => Err(Failure::Usage(format!(
            "--endpoints {endpoint}: {error}; write it like `{example}`"
        ))),
    }
}

/// `name` or `name:password`.
fn split_user(user: &str) -> (&str, Option<&str>) {
    match user.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (user, None),
    }
}

fn access(args: &TestArgs) -> Result<Access, Failure> {
    let (user, inline) = match args.user.as_deref().map(split_user) {
        Some((name, password)) => (Some(name.to_owned()), password.map(Secret::new)),
        None => (None, None),
    };
    if user.as_deref() == Some("") {
        return Err(Failure::Usage(
            "--user: the name is empty; write `name` or `name:password`".into(),
        ));
    }
    let password = match &args.password_file {
        Some(_) if user.is_none() => {
            return Err(Failure::Usage(
                "--password-file has no meaning without --user; name the user".into(),
            ));
        }
        Some(file) => Some(secret("--password-file", file)?),
        None => inline,
    };
    if args.cert_file.is_some() != args.key_file.is_some() {
        return Err(Failure::Usage(
            "--cert-file and --key-file belong together; give both or neither".into(),
        ));
    }
    for (flag, file) in [
        ("--ca-file", &args.ca_file),
        ("--cert-file", &args.cert_file),
        ("--key-file", &args.key_file),
    ] {
        if let Some(file) = file {
            std::fs::read(file).map_err(|error| {
                Failure::Usage(format!(
                    "{flag} {}: cannot read it: {}; name a PEM file",
                    file.display(),
                    plain(&error)
                ))
            })?;
        }
    }
    Ok(Access {
        user,
        password,
        token: args
            .token_file
            .as_deref()
            .map(|file| secret("--token-file", file))
            .transpose()?,
        ca_file: args.ca_file.clone(),
        cert_file: args.cert_file.clone(),
        key_file: args.key_file.clone(),
    })
}

/// The first line of a file.
fn secret(flag: &str, file: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Usage(format!(
            "{flag} {}: cannot read it: {}",
            file.display(),
            plain(&error)
        ))
    })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(Failure::Usage(format!(
            "{flag} {}: its first line is empty; it must hold the secret",
            file.display()
        ))),
    }
}
