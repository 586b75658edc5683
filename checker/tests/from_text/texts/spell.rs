//! Lines as people's files have them: EDN, JSON, logs and Porcupine's text.

use std::collections::BTreeMap;

use history::Value;
use rand::{Rng, RngExt};

use super::case::STEP;
use super::lines::Line;
use super::style::{Format, Order, Style, Times};

/// The text of a file.
pub fn file(rng: &mut dyn Rng, lines: &[Line], style: &Style) -> String {
    let mut spelled: Vec<(&Line, Option<u64>)> = (0u64..)
        .zip(lines)
        .map(|(index, line)| (line, style.has_index.then_some(index)))
        .collect();
    if let (Some(gap), true) = ([None, Some(3)][rng.random_range(0..2)], style.has_index) {
        for (_, index) in &mut spelled {
            *index = index.map(|index| index * gap + 5);
        }
    }
    match style.order {
        Order::Events => {}
        Order::Indices => mix(rng, &mut spelled),
        Order::Operations => {
            let mut firsts: BTreeMap<u64, u64> = BTreeMap::new();
            let by_process = rng.random_ratio(1, 2);
            let key = |line: &Line, begun: u64| {
                (
                    if by_process { line.who.clone() } else { Value::Nil },
                    begun,
                    line.place,
                )
            };
            // Each line stands with the one that began its operation.
            let mut begun: BTreeMap<&Value, u64> = BTreeMap::new();
            for line in lines {
                if line.kind == "invoke" {
                    begun.insert(&line.who, line.place);
                }
                let first = begun.get(&line.who).copied().unwrap_or(line.place);
                firsts.insert(line.place, first);
            }
            spelled.sort_by_key(|(line, _)| key(line, firsts[&line.place]));
        }
    }
    let text = match style.format {
        Format::Log => log(rng, &spelled, style),
        Format::Json => json(rng, &spelled, style),
        Format::Edn => edn(rng, &spelled, style),
        Format::Kv => kv(&spelled),
    };
    match style.strewn && rng.random_ratio(1, 8) {
        true => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        false => text,
    }
}

fn mix<T>(rng: &mut dyn Rng, all: &mut [T]) {
    for place in (1..all.len()).rev() {
        all.swap(place, rng.random_range(0..=place));
    }
}

fn time(rng: &mut dyn Rng, line: &Line, style: &Style) -> Option<String> {
    let time = match style.times {
        Times::None => return None,
        Times::Minus => -1,
        Times::Growing(start) => (start + line.place * 1000) as i64,
        Times::Loose => (line.place + rng.random_range(0..3 * STEP)) as i64 * 1000,
        Times::Dates => {
            let tag = if style.format == Format::Edn && rng.random_ratio(1, 2) {
                "#inst "
            } else {
                ""
            };
            let (thousandths, rest) = (line.place / 1000, line.place % 1000);
            return Some(format!("{tag}\"2024-03-01T10:00:00.{thousandths:03}{rest:03}Z\""));
        }
    };
    Some(time.to_string())
}

/// A value in EDN, in one of the ways in which it can be written.
pub fn edn_value(rng: &mut dyn Rng, value: &Value, is_plain: bool) -> String {
    let other = !is_plain && rng.random_ratio(1, 4);
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Int(number) if other => match rng.random_range(0..3) {
            0 => format!("{number}N"),
            1 if *number >= 0 => format!("+{number}"),
            2 if *number > 0 => format!("0x{number:x}"),
            _ => number.to_string(),
        },
        Value::Int(number) => number.to_string(),
        Value::Form(form) if other => match form.split_once('/') {
            Some((above, below)) => match (above.parse::<i64>(), below.parse::<i64>()) {
                (Ok(above), Ok(below)) => format!("{}/{}", above * 3, below * 3),
                _ => form.to_string(),
            },
            None if form.parse::<i128>().is_ok() => format!("{form}N"),
            None if form.parse::<f64>().is_ok() && !form.contains('e') => format!("{form}0"),
            None => form.to_string(),
        },
        Value::Form(form) => form.to_string(),
        Value::Text(text) if other => {
            let code = |character: char| format!("\\u{:04x}", character as u32);
            format!("\"{}\"", text.chars().map(code).collect::<String>())
        }
        Value::Text(text) => format!("{:?}", text.as_str()),
        Value::List(values) => {
            let (open, close) = [("[", "]"), ("(", ")")][rng.random_range(0..2) * usize::from(!is_plain)];
            format!("{open}{}{close}", edn_values(rng, values, is_plain))
        }
        Value::Set(values) => format!("#{{{}}}", edn_values(rng, values, is_plain)),
        Value::Map(pairs) => {
            let mut parts = Vec::new();
            for (name, value) in pairs.iter() {
                parts.push(edn_value(rng, name, is_plain));
                parts.push(edn_value(rng, value, is_plain));
            }
            format!("{{{}}}", parts.join(" "))
        }
    }
}

