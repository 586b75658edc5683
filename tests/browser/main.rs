//! Reports in a real browser: what Chromium shows of real runs is what `results.json` and the history say;
//! nothing that a store says becomes markup or script; the console stays empty.
//!
//! Needs `chromedriver` and a Chromium; where they are absent the tests say so and pass. Screenshots are kept
//! below the target directory (`target/tmp/screenshots`).

mod driver;
#[path = "../support/missing.rs"]
mod missing;
#[path = "../serving/mod.rs"]
mod serving;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use driver::{Driver, Page};
use serving::Serving;

fn perjury(directory: &Path, args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_perjury"))
        .args(args.split_whitespace())
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A run that `wanted` fits, within three tries.
fn run_until(directory: &Path, args: &str, wanted: &str) -> PathBuf {
    let mut said = String::new();
    for _ in 0..3 {
        said = perjury(directory, args);
        let report = said.lines().find_map(|line| line.strip_prefix("report: "));
        if let Some(report) = report.filter(|_| said.contains(wanted)) {
            return directory.join(report).parent().unwrap().to_owned();
        }
    }
    panic!("not {wanted}: {said}");
}

async fn open(page: &Page<'_>, run: &Path, hash: &str) {
    // Another address first: a change behind # loads nothing.
    page.go("about:blank").await;
    page.go(&format!("file://{}{hash}", run.join("report.html").display()))
        .await;
    page.wait("document.querySelector('#timeline-root') !== null && !document.querySelector('#timeline-root').hidden")
        .await;
}

async fn number(page: &Page<'_>, script: &str) -> f64 {
    let value = page.eval(&format!("return Number({script})")).await;
    value.as_f64().unwrap_or_else(|| panic!("{script}: {value}"))
}

async fn shown(page: &Page<'_>) -> u64 {
    number(page, "document.querySelector('#timeline-root').dataset.shown").await as u64
}

/// Enters something into a field of the timeline, as a user does.
async fn enter(page: &Page<'_>, selector: &str, text: &str) {
    page.click(selector).await;
    page.eval(&format!("document.querySelector({}).select()", json!(selector)))
        .await;
    page.keys(&format!("\u{e003}{text}")).await;
    page.eval("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        .await;
}

/// The places, among all operations, of those that were answered.
fn answered(events: &[Value]) -> Vec<usize> {
    let mut open = std::collections::HashMap::new();
    let mut count = 0;
    let mut answered = Vec::new();
    for event in events.iter().filter(|event| event["process"].is_u64()) {
        let process = event["process"].as_u64();
        if event["type"] == "invoke" {
            open.insert(process, count);
            count += 1;
        } else if event["type"] == "ok" {
            answered.push(open[&process]);
        }
    }
    answered.sort_unstable();
    answered
}

/// A real click on the bar of an operation.
async fn click_operation(page: &Page<'_>, number: usize) {
    page.eval("document.querySelector('#timeline-canvas').scrollIntoView({block: 'center'})")
        .await;
    let script = format!("return document.querySelector('#timeline-root').whereIs({number})");
    let at = page.eval(&script).await;
    page.click_at(&at).await;
}

/// Draws all that is pending.
async fn settle(page: &Page<'_>) {
    page.eval("return new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 250))")
        .await;
}

#[tokio::test]
async fn a_valid_run_is_shown_as_it_was() {
    let Some(driver) = Driver::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let run = run_until(
        directory.path(),
        "test --nodes 3 --time-limit 6s --rate 2000 --nemesis kill:leader,pause:one --fault-interval 1s --env local --seed 5",
        "verdict: valid",
    );
    let results = json_of(&run.join("results.json"));
    let page = driver.page().await;
    open(&page, &run, "").await;

    // The words.
    assert_eq!(page.text(".verdict .word").await.trim(), "✓ VALID");
    let headline = page.text(".headline").await;
    assert_eq!(headline, results["headline"].as_str().unwrap());
    let faults = page
        .eval("return [...document.querySelectorAll('.hold-verified')].length")
        .await;
    let verified = results["faults"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fault| fault["hold"] == "verified");
    assert_eq!(faults, json!(verified.count()));

    // Everything, and then by outcome.
    let total = &results["operations_total"];
    let count = |name: &str| total[name].as_u64().unwrap();
    assert_eq!(shown(&page).await, count("invoked"));
    page.screenshot("valid").await;
    for (class, name) in ["ok", "mismatch", "fail", "info"].into_iter().enumerate() {
        for other in 0..4 {
            let is_checked = page
                .eval(&format!(
                    "return document.querySelector('[data-class=\"{other}\"]').checked"
                ))
                .await;
            if (is_checked == json!(true)) != (other == class) {
                page.click(&format!("[data-class=\"{other}\"]")).await;
            }
        }
        settle(&page).await;
        assert_eq!(shown(&page).await, count(name), "{name}");
    }
    for class in 0..3 {
        page.click(&format!("[data-class=\"{class}\"]")).await;
    }
    settle(&page).await;
    assert_eq!(shown(&page).await, count("invoked"));

    // By key and by process, against the history itself.
    let journal = std::fs::read_to_string(run.join("history.jsonl")).unwrap();
    let events: Vec<Value> = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let invocations: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "invoke" && event["process"].is_u64())
        .collect();
    assert_eq!(invocations.len() as u64, count("invoked"));
    let of_key = invocations.iter().filter(|event| event["key"] == 2).count() as u64;
    enter(&page, "#timeline-key", "2").await;
    assert_eq!(shown(&page).await, of_key);
    let of_both = invocations
        .iter()
        .filter(|event| event["key"] == 2 && event["process"].as_u64().unwrap() <= 3);
    enter(&page, "#timeline-process", "0-2, 3").await;
    assert_eq!(shown(&page).await, of_both.count() as u64);
    enter(&page, "#timeline-process", "").await;
    enter(&page, "#timeline-key", "").await;

    // Zoom by button and by key; the whole run again.
    let span = "document.querySelector('#timeline-root').dataset.to - document.querySelector('#timeline-root').dataset.from";
    let whole_ms = number(&page, span).await;
    assert!(
        (whole_ms / 1e3 - results["duration_s"].as_f64().unwrap()).abs() < 0.001,
        "{whole_ms}"
    );
    page.click("[data-do=in]").await;
    settle(&page).await;
    assert!((number(&page, span).await * 2.0 - whole_ms).abs() < 0.01);
    let fewer = shown(&page).await;
    assert!(fewer < count("invoked"));
    page.eval("document.querySelector('#timeline-canvas').focus()")
        .await;
    page.keys("+0").await;
    settle(&page).await;
    assert_eq!(number(&page, span).await, whole_ms);

    // A deep link to an operation, its neighbour by key, and one by the mouse.
    let answered = answered(&events);
    let wanted = answered[answered.len() / 2];
    open(&page, &run, &format!("#op={wanted}")).await;
    settle(&page).await;
    let selected = "document.querySelector('#timeline-root').dataset.selected";
    assert_eq!(number(&page, selected).await as usize, wanted);
    let story = page.text("#timeline-detail").await;
    let event = invocations[wanted];
    let at_ms = event["time_ns"].as_u64().unwrap() / 1_000;
    assert!(
        story.contains(&format!("invoked at {}.{:03} ms", at_ms / 1_000, at_ms % 1_000)),
        "{story}"
    );
    assert!(story.contains(event["f"].as_str().unwrap()), "{story}");
    assert!(story.contains("linearization point"), "{story}");
    assert!(story.contains("last leader seen"), "{story}");
    page.screenshot("valid-operation").await;
    page.eval("document.querySelector('#timeline-canvas').focus()")
        .await;
    page.keys("n").await;
    settle(&page).await;
    assert_eq!(number(&page, selected).await as usize, wanted + 1);
    page.keys("\u{e00c}").await;
    settle(&page).await;
    assert_eq!(page.eval(&format!("return {selected}")).await, json!(""));
    page.eval("document.querySelector('#timeline-canvas').scrollIntoView({block: 'center'})")
        .await;
    let at = page
        .eval(&format!(
            "return document.querySelector('#timeline-root').whereIs({wanted})"
        ))
        .await;
    page.click_at(&at).await;
    settle(&page).await;
    assert_eq!(number(&page, selected).await as usize, wanted);
    let address = page.eval("return location.hash").await;
    assert!(
        address.as_str().unwrap().contains(&format!("op={wanted}")),
        "{address}"
    );

    // What the nodes logged then.
    let logged = page.text("#timeline-logs").await;
    assert!(
        logged.contains("n1") || logged.contains("n2") || logged.contains("n3"),
        "{logged}"
    );
    // The table for those who do not see the canvas.
    page.click("#timeline-list-box summary").await;
    settle(&page).await;
    let rows = page
        .eval("return document.querySelectorAll('#timeline-list tr').length")
        .await
        .as_u64()
        .unwrap();
    assert_eq!(rows, shown(&page).await.min(200));

    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.devtools(
        "Emulation.setEmulatedMedia",
        json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] }),
    )
    .await;
    page.click("[data-do=fault]").await;
    settle(&page).await;
    page.screenshot("valid-dark").await;
    // On paper: light, and without what can only be clicked.
    page.devtools(
        "Emulation.setEmulatedMedia",
        json!({ "media": "print", "features": [] }),
    )
    .await;
    settle(&page).await;
    let hidden = page
        .eval("return getComputedStyle(document.querySelector('#timeline .bar')).display")
        .await;
    assert_eq!(hidden, json!("none"));
    page.screenshot("valid-print").await;
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.close().await;
}

