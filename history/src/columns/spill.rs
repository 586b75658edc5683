//! The rows of a file by key, in files that are small enough to be read one at a time.
//!
//! ```text
//!  history.parquet ──► run 0: all rows of some keys, as Arrow's IPC stream, uncompressed
//!                 ├──► run 1: all rows of some other keys
//!                 …
//! ```
//!
//! Which run a key goes to is told by its hash, whose upper half is used: the lower one says to which
//! [`Part`] it belongs. Rows keep their order. The files have no names, so that nothing is left of them
//! however the program ends.

use std::fs::File as Disk;
use std::io::{BufReader, BufWriter, Seek};
use std::path::{Path, PathBuf};

use arrow_array::{RecordBatch, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::take::take_record_batch;
use rustc_hash::FxHashMap;

use super::file::File;
use super::rows::Reader;
use super::survey::{Survey, heap_bytes};
use super::{ColumnsError, order};
use crate::{History, Key, Ns, Operation, Part, key_hash};

/// How much of each run is in memory while it is written.
const BUFFER_BYTES: usize = 1 << 16;

/// A file's rows by key.
pub struct Spilled {
    /// What is known of the whole file, whatever part of it was spilled.
    pub survey: Survey,
    /// The rows.
    pub runs: Vec<Run>,
}

/// All rows of some keys.
#[derive(Debug)]
pub struct Run {
    /// Where its rows are, if it has some.
    disk: Option<Disk>,
    has_positions: bool,
    /// How many rows.
    pub rows: u64,
    /// How many bytes of its own their values take in memory.
    pub heap_bytes: u64,
}

/// How much of a run belongs to one key.
#[derive(Clone, Debug)]
pub struct KeySize {
    /// The key.
    pub key: Key,
    /// How many rows.
    pub rows: u64,
    /// How many bytes of its own their values take in memory.
    pub heap_bytes: u64,
}

/// Writes the rows of a file, or of a part of its keys, into so many runs in a directory.
///
/// # Errors
/// When the file cannot be read, something in it is wrong or the directory cannot be written.
pub fn spill(
    file: &File,
    directory: &Path,
    runs: usize,
    part: Option<Part>,
) -> Result<Spilled, ColumnsError> {
    let mut survey = Survey::default();
    let mut spiller = Spiller::new(directory, runs.max(1), file.has_positions());
    file.each(|batch, operations| {
        for (row, operation) in operations.iter().enumerate() {
            survey.add(operation);
            let hash = key_hash(operation.op.key());
            if part.is_none_or(|part| part.holds_hash(hash)) {
                let run = (hash >> 32) as usize % spiller.runs.len();
                spiller.assign(row, operation, run);
            }
        }
        spiller.write(batch)
    })?;
    Ok(Spilled {
        survey,
        runs: spiller.finish()?,
    })
}

impl Run {
    /// The run as a history, whose times count from `first_ns`.
    ///
    /// Where `by_owner`, a process that goes on with a key while its last operation on that key is open
    /// gets a new number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn history(&self, first_ns: u64, by_owner: bool) -> Result<History, ColumnsError> {
        let mut operations = Vec::with_capacity(usize::try_from(self.rows).unwrap_or_default());
        self.each(|_, found| {
            operations.append(found);
            Ok(())
        })?;
        let mut history = order::arranged(operations, self.has_positions)?;
        if by_owner {
            order::renumber(&mut history, |operation| key_hash(operation.op.key()));
        }
        if first_ns > 0 {
            for operation in &mut history.operations {
                operation.invoked_ns -= first_ns;
                operation.completed_ns = (operation.completed_ns).map(|ns| Ns::new(ns.get() - first_ns));
            }
            history.end_ns = history.end_ns.saturating_sub(first_ns);
        }
        Ok(history)
    }

    /// How much of it belongs to which key, by the hash of the key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn keys(&self) -> Result<FxHashMap<u64, KeySize>, ColumnsError> {
        let mut keys: FxHashMap<u64, KeySize> = FxHashMap::default();
        self.each(|_, operations| {
            for operation in operations.iter() {
                let key = operation.op.key();
                let size = keys.entry(key_hash(key)).or_insert_with(|| KeySize {
                    key: key.clone(),
                    rows: 0,
                    heap_bytes: 0,
                });
                size.rows += 1;
                size.heap_bytes += heap_bytes(operation);
            }
            Ok(())
        })?;
        Ok(keys)
    }

    /// Writes its rows into other runs in a directory: those of each key, by its hash, into the run of that
    /// number. Keys without a number are left out.
    ///
    /// # Errors
    /// When it cannot be read or they cannot be written.
    pub fn split(
        &self,
        directory: &Path,
        into: impl IntoIterator<Item = (u64, usize)>,
    ) -> Result<Vec<Run>, ColumnsError> {
        let into: FxHashMap<u64, usize> = into.into_iter().collect();
        let runs = into.values().max().map_or(0, |last| last + 1);
        let mut spiller = Spiller::new(directory, runs, self.has_positions);
        self.each(|batch, operations| {
            for (row, operation) in operations.iter().enumerate() {
                if let Some(run) = into.get(&key_hash(operation.op.key())) {
                    spiller.assign(row, operation, *run);
                }
            }
            spiller.write(batch)
        })?;
        spiller.finish()
    }

    fn each(
        &self,
        mut take: impl FnMut(&RecordBatch, &mut Vec<Operation>) -> Result<(), ColumnsError>,
    ) -> Result<(), ColumnsError> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let mut disk = disk.try_clone()?;
        disk.rewind()?;
        let disk = BufReader::with_capacity(BUFFER_BYTES, disk);
        let (mut reader, mut operations) = (Reader::default(), Vec::new());
        let mut before = 0;
        for batch in StreamReader::try_new(disk, None).map_err(spilled)? {
            let batch = batch.map_err(spilled)?;
            operations.clear();
            reader.read(&batch, before, &mut operations)?;
            before += batch.num_rows() as u64;
            take(&batch, &mut operations)?;
        }
        Ok(())
    }
}

