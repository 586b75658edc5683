//! What a loss of power leaves of what was not synced: a random part of it, torn anywhere. Linux only.
//!
//! ```text
//!  remembered, power on    AAAAAAAA BBBB CCCCCCCCCC     what the store had written
//!  durable, mounted again  AAAAAAAA                     what it had synced
//!  left torn               AAAAAAAA BB00 CCC            a part of the rest, perhaps with a sector missing
//! ```
//!
//! A file system that lost its power (`volume`) has lost all that was not synced. A disk has its own order:
//! the end of a file arrives cut in the middle of a record, or without a sector that lies before what did
//! arrive (Pillai and others, "All File Systems Are Not Created Equal", OSDI 2014). So before the cut the
//! ends of all files are remembered, and afterwards a part is written back; a seed decides how much.
//!
//! Invariants:
//! - No byte that was synced is changed. What the mounted file holds is durable; only what lies behind its
//!   content is written, and only if the content is the beginning of what the file held before. Zeros at its
//!   end, which stores reserve, are not content.
//! - Reserved room arrives in whole sectors, as a disk writes them. Where a file ends is the file system's
//!   matter, and may be any byte.
//! - Files are the same by their inode and the time of their birth; a name may have passed to another one.
//! - New files come back in the order in which they got their names, none after one that cannot, and only
//!   where no other one is known to have been removed or renamed meanwhile: a file system keeps such acts in
//!   order.
//! - What came back is durable.
//!
//! Not done: what was overwritten in place, or cut off and written again, stays as it was synced.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::UNIX_EPOCH;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::store_files::files;

/// What a disk writes at once.
const SECTOR: u64 = 512;
/// At most this much of a file's end is remembered; where more was lost, it stays lost.
const END_LIMIT: u64 = 4 << 20;
/// At most this much of a node's files is remembered, those that were changed last before the others.
const NODE_LIMIT: u64 = 64 << 20;

/// A file as it was before the power was cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Below the data's directory.
    path: String,
    inode: u64,
    /// Where the file system tells it.
    born_ns: Option<u128>,
    /// When it got its name, as far as the file system tells: its birth, or what happened to it after it was
    /// last written.
    named_ns: i128,
    changed_ns: i128,
    length: u64,
    mode: u32,
    owner: (u32, u32),
    /// Where what is remembered begins.
    from: u64,
    /// How much is remembered from there on; zeros may be missing at the end.
    remembered: u64,
}

impl Known {
    fn new(path: String, meta: &Metadata) -> Known {
        let born = meta.created().ok();
        let born_ns = born.and_then(|time| Some(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()));
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        let changed_ns = ns(meta.ctime(), meta.ctime_nsec());
        let is_renamed = changed_ns > ns(meta.mtime(), meta.mtime_nsec());
        Known {
            path,
            inode: meta.ino(),
            born_ns,
            named_ns: match born_ns.and_then(|born_ns| i128::try_from(born_ns).ok()) {
                Some(born_ns) if !is_renamed => born_ns,
                _ => changed_ns,
            },
            changed_ns,
            length: meta.len(),
            mode: meta.mode() & 0o7777,
            owner: (meta.uid(), meta.gid()),
            from: 0,
            remembered: 0,
        }
    }

    fn is(&self, other: &Known) -> bool {
        (self.inode, self.born_ns) == (other.inode, other.born_ns)
    }
}

/// A file, and what is remembered of it.
type Remembered = (Known, Vec<u8>);

/// Remembers the ends of the files below `data` in the file `into`. No process may be writing.
pub(super) fn remember(data: &Path, into: &Path) -> io::Result<()> {
    let mut left = NODE_LIMIT;
    let mut all: Vec<Remembered> = Vec::new();
    let mut found: Vec<Known> = known(data)?.into_values().collect();
    found.sort_by_key(|file| std::cmp::Reverse(file.changed_ns));
    for mut file in found {
        let bytes = end_of(&data.join(&file.path), &mut file, left).unwrap_or_default();
        file.remembered = bytes.len() as u64;
        left -= file.remembered;
        all.push((file, bytes));
    }
    // A call that had begun before the store was stopped may have ended since.
    let now = known(data)?;
    for (file, bytes) in &mut all {
        let same =
            |now: &Known| now.is(file) && (now.changed_ns, now.length) == (file.changed_ns, file.length);
        if !now.get(&file.path).is_some_and(same) {
            file.remembered = 0;
            bytes.clear();
        }
    }
    let mut out = BufWriter::new(File::create(into)?);
    let list: Vec<&Known> = all.iter().map(|(file, _)| file).collect();
    let list = serde_json::to_vec(&list)?;
    out.write_all(&(list.len() as u64).to_le_bytes())?;
    out.write_all(&list)?;
    for (_, bytes) in &all {
        out.write_all(bytes)?;
    }
    out.flush()
}

