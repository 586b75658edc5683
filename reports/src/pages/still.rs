//! Which weaker models explain a history that is not linearizable, as a table.

use checker::Sentence;
use checker::consistency::{AnomalyKind, Finding, Findings, Guarantee};
use history::History;
use history::tell::cut;

use crate::results::{AnomalyRow, StillRecord, StillRow};

/// The longest sentence, characters: values can be of any size.
const MOST_CHARS: usize = 1_000;

impl StillRecord {
    /// Whether the models are worth a table; not if no model can explain what was seen.
    pub(crate) fn has_table(&self) -> bool {
        let is_phantom = |row: &AnomalyRow| row.anomaly == AnomalyKind::NeverWritten.name();
        !self.anomalies.iter().any(is_phantom) || self.models.iter().any(|row| row.result == "holds")
    }
}

impl StillRow {
    /// For those who do not see colours.
    pub(crate) fn symbol(&self) -> &'static str {
        match self.result.as_str() {
            "holds" => "✓",
            "violated" => "✗",
            _ => "?",
        }
    }
}

/// The table.
pub(crate) fn still_record(history: &History, still: &Findings) -> StillRecord {
    let plain = |sentence: &Sentence| cut(&sentence.plain(history), MOST_CHARS);
    // With a single key it would be the same line twice.
    let judged = (still.models.iter())
        .filter(|judged| still.keys > 1 || judged.guarantee != Guarantee::SequentialPerKey);
    let models = judged.map(|judged| StillRow {
        model: judged.guarantee.words().to_owned(),
        result: judged.finding.name().to_owned(),
        because: because(still, judged.guarantee, &judged.finding, plain),
    });
    StillRecord {
        sentence: cut(&still.in_short(), MOST_CHARS),
        models: models.collect(),
        staleness: (still.staleness.sentence.as_ref()).map_or_else(String::new, plain),
        anomalies: (still.anomalies.iter())
            .map(|anomaly| AnomalyRow {
                anomaly: anomaly.kind.name().to_owned(),
                count: anomaly.count,
                example: plain(&anomaly.sentence),
            })
            .collect(),
    }
}

/// Where one result implies another, that is said instead of repeating the reason.
fn because(
    still: &Findings,
    guarantee: Guarantee,
    finding: &Finding,
    plain: impl Fn(&Sentence) -> String,
) -> Vec<String> {
    match finding {
        Finding::Holds => {
            let stronger = still.models.iter().find(|other| {
                other.finding == Finding::Holds
                    && other.guarantee != guarantee
                    && other.guarantee.implies(guarantee)
            });
            let words = |other: &checker::consistency::Judged| {
                format!("It follows from {}.", other.guarantee.words())
            };
            stronger.map(words).into_iter().collect()
        }
        Finding::Violated(evidence) => {
            // The weakest one has the reason: it comes last.
            let weaker = still.models.iter().rev().find(|other| {
                other.finding == *finding
                    && other.guarantee != guarantee
                    && guarantee.implies(other.guarantee)
                    && (still.keys > 1 || other.guarantee != Guarantee::SequentialPerKey)
            });
            match weaker {
                Some(weaker) => vec![format!("It would imply {}.", weaker.guarantee.words())],
                None => evidence.sentences.iter().map(plain).collect(),
            }
        }
        Finding::Unknown { why } => vec![cut(why, MOST_CHARS)],
    }
}
