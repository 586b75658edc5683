//! What a fault is aimed at: a text in a small language, and what it means.
//!
//! ```text
//! target  = whom | kind [ "=" number ] [ "@" whom ]      leader    jump=-30000@n1+n3    loss@n1>n2
//! kind    = lowercase letters, digits and "-"
//! whom    = pick | nodes | links
//! pick    = one | minority | leader | bridge | …         see Pick: decided when the fault begins
//! nodes   = node { "+" node }                            n1+n3
//! links   = cut { ";" cut }                              n1>n3;n2>n3+n4
//! cut     = nodes "|" nodes { "|" nodes }                groups that do not hear each other
//!         | nodes ">" nodes                              the second ones do not hear the first ones
//! ```
//!
//! Invariant: a text is read once, when a [`Target`] is made of it. From then on everyone looks at its
//! [`Aim`]. Which kinds, picks and values make sense is for the nemesis to say.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// At what a fault is aimed, or what exactly it hit: the text as it was written, and its meaning where it has
/// one. The targets of other tools' histories have none. Two targets are the same if their texts are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Target {
    text: Arc<str>,
    aim: Option<Arc<Aim>>,
}

/// What a target means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    /// What is done, where a nemesis does several things: `jump`, `loss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How much of it, in the unit of the kind. Drawn if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// To whom. Drawn if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whom: Option<Whom>,
}

/// Which nodes, or which links between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// The nodes of these names.
    Nodes(Vec<String>),
    /// The links that these cuts name.
    Links(Vec<Cut>),
    /// Nodes or links that are picked when the fault begins.
    #[serde(untagged)]
    Pick(Pick),
}

/// Links by the names of their nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// At least two groups of nodes, none of which hears another one: `n1+n2|n3`.
    Apart(Vec<Vec<String>>),
    /// The nodes of `to` do not hear those of `from`: `n1>n2+n3`.
    OneWay {
        /// Who is not heard.
        from: Vec<String>,
        /// Who does not hear them.
        to: Vec<String>,
    },
}

/// How nodes, or links between them, are picked when the fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// One random node.
    One,
    /// A random minority, of random size.
    Minority,
    /// The same, with the leader in it.
    MinorityWithLeader,
    /// The same, without the leader.
    MinorityWithoutLeader,
    /// A random majority, but not all.
    Majority,
    /// The same, with the leader in it.
    MajorityWithLeader,
    /// The same, without the leader.
    MajorityWithoutLeader,
    /// All nodes.
    All,
    /// The leader.
    Leader,
    /// Links between two random halves.
    Halves,
    /// Links such that each node hears a majority, no two nodes the same one.
    MajoritiesRing,
    /// Links between two halves, with one node that both hear.
    Bridge,
    /// Links to one node, or those from it.
    OneWay,
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// What should be the name of a kind.
    #[error("`{0}` is not a name")]
    Kind(String),
    /// What follows the `@` is neither a pick nor names of nodes.
    #[error("`{0}` names no nodes; write names such as `n1+n2`, or a word such as `leader`")]
    Whom(String),
    /// What follows the `=`.
    #[error("`{0}` is not a number")]
    Value(String),
    /// One side of a cut.
    #[error("`{0}` names no nodes; write groups like `n1+n2|n3` or `n1>n2+n3`")]
    Group(String),
    /// A cut without two sides, or with too many.
    #[error("`{0}` should be groups like `n1+n2|n3`, or `n1>n2+n3`")]
    Cut(String),
}

impl Pick {
    /// All of them.
    pub const ALL: [Pick; 13] = [
        Pick::One,
        Pick::Minority,
        Pick::MinorityWithLeader,
        Pick::MinorityWithoutLeader,
        Pick::Majority,
        Pick::MajorityWithLeader,
        Pick::MajorityWithoutLeader,
        Pick::All,
        Pick::Leader,
        Pick::Halves,
        Pick::MajoritiesRing,
        Pick::Bridge,
        Pick::OneWay,
    ];

