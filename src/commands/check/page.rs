//! `--html`: where the page goes, and what it shows.
//!
//! Invariants:
//! - No file is overwritten but a page that perjury itself wrote; never the history that is judged, and
//!   nothing where a run keeps its own files.
//! - Whether the page can be written is found out before anything is judged.
//! - Half a page is never seen: it is written to another file in the same directory, and then renamed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use checker::Analysis;
use history::formats::Imported;
use history::tell::plain;
use history::{RunDir, TestRecord};
use tempfile::NamedTempFile;

use crate::cli::CheckArgs;
use crate::exit::Failure;
use crate::output::say;

/// Where the page will stand.
pub(super) struct Target {
    /// As the user wrote it.
    name: PathBuf,
    /// With every link followed.
    path: PathBuf,
}

impl Target {
    /// The place `html`, if a page may be written there.
    pub fn new(html: &Path, args: &CheckArgs) -> Result<Target, Failure> {
        let refuse =
            |why: &str| Failure::Usage(format!("--html {}: {why}; name another file", html.display()));
        let cannot = |error: std::io::Error| refuse(&format!("cannot write there: {}", plain(&error)));
        let name = html
            .file_name()
            .ok_or_else(|| refuse("that is not the name of a file"))?;
        let folder = match html.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let path = match html.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => (folder.canonicalize())
                .map_err(|error| {
                    let why = format!("its directory cannot be used: {}", plain(&error));
                    Failure::Usage(format!("--html {}: {why}; make it first", html.display()))
                })?
                .join(name),
            Err(error) => return Err(cannot(error)),
        };
        let is_input = |input: &PathBuf| input.canonicalize().is_ok_and(|input| input == path);
        if args.paths.iter().any(is_input) {
            return Err(refuse("that is the history to be judged"));
        }
        let is_run = |folder: &&Path| RunDir::new(*folder).test().is_file();
        if let Some(run) = path.ancestors().skip(1).find(is_run) {
            let why = format!("the run {} keeps its own files there", run.display());
            return Err(refuse(&why));
        }
        match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => return Err(refuse("that exists, but is not a file")),
            Ok(_) if !is_page(&path).map_err(cannot)? => {
                return Err(refuse("that exists, and is not a page that perjury wrote"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(error)),
        }
        let target = Target {
            name: html.to_owned(),
            path,
        };
        // It is removed at once; what counts is that it could be made.
        target.beside().map_err(cannot)?;
        Ok(target)
    }

    /// A temporary file in the directory of the page.
    fn beside(&self) -> std::io::Result<NamedTempFile> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".perjury-check-").suffix(".tmp");
        #[cfg(unix)]
        {
            // As any other file that the user makes.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        builder.tempfile_in(folder)
    }

    fn write(&self, page: &str) -> std::io::Result<()> {
        let mut file = self.beside()?;
        file.write_all(page.as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Whether perjury wrote that file; its first bytes say so.
fn is_page(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.contains(reports::CHECK_PAGE_MARK))
}

/// Writes the page that shows why.
pub(super) fn draw(
    target: &Target,
    name: &str,
    imported: &Imported,
    analysis: &Analysis,
    plan: Option<&TestRecord>,
) -> Result<(), Failure> {
    let remarks: Vec<String> = imported.remarks.iter().map(ToString::to_string).collect();
    let page = reports::check_html(&reports::Checked {
        name,
        history: &imported.history,
        analysis,
        plan,
        remarks: &remarks,
    })?;
    target.write(&page).map_err(|error| {
        Failure::Usage(format!(
            "cannot write {}: {}; name another file",
            target.name.display(),
            plain(&error)
        ))
    })?;
    say!("  drawn in {}", target.name.display());
    Ok(())
}