fn edn_values(rng: &mut dyn Rng, values: &[Value], is_plain: bool) -> String {
    let between = if is_plain {
        " "
    } else {
        [" ", " ", ", ", " #_ gone ", "  "][rng.random_range(0..5)]
    };
    let spelled: Vec<String> = values
        .iter()
        .map(|value| edn_value(rng, value, is_plain))
        .collect();
    spelled.join(between)
}

/// The value of a line, which may be a pair.
fn line_value(rng: &mut dyn Rng, line: &Line, is_plain: bool) -> Option<String> {
    let value = line.value.as_ref()?;
    let spelled = edn_value(rng, value, is_plain);
    let tag = match line.is_tuple && !is_plain && spelled.starts_with('[') {
        true => ["", "", "#jepsen.independent.Tuple ", "#clojure.lang.MapEntry"][rng.random_range(0..4)],
        false => "",
    };
    Some(format!("{tag}{spelled}"))
}

fn edn(rng: &mut dyn Rng, lines: &[(&Line, Option<u64>)], style: &Style) -> String {
    let (open, close) = [("", ""), ("[", "]"), ("(", ")")][rng.random_range(0..3)];
    let tag = ["", "", "#jepsen.history.Op", "#knossos.op.Op "][rng.random_range(0..4)];
    let is_mixed = rng.random_ratio(1, 3);
    let namespace = if style.strewn && rng.random_ratio(1, 4) {
        "jepsen/"
    } else {
        ""
    };
    let is_quoted = style.strewn && rng.random_ratio(1, 8);
    let between = [" ", ", ", ","][rng.random_range(0..3)];
    let mut text = String::new();
    if style.strewn && rng.random_ratio(1, 2) {
        text.push_str("; what happened {on} Monday\n");
    }
    text.push_str(open);
    for (line, index) in lines {
        let mut fields = vec![
            format!(":{namespace}process {}", edn_value(rng, &line.who, true)),
            match is_quoted {
                true => format!(":{namespace}type \"{}\"", line.kind),
                false => format!(":{namespace}type :{}", line.kind),
            },
        ];
        if !line.f.is_empty() {
            fields.push(format!(":{namespace}f :{}", line.f));
        }
        let value = line_value(rng, line, !style.strewn);
        fields.extend(value.map(|value| format!(":{namespace}value {value}")));
        for (name, value) in [("key", &line.key), ("error", &line.error), ("token", &line.token)] {
            fields.extend(
                value
                    .as_ref()
                    .map(|value| format!(":{name} {}", edn_value(rng, value, true))),
            );
        }
        fields.extend(time(rng, line, style).map(|time| format!(":time {time}")));
        fields.extend(index.map(|index| format!(":index {index}")));
        if style.strewn {
            let more = [
                ":node \"n1\"",
                ":link [4 5]",
                "#_ :gone #_ 7",
                ":debug {:value 9, :process 3}",
            ];
            fields.push(more[rng.random_range(0..more.len())].to_owned());
        }
        if is_mixed {
            mix(rng, &mut fields);
        }
        text.push_str(&format!("{tag}{{{}}}", fields.join(between)));
        text.push_str(match style.strewn {
            true => [
                "\n",
                "\r\n",
                " ",
                "\n\n",
                " ; as it should\n",
                "\n#_{:process 0, :type :invoke}\n",
                ",\n",
            ][rng.random_range(0..7)],
            false => "\n",
        });
    }
    text + close
}

fn json(rng: &mut dyn Rng, lines: &[(&Line, Option<u64>)], style: &Style) -> String {
    let is_array = rng.random_ratio(1, 2);
    let colon = if rng.random_ratio(1, 6) { ":" } else { "" };
    let is_mixed = rng.random_ratio(1, 3);
    let mut texts = Vec::new();
    for (line, index) in lines {
        let mut fields = vec![
            format!("\"process\":{}", json_value(rng, &line.who, true)),
            format!("\"type\":\"{colon}{}\"", line.kind),
        ];
        if !line.f.is_empty() {
            fields.push(format!("\"f\": \"{colon}{}\"", line.f));
        }
        let parts = [
            ("value", &line.value),
            ("key", &line.key),
            ("error", &line.error),
            ("token", &line.token),
        ];
        for (name, value) in parts {
            let value = value.as_ref().map(|value| json_value(rng, value, !style.strewn));
            fields.extend(value.map(|value| format!("\"{name}\":{value}")));
        }
        fields.extend(time(rng, line, style).map(|time| format!("\"time\":{time}")));
        fields.extend(index.map(|index| format!("\"index\":{index}")));
        if style.strewn {
            fields
                .push(["\"node\":\"n1\"", "\"debug\":{\"value\":[1,{}]}"][rng.random_range(0..2)].to_owned());
        }
        if is_mixed {
            mix(rng, &mut fields);
        }
        texts.push(format!("{{{}}}", fields.join(", ")));
    }
    match is_array {
        true => format!("[{}]\n", texts.join(",\n ")),
        false => texts.join("\n"),
    }
}