    /// As it is written in a target.
    pub const fn name(self) -> &'static str {
        match self {
            Pick::One => "one",
            Pick::Minority => "minority",
            Pick::MinorityWithLeader => "minority-with-leader",
            Pick::MinorityWithoutLeader => "minority-without-leader",
            Pick::Majority => "majority",
            Pick::MajorityWithLeader => "majority-with-leader",
            Pick::MajorityWithoutLeader => "majority-without-leader",
            Pick::All => "all",
            Pick::Leader => "leader",
            Pick::Halves => "halves",
            Pick::MajoritiesRing => "majorities-ring",
            Pick::Bridge => "bridge",
            Pick::OneWay => "one-way",
        }
    }

    /// Whether the leader is to be among those that are picked; `None` if it does not matter who leads.
    pub const fn with_leader(self) -> Option<bool> {
        match self {
            Pick::Leader | Pick::MinorityWithLeader | Pick::MajorityWithLeader => Some(true),
            Pick::MinorityWithoutLeader | Pick::MajorityWithoutLeader => Some(false),
            _ => None,
        }
    }

    fn named(name: &str) -> Option<Pick> {
        Pick::ALL.into_iter().find(|pick| pick.name() == name)
    }
}

impl Target {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What it means, unless it is written in another language.
    pub fn aim(&self) -> Option<&Aim> {
        self.aim.as_deref()
    }

    /// How the nodes are picked, where they are.
    pub fn pick(&self) -> Option<Pick> {
        match self.aim.as_ref()?.whom {
            Some(Whom::Pick(pick)) => Some(pick),
            _ => None,
        }
    }
}

impl Aim {
    /// Just these nodes or links.
    pub fn at(whom: Whom) -> Aim {
        Aim {
            whom: Some(whom),
            ..Aim::default()
        }
    }
}

impl FromStr for Aim {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Aim, TargetError> {
        let Some((what, whom)) = text.split_once('@') else {
            return Ok(match (text, read_whom(text)?) {
                ("", _) => Aim::default(),
                (_, Some(whom)) => Aim::at(whom),
                (_, None) => read_kind(text)?,
            });
        };
        let whom = read_whom(whom)?.ok_or_else(|| TargetError::Whom(whom.to_owned()))?;
        Ok(Aim {
            whom: Some(whom),
            ..read_kind(what)?
        })
    }
}

fn read_kind(text: &str) -> Result<Aim, TargetError> {
    let (kind, value) = match text.split_once('=') {
        Some((kind, value)) => (kind, Some(value)),
        None => (text, None),
    };
    let number = |text: &str| {
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| TargetError::Value(text.to_owned()))
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if kind.is_empty() || !kind.bytes().all(is_name) {
        return Err(TargetError::Kind(kind.to_owned()));
    }
    Ok(Aim {
        kind: Some(kind.to_owned()),
        value: value.map(number).transpose()?,
        whom: None,
    })
}

/// Reads a WHOM; `None` if it is neither a pick nor speaks of nodes.
fn read_whom(text: &str) -> Result<Option<Whom>, TargetError> {
    if text.contains(['|', '>']) && !text.contains('=') {
        let cuts = text.split(';').map(read_cut).collect::<Result<_, _>>()?;
        return Ok(Some(Whom::Links(cuts)));
    }
    Ok(Pick::named(text)
        .map(Whom::Pick)
        .or_else(|| read_nodes(text).map(Whom::Nodes)))
}

fn read_cut(text: &str) -> Result<Cut, TargetError> {
    let is_one_way = text.contains('>');
    let groups: Vec<Vec<String>> = text
        .split(if is_one_way { '>' } else { '|' })
        .map(|group| read_nodes(group).ok_or_else(|| TargetError::Group(group.to_owned())))
        .collect::<Result<_, _>>()?;
    match (is_one_way, <[Vec<String>; 2]>::try_from(groups)) {
        (true, Ok([from, to])) => Ok(Cut::OneWay { from, to }),
        (false, Ok(two)) => Ok(Cut::Apart(two.into())),
        (false, Err(groups)) if groups.len() > 2 => Ok(Cut::Apart(groups)),
        _ => Err(TargetError::Cut(text.to_owned())),
    }
}