#[tokio::test]
async fn the_conflict_of_an_invalid_run_is_where_its_report_leads() {
    let Some(driver) = Driver::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let run = run_until(
        directory.path(),
        "test --bug stale-read --nemesis partition:leader --time-limit 10s --seed 5",
        "verdict: invalid",
    );
    let results = json_of(&run.join("results.json"));
    let page = driver.page().await;
    open(&page, &run, "").await;
    settle(&page).await;
    assert_eq!(page.text(".verdict .word").await.trim(), "✗ INVALID");
    let conflict = &results["conflicts"][0];
    for sentence in conflict["sentences"].as_array().unwrap() {
        let body = page.text("#timeline-detail").await;
        assert!(body.contains(sentence.as_str().unwrap()), "{sentence} in {body}");
    }
    let selected = number(&page, "document.querySelector('#timeline-root').dataset.selected").await as u64;
    assert_eq!(selected, conflict["operations"][0]["index"].as_u64().unwrap());
    page.eval("document.querySelector('#timeline').scrollIntoView()")
        .await;
    page.screenshot("invalid").await;
    // Every operation of the first conflicts can be linked to.
    for conflict in results["conflicts"].as_array().unwrap().iter().take(3) {
        for operation in conflict["operations"].as_array().unwrap() {
            let index = operation["index"].as_u64().unwrap();
            open(&page, &run, &format!("#op={index}")).await;
            let story = page.text("#timeline-detail").await;
            assert!(
                story.contains(&format!("number {index} in the history")),
                "{story}"
            );
            let process = operation["process"].as_u64().unwrap();
            assert!(
                story.contains(&format!(
                    "{process}, sent to {}",
                    operation["node"].as_str().unwrap()
                )),
                "{story}"
            );
        }
    }
    open(&page, &run, "#op=99999999").await;
    assert!(
        page.text("#timeline-detail")
            .await
            .contains("Operation 99999999 does not exist")
    );
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.close().await;
}

