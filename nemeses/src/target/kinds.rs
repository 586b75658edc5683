//! Targets that say what is done and to whom: `KIND`, `KIND=VALUE`, either with `@WHO`. What is left out is drawn.

use control::Node;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::NemesisContext;
use crate::act::leader;
use crate::target::nodes::{choose, needs_leader};

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

/// A target with all that it left open.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub kind: &'static Kind,
    pub value: f64,
    /// The nodes to hit.
    pub nodes: Vec<usize>,
    /// Who leads, if it was asked for.
    pub leader: Option<usize>,
}

impl Asked<'_> {
    /// The value that was asked for, or one that is drawn.
    pub fn value(&self, rng: &mut ChaCha8Rng) -> f64 {
        // Drawn in any case, so that what is drawn later does not hang on what was asked for.
        let drawn = self.kind.draw(rng);
        self.value.unwrap_or(drawn)
    }

    /// Draws what was left open; whom, from `words`.
    ///
    /// # Errors
    /// When the leader was asked for by name and nobody leads, or there are too few nodes.
    pub async fn draw(
        &self,
        ctx: &NemesisContext,
        words: &[&'static str],
        rng: &mut ChaCha8Rng,
    ) -> Result<Drawn, String> {
        let nodes = ctx.environment.nodes();
        let value = self.value(rng);
        let drawn = words.choose(rng).copied().unwrap_or("one");
        let who = self.who.unwrap_or(drawn);
        let leader = leader(ctx, needs_leader(who)).await;
        let chosen = match choose(who, nodes, leader, rng) {
            // Nobody asked for it: with too few nodes, or without a leader, one will do.
            Err(_) if self.who.is_none() => choose("one", nodes, leader, rng),
            chosen => chosen,
        };
        Ok(Drawn {
            kind: self.kind,
            value,
            nodes: chosen?,
            leader,
        })
    }
}

/// Whether a WHO is one of these words or names nodes.
///
/// # Errors
/// One line for the user.
pub(crate) fn knows_nodes(words: &[&str], nodes: &[Node], who: &str) -> Result<(), String> {
    if words.contains(&who) {
        return Ok(());
    }
    match crate::target::nodes::named_nodes(who, nodes) {
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
