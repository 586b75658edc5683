//! Targets that say what is done and to whom: `KIND`, `KIND=VALUE`, either with `@WHO`. What is left out is drawn.

use control::Node;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A kind of trouble, with the unit and the bounds between which its value is drawn, log-uniformly.
#[derive(Debug)]
pub(crate) struct Kind {
    pub name: &'static str,
    /// Empty for one without a value.
    pub unit: &'static str,
    pub least: f64,
    pub most: f64,
    /// The most that may be asked for.
    pub limit: f64,
    /// Whether it may be negative; a drawn one then is in half of all cases.
    pub is_signed: bool,
}

/// A target, read.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub kind: &'static Kind,
    pub value: Option<f64>,
    /// `None` to draw it.
    pub who: Option<&'a str>,
}

/// Reads a target; `None` if it begins with none of these kinds. `knows` says whether a WHO makes sense.
pub(crate) fn parse<'a>(
    kinds: &'static [Kind],
    target: &'a str,
    knows: impl Fn(&str) -> Result<(), String>,
) -> Option<Result<Asked<'a>, String>> {
    let (what, who) = match target.split_once('@') {
        Some((what, who)) => (what, Some(who)),
        None => (target, None),
    };
    let (name, value) = match what.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (what, None),
    };
    let kind = kinds.iter().find(|kind| kind.name == name)?;
    let value = value.map(|text| kind.read(text)).transpose();
    Some(value.and_then(|value| {
        who.map_or(Ok(()), knows)?;
        Ok(Asked { kind, value, who })
    }))
}

/// Whether a WHO is one of these words or names nodes.
///
/// # Errors
/// One line for the user.
pub(crate) fn knows_nodes(words: &[&str], nodes: &[Node], who: &str) -> Result<(), String> {
    if words.contains(&who) {
        return Ok(());
    }
    match crate::targets::named_nodes(who, nodes) {
        Some(named) => named.map(drop),
        None => Err(format!(
            "`{who}` should be {}, or names of nodes such as n1+n2",
            words.join(", ")
        )),
    }
}

impl Kind {
    fn read(&self, text: &str) -> Result<f64, String> {
        if self.unit.is_empty() {
            return Err(format!("`{}` takes no value, and `{text}` is one", self.name));
        }
        match text.parse::<f64>() {
            Ok(value) if value != 0.0 && value.abs() <= self.limit && (self.is_signed || value > 0.0) => {
                Ok(value)
            }
            _ if self.is_signed => Err(format!(
                "`{text}` should be between -{0} and {0} {1}, and not 0",
                self.limit, self.unit
            )),
            _ => Err(format!(
                "`{text}` should be more than 0 and at most {} {}",
                self.limit, self.unit
            )),
        }
    }

    /// A value to have where none was asked for.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        let value = (self.least * (self.most / self.least).powf(rng.random())).round();
        match self.is_signed && rng.random_bool(0.5) {
            true => -value,
            false => value,
        }
    }
}