/// What a malicious store might answer or log.
const EVIL: &str = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2>\u{2028}'\"`${window.hacked=3}";

#[tokio::test]
async fn nothing_that_a_store_says_becomes_markup_or_script() {
    let Some(driver) = Driver::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    std::fs::create_dir_all(run.join("n1")).unwrap();
    let mut events = [
        json!({ "process": 0, "type": "invoke", "f": "write", "key": EVIL, "value": EVIL, "node": 0 }),
        json!({ "process": 0, "type": "ok", "f": "write" }),
        json!({ "process": 0, "type": "invoke", "f": "read", "key": EVIL, "node": 0 }),
        json!({ "process": 0, "type": "ok", "f": "read", "value": null }),
        json!({ "process": 1, "type": "invoke", "f": "read", "key": EVIL, "node": 0 }),
        json!({ "process": 1, "type": "fail", "f": "read", "error": "other", "message": EVIL }),
        json!({ "process": "nemesis", "type": "note", "nodes": [EVIL], "detail": EVIL, "note": "leader" }),
        json!({ "process": "nemesis", "type": "note", "nodes": ["n1"], "detail": EVIL, "note": EVIL }),
    ];
    for (place, event) in events.iter_mut().enumerate() {
        event["time_ns"] = json!((place as u64 + 1) * 1_000_000);
    }
    let journal: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(run.join("history.jsonl"), journal).unwrap();
    let record = json!({
        "perjury_version": EVIL, "host": EVIL, "command": ["test", EVIL], "started_at": EVIL, "time_zero": "2026-11-26T20:00:00Z",
        "system": EVIL, "system_version": EVIL, "env": EVIL, "links": EVIL, "lost": [EVIL], "nodes": ["n1"],
        "workload": EVIL, "model": "register", "nemesis": [EVIL], "concurrency": 2, "time_limit_s": 1.0, "op_timeout_ms": 100,
        "seed": 1, "client_retries": EVIL,
    });
    std::fs::write(run.join("test.json"), record.to_string()).unwrap();
    std::fs::write(
        run.join("n1/node.log"),
        format!("2026-11-26T20:00:00.002Z INFO {EVIL}\n"),
    )
    .unwrap();
    let said = perjury(directory.path(), "report run");
    assert!(said.contains("verdict: invalid"), "{said}");

    let page = driver.page().await;
    open(&page, &run, "#op=1").await;
    settle(&page).await;
    page.click("#timeline-list-box summary").await;
    click_operation(&page, 1).await;
    settle(&page).await;
    assert_eq!(page.eval("return typeof window.hacked").await, json!("undefined"));
    assert_eq!(
        page.eval("return document.querySelectorAll('img, iframe, object, embed, link').length")
            .await,
        json!(0)
    );
    assert_eq!(
        page.eval("return document.querySelectorAll('script').length")
            .await,
        json!(2)
    );
    // It is all there, as words.
    for selector in ["#timeline-logs", "#timeline-detail", "#timeline-list", "header"] {
        let text = page
            .eval(&format!(
                "return document.querySelector('{selector}').textContent"
            ))
            .await;
        assert!(
            text.as_str()
                .unwrap()
                .contains("<script>window.hacked=1</script>"),
            "{selector}: {text}"
        );
    }
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.screenshot("hostile").await;
    page.close().await;
}

