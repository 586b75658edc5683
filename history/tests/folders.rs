//! Directories of other harnesses.

use std::fs;
use std::path::Path;

use history::formats::{Imported, is_foreign_folder, read};

const EDN: &str =
    "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n";
const TEXT: &str = "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n1\t:invoke\t:read\tnil\n";

fn put(at: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(at).unwrap();
    for (name, text) in files {
        fs::write(at.join(name), text).unwrap();
    }
}

fn remarks(imported: &Imported) -> String {
    let remarks: Vec<String> = imported.remarks.iter().map(ToString::to_string).collect();
    remarks.join("\n")
}

#[test]
fn the_best_file_of_a_test_is_read() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, usize, &'a str);
    let cases: [Case; 6] = [
        (
            &[("history.edn", EDN), ("history.txt", TEXT)],
            "edn",
            1,
            "of this directory, history.edn was read",
        ),
        (
            &[("history.txt", TEXT), ("jepsen.log", "")],
            "jepsen-log",
            2,
            "of this directory, history.txt was read",
        ),
        (
            &[("jepsen.log", TEXT)],
            "jepsen-log",
            2,
            "of this directory, jepsen.log was read",
        ),
        (
            &[("test.jepsen", "JEPSEN\0\0\0\u{7}"), ("history.txt", TEXT)],
            "jepsen-log",
            2,
            "history.txt was read, because a better file cannot be: ",
        ),
        (
            &[
                ("history.edn", EDN),
                ("results.edn", "{:stats {:valid? true}, :valid? false}"),
            ],
            "edn",
            1,
            "Jepsen itself found this test invalid",
        ),
        (
            &[
                ("history.edn", EDN),
                ("results.edn", "{:valid? :unknown, :error #object[x"),
            ],
            "edn",
            1,
            "history.edn was read",
        ),
    ];
    for (files, format, operations, said) in cases {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), files);
        assert!(is_foreign_folder(dir.path()));
        let imported = read(dir.path(), None).unwrap();
        assert_eq!(
            (imported.format, imported.history.operations.len()),
            (format, operations),
            "{files:?}"
        );
        assert!(
            remarks(&imported).contains(said),
            "{files:?}: {}",
            remarks(&imported)
        );
    }
    // What is wrong with the best file is said, if no other can be read.
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), &[("history.edn", "{:process"), ("jepsen.log", "")]);
    let error = read(dir.path(), None).unwrap_err().to_string();
    assert!(error.contains("history.edn:1: the file ends"), "{error}");
}

#[cfg(unix)]
#[test]
fn the_latest_test_of_a_store_is_read() {
    let store = tempfile::tempdir().unwrap();
    let test = store.path().join("etcd/20260101T120000.000Z");
    put(&test, &[("history.edn", EDN)]);
    put(&test.join("independent/1"), &[("history.edn", TEXT)]);
    std::os::unix::fs::symlink("etcd/20260101T120000.000Z", store.path().join("latest")).unwrap();
    std::os::unix::fs::symlink("20260101T120000.000Z", store.path().join("etcd/latest")).unwrap();
    for path in [
        store.path().to_owned(),
        store.path().join("etcd"),
        store.path().join("latest"),
        test,
    ] {
        assert!(is_foreign_folder(&path), "{}", path.display());
        let imported = read(&path, None).unwrap();
        assert_eq!(imported.history.operations.len(), 1);
        let is_followed = remarks(&imported).contains("the latest test of this directory counts, ");
        assert_eq!(is_followed, !path.join("history.edn").exists());
    }
}

#[test]
fn other_directories_are_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!is_foreign_folder(dir.path()));
    put(dir.path(), &[("history.jsonl", ""), ("history.edn", EDN)]);
    assert!(!is_foreign_folder(dir.path()));
    assert!(!is_foreign_folder(&dir.path().join("history.edn")));
}
