//! A random choice among generators.

use history::EventKind;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Context, Generator, Next};

/// A seeded, weighted choice for each operation.
pub struct Mix {
    children: Vec<(u32, Box<dyn Generator>)>,
    rng: ChaCha8Rng,
    /// The children not yet asked during this call; kept to save an allocation per operation.
    untried: Vec<usize>,
}

/// Chooses one child by weight for each operation. If the chosen one is pending or done, another one is
/// chosen, so weights hold among those that have something to do; a child of weight 0 is asked only when no
/// other has.
///
/// A child that answers with a time far ahead makes the thread wait; [`crate::any`] takes the soonest
/// instead.
pub fn mix(seed: u64, children: Vec<(u32, Box<dyn Generator>)>) -> Mix {
    Mix {
        children,
        rng: ChaCha8Rng::seed_from_u64(seed),
        untried: Vec::new(),
    }
}

impl Mix {
    /// Takes one of the untried children by weight.
    fn choose(&mut self) -> Option<usize> {
        let total: u64 = self.untried.iter().map(|&i| u64::from(self.children[i].0)).sum();
        if total == 0 {
            return self.untried.pop();
        }
        let mut left = self.rng.random_range(0..total);
        let position = self.untried.iter().position(|&i| {
            let weight = u64::from(self.children[i].0);
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit
        })?;
        Some(self.untried.swap_remove(position))
    }
}

impl Generator for Mix {
    fn next(&mut self, ctx: &Context) -> Next {
        self.untried.clear();
        self.untried.extend(0..self.children.len());
        let mut answer = Next::Done;
        while let Some(index) = self.choose() {
            match self.children[index].1.next(ctx) {
                chosen @ Next::Do { .. } => return chosen,
                pending @ Next::Pending { .. } => answer = answer.sooner(pending),
                Next::Done => {}
            }
        }
        answer
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        for (_, child) in &mut self.children {
            child.update(ctx, event);
        }
    }
}
