//! The links between nodes: cutting them with the kernel's tables, and finding out whether they are cut.

#[cfg(target_os = "linux")]
pub(crate) mod iptables;
pub(crate) mod prober;
