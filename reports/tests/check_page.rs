//! What the page of a checked history says and draws.

mod cases;
mod scripts;

use cases::{Case, Line, history, line, lost, no_order, refused, saw, stale_read, swapped, wrote};
use checker::{Analysis, Conflict, Options, Rule, Verdict, check};
use history::{ErrorClass, History, Key, Op, Outcome, Times, Value};
use reports::{Checked, check_html};

/// The page without its style sheet.
fn body(html: &str) -> &str {
    html.split_once("</style>").expect("there is a style sheet").1
}

/// The pictures: what follows the shared definitions.
fn pictures(html: &str) -> Vec<&str> {
    let svgs = html.match_indices("<svg").skip(1);
    svgs.map(|(from, _)| &html[from..from + html[from..].find("</svg>").expect("it ends") + 6])
        .collect()
}

/// The words in a picture, without titles.
fn words(svg: &str) -> Vec<String> {
    let texts = svg.split("<text").skip(1);
    texts
        .map(|text| {
            let text = &text[text.find('>').expect("a tag ends") + 1..];
            text[..text.find("</text>").expect("a text ends")].to_owned()
        })
        .collect()
}

fn attribute(tag: &str, name: &str) -> f64 {
    let from = tag.find(&format!(" {name}=\"")).expect("it has this attribute") + name.len() + 3;
    let text = tag[from..].split('"').next().expect("it ends");
    text.parse().expect("a number")
}

/// Bars of a class: where they begin and end.
fn bars(svg: &str, class: &str) -> Vec<(f64, f64)> {
    let rects = svg
        .split("<rect class=\"")
        .skip(1)
        .filter(|rect| rect.starts_with(class));
    rects
        .map(|rect| {
            let x = attribute(rect, "x");
            (x, x + attribute(rect, "width"))
        })
        .collect()
}

fn judged(name: &str, lines: &[Line]) -> Case {
    Case::new(name, history(lines), Value::Nil)
}

#[test]
fn a_stale_read_is_drawn() {
    let html = Case::new("stale-read", stale_read(), Value::Nil).html();
    for fact in [
        "✗</span> invalid",
        "stale-read.jsonl",
        "model cas-register",
        "decided by register-exact",
        "<b class=\"mark\">③</b> Process 2&#39;s read of 1 (7.000–8.000 ms)",
        "<b class=\"mark\">②</b> process 1&#39;s write of 2 (3.000–4.000 ms)",
        "two values would each have to come before the other",
        "out of date by at least 3.0 ms",
        "<b>Weaker models:</b> sequentially consistent; answers up to 3.0 ms stale.",
        "It follows from sequential consistency.",
    ] {
        assert!(html.contains(fact), "the page does not say {fact:?}");
    }
    let svg = pictures(&html)[0];
    insta::assert_snapshot!(words(svg).join("\n"));
    assert_eq!(svg.matches("class=\"arrow before\"").count(), 2);
    assert_eq!(bars(svg, "hot ok").len(), 1, "only the read cannot be");
    assert_eq!(bars(svg, "hot witness").len(), 2);
}