/// Writes back a part of what was lost below `data`, as the seed decides, and forgets the rest. Gives how
/// many files are torn: a part of what they had lost is there.
pub(super) fn leave(data: &Path, remembered: &Path, seed: u64) -> io::Result<u64> {
    let Some(before) = recall(remembered)? else {
        return Ok(0);
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let durable = known(data)?;
    let mut torn = 0;
    let mut new = Vec::new();
    for (file, bytes) in &before {
        match durable.get(&file.path) {
            Some(now) if now.is(file) => {
                let path = data.join(&file.path);
                let target = OpenOptions::new().read(true).write(true).open(path)?;
                let Some(kept) = read_back(&target, file.from)? else {
                    continue;
                };
                if let Some(part) = arrived(&kept, now.length, bytes, file.from, &mut rng) {
                    target.write_all_at(&part.bytes, file.from + part.at as u64)?;
                    target.sync_all()?;
                    torn += u64::from(part.is_torn);
                }
            }
            Some(_) => {}
            None if durable.values().any(|other| other.is(file)) => {}
            None => new.push((file, bytes)),
        }
    }
    let in_order = durable.values().all(|now| {
        before
            .iter()
            .any(|(file, _)| file.path == now.path && file.is(now))
    });
    new.retain(|(file, bytes)| file.from == 0 && (file.length == 0 || !bytes.is_empty()));
    if in_order {
        new.sort_by_key(|(file, _)| (file.named_ns, file.inode));
        let mut count = rng.random_range(0..=new.len());
        // Of those that got their names at one time, as far as clocks tell, which was first is not known.
        while count > 0 && count < new.len() && new[count - 1].0.named_ns == new[count].0.named_ns {
            count -= 1;
        }
        new.truncate(count);
        for (file, bytes) in new {
            match bring_back(data, file, bytes, &mut rng)? {
                Some(is_torn) => torn += u64::from(is_torn),
                // Its directory is lost, and with it all that was done later.
                None => break,
            }
        }
    }
    fs::remove_file(remembered)?;
    Ok(torn)
}

/// What arrived on the disk of what was not synced.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// Where it lies, counted as the slices are.
    at: usize,
    bytes: Vec<u8>,
    /// Not all of it arrived.
    is_torn: bool,
}

/// What arrives of the end of a file: `durable` is what is on the disk, `volatile` what the store had
/// written, both from the offset `from` on and perhaps without zeros at their ends. `length` is that of the
/// file on the disk.
fn arrived(durable: &[u8], length: u64, volatile: &[u8], from: u64, rng: &mut impl Rng) -> Option<Part> {
    let at = content(durable);
    if at == 0 && from > 0 || !volatile.starts_with(&durable[..at]) {
        return None;
    }
    let place = |index: usize| from + index as u64;
    let all = match place(volatile.len()) > length {
        true => volatile.len(),
        false => content(volatile),
    };
    // A disk often keeps nothing of it at all.
    if all <= at || rng.random_ratio(1, 4) {
        return None;
    }
    let mut end = rng.random_range(at..=all);
    if place(end) < length && end < all {
        end = (place(end) / SECTOR * SECTOR).saturating_sub(from) as usize;
    }
    if end <= at {
        return None;
    }
    let mut bytes = volatile[at..end].to_vec();
    let (first, last) = (place(at) / SECTOR, (place(end) - 1) / SECTOR);
    let has_hole = first < last && rng.random_ratio(1, 3);
    if has_hole {
        let sector = rng.random_range(first..last);
        let within = |offset: u64| offset.saturating_sub(place(at)) as usize;
        bytes[within(sector * SECTOR)..within((sector + 1) * SECTOR)].fill(0);
    }
    let is_torn = has_hole || end < all;
    Some(Part { at, bytes, is_torn })
}

/// How long this is without the zeros at its end.
fn content(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}

