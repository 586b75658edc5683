//! What the terminal is told about a history that was judged.

use std::fmt::Write as _;

use checker::objects::Entry;
use checker::objects::register::validate::sees;
use checker::{Analysis, Rule};
use history::units::plural;
use history::{History, Value};

/// How many conflicts are told in full.
const MOST_CONFLICTS: usize = 3;

/// A value that is longer is not proposed: no one would type it.
const LONGEST_ARGUMENT: usize = 40;

/// What contradicts what, and what is undecided.
pub(super) fn why(history: &History, analysis: &Analysis) -> String {
    let mut text = String::new();
    for conflict in analysis.conflicts.iter().take(MOST_CONFLICTS) {
        if conflict.key.is_nil() {
            let _ = writeln!(text, "  {}:", conflict.rule);
        } else {
            let _ = writeln!(text, "  key {} ({}):", conflict.key, conflict.rule);
        }
        for sentence in &conflict.sentences {
            let _ = writeln!(text, "    {}", sentence.plain(history));
        }
    }
    text.push_str(&untold(analysis.conflicts.len(), analysis));
    text
}

/// The same of a history that was judged in groups, whose conflicts were put into words.
#[cfg(feature = "parquet")]
pub(super) fn told(told: &[crate::groups::Told], analysis: &Analysis) -> String {
    let mut text = String::new();
    for conflict in told.iter().take(MOST_CONFLICTS) {
        if conflict.key.is_nil() {
            let _ = writeln!(text, "  {}:", conflict.rule);
        } else {
            let _ = writeln!(text, "  key {} ({}):", conflict.key, conflict.rule);
        }
        for sentence in &conflict.sentences {
            let _ = writeln!(text, "    {sentence}");
        }
    }
    text.push_str(&untold(told.len(), analysis));
    text
}

/// How many conflicts were not told, and what is undecided.
fn untold(told: usize, analysis: &Analysis) -> String {
    let mut text = String::new();
    let untold = analysis.conflicts_total.saturating_sub(MOST_CONFLICTS.min(told));
    if untold > 0 {
        let _ = writeln!(text, "  … and {}", plural(untold as u64, "more key"));
    }
    for (key, why) in analysis.unknown.iter().take(MOST_CONFLICTS) {
        if key.is_nil() {
            let _ = writeln!(text, "  {why}");
        } else {
            let _ = writeln!(text, "  key {key}: {why}");
        }
    }
    text
}

/// What became of what was written, and which weaker models hold.
pub(super) fn words(history: &History, analysis: &Analysis) -> String {
    let mut text = String::new();
    for sentence in &analysis.account {
        let _ = writeln!(text, "  {sentence}");
    }
    if let Some(still) = &analysis.still {
        let _ = writeln!(text, "  Weaker models: {}.", still.in_short());
        if let Some(sentence) = &still.staleness.sentence {
            let _ = writeln!(text, "  {}", sentence.plain(history));
        }
        for anomaly in &still.anomalies {
            let example = anomaly.sentence.plain(history);
            let _ = writeln!(text, "  {}: {example}", anomaly.kind.name());
        }
    }
    text
}

/// Where nothing is wrong but that answers show one value which no one wrote, that may be what the store held
/// at first.
pub(super) fn other_initial(history: &History, analysis: &Analysis, entry: &Entry) -> Option<String> {
    let mut values = analysis.conflicts.iter().map(|conflict| {
        let operation = history.operations.get(*conflict.operations.first()?)?;
        sees(operation).filter(|_| conflict.rule == Rule::NeverWritten)
    });
    let value = values.next()??;
    if !values.all(|other| other == Some(value)) || (entry.initial_is)(value).is_err() {
        return None;
    }
    if value.to_string().len() > LONGEST_ARGUMENT {
        return None;
    }
    let argument = match value {
        Value::Nil | Value::Int(_) => value.to_string(),
        Value::Text(text) => format!("'{text}'"),
        _ => format!("'{value}'"),
    };
    Some(format!(
        "if the store holds {value} at first, say --initial {argument}"
    ))
}

/// Who decided how many keys.
pub(super) fn decided_by(analysis: &Analysis) -> String {
    let parts: Vec<String> = analysis
        .decided_by
        .iter()
        .map(|(name, keys)| match (*name, *keys) {
            ("none", _) if analysis.decided_by.len() == 1 => "undecided".to_owned(),
            ("none", keys) => format!("{} undecided", plural(keys as u64, "key")),
            (name, _) if analysis.decided_by.len() == 1 => format!("decided by {name}"),
            (name, keys) => format!("{} decided by {name}", plural(keys as u64, "key")),
        })
        .collect();
    match parts.is_empty() {
        true if analysis.operations == 0 => "nothing to decide".to_owned(),
        true => "undecided".to_owned(),
        false => parts.join(", "),
    }
}
