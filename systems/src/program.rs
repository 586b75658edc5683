//! Where a store's program is, and names that no other run has.

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

/// A program: where the user says it is, or else on the `PATH`; `install` says how to get it.
pub(crate) fn find_program(name: &str, named: Option<&Path>, install: &str) -> Result<PathBuf, String> {
    if let Some(path) = named {
        // As an absolute path, so that it is found from any directory in which the daemon runs.
        return match std::fs::canonicalize(path) {
            Ok(path) if is_executable(&path) => Ok(path),
            Ok(path) if path.is_file() => Err(format!(
                "--binary {}: that cannot be executed; name the program {name}, or chmod +x it",
                path.display()
            )),
            Ok(path) => Err(format!(
                "--binary {}: that is not a file; name the program {name}",
                path.display()
            )),
            Err(error) => Err(format!(
                "--binary {}: {error}; name the program {name}",
                path.display()
            )),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| format!("`{name}` is not on the PATH; {install}, or name it with --binary"))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A name that no other run has.
pub(crate) fn random_name() -> String {
    // Seeded by the operating system.
    let random = std::hash::RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}
