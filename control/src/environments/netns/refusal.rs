//! Why namespaces are not available: turns what was observed into one clear sentence and a remedy. Pure.
//!
//! Sources: user_namespaces(7), namespaces(7); Debian's `kernel.unprivileged_userns_clone`; Ubuntu 23.10
//! release notes, "Restricted unprivileged user namespaces"; Docker's default seccomp profile.

use nix::errno::Errno;
use nix::libc;

use crate::environments::{Means, Refusal};

/// How far the trial got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Everything worked.
    Done,
    /// A child for the trial.
    Fork,
    /// The child was killed.
    Killed,
    /// unshare(2): of the user namespace, or of the others for root.
    Unshare,
    /// Writing the user's map.
    Map,
    /// unshare(2) of the other namespaces inside the user namespace.
    Capability,
    /// Making mounts private.
    Mount,
    /// A veth pair.
    Veth,
    /// A packet socket.
    Packet,
}

/// What was seen when the trial failed; settings that this kernel does not have are `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    pub(super) step: Step,
    pub(super) errno: i32,
    pub(super) means: Means,
    pub(super) apparmor_restricts: Option<u64>,
    pub(super) userns_clone: Option<u64>,
    pub(super) max_user_namespaces: Option<u64>,
    pub(super) max_net_namespaces: Option<u64>,
    pub(super) in_container: bool,
}

const IN_CONTAINER: &str =
    "start the container with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt apparmor=unconfined";

/// The reason and the remedy. The settings come before the error, because EPERM alone says little.
pub(super) fn explain(seen: &Observed) -> Refusal {
    let error = Errno::from_raw(seen.errno).desc();
    let rootless = seen.means == Means::UserNamespace;
    let early = matches!(
        seen.step,
        Step::Unshare | Step::Map | Step::Capability | Step::Killed
    );
    let (why, remedy) = if early && rootless && seen.userns_clone == Some(0) {
        (
            "user namespaces are for root only here (kernel.unprivileged_userns_clone = 0)".into(),
            "run `sudo sysctl kernel.unprivileged_userns_clone=1`, or run as root".into(),
        )
    } else if early && rootless && seen.max_user_namespaces == Some(0) {
        (
            "user namespaces are switched off (user.max_user_namespaces = 0)".into(),
            "run `sudo sysctl user.max_user_namespaces=10000`, or run as root".into(),
        )
    } else if early && seen.max_net_namespaces == Some(0) {
        (
            "network namespaces are switched off (user.max_net_namespaces = 0)".into(),
            "run `sudo sysctl user.max_net_namespaces=10000`".into(),
        )
    } else if early && rootless && seen.apparmor_restricts.is_some_and(|value| value != 0) {
        (
            "AppArmor takes the capabilities from user namespaces \
             (kernel.apparmor_restrict_unprivileged_userns = 1)"
                .into(),
            "run `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root".into(),
        )
    } else if early && seen.in_container {
        (
            format!("this container may not create namespaces ({error})"),
            IN_CONTAINER.into(),
        )
    } else {
        match (seen.step, seen.errno) {
            (Step::Unshare | Step::Capability, libc::ENOSPC) => (
                "too many namespaces exist already".into(),
                "raise `sysctl user.max_user_namespaces` and `user.max_net_namespaces`".into(),
            ),
            (Step::Unshare, libc::EINVAL | libc::ENOSYS) => (
                "this kernel has no network, PID or user namespaces".into(),
                "use a kernel with CONFIG_NET_NS, CONFIG_PID_NS and CONFIG_USER_NS".into(),
            ),
            (Step::Unshare, libc::EPERM) if !rootless => (
                "this root user has no CAP_SYS_ADMIN, as in a container".into(),
                IN_CONTAINER.into(),
            ),
            (Step::Unshare | Step::Map | Step::Capability | Step::Killed, _) => (
                format!("user namespaces are refused ({error})"),
                "run as root, or in a container with CAP_SYS_ADMIN and without a seccomp filter".into(),
            ),
            (Step::Mount, _) if seen.in_container => (
                format!("this container may not change its own mounts ({error})"),
                IN_CONTAINER.into(),
            ),
            (Step::Mount, _) => (
                format!("mounts cannot be made private ({error})"),
                "run as root".into(),
            ),
            (Step::Veth, libc::EOPNOTSUPP) => (
                "this kernel has no veth devices".into(),
                "load the module `veth`, or use a kernel with CONFIG_VETH".into(),
            ),
            (Step::Veth, _) => (
                format!("a veth pair cannot be created ({error})"),
                "run as root".into(),
            ),
            (Step::Packet, _) => (
                format!("a packet socket cannot be opened ({error})"),
                "use a kernel with CONFIG_PACKET, or run as root".into(),
            ),
            (Step::Fork | Step::Done, _) => (
                format!("no process for a trial could be started ({error})"),
                "end some processes or raise `ulimit -u`".into(),
            ),
        }
    };
    Refusal { why, remedy }
}