/// Writes runs.
struct Spiller {
    directory: PathBuf,
    has_positions: bool,
    runs: Vec<Spilling>,
}

/// A run that is being written.
#[derive(Default)]
struct Spilling {
    out: Option<StreamWriter<BufWriter<Disk>>>,
    /// The rows of the next batch that belong here.
    chosen: Vec<u32>,
    rows: u64,
    heap_bytes: u64,
}

impl Spiller {
    fn new(directory: &Path, runs: usize, has_positions: bool) -> Spiller {
        Spiller {
            directory: directory.to_owned(),
            has_positions,
            runs: (0..runs).map(|_| Spilling::default()).collect(),
        }
    }

    /// Says that a row of the batch that is written next belongs to a run.
    fn assign(&mut self, row: usize, operation: &Operation, run: usize) {
        let run = &mut self.runs[run];
        run.chosen.push(u32::try_from(row).unwrap_or(u32::MAX));
        run.rows += 1;
        run.heap_bytes += heap_bytes(operation);
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ColumnsError> {
        for run in &mut self.runs {
            if run.chosen.is_empty() {
                continue;
            }
            let chosen = UInt32Array::from(std::mem::take(&mut run.chosen));
            let rows = take_record_batch(batch, &chosen).map_err(spilled)?;
            if run.out.is_none() {
                run.out = Some(begun(&self.directory, rows.schema())?);
            }
            if let Some(out) = &mut run.out {
                out.write(&rows).map_err(spilled)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Run>, ColumnsError> {
        let mut runs = Vec::new();
        for run in self.runs {
            let disk = match run.out {
                Some(out) => {
                    let buffer = out.into_inner().map_err(spilled)?;
                    Some(buffer.into_inner().map_err(std::io::IntoInnerError::into_error)?)
                }
                None => None,
            };
            runs.push(Run {
                disk,
                has_positions: self.has_positions,
                rows: run.rows,
                heap_bytes: run.heap_bytes,
            });
        }
        Ok(runs)
    }
}

fn begun(directory: &Path, schema: SchemaRef) -> Result<StreamWriter<BufWriter<Disk>>, ColumnsError> {
    let disk = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(directory)?);
    StreamWriter::try_new(disk, &schema).map_err(spilled)
}

/// What went wrong with a run: the disk, mostly.
fn spilled(error: ArrowError) -> ColumnsError {
    match error {
        ArrowError::IoError(_, error) => ColumnsError::Io(error),
        error => ColumnsError::File(format!("what was spilled cannot be used: {error}")),
    }
}
