//! The examples of docs/formats/: each is read as its page says.

use std::path::{Path, PathBuf};

use history::formats::{FORMATS, read_bytes};

/// An example, and the format and the number of operations that the page tells.
struct Example {
    text: String,
    is_hex: bool,
    format: String,
    operations: usize,
}

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

/// Each block of code that a line such as "Read as `edn`: 2 operations." follows.
fn examples(page: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut block: Option<(bool, String)> = None;
    let mut is_open = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                block = Some((language == "hex", String::new()));
            }
        } else if let (true, Some((_, text))) = (is_open, &mut block) {
            text.push_str(line);
            text.push('\n');
        } else if let Some(said) = line.strip_prefix("Read as `") {
            let (format, count) = said.split_once("`: ").unwrap();
            let (is_hex, text) = block.take().expect("an example stands before it");
            examples.push(Example {
                text,
                is_hex,
                format: format.to_owned(),
                operations: count.split(' ').next().unwrap().parse().unwrap(),
            });
        }
    }
    examples
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    digits
        .chunks(2)
        .map(|two| digit(two[0]) << 4 | digit(two[1]))
        .collect()
}

#[test]
fn examples_are_read_as_their_pages_say() {
    for page in pages() {
        let examples = examples(&std::fs::read_to_string(&page).unwrap());
        // Columns can be shown in no text.
        let has_none = page.ends_with("parquet.md");
        assert_eq!(examples.is_empty(), has_none, "examples of {}", page.display());
        for example in examples {
            let bytes = if example.is_hex {
                bytes(&example.text)
            } else {
                example.text.clone().into_bytes()
            };
            let imported =
                read_bytes(&bytes, &page, None).unwrap_or_else(|error| panic!("{error}\n{}", example.text));
            assert_eq!(
                (imported.format, imported.history.operations.len()),
                (example.format.as_str(), example.operations),
                "{}: {}",
                page.display(),
                example.text
            );
        }
    }
}

#[test]
fn each_format_has_a_page() {
    let pages = pages();
    let named = |name: &str| {
        pages
            .iter()
            .any(|page| page.file_stem().is_some_and(|stem| stem == name))
    };
    for format in FORMATS {
        assert!(named(format.name), "docs/formats/{}.md is missing", format.name);
    }
}
