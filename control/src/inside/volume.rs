//! A filesystem of its own for a node's data, so that its disk can lose power or be full. Linux only.
//! Needs root, except to fill a disk.
//!
//! ```text
//!  n1/data.img ── loop device ── ext4 on n1/data          power off: what was not synced is gone (root)
//!                                tmpfs on n1/data         elsewhere: may be full, cannot lose power
//! ```
//!
//! Invariants:
//! - Losing power is what EXT4_IOC_SHUTDOWN without flushing the log does (fs/ext4/ioctl.c): from then on
//!   nothing more reaches the image. What was synced before survives, the rest is gone once the filesystem is
//!   mounted again. A random part of it is then put back (`torn`), as a disk would keep it.
//! - Nothing here syncs while the power is on: ext4 commits the data of all files with those of one (ext4(5),
//!   `data=ordered`), and a probe that syncs would hide what the store forgot.
//! - What is mounted after a loss of power is a filesystem of its own. The one that lost it may live on for a
//!   while: in another mount namespace that was made meanwhile and got a copy of the mount
//!   (mount_namespaces(7)), or because its loop device is released in the background. It would be mounted
//!   again, still without power; so the image is copied then, and the copy mounted.
//! - A mount outside a mount namespace of its own is in the undo log before it is made. The loop device goes
//!   with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc;
use nix::unistd::{Whence, lseek};
use serde::{Deserialize, Serialize};

use super::store_files::{BALLAST, SYNCED, UNSYNCED};
use super::torn;
use crate::ControlError;

/// How large the filesystem is. The image is sparse: only what is written takes room on the host.
const BYTES: u64 = 512 << 20;
/// How long a filesystem may be in use after its processes were killed.
const BUSY_LIMIT: Duration = Duration::from_secs(15);
/// How long to wait for a loop device that is released in the background; usually some milliseconds.
const LET_GO_LIMIT: Duration = Duration::from_millis(500);

/// What survived a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survived {
    /// Whether what had been synced is still there; it must be.
    pub synced: bool,
    /// Whether what had not been synced is still there; it must not be.
    pub unsynced: bool,
    /// How many of the store's files hold a part of what had not been synced.
    pub torn: u64,
}

/// Where the data of a node are: below its directory.
pub(crate) fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

/// The image behind it.
pub fn image(directory: &Path) -> PathBuf {
    directory.join("data.img")
}

/// A file that says that no ballast filled the disk when the power was cut.
fn had_room(directory: &Path) -> PathBuf {
    directory.join("data.had-room")
}

/// What its files held when the power was cut, on the host's disk until the power is back.
fn remembered(directory: &Path) -> PathBuf {
    directory.join("data.remembered")
}

/// Whether nodes here can have disks that lose power.
///
/// # Errors
/// Why not, and the remedy.
pub(crate) fn can_lose_power() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("a node's filesystem can lose power only on Linux".into());
    }
    const LOOP_CONTROL: &str = "/dev/loop-control";
    if !is_root_of_the_host() {
        return Err("mounting a filesystem for each node takes root; run as root".into());
    }
    if let Err(error) = File::options().read(true).write(true).open(LOOP_CONTROL) {
        return Err(match error.kind() {
            io::ErrorKind::NotFound => {
                format!(
                    "there are no loop devices here; run `modprobe loop`, or run where {LOOP_CONTROL} exists"
                )
            }
            _ => format!("{LOOP_CONTROL} cannot be opened ({error}); run as root of the host"),
        });
    }
    match program("mkfs.ext4") {
        Some(_) => Ok(()),
        None => Err("mkfs.ext4 is missing; install the package e2fsprogs".into()),
    }
}

