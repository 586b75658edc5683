//! A plot as a file of its own, for other people's documents: the same picture with its title, legend and
//! explanation, on white.

use std::fmt::Write;

use super::frame::WIDTH_PX;
use crate::svg::escaped;
use crate::svg::hex;
use crate::view::Plot;

const HEAD_PX: u32 = 54;
const FOOT_PX: u32 = 40;
/// Characters of a line of the explanation.
const LINE_CHARS: usize = 170;

/// The whole file.
pub(crate) fn standalone(plot: &Plot, about: &str) -> String {
    let height = plot.height_px;
    let total = HEAD_PX + height + FOOT_PX;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{total}\" \
         viewBox=\"0 0 {WIDTH_PX} {total}\" \
         font-family=\"system-ui, 'Liberation Sans', sans-serif\">\n\
         <rect width=\"{WIDTH_PX}\" height=\"{total}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"17\" font-weight=\"bold\" fill=\"#1f2328\">{}</text>\n\
         <text x=\"{}\" y=\"24\" font-size=\"12\" fill=\"#57606a\" text-anchor=\"end\">{}</text>\n",
        escaped(plot.title),
        WIDTH_PX - 14,
        escaped(about)
    );
    let mut x = 16.0;
    for (name, rgb) in &plot.legend {
        // Letters are estimated on the large side, as in the frame.
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"36\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"46\" font-size=\"12\" fill=\"#57606a\">{}</text>",
            hex(*rgb),
            x + 16.0,
            escaped(name)
        )
        .expect("writing to a string does not fail");
        x += 16.0 + name.chars().count() as f64 * 7.0 + 18.0;
    }
    let inner = plot.svg.replacen("<svg ", &format!("<svg y=\"{HEAD_PX}\" "), 1);
    svg.push_str(&inner);
    for (number, line) in lines(&plot.caption).iter().enumerate() {
        let y = HEAD_PX + height + 14 + number as u32 * 15;
        writeln!(
            svg,
            "<text x=\"16\" y=\"{y}\" font-size=\"12\" fill=\"#57606a\">{}</text>",
            escaped(line)
        )
        .expect("writing to a string does not fail");
    }
    svg.push_str("</svg>\n");
    svg
}

fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is one");
        if last.chars().count() + word.chars().count() < LINE_CHARS {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_the_plot_and_its_words() {
        let plot = Plot {
            name: "x",
            title: "A < B",
            caption: "word ".repeat(60),
            legend: vec![("n<1".to_owned(), (1, 2, 3))],
            svg: "<svg width=\"1120\" height=\"300\" viewBox=\"0 0 1120 300\"><g/></svg>".to_owned(),
            height_px: 300,
        };
        let svg = standalone(&plot, "seed 7");
        for expected in [
            "height=\"394\"",
            "A &lt; B",
            "n&lt;1",
            "#010203",
            "<svg y=\"54\" width",
            "seed 7",
        ] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
        assert_eq!(
            svg.matches("word word").count() > 1,
            lines(&plot.caption).len() > 1
        );
        assert!(svg.ends_with("</svg>\n"));
    }
}
