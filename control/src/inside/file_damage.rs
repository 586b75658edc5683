//! What is done to the files of a node, on that node: flipping bits, cutting files short, copying them.
//! Nemeses run it through [`crate::Remote::exec`] as the hidden subcommand `perjury tamper damage`, so that
//! it works wherever a node is.
//!
//! Invariant: damage hits what a file holds, not the zeros behind it that stores reserve.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::store_files::{files, is_own};

/// No larger file is damaged.
const FILE_LIMIT: u64 = 512 << 20;
/// At most this much is cut off a file.
const CUT_LIMIT: u64 = 16 << 10;

/// Does what the arguments say and returns one line about it:
/// `bitflip SEED DIR`, `truncate SEED DIR`, `copy FROM TO` (which replaces TO's content).
///
/// # Errors
/// One line.
pub fn run(args: &[String]) -> Result<String, String> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [kind @ ("bitflip" | "truncate"), seed, directory] => {
            let seed = seed.parse().map_err(|_| format!("`{seed}` is not a seed"))?;
            hit(kind, seed, Path::new(directory))
        }
        ["copy", from, to] => copy(Path::new(from), Path::new(to)),
        _ => return Err(format!("`{}` is not a kind of damage", args.join(" "))),
    };
    done.map_err(|error| format!("{}: {error}", args.join(" ")))
}

/// Damages one file below the directory, which one and where decided by the seed.
fn hit(kind: &str, seed: u64, directory: &Path) -> io::Result<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut full = Vec::new();
    for path in files(directory)? {
        let length = content_length(&path)?;
        if length > 0 {
            full.push((path, length));
        }
    }
    let Some((path, length)) = full.choose(&mut rng) else {
        return Err(io::Error::other("no file has any content"));
    };
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let name = path.strip_prefix(directory).unwrap_or(path).display();
    if kind == "truncate" {
        let cut = rng.random_range(1..=(*length).min(CUT_LIMIT));
        file.set_len(length - cut)?;
        file.sync_all()?;
        return Ok(format!("{name} cut to {} of {length} bytes", length - cut));
    }
    let (offset, bit) = (rng.random_range(0..*length), rng.random_range(0..8));
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&[byte[0] ^ (1 << bit)])?;
    file.sync_all()?;
    Ok(format!("bit {bit} of byte {offset} of {name}"))
}

/// How long a file is without the zeros at its end; 0 for one that is too large to be read.
fn content_length(path: &Path) -> io::Result<u64> {
    if fs::metadata(path)?.len() > FILE_LIMIT {
        return Ok(0);
    }
    let bytes = fs::read(path)?;
    Ok(bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last as u64 + 1))
}

/// Makes `to` hold exactly what `from` holds of the store. The directory itself stays: it may be a mount
/// point.
fn copy(from: &Path, to: &Path) -> io::Result<String> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if !is_own(&entry.path()) {
            fs::remove_file(entry.path())?;
        }
    }
    let files = files(from)?;
    for path in &files {
        let target = to.join(path.strip_prefix(from).unwrap_or(path));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, &target)?;
        File::open(&target)?.sync_all()?;
    }
    Ok(format!("{} files", files.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(args: &[&str]) -> Result<String, String> {
        run(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    fn store() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("wal")).expect("a directory");
        fs::write(directory.path().join("empty"), []).expect("a file");
        fs::write(directory.path().join("zeros"), [0; 5000]).expect("a file");
        let log = [vec![7; 3000], vec![0; 60_000]].concat();
        fs::write(directory.path().join("wal/log"), log).expect("a file");
        let path = directory.path().to_str().expect("a path").to_owned();
        (directory, path)
    }

    #[test]
    fn one_bit_of_the_content_is_flipped() {
        for seed in 0..50 {
            let (directory, path) = store();
            let told = damage(&["bitflip", &seed.to_string(), &path]).expect("a flip");
            assert!(told.contains("wal/log"), "{told}");
            let log = fs::read(directory.path().join("wal/log")).expect("a file");
            let flipped: u32 = log[..3000].iter().map(|byte| (byte ^ 7).count_ones()).sum();
            assert_eq!(flipped, 1, "{told}");
            assert!(log.len() == 63_000 && log[3000..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_file_is_cut_into_its_content_and_a_copy_brings_it_back() {
        let (directory, path) = store();
        let spare = tempfile::tempdir().expect("a directory");
        let spare_path = spare.path().to_str().expect("a path");
        fs::write(spare.path().join("old"), "old").expect("a file");
        damage(&["copy", &path, spare_path]).expect("a copy");
        assert!(!spare.path().join("old").exists());
        let told = damage(&["truncate", "3", &path]).expect("a cut");
        let log = directory.path().join("wal/log");
        let length = fs::metadata(&log).expect("a file").len();
        assert!(length < 3000, "{told}");
        damage(&["copy", spare_path, &path]).expect("a copy");
        assert_eq!(fs::metadata(&log).expect("a file").len(), 63_000);
    }

    #[test]
    fn nonsense_is_refused() {
        let (_directory, path) = store();
        assert!(damage(&["melt", &path]).is_err());
        assert!(damage(&["bitflip", "x", &path]).is_err());
    }
}
