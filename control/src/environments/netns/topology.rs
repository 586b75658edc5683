//! Builds the namespaces, their veths and addresses, through rtnetlink: no `ip` program is needed.
//!
//! Every host is known beforehand, so hardware addresses and neighbours are fixed: no packet waits for ARP,
//! and a failed lookup does not reveal a cut. IPv6 is off on the veths: there is no second way around
//! a cut.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, RawFd};

use nix::net::if_::if_nametoindex;

use super::namespace::Namespace;
use super::rtnetlink::{Peer, Rtnetlink};
use crate::{ControlError, LinkControl};

/// The most nodes that fit the addresses.
pub(super) const MAX_NODES: usize = 200;

/// The name of the interface of each node, and of the controller's.
const INTERFACE: &str = "eth0";
const BRIDGE: &str = "bridge";
const PREFIX_BITS: u8 = 24;
const CONTROLLER_HOST: u8 = 254;

/// Everything that was built.
#[derive(Debug)]
pub(super) struct Topology {
    /// The namespace of each node.
    pub(super) nodes: Vec<Namespace>,
    /// The controller's way to them.
    pub(super) uplink: Uplink,
}

/// The namespace with the host ends of the veths, `port0` … for the nodes and the last one for the
/// controller, and the controller's interface, which is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) switch: Namespace,
}

/// The address of a node.
pub(super) fn address(node: usize) -> Ipv4Addr {
    host_address(node_host(node))
}

/// The address of the controller.
pub(super) fn controller_address() -> Ipv4Addr {
    host_address(CONTROLLER_HOST)
}

/// The name of the host end of the veth of a port: the nodes' ports in order, then the controller's.
pub(super) fn port_name(port: usize) -> String {
    format!("port{port}")
}

/// The hardware address of whatever is behind a port, `nodes` of which are nodes.
pub(super) fn port_mac(port: usize, nodes: usize) -> [u8; 6] {
    mac(if port < nodes {
        node_host(port)
    } else {
        CONTROLLER_HOST
    })
}

/// Builds `count` nodes and connects the namespace of this thread to them; with iptables on a kernel bridge,
/// else with loose host ends.
pub(super) fn build(count: usize, control: LinkControl) -> Result<Topology, ControlError> {
    let failed = |what: &str| {
        let what = format!("cannot build the network: {what}");
        move |source| ControlError::System { what, source }
    };
    let nodes = (0..count)
        .map(|_| Namespace::create())
        .collect::<Result<Vec<_>, _>>()?;
    let uplink = Uplink {
        switch: Namespace::create()?,
    };
    let switch = &uplink.switch;
    let controller = std::fs::File::open("/proc/thread-self/ns/net").map_err(failed("own namespace"))?;

    let mut peers: Vec<(RawFd, u8)> = nodes
        .iter()
        .enumerate()
        .map(|(node, namespace)| (namespace.fd().as_raw_fd(), node_host(node)))
        .collect();
    peers.push((controller.as_raw_fd(), CONTROLLER_HOST));
    let hosts: Vec<u8> = peers.iter().map(|&(_, host)| host).collect();

    // New interfaces take the default of the namespace in which they are made or to which they move.
    for namespace in nodes.iter().chain([switch]) {
        namespace.run(no_ipv6).map_err(failed("IPv6"))?;
    }
    no_ipv6().map_err(failed("IPv6"))?;

    let bridged = control == LinkControl::Iptables;
    switch
        .run(|| add_ports(&peers, bridged))
        .map_err(failed("veth pairs"))?;
    for (namespace, &host) in nodes.iter().zip(&hosts) {
        namespace
            .run(|| configure(host, &hosts))
            .map_err(failed("addresses of a node"))?;
    }
    configure(CONTROLLER_HOST, &hosts).map_err(failed("addresses of the controller"))?;
    Ok(Topology { nodes, uplink })
}

impl Drop for Uplink {
    /// The kernel takes its time to remove the interfaces of a namespace that no process holds; the name must
    /// be free for the next environment at once.
    fn drop(&mut self) {
        let removed = match if_nametoindex(INTERFACE) {
            Ok(index) => Rtnetlink::open().and_then(|mut kernel| kernel.delete(index)),
            Err(_) => Ok(()),
        };
        if let Err(error) = removed {
            tracing::warn!("the controller's interface could not be removed: {error}");
        }
    }
}

/// Makes one end of each veth here and the other in the peer's namespace.
fn add_ports(peers: &[(RawFd, u8)], bridged: bool) -> io::Result<()> {
    let mut kernel = Rtnetlink::open()?;
    let mut bridge = None;
    if bridged {
        kernel.add_bridge(BRIDGE)?;
        let index = index(BRIDGE)?;
        kernel.up(index)?;
        bridge = Some(index);
    }
    for (port, &(namespace, host)) in peers.iter().enumerate() {
        let peer = Peer {
            name: INTERFACE,
            mac: mac(host),
            namespace,
        };
        kernel.add_veth(&port_name(port), &peer, bridge)?;
    }
    Ok(())
}

/// Loopback, address and neighbours of one host.
fn configure(own: u8, hosts: &[u8]) -> io::Result<()> {
    let mut kernel = Rtnetlink::open()?;
    for name in ["lo", INTERFACE] {
        kernel.up(index(name)?)?;
    }
    let interface = index(INTERFACE)?;
    kernel.add_address(interface, host_address(own), PREFIX_BITS)?;
    for &host in hosts.iter().filter(|&&host| host != own) {
        kernel.add_neighbour(interface, host_address(host), mac(host))?;
    }
    Ok(())
}

fn index(name: &str) -> io::Result<u32> {
    if_nametoindex(name).map_err(|error| io::Error::other(format!("no interface {name}: {error}")))
}

fn no_ipv6() -> io::Result<()> {
    match std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
        // No IPv6 in this kernel, or /proc/sys is read-only in this container. Then link-local addresses
        // remain, which nothing uses: endpoints are IPv4.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn node_host(node: usize) -> u8 {
    debug_assert!(node < MAX_NODES, "checked when the environment was opened");
    node as u8 + 1
}

fn host_address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host)
}

/// Locally administered, from the address.
fn mac(host: u8) -> [u8; 6] {
    [0x02, 0, 10, 77, 0, host]
}
