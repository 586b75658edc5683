//! Kinds of a fault: their names, their values, and the choice of what a target leaves open.

use history::{Aim, Pick, Target, Whom};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::NemesisContext;
use crate::holds::Taken;
use crate::target::hit::Hit;
use crate::target::nodes;

/// One of several things that a nemesis does. A nemesis' table pairs each with a variant of an enum of its
/// own, by which it knows what to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Its name in a target.
    pub name: &'static str,
    /// With fewer nodes it makes no sense.
    pub min_nodes: usize,
    /// How often it comes in the default mix.
    pub weight: usize,
    /// Its value, if it has one.
    pub values: Option<Values>,
}

/// The values of a kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// Their unit.
    pub unit: &'static str,
    /// The bounds between which one is drawn, log-uniformly.
    pub least: f64,
    /// The other bound.
    pub most: f64,
    /// The most that a user may set.
    pub limit: f64,
    /// Whether it may be negative; a drawn one then is in half of all cases.
    pub is_signed: bool,
}

/// The kinds without what the nemesis calls them, for its list entry.
pub(crate) const fn names_of<K: Copy, const N: usize>(kinds: &[(K, Kind); N]) -> [Kind; N] {
    let mut names = [kinds[0].1; N];
    let mut at = 0;
    while at < N {
        names[at] = kinds[at].1;
        at += 1;
    }
    names
}

/// What a target means once all that it left open is drawn.
#[derive(Debug)]
pub(crate) struct Drawn<K> {
    /// What is done.
    pub what: K,
    /// The line of the table that it comes from.
    pub kind: Kind,
    /// How much of it; 0 for a kind without values.
    pub value: f64,
    /// Who is hit.
    pub hit: Hit,
}

/// Draws what a target leaves open: the value, and whom, from `whom`, but for those that are taken.
///
/// # Errors
/// When the leader is wanted by name and none is known, or there are too few nodes.
pub(crate) async fn draw<K: Copy>(
    ctx: &NemesisContext,
    kinds: &[(K, Kind)],
    aim: &Aim,
    whom: &[Pick],
    taken: &Taken,
    rng: &mut ChaCha8Rng,
) -> Result<Drawn<K>, String> {
    let (what, kind) = typed_kind_of(kinds, aim)?;
    let value = kind.value(aim, rng);
    let drawn = Whom::Pick(whom.choose(rng).copied().unwrap_or(Pick::One));
    let hit = match Hit::at(ctx, aim.whom.as_ref().unwrap_or(&drawn), taken, rng).await {
        // The pick was only drawn: with too few nodes for it, or without a leader, one node will do.
        Err(_) if aim.whom.is_none() => Hit::at(ctx, &Whom::Pick(Pick::One), taken, rng).await,
        hit => hit,
    }?;
    Ok(Drawn {
        what,
        kind,
        value,
        hit,
    })
}

/// The kind that a target wants.
///
/// # Errors
/// When there is none of that name.
pub(crate) fn kind_of(kinds: &[Kind], aim: &Aim) -> Result<Kind, String> {
    let found = kinds.iter().find(|kind| aim.kind.as_deref() == Some(kind.name));
    found.copied().ok_or_else(|| format!("no target `{aim}`"))
}

/// The same, with what the nemesis calls it.
pub(crate) fn typed_kind_of<K: Copy>(kinds: &[(K, Kind)], aim: &Aim) -> Result<(K, Kind), String> {
    let found = kinds
        .iter()
        .find(|(_, kind)| aim.kind.as_deref() == Some(kind.name));
    found.copied().ok_or_else(|| format!("no target `{aim}`"))
}

impl<K> Drawn<K> {
    /// The target that does exactly this again.
    pub fn exact(&self, ctx: &NemesisContext) -> Target {
        let whom = nodes::by_name(ctx.environment.nodes(), &self.hit.nodes);
        self.kind.exactly(self.value, whom)
    }
}

impl Kind {
    /// The unit of its values, empty if it has none.
    pub(crate) fn unit(&self) -> &'static str {
        self.values.map_or("", |values| values.unit)
    }

    /// Whether this value can be set.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn check(&self, value: Option<f64>) -> Result<(), String> {
        let Some(value) = value else { return Ok(()) };
        let Some(values) = self.values else {
            return Err(format!("`{}` takes no value, and `{value}` is one", self.name));
        };
        let Values { unit, limit, .. } = values;
        match values.is_signed {
            true if value != 0.0 && value.abs() <= limit => Ok(()),
            true => Err(format!(
                "`{value}` should be between -{limit} and {limit} {unit}, and not 0"
            )),
            false if value > 0.0 && value <= limit => Ok(()),
            false => Err(format!(
                "`{value}` should be more than 0 and at most {limit} {unit}"
            )),
        }
    }

    /// The value that a target sets, or one that is drawn; 0 for a kind without values.
    pub(crate) fn value(&self, aim: &Aim, rng: &mut ChaCha8Rng) -> f64 {
        // Drawn in any case, so that what is drawn later does not depend on what the target sets.
        let drawn = self.values.map_or(0.0, |values| values.draw(rng));
        aim.value.unwrap_or(drawn)
    }

    /// The target for this value and these nodes or links.
    pub(crate) fn exactly(&self, value: f64, whom: Whom) -> Target {
        Target::from(Aim {
            kind: Some(self.name.to_owned()),
            value: self.values.map(|_| value),
            whom: Some(whom),
        })
    }
}

impl Values {
    fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        let value = (self.least * (self.most / self.least).powf(rng.random())).round();
        match self.is_signed && rng.random_bool(0.5) {
            true => -value,
            false => value,
        }
    }
}