#[test]
fn every_rule_has_its_picture() {
    // The rule, and how many operations cannot be, show it, and are tied by arrows.
    let check = |case: &Case, rule: Rule, [culprits, witnesses, arrows]: [usize; 3]| {
        let conflict = &case.analysis.conflicts[0];
        assert_eq!(conflict.rule, rule, "{}", case.name);
        let html = case.html();
        let svg = pictures(&html)[0];
        let hot = bars(svg, "hot").len();
        let shown = bars(svg, "hot witness").len();
        let drawn = svg.matches("class=\"arrow ").count();
        assert_eq!(
            [hot - shown, shown, drawn],
            [culprits, witnesses, arrows],
            "{}",
            case.name
        );
        let marks = html.matches("<b class=\"mark\">").count();
        assert!(marks >= 1, "{}: no sentence names an operation", case.name);
    };
    let cases = cases::all();
    let case = |name: &str| {
        cases
            .iter()
            .find(|case| case.name == name)
            .expect("there is such a case")
    };
    check(case("comes-back"), Rule::ComesBack, [1, 2, 2]);
    check(case("never-written"), Rule::NeverWritten, [1, 0, 0]);
    check(case("found-expected"), Rule::FoundExpected, [1, 0, 0]);
    check(case("replaced-twice"), Rule::ReplacedTwice, [2, 0, 0]);
    check(case("circle"), Rule::Circle, [3, 0, 3]);
    check(case("held-throughout"), Rule::HeldThroughout, [1, 2, 2]);
    check(case("too-often"), Rule::TooOften, [1, 3, 3]);
    check(case("no-order"), Rule::NoOrder, [1, 1, 0]);
    for case in cases
        .iter()
        .filter(|case| case.analysis.verdict == Verdict::Valid)
    {
        let drawn = pictures(&case.html()).len();
        assert_eq!(
            drawn,
            usize::from(case.history.operations.len() <= 200),
            "{}",
            case.name
        );
    }
}