/// Whether this is root, and not only in a user namespace of its own, where a filesystem on a device cannot
/// be mounted (user_namespaces(7)): there, not every user is mapped.
fn is_root_of_the_host() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    nix::unistd::geteuid().is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// Makes a node's filesystem and mounts it.
pub(crate) fn make(directory: &Path, loses_power: bool) -> Result<(), ControlError> {
    let data = data(directory);
    let failed = |source| ControlError::File {
        path: data.clone(),
        source,
    };
    fs::create_dir_all(&data).map_err(failed)?;
    if !loses_power {
        let options = format!("size={BYTES},mode=0700");
        return run(
            "mount",
            ["-t", "tmpfs", "-o", &options, "tmpfs"]
                .map(OsStr::new)
                .iter()
                .copied()
                .chain([data.as_os_str()]),
        );
    }
    let image = image(directory);
    File::create(&image)
        .and_then(|file| file.set_len(BYTES))
        .map_err(|source| ControlError::File {
            path: image.clone(),
            source,
        })?;
    let lazily = ["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"].map(OsStr::new);
    run("mkfs.ext4", lazily.into_iter().chain([image.as_os_str()]))?;
    mount(directory)?;
    write_synced(&data).map_err(failed)?;
    // Stores complain about unknown files in their directory.
    let _ = fs::remove_dir(data.join("lost+found"));
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Mounts the image. Within a test nothing is committed by a timer, only by calls that ask for it.
fn mount(directory: &Path) -> Result<(), ControlError> {
    let (image, data) = (image(directory), data(directory));
    let options = ["-o", "loop,commit=300,noatime"].map(OsStr::new);
    run(
        "mount",
        options.into_iter().chain([image.as_os_str(), data.as_os_str()]),
    )
}

/// Writes what must survive every loss of power.
fn write_synced(data: &Path) -> io::Result<()> {
    let mut file = File::create(data.join(SYNCED))?;
    file.write_all(b"synced")?;
    file.sync_all()?;
    File::open(data)?.sync_all()
}

/// Cuts the power of a node's disk: nothing that is not synced yet will be. Its processes must be killed
/// next.
///
/// # Errors
/// When it has no filesystem that can lose power.
#[cfg(target_os = "linux")]
pub fn cut_power(directory: &Path) -> Result<(), ControlError> {
    /// `_IOR('X', 125, __u32)` and `EXT4_GOING_FLAGS_NOLOGFLUSH` of fs/ext4/ext4.h.
    const SHUTDOWN: libc::c_ulong = 0x8004_587d;
    const NO_LOG_FLUSH: u32 = 2;
    let data = data(directory);
    let cut = || {
        torn::remember(&data, &remembered(directory))?;
        if !data.join(BALLAST).exists() {
            File::create(had_room(directory))?;
        }
        match fs::write(data.join(UNSYNCED), b"unsynced") {
            // Another fault has filled the disk: then there is nothing that might survive.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
            written => written?,
        }
        let root = File::open(&data)?;
        let flags = NO_LOG_FLUSH;
        // SAFETY: the kernel reads a number that outlives the call.
        match unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN as _, &raw const flags) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    cut().map_err(|source| ControlError::System {
        what: format!("cannot cut the power of {}", data.display()),
        source,
    })
}

/// Not available on this platform.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn cut_power(_directory: &Path) -> Result<(), ControlError> {
    can_lose_power().map_err(ControlError::Other)
}

