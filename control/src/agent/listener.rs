//! Which process listens on a TCP port: how a process that perjury did not start is found, without its name.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use crate::Pid;
use crate::processes::kernel;

/// The process of this network namespace that a client reaches on `port`: at `address`, where only what
/// listens at exactly that one or at all addresses counts; without one, whatever does not listen on loopback
/// alone. If several processes share the socket, as workers do, the one with the lowest number, but never the
/// first process of the machine, which holds sockets for others. Only processes that this one may look into
/// are found (proc_pid_fd(5)): all of them as root.
///
/// # Errors
/// Where several processes listen there, each on its own.
pub(super) fn on_port(port: u16, address: Option<IpAddr>) -> Result<Option<Pid>, String> {
    let mut sockets: Vec<(IpAddr, u64)> = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        sockets.extend(text.lines().filter_map(|line| {
            let inode = kernel::listening(line, port)?;
            Some((local_address(line)?, inode))
        }));
    }
    let links: Vec<String> = reached(&sockets, address)
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if links.is_empty() {
        return Ok(None);
    }
    let processes = fs::read_dir("/proc").map_err(|error| format!("cannot read /proc: {error}"))?;
    let mut owners: Vec<(i32, usize)> = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != 1)
        .map(|pid| (pid, held(pid, &links)))
        .filter(|(_, count)| *count > 0)
        .collect();
    owners.sort_unstable();
    if owners.is_empty() {
        return Ok(None);
    }
    let Some((pid, _)) = owners.iter().find(|(_, count)| *count == links.len()) else {
        return Err(format!(
            "several processes listen on port {port}, and it is unknown which of them is the store"
        ));
    };
    Ok(kernel::started(*pid).map(|started| Pid { pid: *pid, started }))
}

/// The sockets that a client reaches: the kernel prefers one that is bound to exactly this address.
fn reached(sockets: &[(IpAddr, u64)], address: Option<IpAddr>) -> BTreeSet<u64> {
    let those = |wanted: &dyn Fn(&IpAddr) -> bool| -> BTreeSet<u64> {
        let sockets = sockets.iter().filter(|(local, _)| wanted(local));
        sockets.map(|(_, inode)| *inode).collect()
    };
    let (first, second) = match address {
        Some(address) => (those(&|local| *local == address), those(&IpAddr::is_unspecified)),
        None => (those(&|local| !local.is_loopback()), those(&|_| true)),
    };
    match first.is_empty() {
        true => second,
        false => first,
    }
}

/// The address in a line of /proc/net/tcp or tcp6 (proc_pid_net(5)): words of the machine's own byte order,
/// in hexadecimal.
fn local_address(line: &str) -> Option<IpAddr> {
    let (hex, _) = line.split_ascii_whitespace().nth(1)?.rsplit_once(':')?;
    let bytes: Vec<u8> = (0..hex.len() / 8)
        .map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok())
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::from(bytes));
    }
    let bytes = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    Some(IpAddr::from(bytes).to_canonical())
}

/// How many of the sockets a process holds.
fn held(pid: i32, sockets: &[String]) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let targets: BTreeSet<String> = descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok()?.to_str().map(str::to_owned))
        .collect();
    sockets.iter().filter(|socket| targets.contains(*socket)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port_and_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let own = std::process::id() as i32;
        let loopback: IpAddr = [127, 0, 0, 1].into();
        for (address, expected) in [
            (None, Some(own)),
            (Some(loopback), Some(own)),
            (Some([127, 0, 0, 2].into()), None),
        ] {
            let found = on_port(port, address).expect("one process");
            assert_eq!(found.map(|pid| pid.pid), expected, "{address:?}");
        }
        drop(listener);
        assert_eq!(on_port(port, None), Ok(None));
    }

    #[test]
    fn what_a_client_reaches_counts() {
        let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
        let sockets = [
            (address("127.0.0.1"), 1),
            (address("10.0.0.1"), 2),
            (address("0.0.0.0"), 3),
            (address("::"), 4),
        ];
        let check = |sockets: &[(IpAddr, u64)], at: Option<&str>, expected: &[u64]| {
            let found: Vec<u64> = reached(sockets, at.map(address)).into_iter().collect();
            assert_eq!(found, expected, "{at:?}");
        };
        check(&sockets, Some("10.0.0.1"), &[2]);
        check(&sockets, Some("10.0.0.2"), &[3, 4]);
        check(&sockets, None, &[2, 3, 4]);
        check(&sockets[..1], Some("10.0.0.1"), &[]);
        check(&sockets[..1], None, &[1]);
        check(&[], None, &[]);
    }

    #[test]
    fn addresses_are_those_of_the_kernels_tables() {
        let line = |address: &str| format!("  0: {address}:1F90 00000000:0000 0A 0 0 0 0 0 99 1");
        for (hex, expected) in [
            ("0100007F", "127.0.0.1"),
            ("00000000", "0.0.0.0"),
            ("00000000000000000000000001000000", "::1"),
            ("0000000000000000FFFF00000100000A", "10.0.0.1"),
        ] {
            assert_eq!(local_address(&line(hex)), expected.parse().ok(), "{hex}");
        }
        assert_eq!(local_address("sl local_address"), None);
    }
}
