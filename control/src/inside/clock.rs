//! Shifts the wall clock of one process.
//!
//! ```text
//!  before   vDSO: clock_gettime ─ reads the kernel's page
//!  after    vDSO: jmp ─► own pages: syscall clock_gettime, add what the data page says
//! ```
//!
//! The pages are made once in the life of a process; from then on a change is one write. Found again by
//! following the jump.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::libc;
use nix::time::{ClockId, clock_gettime};

use super::ClockShift;
use super::attached::{Attached, MMAP, MPROTECT};
use super::vdso::{FUNCTIONS, JUMP, JUMP_BYTES, MAGIC, PAGE, entries, functions, stub};
use crate::ControlError;

/// How often it is tried again when a thread is in the code that is to be replaced.
const TRIES: usize = 100;

/// The content of the data page.
struct Data {
    offset_ns: i64,
    base_ns: i64,
    drift_ppm: i64,
}

pub(super) fn set(pid: i32, shift: ClockShift) -> Result<(), ControlError> {
    let failed = |source: io::Error| failed(pid, source);
    let data = match find(pid).map_err(failed)? {
        Some(at) => at,
        None if shift == ClockShift::default() => return Ok(()),
        None => install(pid).map_err(failed)?,
    };
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|error| failed(error.into()))?;
    let values = Data {
        offset_ns: shift.offset_ns,
        base_ns: now.tv_sec() * 1_000_000_000 + now.tv_nsec(),
        drift_ppm: shift.drift_ppm,
    };
    write(pid, data, &values).map_err(failed)
}

pub(super) fn get(pid: i32) -> Result<ClockShift, ControlError> {
    let failed = |source: io::Error| failed(pid, source);
    let Some(at) = find(pid).map_err(failed)? else {
        return Ok(ClockShift::default());
    };
    let mut bytes = [0; 24];
    memory(pid, false)
        .and_then(|memory| memory.read_exact_at(&mut bytes, at + 8))
        .map_err(failed)?;
    let number = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    Ok(ClockShift {
        offset_ns: number(0),
        drift_ppm: number(16),
    })
}

fn failed(pid: i32, source: io::Error) -> ControlError {
    let hint = match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            " (tracing it takes permission: run as root, or with --env netns, or set \
             kernel.yama.ptrace_scope to 0)"
        }
        _ => "",
    };
    ControlError::System {
        what: format!("cannot shift the clock of process {pid}{hint}"),
        source,
    }
}

/// One write, so that the process sees the old values or the new ones; a read in between may mix an old drift
/// with a new offset once.
fn write(pid: i32, at: u64, data: &Data) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(24);
    for value in [data.offset_ns, data.base_ns, data.drift_ppm] {
        bytes.extend(value.to_le_bytes());
    }
    memory(pid, true)?.write_all_at(&bytes, at + 8)
}

fn memory(pid: i32, writes: bool) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .read(true)
        .write(writes)
        .open(format!("/proc/{pid}/mem"))
}

/// The vDSO of a process.
struct Image {
    start: u64,
    bytes: Vec<u8>,
}

impl Image {
    fn read(pid: i32) -> io::Result<Image> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let range = maps
            .lines()
            .find(|line| line.ends_with("[vdso]"))
            .and_then(|line| line.split_once(' ')?.0.split_once('-'));
        let parse = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = range
            .and_then(|(from, to)| Some((parse(from)?, parse(to)?)))
            .ok_or_else(|| io::Error::other("it has no vDSO"))?;
        let mut bytes = vec![0; (end - start) as usize];
        memory(pid, false)?.read_exact_at(&mut bytes, start)?;
        Ok(Image { start, bytes })
    }

    /// Where each of [`FUNCTIONS`] begins in the image.
    fn functions(&self) -> io::Result<[usize; 3]> {
        let known = functions(&self.bytes).ok_or_else(|| io::Error::other("its vDSO cannot be read"))?;
        let mut found = [0; 3];
        for (place, name) in found.iter_mut().zip(FUNCTIONS) {
            *place = match known.get(name) {
                Some(&(at, length)) if length >= JUMP_BYTES => at,
                _ => return Err(io::Error::other(format!("its vDSO has no usable {name}"))),
            };
        }
        Ok(found)
    }
}

/// The address of the data page, if the process has one.
fn find(pid: i32) -> io::Result<Option<u64>> {
    let image = Image::read(pid)?;
    let at = image.functions()?[0];
    let code = &image.bytes[at..at + JUMP_BYTES];
    if code[..JUMP.len()] != JUMP {
        return Ok(None);
    }
    let target = u64::from_le_bytes(code[JUMP.len()..].try_into().expect("eight bytes"));
    let data = target - entries()[0] as u64 + PAGE as u64;
    let mut magic = [0; 8];
    memory(pid, false)?.read_exact_at(&mut magic, data)?;
    match u64::from_le_bytes(magic) == MAGIC {
        true => Ok(Some(data)),
        false => Err(io::Error::other("another program has changed its vDSO")),
    }
}

/// Makes the pages and redirects the vDSO to them; returns the address of the data page.
fn install(pid: i32) -> io::Result<u64> {
    let image = Image::read(pid)?;
    let places = image.functions()?;
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let syscall = image
        .bytes
        .windows(2)
        .position(|bytes| bytes == SYSCALL)
        .ok_or_else(|| io::Error::other("its vDSO makes no system call"))?;
    let replaced = places.map(|at| {
        let at = image.start + at as u64;
        at..at + JUMP_BYTES as u64
    });
    for _ in 0..TRIES {
        let mut attached = Attached::new(pid)?;
        if attached.runs_in(&replaced)? {
            // Released for a moment, until they have left.
            drop(attached);
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        let syscall = image.start + syscall as u64;
        let size = 2 * PAGE as u64;
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let pages = attached.call(syscall, MMAP, [0, size, protection, flags, u64::MAX, 0])?;
        attached.write(pages, stub())?;
        let executable = (libc::PROT_READ | libc::PROT_EXEC) as u64;
        attached.call(syscall, MPROTECT, [pages, PAGE as u64, executable, 0, 0, 0])?;
        for (at, entry) in places.iter().zip(entries()) {
            let mut jump = JUMP.to_vec();
            jump.extend((pages + entry as u64).to_le_bytes());
            attached.write(image.start + *at as u64, &jump)?;
        }
        let mut written = [0; JUMP_BYTES];
        attached.read(image.start + places[0] as u64, &mut written)?;
        return match written[..JUMP.len()] == JUMP {
            true => Ok(pages + PAGE as u64),
            false => Err(io::Error::other("its vDSO cannot be changed")),
        };
    }
    Err(io::Error::other(
        "some thread of it was always reading the time; try again",
    ))
}
