//! A Parquet file, batch by batch.

use std::path::Path;

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::ColumnsError;
use super::guard::guarded;
use super::layout::Layout;
use super::rows::Reader;
use crate::Operation;

/// How many rows are read at once.
const BATCH_ROWS: usize = 1 << 16;

/// Where the bytes are.
enum Place {
    Disk(std::fs::File),
    Memory(Bytes),
}

/// A Parquet file with the columns of a history.
pub struct File {
    place: Place,
    metadata: ArrowReaderMetadata,
    layout: Layout,
}

impl File {
    /// The file at a path.
    ///
    /// # Errors
    /// When it cannot be opened, is no Parquet, or has other columns than a history.
    pub fn open(path: &Path) -> Result<File, ColumnsError> {
        File::of(Place::Disk(std::fs::File::open(path)?))
    }

    /// A file in memory.
    ///
    /// # Errors
    /// As [`File::open`].
    pub fn of_bytes(bytes: Vec<u8>) -> Result<File, ColumnsError> {
        File::of(Place::Memory(bytes.into()))
    }

    fn of(place: Place) -> Result<File, ColumnsError> {
        // What Arrow says of a file's columns beside Parquet is only how one program kept them in memory.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(|| {
            let loaded = match &place {
                Place::Disk(file) => ArrowReaderMetadata::load(file, options),
                Place::Memory(bytes) => ArrowReaderMetadata::load(bytes, options),
            };
            loaded.map_err(damaged)
        })?;
        let layout = Layout::of(metadata.schema())?;
        Ok(File {
            place,
            metadata,
            layout,
        })
    }

    /// How many rows it says to have.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    /// About how many bytes of their own the values in its JSON columns take in memory.
    pub fn heap_bytes(&self) -> u64 {
        // An element takes 16 bytes, and two in JSON: a digit and a comma.
        const FACTOR: u64 = 8;
        let groups = self.metadata.metadata().row_groups().iter();
        let columns = groups.flat_map(|group| group.columns());
        let json = columns.filter(|column| column.column_descr().name().ends_with("_json"));
        let bytes = json.map(|column| u64::try_from(column.uncompressed_size()).unwrap_or_default());
        bytes.sum::<u64>() * FACTOR
    }

    /// Whether its rows name the positions of their events, beside the times.
    pub fn has_positions(&self) -> bool {
        self.layout.has_positions()
    }

    /// The columns that a history has no use for.
    pub fn unused(&self) -> &[String] {
        self.layout.unused()
    }

    /// Hands on each batch, in the order of the file, with its operations.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&RecordBatch, &mut Vec<Operation>) -> Result<(), ColumnsError>,
    ) -> Result<(), ColumnsError> {
        let (mut reader, mut operations) = (Reader::default(), Vec::new());
        let mut before = 0;
        let mut batches = guarded(|| self.batches())?;
        loop {
            let batch = guarded(|| {
                let batch = batches.next().transpose();
                let batch = batch.map_err(|error| damaged(error.into()))?;
                batch.map(|batch| self.layout.plain(&batch, before)).transpose()
            })?;
            let Some(batch) = batch else {
                return Ok(());
            };
            operations.clear();
            guarded(|| reader.read(&batch, before, &mut operations))?;
            before += batch.num_rows() as u64;
            take(&batch, &mut operations)?;
        }
    }

    fn batches(&self) -> Result<ParquetRecordBatchReader, ColumnsError> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.layout.used());
        let metadata = self.metadata.clone();
        let reader = match &self.place {
            Place::Disk(file) => {
                ParquetRecordBatchReaderBuilder::new_with_metadata(file.try_clone()?, metadata)
                    .with_projection(mask)
                    .with_batch_size(BATCH_ROWS)
                    .build()
            }
            Place::Memory(bytes) => {
                ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata)
                    .with_projection(mask)
                    .with_batch_size(BATCH_ROWS)
                    .build()
            }
        };
        reader.map_err(damaged)
    }
}

/// What Parquet's reader complains of, in one line.
fn damaged(error: ParquetError) -> ColumnsError {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    ColumnsError::File(format!("it cannot be read as Parquet: {line}"))
}
