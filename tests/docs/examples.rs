//! Finds the examples in Markdown.

use std::fmt;
use std::path::{Path, PathBuf};

/// One command that the documentation shows.
pub struct Example {
    /// Where: `docs/etcd.md:4`.
    pub place: String,
    /// What follows `perjury`.
    pub arguments: Vec<String>,
    /// Whether it stands in a code block, as something to type, or is only mentioned.
    pub is_to_type: bool,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: perjury {}", self.place, self.arguments.join(" "))
    }
}

/// The README and the pages of docs/.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.sort();
    pages.insert(0, root.join("README.md"));
    pages
}

/// All examples, page by page, in the order in which they are read.
pub fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    for page in pages() {
        let name = page
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .display()
            .to_string();
        let mut is_block = false;
        for (at, line) in std::fs::read_to_string(&page).unwrap().lines().enumerate() {
            if line.starts_with("```") {
                is_block = !is_block;
                continue;
            }
            let code: Vec<&str> = match is_block {
                true => vec![line],
                // Every other piece between backticks is code.
                false => line.split('`').skip(1).step_by(2).collect(),
            };
            let place = format!("{name}:{}", at + 1);
            examples.extend(
                code.into_iter()
                    .filter_map(|code| example(&place, code, is_block)),
            );
        }
    }
    examples
}

/// The code blocks of a page in a language.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let begin = format!("```{language}\n");
    let blocks = text.split(&begin).skip(1);
    blocks
        .map(|from| from.split_once("```").unwrap().0.to_owned())
        .collect()
}

/// The example in a piece of code, if there is one. `…` stands for what a reader fills in, and a single word
/// such as `perjury heal` names a command.
fn example(place: &str, code: &str, is_to_type: bool) -> Option<Example> {
    // A comment begins after two spaces.
    let code = code.split("  #").next()?.trim();
    let rest = code
        .strip_prefix("perjury ")
        .or_else(|| code.strip_prefix("cargo run --release -- "))?;
    if rest.contains('…') {
        return None;
    }
    let arguments = words(rest);
    (!arguments.is_empty()).then(|| Example {
        place: place.to_owned(),
        arguments,
        is_to_type,
    })
}

/// Splits as a shell does, with single quotes; `<the run>` is one word.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut is_quoted, mut is_placeholder) = (false, false);
    for letter in text.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted && !is_placeholder => words.push(String::new()),
            letter => {
                is_placeholder = (is_placeholder || letter == '<') && letter != '>';
                words.last_mut().unwrap().push(letter);
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Example {
    /// The commands in it: `perjury hunt … -- …` holds the flags of `perjury test` too.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let at = self.arguments.iter().position(|argument| argument == "--");
        match at {
            Some(at) => vec![
                self.arguments[..at].to_vec(),
                ["test".to_owned()]
                    .into_iter()
                    .chain(self.arguments[at + 1..].iter().cloned())
                    .collect(),
            ],
            None => vec![self.arguments.clone()],
        }
    }

    /// The names in it that `perjury list` must know: of systems, workloads, nemeses, bugs, read modes,
    /// models, formats.
    pub fn names(&self) -> Vec<String> {
        const FLAGS: &[&str] = &[
            "--workload",
            "--nemesis",
            "--bug",
            "--read-mode",
            "--model",
            "--to",
            "--format",
        ];
        let mut names = Vec::new();
        for pair in self.arguments.windows(2) {
            if FLAGS.contains(&pair[0].as_str()) {
                names.extend(
                    pair[1]
                        .split(',')
                        .map(|name| name.split(':').next().unwrap().to_owned()),
                );
            }
        }
        for command in self.commands() {
            if let [test, system, ..] = command.as_slice()
                && test == "test"
                && !system.starts_with('-')
            {
                names.push(system.clone());
            }
        }
        names.retain(|name| name != "none");
        names
    }

    /// Whether it is a test of the bundled cluster that takes nothing but this machine, as any user.
    pub fn is_local_test(&self) -> bool {
        // What follows needs other programs, hosts or root; the schedules of the pages cut links and power.
        const MORE: &[&str] = &[
            "--endpoints",
            "--node",
            "--image",
            "--binary",
            "--schedule",
            "docker",
            "ssh",
            "power",
        ];
        let is_bundled = match self.arguments.get(1) {
            Some(system) if !system.starts_with('-') => system == "bundled",
            _ => true,
        };
        let needs_more = |argument: &String| {
            MORE.iter()
                .any(|more| argument.starts_with(more) && argument != "--nodes")
        };
        self.arguments[0] == "test" && is_bundled && !self.arguments.iter().any(needs_more)
    }
}
