//! GitHub Actions: the summary of a job and its annotations.

use std::io::Write;
use std::path::Path;

use checker::Verdict;
use reports::Results;

/// Appends a Markdown file to GitHub's summary of the job, where there is one (GitHub Actions, "Adding a job
/// summary": the file that `GITHUB_STEP_SUMMARY` names). Failing to do so is no reason to fail the run.
pub fn add_to_step_summary(markdown: &Path) {
    let Some(summary) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return;
    };
    let added = std::fs::read(markdown).and_then(|mut text| {
        text.push(b'\n');
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&summary)?
            .write_all(&text)
    });
    if let Err(error) = added {
        eprintln!("perjury: cannot add to GITHUB_STEP_SUMMARY: {error}");
    }
}

/// The annotation of a run that is not valid, if this is a job of GitHub Actions (`GITHUB_ACTIONS`): an error
/// for invalid, a warning for unknown, with what contradicts what (GitHub Actions, "Workflow commands":
/// `::error title=…::message`).
pub fn annotation(results: &Results) -> Option<String> {
    let is_there = std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true");
    is_there.then(|| annotation_text(results)).flatten()
}

fn annotation_text(results: &Results) -> Option<String> {
    let level = match results.verdict {
        Verdict::Valid => return None,
        Verdict::Invalid => "error",
        Verdict::Unknown => "warning",
    };
    let test = &results.test;
    let title = format!(
        "perjury: {} {} is {}",
        test.system, test.workload, results.verdict
    );
    let mut lines = vec![results.headline.clone()];
    let conflicts = results.conflicts.iter().take(3);
    lines.extend(conflicts.map(|conflict| format!("key {}: {}", conflict.key, conflict.sentences.join(" "))));
    let again = test.command.join(" ");
    lines.push(format!("Again: perjury {again}"));
    let message = escaped(&lines.join("\n"));
    let title = escaped(&title).replace(':', "%3A").replace(',', "%2C");
    Some(format!("::{level} title={title}::{message}"))
}

/// Escaped as the runner expects it, and without control characters, so that a text of the store cannot begin
/// another command.
fn escaped(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|letter| {
            if letter.is_control() && letter != '\n' {
                ' '
            } else {
                letter
            }
        })
        .collect();
    clean.replace('%', "%25").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_one_command_whatever_the_store_says() {
        let record = history::TestRecord {
            system: "et,cd:1".into(),
            workload: "register\r\n::error::mine".into(),
            ..Default::default()
        };
        let history = history::History::default();
        let analysis = checker::check(&history, &checker::Options::default());
        let mut results = reports::summarize(&record, &history, &analysis, &reports::NodeLogs::default());
        results.headline = "50 % is\n::warning::bad".into();
        results.verdict = Verdict::Invalid;
        let text = annotation_text(&results).expect("an annotation");
        assert!(!text.contains(['\n', '\r']), "{text}");
        assert!(
            text.starts_with("::error title=perjury%3A et%2Ccd%3A1 register"),
            "{text}"
        );
        assert!(text.contains("50 %25 is%0A"), "{text}");
        results.verdict = Verdict::Unknown;
        assert!(annotation_text(&results).is_some_and(|text| text.starts_with("::warning ")));
        results.verdict = Verdict::Valid;
        assert_eq!(annotation_text(&results), None);
    }
}
