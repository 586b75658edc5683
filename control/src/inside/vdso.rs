//! The vDSO of a process: where its functions are, and the code that takes their place.
//!
//! The code is assembled into this program, read from there as bytes and never run here. It occupies two
//! pages of its own in the other process: the first is code, the second holds what it reads. All of it is
//! position-independent.

use std::collections::BTreeMap;

/// The size of a page on x86_64, and of the code's part of [`stub`].
pub(super) const PAGE: usize = 4096;

/// What the second page begins with, so that it can be found again.
pub(super) const MAGIC: u64 = 0x6b63_6f6c_6371_6a70;

/// The functions that return the wall clock.
pub(super) const FUNCTIONS: [&str; 3] = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"];

/// `jmp *0(%rip)`, and then the eight bytes of the address.
pub(super) const JUMP: [u8; 6] = [0xff, 0x25, 0, 0, 0, 0];
/// The length of the jump with the address.
pub(super) const JUMP_BYTES: usize = 14;

// Registers as in the System V ABI: rdi and rsi come in, rax goes out, and rcx, rdx and r8 to r11 may be used
// up. The stack is used sparingly, because Go calls from stacks of a few hundred bytes.
//
// The data: magic, offset in ns, the monotonic time at which the drift began in ns, drift in ppm.
std::arch::global_asm!(
    ".pushsection .rodata.perjury_clock, \"a\"",
    // The code that names them may be compiled into another object than this one.
    ".globl perjury_clock_stub, perjury_clock_gettime, perjury_gettimeofday, perjury_time, perjury_clock_data",
    ".hidden perjury_clock_stub, perjury_clock_gettime, perjury_gettimeofday, perjury_time, perjury_clock_data",
    ".balign 4096",
    "perjury_clock_stub:",
    // int clock_gettime(clockid_t, struct timespec *)
    "perjury_clock_gettime:",
    "mov eax, 228",
    "syscall",
    "test eax, eax",
    "jnz 9f",
    "cmp edi, 0", // CLOCK_REALTIME
    "je 1f",
    "cmp edi, 5", // CLOCK_REALTIME_COARSE
    "je 1f",
    "9:",
    "ret",
    "1:",
    "xor eax, eax",
    "cmp qword ptr [rip + perjury_clock_drift], 0",
    "je 2f",
    "push rsi",
    "sub rsp, 16",
    "mov edi, 1", // CLOCK_MONOTONIC
    "mov rsi, rsp",
    "mov eax, 228",
    "syscall",
    "imul rax, [rsp], 1000000000",
    "add rax, [rsp + 8]",
    "add rsp, 16",
    "pop rsi",
    "xor edi, edi",
    "sub rax, [rip + perjury_clock_base]",
    "imul rax, [rip + perjury_clock_drift]",
    "cqo",
    "mov ecx, 1000000",
    "idiv rcx",
    "2:",
    "add rax, [rip + perjury_clock_offset]",
    "add rax, [rsi + 8]",
    "cqo",
    "mov ecx, 1000000000",
    "idiv rcx",
    "test rdx, rdx",
    "jns 3f",
    "add rdx, rcx",
    "dec rax",
    "3:",
    "add [rsi], rax",
    "mov [rsi + 8], rdx",
    "xor eax, eax",
    "ret",
    // int gettimeofday(struct timeval *, struct timezone *)
    ".balign 16",
    "perjury_gettimeofday:",
    "mov eax, 96",
    "syscall",
    "test eax, eax",
    "jnz 9f",
    "test rdi, rdi",
    "jz 9f",
    "push rdi",
    "sub rsp, 16",
    "mov rsi, rsp",
    "xor edi, edi",
    "call perjury_clock_gettime",
    "mov r8, [rsp]",
    "mov rax, [rsp + 8]",
    "add rsp, 16",
    "pop rdi",
    "xor edx, edx",
    "mov ecx, 1000",
    "div rcx",
    "mov [rdi], r8",
    "mov [rdi + 8], rax",
    "xor eax, eax",
    "9:",
    "ret",
    // time_t time(time_t *)
    ".balign 16",
    "perjury_time:",
    "push rdi",
    "sub rsp, 16",
    "mov rsi, rsp",
    "xor edi, edi",
    "call perjury_clock_gettime",
    "mov rax, [rsp]",
    "add rsp, 16",
    "pop rdi",
    "test rdi, rdi",
    "jz 9f",
    "mov [rdi], rax",
    "9:",
    "ret",
    ".balign 4096",
    "perjury_clock_data:",
    ".quad 0x6b636f6c63716a70",
    "perjury_clock_offset:",
    ".quad 0",
    "perjury_clock_base:",
    ".quad 0",
    "perjury_clock_drift:",
    ".quad 0",
    ".balign 4096",
    ".popsection",
);

