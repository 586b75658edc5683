//! The progress line: on a terminal one line that changes, elsewhere a plain line every few seconds.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use history::faults::Fault;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Dispatcher, Runtime, Totals};
use crate::output::harmless;

/// How often a terminal's line is drawn again.
const REDRAW: Duration = Duration::from_millis(200);
/// How often a plain line is printed.
const PLAIN: Duration = Duration::from_secs(5);

/// Shows how the run goes on, on standard error, until it is dropped. `limit_ns` is the length of the main
/// phase.
pub async fn show_progress<R: Runtime>(dispatcher: Arc<Dispatcher<R>>, limit_ns: u64) {
    let terminal = std::io::stderr().is_terminal();
    let interval = if terminal { REDRAW } else { PLAIN };
    let bar = terminal.then(bar);
    let mut before = (dispatcher.runtime().now_ns(), 0);
    loop {
        tokio::time::sleep(interval).await;
        let now_ns = dispatcher.runtime().now_ns();
        let totals = dispatcher.totals();
        let rate = (totals.ok - before.1) as f64 * 1e9 / (now_ns - before.0).max(1) as f64;
        before = (now_ns, totals.ok);
        let line = harmless(&line(limit_ns.saturating_sub(now_ns), rate, &totals)).into_owned();
        match &bar {
            Some(bar) => bar.set_message(line),
            None => eprintln!("{line}"),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant template"));
    bar
}

fn line(left_ns: u64, rate: f64, totals: &Totals) -> String {
    let faults = match totals.faults.faults() {
        [] => "no fault".to_owned(),
        faults => faults.iter().map(Fault::to_string).collect::<Vec<_>>().join(", "),
    };
    format!(
        "{:>3} s left  {:>6.0} ok/s  {} ok  {} no match  {} fail  {} info  leader {}  {faults}",
        left_ns.div_ceil(1_000_000_000),
        rate,
        totals.ok,
        totals.mismatch,
        totals.fail,
        totals.info,
        totals.leader.as_deref().unwrap_or("?"),
    )
}

#[cfg(test)]
mod tests {
    use history::faults::InForce;
    use history::{EventKind, Hold, NemesisAction, NemesisOp, NemesisOutcome};

    use super::*;

    #[test]
    fn a_line_tells_what_matters() {
        let mut faults = InForce::default();
        for kind in [
            EventKind::NemesisInvoke(NemesisOp {
                nemesis: "kill".into(),
                action: NemesisAction::Start,
                target: "one".into(),
            }),
            EventKind::NemesisComplete(Box::new(NemesisOutcome {
                nodes: vec!["n3".into()],
                detail: "n3".into(),
                exact: "n3".into(),
                hold: Hold::Verified,
            })),
        ] {
            faults.feed(&kind);
        }
        let totals = Totals {
            invoked: 30,
            ok: 20,
            mismatch: 5,
            fail: 2,
            info: 3,
            faults,
            leader: Some("n2".into()),
        };
        assert_eq!(
            line(12_400_000_000, 1234.4, &totals),
            " 13 s left    1234 ok/s  20 ok  5 no match  2 fail  3 info  leader n2  kill n3"
        );
        assert!(line(0, 0.0, &Totals::default()).ends_with("leader ?  no fault"));
    }
}