#[test]
fn the_longest_order_ends_at_a_line() {
    let case = Case::new("no-order", no_order(), Value::Nil);
    let html = case.html();
    let svg = pictures(&html)[0];
    let words = words(svg);
    insta::assert_snapshot!(words.join("\n"));
    assert!(words.iter().any(|text| text == "linearizable up to here"));
    // The line is where the operation that has no place completes, and no point lies beyond it.
    let line = svg.split("class=\"boundary\"").nth(1).expect("there is a line");
    let x = attribute(line, "x1");
    assert!((bars(svg, "hot ok")[0].1 - x).abs() < 0.2);
    let points: Vec<f64> = svg
        .split("<circle")
        .skip(1)
        .map(|tag| attribute(tag, "cx"))
        .collect();
    assert!(
        points.len() >= 6 && points.iter().all(|point| *point <= x),
        "{points:?}"
    );
    for text in [
        "The longest order that was found:",
        "4 operations, then",
        "<small>#10</small> cas 4→3",
        "✗ read → 2",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn far_apart_operations_fit_with_a_break() {
    let html = Case::new("far-apart", cases::far_apart(), Value::Nil).html();
    let svg = pictures(&html)[0];
    assert_eq!(svg.matches("class=\"cut\"").count(), 1);
    let words = words(svg);
    // What was cut out, and real times on both sides of it.
    for text in ["95.0 s", "1", "4", "95007", "95008"] {
        assert!(words.iter().any(|word| word == text), "{text}: {words:?}");
    }
    let widths: Vec<f64> = bars(svg, "hot").iter().map(|(from, to)| to - from).collect();
    assert!(widths.iter().all(|width| *width > 60.0), "{widths:?}");
    // Nothing but a stretch without operations of the conflict is cut.
    let near = stale_read();
    let html = Case::new("near", near, Value::Nil).html();
    assert!(!pictures(&html)[0].contains("class=\"cut\""));
}

#[test]
fn crowds_are_limited_and_counted() {
    let mut lines = vec![
        line(0, 100_000, 200_000, wrote(1)),
        line(1, 300_000, 400_000, wrote(2)),
        line(2, 700_000, 800_000, saw(1)),
    ];
    for process in 10..210 {
        lines.extend((0..4).map(|n| {
            line(
                process,
                110_000 + n * 150_000 + process,
                190_000 + n * 150_000 + process,
                refused(8, 9, 1),
            )
        }));
    }
    let case = judged("crowd", &lines);
    let html = case.html();
    let svg = pictures(&html)[0];
    let drawn = bars(svg, "hot").len() + bars(svg, "near").len();
    assert!(drawn <= 60, "{drawn}");
    let lanes = words(svg)
        .iter()
        .filter(|text| text.starts_with("process "))
        .count();
    assert!(lanes <= 25, "{lanes}");
    let omitted = case.history.operations.len() - drawn;
    assert!(html.contains(&format!(
        "{omitted} more operations</b> of this time were left out"
    )));
    assert!(html.len() < 100_000, "{}", html.len());
}

#[test]
fn open_operations_run_to_the_edge() {
    let html = judged(
        "open",
        &[
            line(0, 1_000, 2_000, wrote(1)),
            line(1, 1_500, 0, lost(wrote(2))),
            line(2, 2_500, 3_000, saw(2)),
            line(3, 3_500, 4_000, saw(1)),
        ],
    )
    .html();
    let svg = pictures(&html)[0];
    let open = svg
        .split("<rect")
        .find(|rect| rect.contains(" info open\""))
        .expect("an open bar");
    assert_eq!(attribute(open, "x") + attribute(open, "width"), 1090.0);
    assert!(svg.contains("class=\"onward "));
    assert!(words(svg).iter().any(|text| text == "w 2 …?"), "{:?}", words(svg));
}

#[test]
fn a_small_valid_history_shows_its_order() {
    let html = Case::new("valid", cases::valid(), Value::Nil).html();
    assert!(html.contains("✓</span> valid"));
    assert!(!html.contains("Why it is invalid") && !html.contains("Weaker models"));
    let svg = pictures(&html)[0];
    insta::assert_snapshot!(words(svg).join("\n"));
    assert_eq!(svg.matches("<circle").count(), 8);
}

/// The page draws the orders that were judged, whatever the registers held at first.
#[test]
fn the_order_begins_with_the_initial_value_that_was_named() {
    let lines = [
        line(0, 0, 1_000, saw(7)),
        line(0, 2_000, 3_000, wrote(3)),
        line(1, 4_000, 5_000, saw(3)),
    ];
    let mut case = Case::new("initial", history(&lines), Value::Int(7));
    let html = case.html();
    assert!(html.contains("✓</span> valid"));
    assert_eq!(pictures(&html)[0].matches("<circle").count(), 3);
    // Without its orders the page loses the picture, and its timeline the points.
    case.analysis.orders.clear();
    let without = case.html();
    let data = |html: &str| scripts::without_scripts(html).1.concat();
    assert!(!body(&without).contains("<circle") && data(&html) != data(&without));
}

#[test]
fn unknown_says_why() {
    let (key, why) = (
        Key::Int(3),
        "the search took more than 1000 bytes at operation 17 of 90".to_owned(),
    );
    let analysis = Analysis {
        verdict: Verdict::Unknown,
        keys: 90,
        operations: 90,
        unknown: vec![(key, why.clone())],
        unknown_total: 30,
        decided_by: [("none", 30)].into(),
        ..check(&History::default(), &Options::default())
    };
    let html = check_html(&Checked {
        name: "x",
        history: &History::default(),
        analysis: &analysis,
        plan: None,
        remarks: &[],
    })
    .expect("the page can be made");
    for text in [
        "?</span> unknown",
        "Key 3",
        &why,
        "30 of 90 keys could not be decided",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(pictures(&html).is_empty());
    assert!(!html.contains("decided by"), "nothing decided it");
}

#[test]
fn several_keys_are_told_apart() {
    let mut lines: Vec<Line> = Vec::new();
    for key in 0..30 {
        let named = |(mut op, outcome): (Op, Outcome)| {
            match &mut op {
                Op::Read { key: name } | Op::Write { key: name, .. } => *name = Key::Int(key as i64),
                _ => {}
            }
            (op, outcome)
        };
        lines.push(line(3 * key, 1_000, 2_000, named(wrote(1))));
        lines.push(line(3 * key + 1, 3_000, 4_000, named(wrote(2))));
        lines.push(line(3 * key + 2, 7_000, 8_000, named(saw(1))));
    }
    let html = judged("keys", &lines).html();
    assert_eq!(pictures(&html).len(), 3);
    for svg in pictures(&html) {
        assert!(bars(svg, "near").is_empty(), "a picture shows another key");
    }
    for text in [
        "on 30 of 30 keys",
        "<h3>Key 2</h3>",
        "20 more keys that are not linearizable",
        "… and 7 more keys.",
        "sequential consistency of each key",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn hostile_words_stay_words() {
    let evil = "</text></svg></style><script>alert(1)</script>&\"'\u{0}\u{1b}[31m";
    let write = |value: &str| Op::Write {
        key: Value::text(evil),
        value: Value::text(value),
    };
    let read = Op::Read {
        key: Value::text(evil),
    };
    let lines = [
        (0, 1_000, Some(2_000), write(evil), Outcome::ok()),
        (1, 3_000, Some(4_000), write("b"), Outcome::ok()),
        (
            2,
            3_500,
            Some(4_500),
            write("c"),
            Outcome::info(ErrorClass::Other, evil),
        ),
        (3, 7_000, Some(8_000), read, Outcome::ok_value(Value::text(evil))),
    ];
    let mut case = judged(evil, &lines);
    case.remarks = vec![evil.to_owned(), "x".repeat(100_000)];
    let html = case.html();
    assert_eq!(case.analysis.verdict, Verdict::Invalid);
    let (html, scripts) = scripts::without_scripts(&html);
    assert!(scripts.len() == 2 && scripts.iter().all(|script| !script.contains("<script>alert")));
    assert!(html.contains("&#60;script&#62;") && html.contains("&lt;script&gt;"));
    assert_eq!(html.matches("</style>").count(), 1);
    assert_eq!(html.matches("</svg>").count(), 2);
    assert!(html.len() < 60_000, "{}", html.len());
}

#[test]
fn values_of_any_size_make_a_small_page() {
    let large = |letter: &str| Value::text(&letter.repeat(1_000_000));
    let write = |value: Value| Op::Write { key: Key::Nil, value };
    let lines = [
        (0, 1_000, Some(2_000), write(large("a")), Outcome::ok()),
        (1, 3_000, Some(4_000), write(large("b")), Outcome::ok()),
        (
            2,
            7_000,
            Some(8_000),
            Op::Read { key: Key::Nil },
            Outcome::ok_value(large("a")),
        ),
    ];
    let html = judged("large", &lines).html();
    assert!(html.len() < 100_000, "{}", html.len());
}

#[test]
fn the_page_stands_alone() {
    for case in cases::all() {
        let (html, scripts) = scripts::without_scripts(&case.html());
        let has_times = case.history.times == Times::Recorded && !case.history.operations.is_empty();
        assert_eq!(scripts.len(), if has_times { 2 } else { 0 }, "{}", case.name);
        let bare = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for reference in [
            "http://",
            "https://",
            "<script",
            "<link",
            "<img",
            "src=",
            "@import",
            "javascript:",
        ] {
            assert!(!bare.contains(reference), "{}: {reference}", case.name);
        }
        for number in ["NaN", "inf\""] {
            assert!(!body(&html).contains(number), "{}: {number}", case.name);
        }
    }
}

#[test]
fn strange_histories_have_a_page_all_the_same() {
    let empty = Case::new("empty", History::default(), Value::Nil);
    assert!(empty.html().contains("the history has no operations"));
    // A conflict that names what is not there, and one at a single moment.
    let history = history(&[line(0, 0, 0, saw(1)), line(1, 0, 0, swapped(1, 2))]);
    let mut analysis = check(&history, &Options::default());
    analysis.verdict = Verdict::Invalid;
    for (operations, prefix) in [
        (vec![7], vec![9]),
        (vec![0, 1], vec![1, 9]),
        (vec![], vec![]),
        (vec![1, 1], vec![0]),
    ] {
        analysis.conflicts = vec![Conflict {
            key: Key::Nil,
            links: operations.clone(),
            operations,
            sentences: vec!["It is so.".into()],
            rule: Rule::NoOrder,
            stale_by_ns: None,
            prefix,
            confirmed: false,
        }];
        let html = check_html(&Checked {
            name: "strange",
            history: &history,
            analysis: &analysis,
            plan: None,
            remarks: &[],
        })
        .expect("the page can be made");
        assert!(html.contains("It is so.") && !body(&scripts::without_scripts(&html).0).contains("NaN"));
    }
}
