//! What every reader must hold: no panic, and what was read can be written and read again.

use std::path::Path;

use history::formats::{ExportError, FORMATS, read_bytes, write};

/// Reads `bytes` as `format`, and writes what was read in every format.
pub fn read(bytes: &[u8], format: &str) {
    let Ok(imported) = read_bytes(bytes, Path::new("fuzz"), Some(format)) else {
        return;
    };
    for format in FORMATS.iter().filter(|format| format.is_writable()) {
        let mut written = Vec::new();
        match write(&imported.history, format.name, &mut written) {
            Ok(()) => {
                let again = read_bytes(&written, Path::new("written"), Some(format.name));
                let again = again.unwrap_or_else(|error| panic!("{error}"));
                assert!(again.history.operations.len() <= imported.history.operations.len());
            }
            Err(ExportError::Inexpressible { .. } | ExportError::NotBuilt(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