impl Step {
    /// The step with this number; an unknown one counts as killed.
    pub(super) fn from_number(number: u8) -> Step {
        use Step::{Capability, Done, Fork, Killed, Map, Mount, Packet, Unshare, Veth};
        [Done, Fork, Killed, Unshare, Map, Capability, Mount, Veth, Packet]
            .into_iter()
            .find(|&step| step as u8 == number)
            .unwrap_or(Killed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Observed = Observed {
        step: Step::Unshare,
        errno: libc::EPERM,
        means: Means::UserNamespace,
        apparmor_restricts: None,
        userns_clone: None,
        max_user_namespaces: Some(90_000),
        max_net_namespaces: Some(90_000),
        in_container: false,
    };

    #[test]
    fn each_cause_has_its_remedy() {
        let root = Means::Privileged;
        let cases = [
            (
                Observed {
                    userns_clone: Some(0),
                    ..PLAIN
                },
                "unprivileged_userns_clone = 0",
                "unprivileged_userns_clone=1",
            ),
            (
                Observed {
                    max_user_namespaces: Some(0),
                    errno: libc::ENOSPC,
                    ..PLAIN
                },
                "max_user_namespaces = 0",
                "max_user_namespaces=",
            ),
            (
                Observed {
                    step: Step::Capability,
                    apparmor_restricts: Some(1),
                    ..PLAIN
                },
                "AppArmor",
                "apparmor_restrict_unprivileged_userns=0",
            ),
            (
                Observed {
                    step: Step::Map,
                    apparmor_restricts: Some(1),
                    ..PLAIN
                },
                "AppArmor",
                "sysctl",
            ),
            (
                Observed {
                    apparmor_restricts: Some(0),
                    ..PLAIN
                },
                "refused",
                "run as root",
            ),
            (
                Observed {
                    in_container: true,
                    ..PLAIN
                },
                "container",
                "--cap-add SYS_ADMIN",
            ),
            (
                Observed {
                    in_container: true,
                    means: root,
                    ..PLAIN
                },
                "container",
                "--cap-add SYS_ADMIN",
            ),
            (Observed { means: root, ..PLAIN }, "CAP_SYS_ADMIN", "--cap-add"),
            (
                Observed {
                    step: Step::Mount,
                    errno: libc::EACCES,
                    in_container: true,
                    ..PLAIN
                },
                "mounts",
                "apparmor=unconfined",
            ),
            (
                Observed {
                    step: Step::Mount,
                    ..PLAIN
                },
                "mounts",
                "run as root",
            ),
            // AppArmor's rule is for the unprivileged.
            (
                Observed {
                    means: root,
                    apparmor_restricts: Some(1),
                    ..PLAIN
                },
                "CAP_SYS_ADMIN",
                "--cap-add",
            ),
            (
                Observed {
                    errno: libc::ENOSPC,
                    ..PLAIN
                },
                "too many",
                "raise",
            ),
            (
                Observed {
                    errno: libc::EINVAL,
                    ..PLAIN
                },
                "kernel",
                "CONFIG_USER_NS",
            ),
            (
                Observed {
                    step: Step::Killed,
                    errno: 0,
                    ..PLAIN
                },
                "refused",
                "seccomp",
            ),
            (
                Observed {
                    step: Step::Veth,
                    errno: libc::EOPNOTSUPP,
                    ..PLAIN
                },
                "veth",
                "CONFIG_VETH",
            ),
            (
                Observed {
                    step: Step::Packet,
                    ..PLAIN
                },
                "packet socket",
                "CONFIG_PACKET",
            ),
            (
                Observed {
                    means: root,
                    max_net_namespaces: Some(0),
                    errno: libc::ENOSPC,
                    ..PLAIN
                },
                "network",
                "max_net",
            ),
        ];
        for (seen, why, remedy) in cases {
            let refusal = explain(&seen);
            assert!(refusal.why.contains(why), "{seen:?}: {}", refusal.why);
            assert!(refusal.remedy.contains(remedy), "{seen:?}: {}", refusal.remedy);
            assert!(
                !refusal.why.ends_with('.') && !refusal.why.contains('\n'),
                "{}",
                refusal.why
            );
        }
    }

    #[test]
    fn steps_survive_the_pipe() {
        for number in 0..9 {
            assert_eq!(Step::from_number(number) as u8, number);
        }
        assert_eq!(Step::from_number(77), Step::Killed);
    }
}
