//! The pages of `perjury serve`: all runs, with filters, and one that is still running.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use checker::Verdict;
use history::TestRecord;
use history::units::grouped;

use crate::format::symbol;
use crate::results::Results;

/// A run directory.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Its path below the directory that is served.
    pub name: String,
    /// The same, escaped for an address.
    pub link: String,
    /// The plan.
    pub record: TestRecord,
    /// Its results, if it was judged.
    pub results: Option<Arc<Results>>,
    /// Whether it seems to be still running.
    pub is_going_on: bool,
}

/// Which runs are wanted; an empty field wants all.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// The system.
    pub system: String,
    /// `valid`, `invalid`, `unknown`, or `none` for those without a verdict.
    pub verdict: String,
    /// A nemesis of which a fault took hold.
    pub fault: String,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct Page<'a> {
    rows: Vec<Row<'a>>,
    total: usize,
    filter: &'a RunFilter,
    systems: Vec<&'a str>,
    faults: Vec<&'a str>,
    verdicts: [&'static str; 4],
}

struct Row<'a> {
    run: &'a RunRow,
    verdict: &'static str,
    symbol: &'static str,
    operations: String,
    rate: String,
    available: String,
    faults: String,
    headline: &'a str,
}

/// The page of all runs.
///
/// # Errors
/// When it cannot be rendered, which is a bug.
pub fn runs_html(rows: &[RunRow], filter: &RunFilter) -> Result<String, String> {
    let systems: BTreeSet<&str> = rows.iter().map(|row| row.record.system.as_str()).collect();
    let faults: BTreeSet<&str> = rows.iter().flat_map(held).collect();
    let wanted = rows.iter().filter(|row| filter.wants(row));
    let page = Page {
        rows: wanted.map(row).collect(),
        total: rows.len(),
        filter,
        systems: systems.into_iter().collect(),
        faults: faults.into_iter().collect(),
        verdicts: ["valid", "invalid", "unknown", "none"],
    };
    page.render().map_err(|error| error.to_string())
}

#[derive(Template)]
#[template(path = "live.html")]
struct Live<'a> {
    run: &'a str,
}

/// The page of a run that is still running; it fetches what is new from `/state/RUN`.
///
/// # Errors
/// When it cannot be rendered, which is a bug.
pub fn live_html(run: &str) -> Result<String, String> {
    Live { run }.render().map_err(|error| error.to_string())
}

/// The nemeses of which a fault took hold.
fn held(row: &RunRow) -> impl Iterator<Item = &str> {
    let faults = row.results.iter().flat_map(|results| &results.faults);
    let held = faults.filter(|fault| fault.is_verified());
    held.map(|fault| fault.nemesis.as_str())
}

impl RunFilter {
    fn wants(&self, row: &RunRow) -> bool {
        let verdict = verdict(row).map_or("none", Verdict::name);
        (self.system.is_empty() || self.system == row.record.system)
            && (self.verdict.is_empty() || self.verdict == verdict)
            && (self.fault.is_empty() || held(row).any(|nemesis| nemesis == self.fault))
    }
}

fn verdict(row: &RunRow) -> Option<Verdict> {
    row.results.as_ref().map(|results| results.verdict)
}

fn row(run: &RunRow) -> Row<'_> {
    let results = run.results.as_deref();
    let of = |of: &dyn Fn(&Results) -> String| results.map_or_else(String::new, of);
    Row {
        verdict: match (verdict(run), run.is_going_on) {
            (Some(verdict), _) => verdict.name(),
            (None, true) => "running",
            (None, false) => "not judged",
        },
        symbol: verdict(run).map_or("…", symbol),
        operations: of(&|results| grouped(results.operations_total.invoked)),
        rate: of(&|results| grouped(results.ok_ops_per_s.round() as u64)),
        available: of(&|results| {
            let share = results
                .availability
                .map(|availability| availability.share_of_time);
            share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))
        }),
        faults: of(&|results| {
            let held = results.faults.iter().filter(|fault| fault.is_verified());
            held.count().to_string()
        }),
        headline: results.map_or("", |results| &results.headline),
        run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_escapes() {
        let run = |name: &str, system: &str| RunRow {
            name: name.to_owned(),
            link: name.to_owned(),
            record: TestRecord {
                system: system.to_owned(),
                workload: "<b>evil".to_owned(),
                ..TestRecord::default()
            },
            results: None,
            is_going_on: name == "two",
        };
        let rows = [run("one", "etcd"), run("two", "redis")];
        let page = |filter: RunFilter| runs_html(&rows, &filter).expect("a page");
        let all = page(RunFilter::default());
        assert!(
            all.contains("/run/one/") && all.contains("/live/two") && !all.contains("<b>evil"),
            "{all}"
        );
        let some = page(RunFilter {
            system: "redis".to_owned(),
            ..RunFilter::default()
        });
        assert!(
            !some.contains("/run/one/") && some.contains("/live/two"),
            "{some}"
        );
        let none = page(RunFilter {
            verdict: "valid".to_owned(),
            ..RunFilter::default()
        });
        assert!(
            !none.contains("/run/one/") && !none.contains("/live/two"),
            "{none}"
        );
        assert!(live_html("a'\"</script><b>").is_ok_and(|page| !page.contains("</script><b>")));
    }
}
