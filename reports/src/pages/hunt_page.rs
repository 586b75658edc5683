//! How far a hunt has come: which kinds of faults came together, which never did, and what each run added.

use askama::Template;

/// A hunt, as far as it has come.
#[derive(Clone, Debug)]
pub struct HuntPage {
    /// The seed of everything random.
    pub seed: u64,
    /// How long it has hunted, seconds.
    pub hunted_s: f64,
    /// What was found, and when.
    pub found: Option<String>,
    /// How many pairs of kinds came together, of how many that can.
    pub coverage: (usize, usize),
    /// How many situations were reached.
    pub situations: usize,
    /// The kinds of faults.
    pub kinds: Vec<String>,
    /// For each kind that began first, each that began meanwhile; `None` where they cannot overlap.
    pub table: Vec<(String, Vec<Option<PairSeen>>)>,
    /// The runs, in order.
    pub runs: Vec<HuntRun>,
}

/// How often two kinds came together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSeen {
    /// In how many runs.
    pub runs: u64,
    /// In how many of them one of the two hit the leader.
    pub with_leader: u64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct HuntRun {
    /// What was wrong.
    pub faults: String,
    /// Its workload and number of nodes.
    pub setting: String,
    /// What came of it.
    pub verdict: String,
    /// How many situations were new.
    pub new: usize,
    /// The pairs that came together for the first time.
    pub new_pairs: String,
    /// Where it was kept; empty if it was not.
    pub kept: String,
}

#[derive(Template)]
#[template(path = "hunt.html")]
struct Page<'a> {
    hunt: &'a HuntPage,
    hunted_s: u64,
}

impl HuntPage {
    /// The page.
    ///
    /// # Errors
    /// Only if the template has a mistake.
    pub fn html(&self) -> Result<String, String> {
        let hunted_s = self.hunted_s.round() as u64;
        let page = Page { hunt: self, hunted_s };
        page.render().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_never_came_together_stand_out() {
        let seen = |runs| Some(PairSeen { runs, with_leader: 1 });
        let page = HuntPage {
            seed: 7,
            hunted_s: 61.0,
            found: None,
            coverage: (1, 2),
            situations: 12,
            kinds: vec!["kill".into(), "pause".into()],
            table: vec![
                ("kill".into(), vec![None, seen(3)]),
                ("pause".into(), vec![seen(0), None]),
            ],
            runs: vec![HuntRun {
                faults: "kill, pause".into(),
                setting: "set, 3 nodes".into(),
                verdict: "valid".into(),
                new: 12,
                new_pairs: "pause in kill".into(),
                kept: "run-1".into(),
            }],
        };
        let html = page.html().unwrap();
        for part in [
            "1 of 2 pairs",
            "class=\"never\"",
            ">3<",
            "pause in kill",
            "href=\"run-1/report.html\"",
        ] {
            assert!(html.contains(part), "{part} is not in\n{html}");
        }
    }
}