/// Not a test but a measurement: `PERJURY_RUN=<run directory> cargo test --test browser -- --ignored
/// --nocapture`.
#[tokio::test]
#[ignore = "prints figures of the report of a run that is named by PERJURY_RUN"]
async fn how_fast_a_report_opens_and_moves() {
    let Some(driver) = Driver::start() else { return };
    let run = PathBuf::from(std::env::var_os("PERJURY_RUN").expect("PERJURY_RUN names a run directory"));
    let page = driver.page().await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        open(&page, &run, "").await;
        let script =
            "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime";
        opened.push(page.eval(script).await.as_f64().unwrap());
    }
    opened.sort_by(f64::total_cmp);
    // Twenty steps of zooming in and moving, each drawn.
    let frames = page
        .eval(
            "return (async () => {
                const canvas = document.querySelector('#timeline-canvas');
                canvas.scrollIntoView();
                canvas.focus();
                const took = [];
                for (const key of ['0', ...'++++++'.split(''), ...Array(12).fill('ArrowRight'), ...'------'.split('')]) {
                    const begun = performance.now();
                    canvas.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
                    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                    took.push(performance.now() - begun);
                }
                return took.sort((a, b) => a - b);
            })()",
        )
        .await;
    let frames: Vec<f64> = frames
        .as_array()
        .unwrap()
        .iter()
        .map(|ms| ms.as_f64().unwrap())
        .collect();
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.screenshot("measured").await;
    println!(
        "opened after {:.0} ms (median of 5, {:.0} to {:.0}); a step of zooming or moving took {:.0} ms (median of {}), {:.0} at most",
        opened[2],
        opened[0],
        opened[4],
        frames[frames.len() / 2],
        frames.len(),
        frames[frames.len() - 1]
    );
}

