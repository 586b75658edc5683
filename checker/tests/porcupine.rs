//! Porcupine's own key-value histories (<https://github.com/anishathalye/porcupine>, `test_data/kv`), which
//! are no part of this project: `PERJURY_PORCUPINE` names the directory, for example that of the Go module.

use std::path::Path;

use checker::objects::find;
use checker::{Options, Verdict, check};

#[test]
fn they_are_what_their_names_say() {
    let Ok(directory) = std::env::var("PERJURY_PORCUPINE") else {
        println!("skipped: PERJURY_PORCUPINE does not name Porcupine's test_data/kv");
        return;
    };
    let options = Options {
        model: find("kv-append").unwrap(),
        ..Options::default()
    };
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(&directory)).unwrap() {
        let path = entry.unwrap().path();
        let expected = match path.to_string_lossy() {
            name if name.ends_with("-ok.txt") => Verdict::Valid,
            name if name.ends_with("-bad.txt") => Verdict::Invalid,
            _ => continue,
        };
        let imported = history::formats::read(&path, Some("porcupine-kv")).unwrap();
        let analysis = check(&imported.history, &options);
        assert_eq!(analysis.verdict, expected, "{}: {analysis:?}", path.display());
        count += 1;
    }
    assert!(count > 0, "no history in {directory}");
}
