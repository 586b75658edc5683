//! From flags to hosts that are reached by SSH.

use std::path::{Path, PathBuf};

use control::{EnvChoice, SshAccess};
use history::tell::plain;

use crate::cli::{SshArgs, TestArgs};
use crate::exit::Failure;

/// The hosts of a test, in order; none where the nodes are made here.
pub fn of_test(args: &TestArgs) -> Result<Vec<SshAccess>, Failure> {
    let hosts = named(&args.ssh)?;
    let is_external = !args.endpoints.is_empty();
    if hosts.is_empty() {
        if args.env == EnvChoice::Ssh {
            return Err(Failure::Usage(
                "--env ssh: name the hosts, one per node, with --node user@host or --nodes-file FILE".into(),
            ));
        }
        if args.start_command.is_some() {
            return Err(Failure::Usage(
                "--start-command has no meaning without --node".into(),
            ));
        }
        return Ok(hosts);
    }
    if args.env != EnvChoice::Ssh && !is_external {
        return Err(Failure::Usage(
            "--node has no meaning without --env ssh or --endpoints".into(),
        ));
    }
    if is_external && hosts.len() != args.endpoints.len() {
        return Err(Failure::Usage(format!(
            "--node: {} hosts for {} endpoints; name the host of each endpoint, in the same order",
            hosts.len(),
            args.endpoints.len()
        )));
    }
    if args.start_command.is_some() && !is_external {
        return Err(Failure::Usage(
            "--start-command has no meaning without --endpoints: perjury starts the store itself".into(),
        ));
    }
    Ok(hosts)
}

/// The hosts that the user named, in order.
pub fn named(args: &SshArgs) -> Result<Vec<SshAccess>, Failure> {
    let mut named: Vec<String> = args.node.clone();
    if let Some(file) = &args.nodes_file {
        named.extend(read(file)?);
    }
    if named.is_empty() {
        return match ssh_flags(args).into_iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(Failure::Usage(format!("{flag} has no meaning without --node"))),
            None => Ok(Vec::new()),
        };
    }
    if named.len() > 64 {
        return Err(Failure::Usage("--node: at most 64 hosts".into()));
    }
    let known_hosts = match (args.ssh_no_host_key_check, &args.known_hosts) {
        (true, _) => Vec::new(),
        (false, Some(file)) => match file.is_file() {
            true => vec![absolute(file)],
            false => {
                return Err(Failure::Usage(format!(
                    "--known-hosts {}: that is not a file",
                    file.display()
                )));
            }
        },
        (false, None) => usual_known_hosts(),
    };
    if let Some(key) = &args.ssh_key
        && !key.is_file()
    {
        return Err(Failure::Usage(format!(
            "--ssh-key {}: that is not a file",
            key.display()
        )));
    }
    let mut hosts: Vec<SshAccess> = Vec::new();
    for destination in &named {
        let access = SshAccess::parse(destination).map_err(|why| Failure::Usage(format!("--node {why}")))?;
        if hosts
            .iter()
            .any(|other| (&other.host, other.port) == (&access.host, access.port))
        {
            return Err(Failure::Usage(format!(
                "--node {destination}: this host is named twice; name one host per node"
            )));
        }
        hosts.push(SshAccess {
            key: args.ssh_key.as_deref().map(absolute),
            known_hosts: known_hosts.clone(),
            sudo: args.sudo,
            ..access
        });
    }
    Ok(hosts)
}

fn ssh_flags(args: &SshArgs) -> [(&'static str, bool); 4] {
    [
        ("--ssh-key", args.ssh_key.is_some()),
        ("--known-hosts", args.known_hosts.is_some()),
        ("--ssh-no-host-key-check", args.ssh_no_host_key_check),
        ("--sudo", args.sudo),
    ]
}

/// One host per line; a `#` begins a comment.
fn read(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Usage(format!(
            "--nodes-file {}: cannot read it: {}",
            file.display(),
            plain(&error)
        ))
    })?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let hosts: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match hosts.is_empty() {
        true => Err(Failure::Usage(format!(
            "--nodes-file {}: it names no host; write one per line",
            file.display()
        ))),
        false => Ok(hosts),
    }
}

fn usual_known_hosts() -> Vec<PathBuf> {
    let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".ssh/known_hosts"));
    own.into_iter()
        .chain([PathBuf::from("/etc/ssh/ssh_known_hosts")])
        .collect()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
