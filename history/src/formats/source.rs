//! Where a reader's bytes come from: a file, which can be read several times, or memory.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::ImportError;

/// How many bytes are read to detect a format.
pub(super) const HEAD_BYTES: u64 = 1 << 16;

/// What editors of Windows put before text in UTF-8; it is no part of it.
const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// A file, or bytes with a name, without its byte order mark.
pub(crate) struct Source<'a> {
    path: PathBuf,
    bytes: Option<Cow<'a, [u8]>>,
}

impl<'a> Source<'a> {
    /// The file at `path`. What is no regular file (a pipe) can only be read once, and is read at once.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let mut source = Source {
            path: path.to_owned(),
            bytes: None,
        };
        let is_file = std::fs::metadata(path)
            .map_err(|error| source.error(error))?
            .is_file();
        let mut head = [0; BYTE_ORDER_MARK.len()];
        if !is_file {
            source.bytes = Some(source.all()?.into_owned().into());
        } else if source.reader()?.read_exact(&mut head).is_ok() && head == BYTE_ORDER_MARK {
            source.bytes = Some(source.all()?[head.len()..].to_vec().into());
        }
        Ok(source)
    }

    /// `bytes`, called `name`.
    pub fn of_bytes(name: &Path, bytes: &'a [u8]) -> Self {
        Source {
            path: name.to_owned(),
            bytes: Some(bytes.strip_prefix(&BYTE_ORDER_MARK).unwrap_or(bytes).into()),
        }
    }

    /// What errors call it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader from its beginning.
    pub fn reader(&self) -> Result<Box<dyn Read + Send + '_>, ImportError> {
        match &self.bytes {
            Some(bytes) => Ok(Box::new(bytes.as_ref())),
            None => Ok(Box::new(
                File::open(&self.path).map_err(|error| self.error(error))?,
            )),
        }
    }

    /// The bytes, if they are in memory.
    #[cfg(feature = "parquet")]
    pub fn in_memory(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// All bytes.
    pub fn all(&self) -> Result<Cow<'_, [u8]>, ImportError> {
        match &self.bytes {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => std::fs::read(&self.path)
                .map(Cow::Owned)
                .map_err(|error| self.error(error)),
        }
    }

    /// The first bytes.
    pub fn head(&self) -> Result<Vec<u8>, ImportError> {
        let mut head = Vec::new();
        self.reader()?
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(|error| self.error(error))?;
        Ok(head)
    }

    /// An error of the system.
    pub fn error(&self, source: io::Error) -> ImportError {
        ImportError::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// It cannot be read as a whole.
    pub fn refused(&self, why: String) -> ImportError {
        ImportError::NotRecognised {
            path: self.path.clone(),
            why,
        }
    }

    /// Something is wrong in the line `line`.
    pub fn malformed(&self, line: usize, reason: impl Into<String>) -> ImportError {
        ImportError::Malformed {
            path: self.path.clone(),
            line,
            reason: reason.into(),
        }
    }
}