#[tokio::test]
async fn runs_are_browsed_compared_and_watched() {
    let Some(driver) = Driver::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let args = "test --nodes 3 --time-limit 3s --rate 1000 --nemesis kill:one --fault-interval 1s --env local --seed";
    let first = run_until(directory.path(), &format!("{args} 5"), "verdict: valid");
    run_until(directory.path(), &format!("{args} 6"), "verdict: valid");
    let serving = Serving::start(&directory.path().join("runs"));
    let url = format!("http://{}", serving.address);
    let page = driver.page().await;
    page.go(&url).await;
    let rows = "document.querySelectorAll('.runs tbody tr').length";
    assert_eq!(number(&page, rows).await as u64, 2);
    page.screenshot("serve").await;

    // Two beside each other.
    for place in 1..=2 {
        page.click(&format!(".runs tbody tr:nth-child({place}) input"))
            .await;
    }
    page.click("form[action='/compare'] button").await;
    page.wait("location.pathname === '/compare' && document.querySelector('table') !== null")
        .await;
    let compared = page.text("main").await;
    for figure in [
        "ok operations per second",
        "kill: rate recovered after",
        "read, p99",
        "one sample",
    ] {
        assert!(compared.contains(figure), "{figure}: {compared}");
    }
    page.screenshot("compare").await;

    // One of them, with its report as it is on disk.
    page.go(&url).await;
    let name = first.file_name().unwrap().to_str().unwrap().to_owned();
    page.click(&format!("a[href='/run/{name}/report.html']")).await;
    page.wait("document.querySelector('#timeline-root') !== null")
        .await;
    let shown = shown(&page).await;
    assert_eq!(
        shown,
        json_of(&first.join("results.json"))["operations_total"]["invoked"]
            .as_u64()
            .unwrap()
    );
    assert_eq!(page.complaints().await, Vec::<String>::new());

    // Filters.
    page.go(&format!("{}/?verdict=invalid", url)).await;
    assert!(page.text(".runs").await.contains("no run matches the filter"));
    page.go(&format!("{}/?fault=kill&system=bundled", url)).await;
    assert_eq!(number(&page, rows).await as u64, 2);

    // One that is going on, from its beginning to its report.
    let mut going = Command::new(env!("CARGO_BIN_EXE_perjury"))
        .args(format!("{args} 7").replace("3s", "12s").split_whitespace())
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        page.go(&url).await;
        if page.text(".runs").await.contains("running") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the run does not show");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    page.click("a[href^='/live/']").await;
    page.wait("document.querySelector('#word') !== null && document.querySelector('#word').textContent === 'valid so far'")
        .await;
    page.screenshot("live").await;
    let facts = page.text("#facts").await;
    assert!(facts.contains("of 12 s") && facts.contains("leader"), "{facts}");
    page.wait("location.pathname.endsWith('/report.html')").await;
    assert!(going.wait().unwrap().success());
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.close().await;
}

#[tokio::test]
async fn a_history_of_somebody_else_has_the_timeline_too() {
    let Some(driver) = Driver::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    // Jepsen's form, with times; the second read is stale.
    let history = "{:process 0, :type :invoke, :f :write, :value 1, :time 1000000}
{:process 0, :type :ok, :f :write, :value 1, :time 2000000}
{:process 1, :type :invoke, :f :write, :value 2, :time 3000000}
{:process 1, :type :ok, :f :write, :value 2, :time 4000000}
{:process 0, :type :invoke, :f :read, :value nil, :time 5000000}
{:process 0, :type :ok, :f :read, :value 2, :time 6000000}
{:process 1, :type :invoke, :f :read, :value nil, :time 7000000}
{:process 1, :type :ok, :f :read, :value 1, :time 8000000}
";
    std::fs::write(directory.path().join("history.edn"), history).unwrap();
    let said = perjury(directory.path(), "check --html report.html history.edn");
    assert!(said.contains("invalid"), "{said}");
    let page = driver.page().await;
    open(&page, directory.path(), "").await;
    settle(&page).await;
    let story = page.text("#timeline-detail").await;
    assert!(
        story.contains("read → 1") && story.contains("invoked at 7.000000 ms"),
        "{story}"
    );
    open(&page, directory.path(), "#op=2").await;
    assert!(page.text("#timeline-detail").await.contains("read → 2"));
    page.click("[data-do=all]").await;
    settle(&page).await;
    assert_eq!(shown(&page).await, 4);
    assert_eq!(page.complaints().await, Vec::<String>::new());
    page.screenshot("check").await;
    page.close().await;
}