/// A value in JSON; a keyword is a text there.
fn json_value(rng: &mut dyn Rng, value: &Value, is_plain: bool) -> String {
    let all = |rng: &mut dyn Rng, values: &[Value]| {
        let spelled: Vec<String> = values
            .iter()
            .map(|value| json_value(rng, value, is_plain))
            .collect();
        format!("[{}]", spelled.join(","))
    };
    match value {
        Value::Nil => "null".to_owned(),
        Value::Int(number) if !is_plain && rng.random_ratio(1, 4) => format!("{number}.0"),
        Value::Int(number) => number.to_string(),
        Value::Form(form) => match form.strip_prefix(':') {
            Some(name) => format!("{name:?}"),
            None => form.to_string(),
        },
        Value::Text(text) => format!("{:?}", text.as_str()),
        Value::List(values) | Value::Set(values) => all(rng, values),
        Value::Map(pairs) => {
            let pair = |(name, value): &(Value, Value)| {
                format!(
                    "{}:{}",
                    json_value(rng, name, true),
                    json_value(rng, value, is_plain)
                )
            };
            let pairs: Vec<String> = pairs.iter().map(pair).collect();
            format!("{{{}}}", pairs.join(","))
        }
    }
}

/// Lines of a Jepsen log; or of its history.txt, which has nothing else.
fn log(rng: &mut dyn Rng, lines: &[(&Line, Option<u64>)], style: &Style) -> String {
    let is_history = style.times == Times::None && rng.random_ratio(1, 2);
    let logger = ["jepsen.util", "jepsen.print"][rng.random_range(0..2)];
    let after = [": ", " - "][rng.random_range(0..2)];
    let gap = ["\t", " "][rng.random_range(0..2)];
    let mut text = String::new();
    for (line, _) in lines {
        if style.strewn && !is_history && rng.random_ratio(1, 4) {
            text.push_str(
                [
                    "2024-03-01 10:00:00,000{GMT}\tINFO\t[main] jepsen.core: Running test: {:name \"etcd\"}\n",
                    "java.net.SocketException: Connection reset\n\tat java.base/java.net.Socket.read(Socket.java:1)\n",
                    "INFO  jepsen.db - n1 :ready\n",
                    "\n",
                ][rng.random_range(0..4)],
            );
        }
        if !is_history {
            let date = match style.times {
                Times::None => "INFO  ".to_owned(),
                // A millisecond for each thousandth of a step.
                _ => {
                    let (seconds, thousandths) = (line.place / 1000, line.place % 1000);
                    let (minutes, seconds) = (seconds / 60, seconds % 60);
                    format!(
                        "2024-03-01 10:{minutes:02}:{seconds:02},{thousandths:03}{{GMT}}\tINFO\t[jepsen worker 1] "
                    )
                }
            };
            text.push_str(&format!("{date}{logger}{after}"));
        }
        let value = line_value(rng, line, true).unwrap_or_else(|| "nil".to_owned());
        let who = edn_value(rng, &line.who, true);
        text.push_str(&format!("{who}{gap}:{}{gap}:{}{gap}{value}", line.kind, line.f));
        if let Some(error) = &line.error {
            text.push_str(&format!("{gap}{}", edn_value(rng, error, true)));
        }
        text.push('\n');
    }
    text
}

fn kv(lines: &[(&Line, Option<u64>)]) -> String {
    let plain = |value: &Value| match value {
        Value::Text(text) => format!("\"{text}\""),
        other => other.to_string(),
    };
    let line = |(line, _): &(&Line, Option<u64>)| {
        let key = line
            .key
            .as_ref()
            .map_or_else(String::new, |key| format!(":key {}, ", plain(key)));
        let value = line.value.as_ref().map_or_else(|| "nil".to_owned(), plain);
        let (who, kind, f) = (&line.who, line.kind, line.f);
        format!("{{:process {who}, :type :{kind}, :f :{f}, {key}:value {value}}}\n")
    };
    lines.iter().map(line).collect()
}