unsafe extern "C" {
    static perjury_clock_stub: u8;
    static perjury_clock_gettime: u8;
    static perjury_gettimeofday: u8;
    static perjury_time: u8;
    static perjury_clock_data: u8;
}

/// The two pages as they are written into a process.
pub(super) fn stub() -> &'static [u8] {
    // SAFETY: the symbols bound what was assembled above, which is never written; two pages by the alignments
    // there.
    unsafe { std::slice::from_raw_parts(&raw const perjury_clock_stub, 2 * PAGE) }
}

/// Where in [`stub`] the replacement of each of [`FUNCTIONS`] begins.
pub(super) fn entries() -> [usize; 3] {
    let start = (&raw const perjury_clock_stub).addr();
    debug_assert_eq!((&raw const perjury_clock_data).addr() - start, PAGE);
    [
        (&raw const perjury_clock_gettime).addr() - start,
        (&raw const perjury_gettimeofday).addr() - start,
        (&raw const perjury_time).addr() - start,
    ]
}

/// The functions of a vDSO, by name: where they begin and how long they are, from the image's beginning.
///
/// The image is an ELF shared object whose first loadable segment begins at address 0 (elf(5)). `None` if it
/// is not.
pub(super) fn functions(image: &[u8]) -> Option<BTreeMap<String, (usize, usize)>> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(image.get(at..at + 8)?.try_into().ok()?) as usize);
    if image.get(..5)? != b"\x7fELF\x02" {
        return None;
    }
    let (sections, size, count) = (u64_at(40)?, u16_at(58)? as usize, u16_at(60)? as usize);
    const DYNSYM: u32 = 11;
    let symbols = (0..count)
        .map(|n| sections + n * size)
        .find(|&at| u32_at(at + 4) == Some(DYNSYM))?;
    let (at, length) = (u64_at(symbols + 24)?, u64_at(symbols + 32)?);
    let names = sections + u32_at(symbols + 40)? as usize * size;
    let names_at = u64_at(names + 24)?;
    const SYMBOL: usize = 24;
    let mut functions = BTreeMap::new();
    for n in 0..length / SYMBOL {
        let symbol = at + n * SYMBOL;
        let name_at = names_at + u32_at(symbol)? as usize;
        let name: Vec<u8> = image
            .get(name_at..)?
            .iter()
            .copied()
            .take_while(|&byte| byte != 0)
            .collect();
        let (value, length) = (u64_at(symbol + 8)?, u64_at(symbol + 16)?);
        if length > 0 {
            functions.insert(String::from_utf8_lossy(&name).into_owned(), (value, length));
        }
    }
    Some(functions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_vdso_has_the_functions_with_room_for_a_jump() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let line = maps
            .lines()
            .find(|line| line.ends_with("[vdso]"))
            .expect("a vDSO");
        let (from, to) = line
            .split_once(' ')
            .expect("fields")
            .0
            .split_once('-')
            .expect("a range");
        let parse = |text| usize::from_str_radix(text, 16).expect("hexadecimal");
        let (from, to) = (parse(from), parse(to));
        // SAFETY: this process' own vDSO is mapped there for good, readable.
        let image = unsafe { std::slice::from_raw_parts(from as *const u8, to - from) };
        let functions = functions(image).expect("an ELF image");
        for name in FUNCTIONS {
            assert!(functions[name].1 >= JUMP_BYTES, "{name}: {:?}", functions[name]);
        }
        assert_eq!(super::functions(b"\x7fELF\x02"), None);
    }

    #[test]
    fn the_stub_is_two_pages_and_its_data_are_found() {
        let stub = stub();
        assert_eq!(stub[PAGE..PAGE + 8], MAGIC.to_le_bytes());
        assert!(entries().is_sorted() && entries()[2] < PAGE);
    }
}