/// Makes a new file with a part of what it held. Gives whether it is torn; nothing where its directory is
/// lost.
fn bring_back(data: &Path, file: &Known, bytes: &[u8], rng: &mut impl Rng) -> io::Result<Option<bool>> {
    let path = data.join(&file.path);
    let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else {
        return Ok(None);
    };
    let part = arrived(&[], 0, bytes, 0, rng);
    let target = File::create_new(&path)?;
    target.set_permissions(fs::Permissions::from_mode(file.mode))?;
    chown(&path, Some(file.owner.0), Some(file.owner.1))?;
    if let Some(part) = &part {
        target.write_all_at(&part.bytes, part.at as u64)?;
    }
    target.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(Some(part.map_or(!bytes.is_empty(), |part| part.is_torn)))
}

/// The files of the store below `data`, by their paths. Names that are not UTF-8 are left out.
fn known(data: &Path) -> io::Result<BTreeMap<String, Known>> {
    let mut all = BTreeMap::new();
    for path in files(data)? {
        let Some(name) = path.strip_prefix(data).ok().and_then(Path::to_str) else {
            continue;
        };
        match fs::symlink_metadata(&path) {
            // What has several names is known under none.
            Ok(meta) if meta.nlink() == 1 => {
                drop(all.insert(name.to_owned(), Known::new(name.to_owned(), &meta)))
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Reads the end of a file, at most so many bytes.
fn end_of(path: &Path, known: &mut Known, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let end = data_end(&file)?;
    known.from = end.saturating_sub(END_LIMIT.min(limit));
    read_exactly(&file, known.from, end)
}

/// What a file holds from an offset on; nothing when that is more than what is remembered of any file.
fn read_back(file: &File, from: u64) -> io::Result<Option<Vec<u8>>> {
    let end = data_end(file)?;
    match end.saturating_sub(from) > END_LIMIT {
        true => Ok(None),
        false => read_exactly(file, from.min(end), end).map(Some),
    }
}

fn read_exactly(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (to - from) as usize];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

/// Where the last hole of a file begins: room that is reserved is not read.
fn data_end(file: &File) -> io::Result<u64> {
    let mut end = 0;
    loop {
        match lseek(file, end, Whence::SeekData) {
            Ok(start) => end = lseek(file, start, Whence::SeekHole)?,
            Err(Errno::ENXIO) => return Ok(end as u64),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What [`remember`] wrote; nothing when it did not.
fn recall(from: &Path) -> io::Result<Option<Vec<Remembered>>> {
    let mut file = match File::open(from) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut list = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut list)?;
    let list: Vec<Known> = serde_json::from_slice(&list)?;
    let mut all = Vec::new();
    for known in list {
        let mut bytes = vec![0; known.remembered as usize];
        file.read_exact(&mut bytes)?;
        all.push((known, bytes));
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| 1 + (index % 251) as u8).collect()
    }

    /// What arrives over many seeds: (n)othing, (a)ll, a (p)art, something with a (h)ole; in capitals what
    /// must be seen.
    #[track_caller]
    fn check(durable: &[u8], length: u64, volatile: &[u8], from: u64, wanted: &str) {
        let at = content(durable);
        let mut seen = BTreeSet::new();
        for seed in 0..300 {
            let draw = || {
                arrived(
                    durable,
                    length,
                    volatile,
                    from,
                    &mut ChaCha8Rng::seed_from_u64(seed),
                )
            };
            let part = draw();
            assert_eq!(part, draw(), "the seed decides");
            let Some(part) = part else {
                seen.insert('n');
                continue;
            };
            assert_eq!(part.at, at, "what is durable stays");
            let end = at + part.bytes.len();
            let all = if from + volatile.len() as u64 > length {
                volatile.len()
            } else {
                content(volatile)
            };
            assert!(end <= all);
            assert!(end == all || from + end as u64 >= length || (from + end as u64).is_multiple_of(SECTOR));
            let missing: Vec<u64> = (at..end)
                .filter(|&index| part.bytes[index - at] != volatile[index])
                .map(|index| (from + index as u64) / SECTOR)
                .collect();
            assert!(missing.iter().all(|sector| *sector == missing[0]), "one sector");
            let arrived_behind = |sector: u64| (from + end as u64 - 1) / SECTOR > sector;
            assert!(missing.first().is_none_or(|&sector| arrived_behind(sector)));
            assert_eq!(part.is_torn, end < all || !missing.is_empty());
            seen.insert(match (end == all, missing.is_empty()) {
                (_, false) => 'h',
                (true, true) => 'a',
                (false, true) => 'p',
            });
        }
        let may: BTreeSet<char> = wanted.to_lowercase().chars().collect();
        let must: BTreeSet<char> = wanted.chars().filter(char::is_ascii_uppercase).collect();
        let must = must.iter().map(char::to_ascii_lowercase).collect();
        let told = format!("{at} of {} bytes from {from} in {length}", volatile.len());
        assert!(
            seen.is_subset(&may) && seen.is_superset(&must),
            "{told}: {seen:?}"
        );
    }

    #[test]
    fn what_was_synced_stays_and_a_part_of_the_rest_arrives() {
        let all = bytes(4000);
        let reserved = [bytes(3000), vec![0; 1000]].concat();
        // A record behind others, over several sectors or within one.
        check(&all[..1000], 1000, &all, 0, "NaPH");
        check(&all[..1000], 1000, &all[..1006], 0, "NAP");
        check(&all[..1000], 1000, &all[..1030], 0, "NAPH");
        check(&[], 0, &all[..9], 0, "NAP");
        // The same where only the end was remembered.
        check(&all[..1000], 1_001_000, &all[..1006], 1_000_000, "NAP");
        // Room that was reserved.
        check(&all[..1000], 4000, &reserved, 0, "NaPH");
        check(&[], 4000, &reserved[..2048], 0, "NaPH");
        check(&[&all[..1000], &[0; 24]].concat(), 4000, &reserved, 0, "NaPH");
        check(&all[..900], 4000, &reserved[..910], 0, "NA");
        // Nothing was lost, or less is there than was synced.
        check(&all, 4000, &all, 0, "N");
        check(&all, 4000, &all[..3000], 0, "N");
        // It was written again from the start, or what lies before is not known.
        check(&[9; 10], 10, &all, 0, "N");
        check(&[0; 10], 1_000_010, &all, 1_000_000, "N");
    }

    #[test]
    fn files_come_back_torn_and_what_is_another_one_by_now_is_left_alone() {
        let mut seen = [0; 4];
        for seed in 0..40 {
            let directory = tempfile::tempdir().expect("a directory");
            let data = directory.path().join("data");
            let file = directory.path().join("remembered");
            let put = |name: &str, content: &[u8]| fs::write(data.join(name), content).expect("a file");
            let read = |name: &str| fs::read(data.join(name)).ok();
            fs::create_dir_all(data.join("wal")).expect("a directory");
            put("wal/log", &bytes(3000));
            put("state", &bytes(600));
            put("new", &bytes(50));
            put("newer", &bytes(50));
            put("wal/renamed", b"renamed");
            let gone = seed >= 20;
            remember(&data, &file).expect("remembered");

            let log = File::options()
                .write(true)
                .open(data.join("wal/log"))
                .expect("a file");
            log.set_len(1000).expect("cut off");
            // Replaced by a file of the same name.
            put("old", &bytes(300));
            fs::rename(data.join("old"), data.join("state")).expect("renamed");
            fs::rename(data.join("wal/renamed"), data.join("wal/temporary")).expect("renamed");
            fs::remove_file(data.join("new")).expect("removed");
            fs::remove_file(data.join("newer")).expect("removed");
            if !gone {
                // As if no name had changed.
                fs::rename(data.join("wal/temporary"), data.join("wal/renamed")).expect("renamed");
                fs::remove_file(data.join("state")).expect("removed");
            }

            let torn = leave(&data, &file, seed).expect("torn");
            assert!(!file.exists(), "it is done once");
            assert_eq!(leave(&data, &file, seed).expect("nothing to do"), 0);
            let log = read("wal/log").expect("a file");
            assert!(log.len() >= 1000 && log.len() <= 3000);
            assert_eq!(log[..1000], bytes(3000)[..1000]);
            seen[0] += u64::from(log.len() > 1000);
            if gone {
                assert_eq!(read("state"), Some(bytes(300)));
                assert_eq!(read("wal/renamed"), None);
                assert_eq!((read("new"), read("newer")), (None, None));
                assert_eq!(torn, u64::from(log.len() > 1000));
                seen[1] += 1;
            } else {
                assert_eq!(read("wal/renamed"), Some(b"renamed".to_vec()));
                let (new, newer) = (read("new"), read("newer"));
                assert!(
                    newer.is_none() || new.is_some(),
                    "in the order in which they were made"
                );
                assert!(new.as_ref().is_none_or(|new| bytes(50).starts_with(new)));
                seen[2] += u64::from(new.is_some());
                seen[3] += u64::from(newer.is_some());
            }
        }
        assert!(seen.iter().all(|&times| times > 0), "{seen:?}");
    }
}
