//! Runs compared, as a page and as plain text. What the figures mean is [`crate::measure::compare`]'s to say.

use askama::Template;
use checker::Verdict;
use history::units::{grouped, three_digits};

use crate::measure::compare::{Change, Comparison, Estimate, Group, compare, differences, worse};

fn number(value: f64, unit: &str) -> String {
    match unit {
        _ if value.is_infinite() => "not seen".to_owned(),
        "ms" => three_digits(value),
        "%" => format!("{value:.2}"),
        _ => grouped(value.round() as u64),
    }
}

/// `12.3 (10–15, 7 samples)`
fn summary(estimate: Option<Estimate>, unit: &str) -> String {
    let Some(estimate) = estimate else {
        return "–".to_owned();
    };
    let of = |value| number(value, unit);
    let median = match estimate.is_censored {
        true => format!("≥ {}", of(estimate.median)),
        false => of(estimate.median),
    };
    match estimate.samples {
        1 => format!("{median} (one sample)"),
        count => format!(
            "{median} ({}–{}, {count} samples)",
            of(estimate.low),
            of(estimate.high)
        ),
    }
}

fn runs(count: usize) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} run{s}")
}

/// How many runs of a group have which verdict.
fn verdicts(group: &Group) -> String {
    let kinds = [Verdict::Invalid, Verdict::Unknown, Verdict::Valid];
    let counts = kinds.map(|kind| (group.runs.iter().filter(|run| run.verdict == kind).count(), kind));
    let words: Vec<String> = (counts.into_iter())
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}"))
        .collect();
    words.join(", ")
}

/// How to read the table.
const HOW_TO_READ: &str = "Medians, with the 95 % interval of the median where there are at least six \
     samples, and otherwise with the smallest and the largest sample. A group is better or worse if the intervals \
     do not overlap. “Not seen” means not before the next fault began, the run ended, or ten seconds had passed \
     since the fault.";

/// The comparison as plain text, a block a figure. Ends with a newline.
pub fn compare_text(groups: &[Group], comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    for (place, group) in groups.iter().enumerate() {
        let base = if place == 0 { " (baseline)" } else { "" };
        text.push_str(&format!(
            "{}{base}: {}, {}\n",
            group.name,
            runs(group.runs.len()),
            verdicts(group)
        ));
    }
    for sentence in differences(groups) {
        text.push_str(&format!("note: {sentence}\n"));
    }
    let width = groups
        .iter()
        .map(|group| group.name.chars().count())
        .max()
        .unwrap_or(0);
    for one in comparisons {
        text.push_str(&format!("\n{}{}\n", one.figure, unit_words(one.unit)));
        for (place, group) in groups.iter().enumerate() {
            let change = match place {
                0 => String::new(),
                _ => format!("  {}{}", ratio(one, place), one.changes[place - 1].name()),
            };
            text.push_str(&format!(
                "  {:width$}  {}{change}\n",
                group.name,
                summary(one.groups[place], one.unit)
            ));
        }
    }
    text.push_str(&format!("\n{HOW_TO_READ}\n"));
    for sentence in worse(groups, comparisons) {
        text.push_str(&format!("worse: {sentence}\n"));
    }
    text
}

fn unit_words(unit: &str) -> String {
    match unit {
        "/s" => String::new(),
        unit => format!(" ({unit})"),
    }
}

/// `× 1.20, `
fn ratio(one: &Comparison, place: usize) -> String {
    match (one.groups[0], one.groups[place]) {
        (Some(base), Some(other)) if base.median > 0.0 && !base.is_censored && !other.is_censored => {
            format!("× {:.2}, ", other.median / base.median)
        }
        _ => String::new(),
    }
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    groups: Vec<(&'a str, usize, String)>,
    differences: Vec<String>,
    worse: Vec<String>,
    rows: Vec<Row>,
    how_to_read: &'static str,
}

struct Row {
    figure: String,
    /// Text, and for all but the first the class and the words of the change.
    cells: Vec<(String, &'static str, String)>,
}

/// The comparison as a page.
///
/// # Errors
/// When it cannot be rendered, which is a bug.
pub fn compare_html(groups: &[Group]) -> Result<String, String> {
    let comparisons = compare(groups);
    let rows = comparisons.iter().map(|one| Row {
        figure: format!("{}{}", one.figure, unit_words(one.unit)),
        cells: (0..groups.len())
            .map(|place| {
                let (class, words) = match place {
                    0 => ("", String::new()),
                    _ => {
                        let change = one.changes[place - 1];
                        let class = match change {
                            Change::Better => "valid",
                            Change::Worse => "invalid",
                            Change::NoneClear | Change::TooFew => "",
                        };
                        (class, format!("{}{}", ratio(one, place), change.name()))
                    }
                };
                (summary(one.groups[place], one.unit), class, words)
            })
            .collect(),
    });
    let page = Page {
        groups: (groups.iter())
            .map(|group| (group.name.as_str(), group.runs.len(), verdicts(group)))
            .collect(),
        differences: differences(groups),
        worse: worse(groups, &comparisons),
        rows: rows.collect(),
        how_to_read: HOW_TO_READ,
    };
    page.render().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::compare::exactly;

    #[test]
    fn medians_are_told_with_what_is_known() {
        assert_eq!(Estimate::of(Vec::new()), None);
        let censored = (5.0, f64::INFINITY);
        for (samples, expected) in [
            (vec![exactly(3.0)], "3.00 (one sample)"),
            (
                vec![exactly(1.0), exactly(2.0), censored],
                "2.00 (1.00–not seen, 3 samples)",
            ),
            (
                vec![exactly(1.0), censored, censored],
                "≥ 5.00 (1.00–not seen, 3 samples)",
            ),
            // Cut off early, it may have been longer than all others.
            (
                vec![(0.5, f64::INFINITY), exactly(2.0), exactly(3.0)],
                "≥ 2.00 (0.50–not seen, 3 samples)",
            ),
        ] {
            assert_eq!(summary(Estimate::of(samples), "ms"), expected);
        }
        assert_eq!(summary(None, "ms"), "–");
    }
}