/// Mounts a node's filesystem again after a loss of power, checks what survived, and puts back a part of what
/// did not, as the seed decides. No process may use it any more.
///
/// # Errors
/// When it cannot be unmounted or mounted.
pub fn restore_power(directory: &Path, seed: u64) -> Result<Survived, ControlError> {
    unmount(directory)?;
    let (data, image) = (data(directory), image(directory));
    let deadline = Instant::now() + LET_GO_LIMIT;
    while is_attached(&image) {
        if Instant::now() >= deadline {
            replace_by_copy(&image).map_err(|source| ControlError::File {
                path: image.clone(),
                source,
            })?;
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    mount(directory)?;
    free_again(directory).map_err(|source| ControlError::System {
        what: format!("cannot make room in {}", data.display()),
        source,
    })?;
    let holds = |name: &str| fs::read(data.join(name)).is_ok_and(|content| !content.is_empty());
    let mut survived = Survived {
        synced: holds(SYNCED),
        unsynced: holds(UNSYNCED),
        torn: 0,
    };
    let _ = fs::remove_file(data.join(UNSYNCED));
    survived.torn =
        torn::leave(&data, &remembered(directory), seed).map_err(|source| ControlError::System {
            what: format!("cannot tear the files in {}", data.display()),
            source,
        })?;
    Ok(survived)
}

/// Makes room again that there was when the power was cut: that the ballast was removed before may be among
/// what was not synced. No process writes yet, so this may sync.
fn free_again(directory: &Path) -> io::Result<()> {
    if fs::remove_file(had_room(directory)).is_err() {
        return Ok(());
    }
    let data = data(directory);
    match fs::remove_file(data.join(BALLAST)) {
        Ok(()) => File::open(&data)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a loop device has this file (sysfs, `block/loop*/loop/backing_file`). The devices are not opened,
/// which would hold them.
fn is_attached(image: &Path) -> bool {
    let path = image.canonicalize().unwrap_or_else(|_| image.to_path_buf());
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices
        .filter_map(|device| fs::read(device.path().join("loop/backing_file")).ok())
        .any(|file| file.trim_ascii_end() == path.as_os_str().as_bytes())
}

/// Replaces an image by a copy that is as sparse. A process that has the old one open keeps it.
fn replace_by_copy(image: &Path) -> io::Result<()> {
    let copy = image.with_extension("copy");
    let (mut from, mut to) = (File::open(image)?, File::create(&copy)?);
    to.set_len(from.metadata()?.len())?;
    let mut at = 0;
    loop {
        let start = match lseek(&from, at, Whence::SeekData) {
            Ok(start) => start,
            // Only a hole is left.
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        at = lseek(&from, start, Whence::SeekHole)?;
        from.seek(SeekFrom::Start(start as u64))?;
        to.seek(SeekFrom::Start(start as u64))?;
        io::copy(&mut (&from).take((at - start) as u64), &mut to)?;
    }
    fs::rename(copy, image)
}

/// In a new mount namespace of root: releases the copies of other runs' filesystems that came with it, so
/// that they are not held longer than their runs last. A mistake here costs no more than that.
pub(crate) fn let_go_of_others() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in mounts.lines() {
        // proc_pid_mountinfo(5): the fifth field is the mount point, with blanks as \040.
        let Some(place) = line.split(' ').nth(4).map(|place| place.replace("\\040", " ")) else {
            continue;
        };
        let place = Path::new(&place);
        if place.file_name() == Some(OsStr::new("data"))
            && place.parent().is_some_and(|directory| image(directory).is_file())
        {
            let _ = nix::mount::umount2(place, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// Unmounts a node's filesystem, if one is mounted. The image stays.
pub(crate) fn unmount(directory: &Path) -> Result<(), ControlError> {
    let data = data(directory);
    let deadline = Instant::now() + BUSY_LIMIT;
    while is_mounted(&data) {
        match nix::mount::umount(&data) {
            Ok(()) => {}
            // A process that was killed is about to close its files.
            Err(Errno::EBUSY) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => {
                return Err(ControlError::System {
                    what: format!("cannot unmount {}", data.display()),
                    source: error.into(),
                });
            }
        }
    }
    Ok(())
}

/// Whether a filesystem is mounted there, in this mount namespace (proc_pid_mountinfo(5)).
pub(crate) fn is_mounted(path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let wanted = path.to_string_lossy().replace(' ', "\\040");
    fs::read_to_string("/proc/self/mountinfo")
        .unwrap_or_default()
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(&wanted))
}

/// Fills a node's disk until nothing more fits.
///
/// # Errors
/// When it is not a filesystem of its own (the host's disk must not be filled), or when it cannot be filled.
pub fn fill(directory: &Path) -> Result<(), ControlError> {
    let data = data(directory);
    if !is_mounted(&data) {
        return Err(ControlError::Other(format!(
            "{} is not a filesystem of its own",
            data.display()
        )));
    }
    let failed = |source| ControlError::File {
        path: data.clone(),
        source,
    };
    let mut ballast = File::options()
        .create(true)
        .append(true)
        .open(data.join(BALLAST))
        .map_err(failed)?;
    // Most of it without writing, which takes seconds on a busy disk and slows down everything else.
    let mut end = ballast.metadata().map_err(failed)?.len() as i64;
    let mut more = BYTES as i64;
    while more >= 1 << 20 {
        match fallocate(&ballast, FallocateFlags::empty(), end, more) {
            Ok(()) => end += more,
            Err(Errno::EINTR) => {}
            // It does not fit, or this filesystem cannot do it.
            Err(_) => more /= 2,
        }
    }
    let mut block = vec![0x2a_u8; 4 << 20];
    loop {
        match ballast.write(&block) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // To the last byte.
                if block.len() == 1 {
                    return Ok(());
                }
                block.truncate((block.len() / 16).max(1));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Makes room again.
///
/// # Errors
/// When that cannot be done.
pub fn make_room(directory: &Path) -> Result<(), ControlError> {
    match fs::remove_file(data(directory).join(BALLAST)) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ControlError::File {
            path: data(directory),
            source,
        }),
        _ => Ok(()),
    }
}

/// Whether a few kilobytes still fit on a node's disk, tried without syncing.
///
/// # Errors
/// For other reasons than a full disk.
pub fn has_room(directory: &Path) -> Result<bool, ControlError> {
    let path = data(directory).join(UNSYNCED);
    // More than what a block that is not quite full still takes. Given back at once.
    let tried = File::create(&path).and_then(|mut file| file.write_all(&[0x2a; 64 << 10]));
    let _ = fs::remove_file(&path);
    match tried {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(false),
        Err(source) => Err(ControlError::File { path, source }),
    }
}

fn run<'a>(name: &str, args: impl Iterator<Item = &'a OsStr>) -> Result<(), ControlError> {
    let path = program(name).ok_or_else(|| ControlError::Other(format!("{name} is not on the PATH")))?;
    let output = Command::new(path)
        .args(args)
        .output()
        .map_err(|source| ControlError::System {
            what: format!("cannot run {name}"),
            source,
        })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(ControlError::Other(format!(
            "{name} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}
