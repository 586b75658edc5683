//! JUnit's XML, as far as runs and matrices need it.
//!
//! The form is the one that Jenkins, GitLab and GitHub's actions read:
//! <https://github.com/testmoapp/junitxml>. Characters that XML 1.0 has no way to write are left out, for a
//! node's output may contain any.

use std::fmt::Write;

use checker::Verdict;

/// One test suite; the document has no other.
pub(crate) struct Suite {
    pub name: String,
    /// How long the run took.
    pub seconds: Option<f64>,
    /// Names and values.
    pub properties: Vec<(&'static str, String)>,
    pub cases: Vec<Case>,
    pub system_out: Option<String>,
}

/// One test case.
pub(crate) struct Case {
    pub name: String,
    pub class: Option<String>,
    pub seconds: Option<f64>,
    /// Why it did not pass; `None` if it did.
    pub problem: Option<Problem>,
}

/// Why a test case did not pass.
pub(crate) struct Problem {
    pub kind: ProblemKind,
    /// One word.
    pub type_: String,
    /// One line.
    pub message: String,
    /// The whole story.
    pub description: Option<String>,
}

/// What a CI system makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// The store is wrong.
    Failure,
    /// The test could not tell.
    Error,
}

impl ProblemKind {
    /// What a verdict is to a CI system; `None` if all is well.
    pub(crate) fn of(verdict: Verdict) -> Option<ProblemKind> {
        match verdict {
            Verdict::Valid => None,
            Verdict::Invalid => Some(ProblemKind::Failure),
            Verdict::Unknown => Some(ProblemKind::Error),
        }
    }
}

impl Suite {
    /// The document.
    pub(crate) fn to_xml(&self) -> String {
        let count = |kind| {
            let problems = self.cases.iter().filter_map(|case| case.problem.as_ref());
            problems.filter(|problem| problem.kind == kind).count()
        };
        let (tests, failures, errors) = (
            self.cases.len(),
            count(ProblemKind::Failure),
            count(ProblemKind::Error),
        );
        let time = time(self.seconds);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"perjury\" tests=\"{tests}\" skipped=\"0\" failures=\"{failures}\" \
             errors=\"{errors}\"{time}>\n\
             {:4}<testsuite name=\"{}\" tests=\"{tests}\" skipped=\"0\" errors=\"{errors}\" \
             failures=\"{failures}\"{time}>\n",
            "",
            escaped(&self.name),
        );
        if !self.properties.is_empty() {
            xml += "        <properties>\n";
            for (name, value) in &self.properties {
                let value = escaped(value);
                line(
                    &mut xml,
                    12,
                    &format!("<property name=\"{name}\" value=\"{value}\"/>"),
                );
            }
            xml += "        </properties>\n";
        }
        for case in &self.cases {
            case.write(&mut xml);
        }
        if let Some(text) = &self.system_out {
            line(
                &mut xml,
                8,
                &format!("<system-out>{}</system-out>", escaped(text)),
            );
        }
        xml + "    </testsuite>\n</testsuites>\n"
    }
}

impl Case {
    fn write(&self, xml: &mut String) {
        let mut tag = format!("<testcase name=\"{}\"", escaped(&self.name));
        if let Some(class) = &self.class {
            let _ = write!(tag, " classname=\"{}\"", escaped(class));
        }
        tag += &time(self.seconds);
        let Some(problem) = &self.problem else {
            return line(xml, 8, &(tag + "/>"));
        };
        line(xml, 8, &(tag + ">"));
        let kind = match problem.kind {
            ProblemKind::Failure => "failure",
            ProblemKind::Error => "error",
        };
        let (message, type_) = (escaped(&problem.message), escaped(&problem.type_));
        let tag = format!("<{kind} message=\"{message}\" type=\"{type_}\"");
        match &problem.description {
            Some(text) => line(xml, 12, &format!("{tag}>{}</{kind}>", escaped(text))),
            None => line(xml, 12, &(tag + "/>")),
        }
        line(xml, 8, "</testcase>");
    }
}

fn line(xml: &mut String, indent: usize, text: &str) {
    let _ = writeln!(xml, "{:indent$}{text}", "");
}

/// As an attribute.
fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(" time=\"{seconds:.3}\""))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '&' => safe += "&amp;",
            '"' => safe += "&quot;",
            '\'' => safe += "&apos;",
            char if is_of_xml(char) => safe.push(char),
            _ => {}
        }
    }
    safe
}

/// Production `Char` of XML 1.0, section 2.2.
fn is_of_xml(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_xml_can_say_is_written() {
        let cases = [
            ("a<b>&'\"c", "a&lt;b&gt;&amp;&apos;&quot;c"),
            ("tab\tline\n", "tab\tline\n"),
            ("\u{1b}[31mred\u{0}\u{ffff}é\u{1f600}", "[31mredé\u{1f600}"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn suites_are_counted_and_nested() {
        let case = |name: &str, problem| Case {
            name: name.to_owned(),
            class: None,
            seconds: Some(0.25),
            problem,
        };
        let problem = |kind| Problem {
            kind,
            type_: "unknown".to_owned(),
            message: "a & b".to_owned(),
            description: None,
        };
        let suite = Suite {
            name: "all".to_owned(),
            seconds: None,
            properties: Vec::new(),
            cases: vec![
                case("good", None),
                case("unclear", Some(problem(ProblemKind::Error))),
            ],
            system_out: None,
        };
        insta::assert_snapshot!(suite.to_xml(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="perjury" tests="2" skipped="0" failures="0" errors="1">
            <testsuite name="all" tests="2" skipped="0" errors="1" failures="0">
                <testcase name="good" time="0.250"/>
                <testcase name="unclear" time="0.250">
                    <error message="a &amp; b" type="unknown"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
