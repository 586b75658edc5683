//! What a history that is not linearizable still is, as a table.

use checker::weaker::{Finding, Guarantee, Still};

use crate::summary::shortened;

/// The longest sentence, characters: values can be of any size.
const MOST_CHARS: usize = 1_000;

/// The weaker models, how stale answers were, and the anomalies.
pub(crate) struct StillTable {
    /// All in one line.
    pub sentence: String,
    pub rows: Vec<StillRow>,
    pub staleness: String,
    /// Name, how often, the first example.
    pub anomalies: Vec<(&'static str, usize, String)>,
}

/// One model.
pub(crate) struct StillRow {
    pub model: &'static str,
    /// `holds`, `violated` or `unknown`.
    pub result: &'static str,
    pub symbol: &'static str,
    pub because: Vec<String>,
}

/// The table.
pub(crate) fn still_table(still: &Still) -> StillTable {
    // With a single key it would be the same line twice.
    let judged = (still.models.iter())
        .filter(|judged| still.keys > 1 || judged.guarantee != Guarantee::SequentialPerKey);
    let rows = judged.map(|judged| StillRow {
        model: judged.guarantee.words(),
        result: judged.finding.name(),
        symbol: match judged.finding {
            Finding::Holds => "✓",
            Finding::Violated(_) => "✗",
            Finding::Unknown { .. } => "?",
        },
        because: because(still, judged.guarantee, &judged.finding),
    });
    StillTable {
        sentence: shortened(&rest(&still.sentence()), MOST_CHARS),
        rows: rows.collect(),
        staleness: shortened(&still.staleness.sentence, MOST_CHARS),
        anomalies: (still.anomalies.iter())
            .map(|anomaly| {
                let sentence = shortened(&anomaly.sentence, MOST_CHARS);
                (anomaly.kind.name(), anomaly.count, sentence)
            })
            .collect(),
    }
}

/// The sentence without what the page says already.
fn rest(sentence: &str) -> String {
    let rest = sentence.strip_prefix("Not linearizable; ").unwrap_or(sentence);
    rest.strip_prefix("still ").unwrap_or(rest).to_owned()
}

/// What is implied is said so instead of being told twice.
fn because(still: &Still, guarantee: Guarantee, finding: &Finding) -> Vec<String> {
    match finding {
        Finding::Holds => {
            let stronger = still.models.iter().find(|other| {
                other.finding == Finding::Holds
                    && other.guarantee != guarantee
                    && other.guarantee.implies(guarantee)
            });
            let words =
                |other: &checker::weaker::Judged| format!("It follows from {}.", other.guarantee.words());
            stronger.map(words).into_iter().collect()
        }
        Finding::Violated(evidence) => {
            // The weakest one tells it: it comes last.
            let weaker = still.models.iter().rev().find(|other| {
                other.finding == *finding
                    && other.guarantee != guarantee
                    && guarantee.implies(other.guarantee)
                    && (still.keys > 1 || other.guarantee != Guarantee::SequentialPerKey)
            });
            match weaker {
                Some(weaker) => vec![format!("It would imply {}.", weaker.guarantee.words())],
                None => (evidence.sentences.iter())
                    .map(|sentence| shortened(sentence, MOST_CHARS))
                    .collect(),
            }
        }
        Finding::Unknown { why } => vec![shortened(why, MOST_CHARS)],
    }
}
