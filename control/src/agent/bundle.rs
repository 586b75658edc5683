//! What a node needs to run this program: the program, the libraries it is linked with, and the loader.
//!
//! A program that is linked dynamically runs on another machine only if the libraries there are new enough,
//! and in an empty image not at all. So they come along, and the program is started by its own loader
//! (ld.so(8)). The list is what the kernel has mapped into this process (proc_pid_maps(5)): this
//! program unloads none.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ControlError;

/// The name of the program in the bundle.
pub(crate) const PROGRAM: &str = "perjury";

/// The files of a bundle, all in one directory.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    /// Names in the bundle and files here; the program is the last one, so that it is there only when all is.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// The name of the loader; none for a program that needs none.
    pub(crate) loader: Option<String>,
}

impl Bundle {
    /// What this process was started from.
    pub(crate) fn of_this_program() -> Result<Bundle, ControlError> {
        let failed = |source| ControlError::System {
            what: "cannot find the files of this program".into(),
            source,
        };
        let program = std::env::current_exe().map_err(failed)?;
        let maps = fs::read_to_string("/proc/self/maps").map_err(failed)?;
        let mut files = Vec::new();
        let mut loader = None;
        for path in libraries(&maps, &program) {
            let name = file_name(&path);
            if name.starts_with("ld-") || name.starts_with("ld.so") {
                loader = Some(name.clone());
            }
            files.push((name, path));
        }
        if loader.is_none() && !files.is_empty() {
            return Err(failed(io::Error::other("libraries are mapped, but no loader")));
        }
        files.push((PROGRAM.into(), program));
        Ok(Bundle { files, loader })
    }

    /// The command line that starts the program in `directory` on a node, up to its arguments.
    pub(crate) fn command(&self, directory: &Path) -> Vec<String> {
        let inside = |name: &str| directory.join(name).display().to_string();
        let mut words = Vec::new();
        if let Some(loader) = &self.loader {
            words.extend([
                inside(loader),
                "--library-path".into(),
                directory.display().to_string(),
            ]);
        }
        words.push(inside(PROGRAM));
        words
    }

    /// The arguments that tell the agent how it was started.
    pub(crate) fn agent_args(&self, directory: &Path) -> Vec<String> {
        let mut args = vec![format!("--own={}", directory.join(PROGRAM).display())];
        if let Some(loader) = &self.loader {
            args.push(format!("--loader={}", directory.join(loader).display()));
        }
        args
    }

    /// A tar archive of the bundle, with all its files below `directory` (a relative path), as `docker
    /// import` and `docker cp` read it.
    pub(crate) fn tar(&self, directory: &str) -> Result<Vec<u8>, ControlError> {
        let failed = |source| ControlError::System {
            what: "cannot pack this program".into(),
            source,
        };
        let mut archive = tar::Builder::new(Vec::new());
        for (name, path) in &self.files {
            let mut header = tar::Header::new_gnu();
            let content = fs::read(path).map_err(failed)?;
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            archive
                .append_data(&mut header, format!("{directory}/{name}"), &*content)
                .map_err(failed)?;
        }
        archive.into_inner().map_err(failed)
    }
}

/// The files that are mapped as executable, except the program itself.
fn libraries(maps: &str, program: &Path) -> BTreeSet<PathBuf> {
    maps.lines()
        .filter_map(|line| {
            // address perms offset dev inode path; the path may contain blanks.
            let mut fields = line.splitn(6, ' ').skip(1);
            let permissions = fields.next()?;
            let path = Path::new(fields.nth(3)?.trim_start());
            (permissions.contains('x') && path.is_absolute() && path != program).then(|| path.to_path_buf())
        })
        .collect()
}

/// What the loader looks for: the name under which a library is found, which the mapped file may carry only
/// in part (`libc-2.31.so` for `libc.so.6`). Where a link beside it has the name that it gives itself, that
/// is taken.
fn file_name(path: &Path) -> String {
    let own = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let Some(directory) = path.parent() else {
        return own;
    };
    let links = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = links
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()))
        .filter(|entry| fs::canonicalize(entry.path()).is_ok_and(|target| target == path))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".so."))
        .collect();
    names.sort_by_key(String::len);
    names.into_iter().next().unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_is_mapped() {
        let maps = "\
55d0 r--p 0 fd:00 1                          /usr/bin/perjury
55d1 r-xp 0 fd:00 1                          /usr/bin/perjury
7f00 r-xp 0 fd:00 2                          /lib/my libs/libc.so.6
7f01 r--p 0 fd:00 3                          /lib/locale
7f02 r-xp 0 00:00 0                          [vdso]
7f03 rw-p 0 00:00 0
7f04 r-xp 0 fd:00 4                          /lib/ld-linux-x86-64.so.2
";
        let found: Vec<_> = libraries(maps, Path::new("/usr/bin/perjury"))
            .into_iter()
            .collect();
        assert_eq!(
            found,
            ["/lib/ld-linux-x86-64.so.2", "/lib/my libs/libc.so.6"].map(PathBuf::from)
        );
    }

    #[test]
    fn this_program_can_be_started_by_its_bundle() {
        let bundle = Bundle::of_this_program().expect("a bundle");
        let place = tempfile::tempdir().expect("a directory");
        for (name, path) in &bundle.files {
            fs::copy(path, place.path().join(name)).expect("a copy");
        }
        let words = bundle.command(place.path());
        let output = std::process::Command::new(&words[0])
            .args(&words[1..])
            .arg("--list")
            .env_clear()
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
}
