//! Finds out beforehand whether namespaces are available, by trying in a child process that changes nothing
//! outside itself.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, getegid, geteuid};

use super::refusal::{Observed, Step, explain};
use super::rtnetlink::{Peer, Rtnetlink};
use super::switch;
use super::user_map::{entered, map_to_root};
use crate::environments::{Means, NetnsTrial};

/// Whether this process could get namespaces of its own, and how. Has no side effects; takes some
/// milliseconds.
///
/// Call it while the program has one thread, like [`enter`](super::enter).
///
/// # Errors
/// The reason and what the user can do about it.
pub fn try_namespaces() -> NetnsTrial {
    if let Some(entered) = entered() {
        return Ok(entered.means);
    }
    let mut refused = None;
    if geteuid().is_root() {
        match in_child(Means::Privileged) {
            Ok(()) => return Ok(Means::Privileged),
            // Root without CAP_SYS_ADMIN, as in containers, may still be allowed a user namespace. If not,
            // the lack of the capability is what to report.
            Err((Step::Unshare, libc::EPERM)) => {
                refused = Some(observe(Step::Unshare, libc::EPERM, Means::Privileged));
            }
            Err((step, errno)) => return Err(explain(&observe(step, errno, Means::Privileged))),
        }
    }
    let means = Means::UserNamespace;
    in_child(means)
        .map(|()| means)
        .map_err(|(step, errno)| explain(&refused.unwrap_or_else(|| observe(step, errno, means))))
}

/// Tries in a child process.
fn in_child(means: Means) -> Result<(), (Step, i32)> {
    let failed = |error: io::Error| (Step::Fork, error.raw_os_error().unwrap_or(0));
    let (mut from_child, mut to_parent) = io::pipe().map_err(failed)?;
    // SAFETY: this process has one thread (see the contract above), so the copy may do whatever the original
    // may.
    match unsafe { fork() }.map_err(|errno| failed(errno.into()))? {
        ForkResult::Child => {
            let (step, errno) = match attempt(means) {
                Ok(()) => (Step::Done, 0),
                Err((step, error)) => (step, error.raw_os_error().unwrap_or(0)),
            };
            let mut answer = vec![step as u8];
            answer.extend(errno.to_ne_bytes());
            let _ = to_parent.write_all(&answer);
            // SAFETY: always sound; the original's end is not the copy's to run.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(to_parent);
            let mut answer = Vec::new();
            let read = from_child.by_ref().take(5).read_to_end(&mut answer);
            let _ = waitpid(child, None);
            read.map_err(failed)?;
            match answer.split_first() {
                Some((&step, errno)) if step != Step::Done as u8 => {
                    let errno = errno.try_into().map_or(0, i32::from_ne_bytes);
                    Err((Step::from_number(step), errno))
                }
                Some(_) => Ok(()),
                // seccomp may kill instead of refuse.
                None => Err((Step::Killed, 0)),
            }
        }
    }
}

/// What the environment will need, one step after the other.
fn attempt(means: Means) -> Result<(), (Step, io::Error)> {
    let at = |step: Step| move |error: io::Error| (step, error);
    let (uid, gid) = (geteuid(), getegid());
    if means == Means::UserNamespace {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| (Step::Unshare, errno.into()))?;
        map_to_root(uid, gid).map_err(at(Step::Map))?;
    }
    let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    let step = if means == Means::UserNamespace {
        Step::Capability
    } else {
        Step::Unshare
    };
    unshare(flags).map_err(|errno| (step, errno.into()))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|errno| (Step::Mount, errno.into()))?;
    add_veth().map_err(at(Step::Veth))?;
    switch::packet_socket("perjury0").map_err(at(Step::Packet))?;
    Ok(())
}

/// Makes a veth, both ends here.
fn add_veth() -> io::Result<()> {
    let own = File::open("/proc/thread-self/ns/net")?;
    let peer = Peer {
        name: "perjury1",
        mac: [0x02, 0, 10, 77, 0, 1],
        namespace: own.as_raw_fd(),
    };
    Rtnetlink::open()?.add_veth("perjury0", &peer, None)
}

fn observe(step: Step, errno: i32, means: Means) -> Observed {
    let sysctl = |path: &str| {
        fs::read_to_string(format!("/proc/sys/{path}"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let exists = |path: &str| fs::exists(path).unwrap_or(false);
    Observed {
        step,
        errno,
        means,
        apparmor_restricts: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
        userns_clone: sysctl("kernel/unprivileged_userns_clone"),
        max_user_namespaces: sysctl("user/max_user_namespaces"),
        max_net_namespaces: sysctl("user/max_net_namespaces"),
        in_container: exists("/.dockerenv") || exists("/run/.containerenv"),
    }
}