/// `n1+n3`
fn read_nodes(text: &str) -> Option<Vec<String>> {
    let is_node = |name: &str| {
        name.strip_prefix('n')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.split('+')
        .map(|name| is_node(name).then(|| name.to_owned()))
        .collect()
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = &self.kind {
            f.write_str(kind)?;
            if let Some(value) = self.value {
                write!(f, "={value}")?;
            }
            if self.whom.is_some() {
                f.write_str("@")?;
            }
        }
        match &self.whom {
            Some(whom) => whom.fmt(f),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::Pick(pick) => f.write_str(pick.name()),
            Whom::Nodes(nodes) => f.write_str(&nodes.join("+")),
            Whom::Links(cuts) => {
                let cuts: Vec<String> = cuts.iter().map(Cut::to_string).collect();
                f.write_str(&cuts.join(";"))
            }
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Apart(groups) => {
                let groups: Vec<String> = groups.iter().map(|group| group.join("+")).collect();
                f.write_str(&groups.join("|"))
            }
            Cut::OneWay { from, to } => write!(f, "{}>{}", from.join("+"), to.join("+")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Target {
    fn from(text: String) -> Target {
        Target {
            aim: text.parse().ok().map(Arc::new),
            text: text.into(),
        }
    }
}

impl From<&str> for Target {
    fn from(text: &str) -> Target {
        text.to_owned().into()
    }
}

impl From<Aim> for Target {
    fn from(aim: Aim) -> Target {
        Target {
            text: aim.to_string().into(),
            aim: Some(Arc::new(aim)),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.as_str().to_owned()
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        self.text == other.text
    }
}

impl Eq for Target {}

impl std::hash::Hash for Target {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_their_meanings() {
        // (target, its meaning as JSON or the error)
        let cases = [
            ("", "{}"),
            ("leader", r#"{"whom":"leader"}"#),
            ("one-way", r#"{"whom":"one-way"}"#),
            ("n1+n3", r#"{"whom":{"nodes":["n1","n3"]}}"#),
            (
                "n1+n2|n3",
                r#"{"whom":{"links":[{"apart":[["n1","n2"],["n3"]]}]}}"#,
            ),
            (
                "n1>n2+n3;n2|n3|n4",
                r#"{"whom":{"links":[{"one-way":{"from":["n1"],"to":["n2","n3"]}},{"apart":[["n2"],["n3"],["n4"]]}]}}"#,
            ),
            ("bitflip", r#"{"kind":"bitflip"}"#),
            (
                "jump=-30000@n1",
                r#"{"kind":"jump","value":-30000.0,"whom":{"nodes":["n1"]}}"#,
            ),
            ("answers@leader", r#"{"kind":"answers","whom":"leader"}"#),
            (
                "loss=12.5@n1>n2",
                r#"{"kind":"loss","value":12.5,"whom":{"links":[{"one-way":{"from":["n1"],"to":["n2"]}}]}}"#,
            ),
            ("[:n1 :n2]", "error: `[:n1 :n2]` is not a name"),
            ("@leader", "error: `` is not a name"),
            // Kinds are the nemesis' own.
            ("node1", r#"{"kind":"node1"}"#),
            ("jump=soon", "error: `soon` is not a number"),
            ("jump=inf", "error: `inf` is not a number"),
            (
                "jump@some",
                "error: `some` names no nodes; write names such as `n1+n2`, or a word such as `leader`",
            ),
            (
                "n1>n2>n3",
                "error: `n1>n2>n3` should be groups like `n1+n2|n3`, or `n1>n2+n3`",
            ),
            (
                "n1|",
                "error: `` names no nodes; write groups like `n1+n2|n3` or `n1>n2+n3`",
            ),
        ];
        for (text, expected) in cases {
            match text.parse::<Aim>() {
                Ok(aim) => {
                    let json = serde_json::to_string(&aim).expect("plain data");
                    assert_eq!(json, expected, "{text}");
                    assert_eq!(serde_json::from_str::<Aim>(&json).expect(text), aim);
                    assert_eq!(aim.to_string(), text);
                    assert_eq!(Target::from(text).aim(), Some(&aim));
                }
                Err(why) => {
                    assert_eq!(format!("error: {why}"), expected, "{text}");
                    assert_eq!(Target::from(text).aim(), None);
                }
            }
            assert_eq!(Target::from(text).to_string(), text);
        }
    }

    #[test]
    fn picks_are_read_by_the_names_that_they_write() {
        for pick in Pick::ALL {
            assert_eq!(Target::from(pick.name()).pick(), Some(pick));
            let json = serde_json::to_string(&pick).expect("plain data");
            assert_eq!(json, format!("\"{}\"", pick.name()));
        }
    }
}
