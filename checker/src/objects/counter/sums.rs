//! Counters to which different amounts are added: exact within a limit of work, where the order of the reads
//! is known.
//!
//! It is known where nothing is ever subtracted (or nothing but subtracted): the count never falls, so the
//! reads stand in the order of what they show. And where no two reads run at the same time. Between two of
//! them stand additions that make up the difference, in any order; what is left comes behind the last read,
//! or not at all if it is open. Only sums count, so all that is to be chosen is between which reads each
//! addition stands. Then one look back decides ([`chain`]): the choice is an order iff nothing that must come
//! later had completed before something else began. (Choosing is subset sum: R. M. Karp, "Reducibility among
//! combinatorial problems", 1972; sums of the second half of what can be chosen are tabulated, after E.
//! Horowitz and S. Sahni, J. ACM 21, 1974.)

use history::{History, OPEN};
use rustc_hash::FxHashSet;

use super::model::{Counter, CounterOp};
use crate::engine::by_search::no_order_of_all;
use crate::engine::chain::{self, Ranked};
use crate::engine::publish;
use crate::engine::search::Limits;
use crate::model::{Call, Calls};
use crate::sentence::{op, sentence};
use crate::verdict::Decision;

/// How many choices are looked at, at most.
const MOST_WORK: u64 = 4_000_000;
/// Of longer histories the search knows more.
const MOST_CALLS: usize = 500;
/// Of how many additions all sums are tabulated.
const TABULATED: usize = 12;

/// Judges a counter; `None` if the search must help.
pub(super) fn decide(
    counter: &Counter,
    history: &History,
    calls: &Calls<CounterOp>,
    limits: &Limits,
) -> Option<Decision> {
    if calls.calls.len() > MOST_CALLS {
        return None;
    }
    let mut sums = Sums::new(counter, calls)?;
    if let Err(late) = sums.rank_reads() {
        return Some(no_choice(counter, history, calls, late));
    }
    let end = sums.levels.len();
    let found = Choice {
        sums: &sums,
        limits,
        work: 0,
        left_by: FxHashSet::default(),
        gap_of: vec![0; calls.calls.len()],
        deepest: 0,
    }
    .run();
    match found {
        Chosen::These(gap_of) => {
            let mut ranked = sums.ranked_reads();
            ranked.extend(sums.adds.iter().filter_map(|add| {
                let gap = gap_of[add.number];
                let is_left = gap == LEFT;
                let rank = if is_left { end } else { gap } as u64 * 2;
                let happened = !is_left || add.finish != OPEN;
                let number = add.number;
                happened.then_some(Ranked { rank, number })
            }));
            // What adds nothing may stand anywhere, but has its place in time.
            let order = sums.with_nothing(ranked)?;
            Some(publish::valid(counter, calls, &order))
        }
        Chosen::None { deepest } => {
            let reads = sums.levels.get(deepest)?;
            let first = reads
                .reads
                .iter()
                .min_by_key(|&&number| calls.calls[number].finish)?;
            Some(no_choice(counter, history, calls, *first))
        }
        Chosen::GaveUp => None,
    }
}

/// The decision that there is no choice of additions, as far as a read shows it.
fn no_choice(counter: &Counter, history: &History, calls: &Calls<CounterOp>, read: usize) -> Decision {
    let why = sentence![
        "No choice of the additions makes up what ",
        op(read),
        " and all other reads show."
    ];
    no_order_of_all(counter, history, calls, vec![read], why)
}

/// An addition.
#[derive(Clone, Copy)]
struct Add {
    number: usize,
    amount: i128,
    start: u64,
    finish: u64,
    /// It can stand before the reads of these levels at the earliest and at the latest, by number.
    gaps: [usize; 2],
}

/// Reads that show the same.
struct Level {
    count: i128,
    reads: Vec<usize>,
}

struct Sums<'a> {
    calls: &'a Calls<CounterOp>,
    initial: i128,
    /// By their starts.
    adds: Vec<Add>,
    /// In their order; counts are turned round where the counter only falls.
    levels: Vec<Level>,
}

impl<'a> Sums<'a> {
    /// `None` if the order of the reads is not known.
    fn new(counter: &Counter, calls: &'a Calls<CounterOp>) -> Option<Self> {
        let adds = |sign: i64| move |call: &Call<CounterOp>| matches!(call.op, CounterOp::Add(amount) if amount.signum() == sign);
        let (grows, falls) = (calls.calls.iter().any(adds(1)), calls.calls.iter().any(adds(-1)));
        let sign = if falls && !grows { -1 } else { 1 };
        let mut sums = Sums {
            calls,
            initial: sign * counter.initial,
            adds: Vec::new(),
            levels: Vec::new(),
        };
        let mut reads: Vec<(i128, usize)> = Vec::new();
        for (number, call) in calls.calls.iter().enumerate() {
            match call.op {
                CounterOp::Add(0) => {}
                CounterOp::Add(amount) => sums.adds.push(Add {
                    number,
                    amount: sign * i128::from(amount),
                    start: call.start,
                    finish: call.finish,
                    gaps: [0, 0],
                }),
                CounterOp::Read(seen) => reads.push((sign * seen, number)),
            }
        }
        sums.adds.sort_unstable_by_key(|add| add.start);
        match grows && falls {
            true => sums.levels_by_time(reads).then_some(sums),
            false => {
                sums.levels_by_count(reads);
                Some(sums)
            }
        }
    }

    fn levels_by_count(&mut self, mut reads: Vec<(i128, usize)>) {
        reads.sort_unstable();
        for (count, number) in reads {
            match self.levels.last_mut().filter(|level| level.count == count) {
                Some(level) => level.reads.push(number),
                None => self.levels.push(Level {
                    count,
                    reads: vec![number],
                }),
            }
        }
    }

    /// Whether no two reads run at the same time.
    fn levels_by_time(&mut self, mut reads: Vec<(i128, usize)>) -> bool {
        let call = |&(_, number): &(i128, usize)| &self.calls.calls[number];
        reads.sort_unstable_by_key(|read| call(read).start);
        let is_known = reads
            .windows(2)
            .all(|pair| call(&pair[0]).finish < call(&pair[1]).start);
        let level = |(count, number)| Level {
            count,
            reads: vec![number],
        };
        self.levels = reads.into_iter().map(level).collect();
        is_known
    }

    fn ranked_reads(&self) -> Vec<Ranked> {
        let levels = self.levels.iter().enumerate();
        let ranked = levels.flat_map(|(place, level)| {
            let rank = 2 * place as u64 + 1;
            level.reads.iter().map(move |&number| Ranked { rank, number })
        });
        ranked.collect()
    }

    /// Finds out between which reads each addition can stand.
    ///
    /// # Errors
    /// A read that shows less than one that had completed before.
    fn rank_reads(&mut self) -> Result<(), usize> {
        let mut ranked = self.ranked_reads();
        chain::sort(&self.calls.calls, &mut ranked).map_err(|inversion| inversion.first.number)?;
        let end = self.levels.len();
        // The highest level completed by then, and the lowest one that begins later.
        let mut by_finish: Vec<(u64, usize)> = Vec::with_capacity(ranked.len());
        let mut by_start: Vec<(u64, usize)> = Vec::with_capacity(ranked.len());
        for Ranked { rank, number } in ranked {
            let call = &self.calls.calls[number];
            by_finish.push((call.finish, rank as usize / 2 + 1));
            by_start.push((call.start, rank as usize / 2));
        }
        by_finish.sort_unstable();
        by_start.sort_unstable();
        for place in 1..by_finish.len() {
            by_finish[place].1 = by_finish[place].1.max(by_finish[place - 1].1);
        }
        for place in (1..by_start.len()).rev() {
            by_start[place - 1].1 = by_start[place - 1].1.min(by_start[place].1);
        }
        for add in &mut self.adds {
            let before = by_finish.partition_point(|&(finish, _)| finish < add.start);
            let after = by_start.partition_point(|&(start, _)| start < add.finish);
            let lowest = before.checked_sub(1).map_or(0, |place| by_finish[place].1);
            let highest = by_start.get(after).map_or(end, |&(_, level)| level);
            add.gaps = [lowest, highest];
        }
        Ok(())
    }

    /// The order of what was ranked, with additions of nothing put in where time allows.
    fn with_nothing(&self, mut ranked: Vec<Ranked>) -> Option<Vec<usize>> {
        let calls = &self.calls.calls;
        chain::sort(calls, &mut ranked).ok()?;
        let is_nothing =
            |number: &usize| calls[*number].op == CounterOp::Add(0) && calls[*number].finish != OPEN;
        let mut nothing: Vec<usize> = (0..calls.len()).filter(is_nothing).collect();
        nothing.sort_unstable_by_key(|&number| calls[number].start);
        let mut order = Vec::with_capacity(ranked.len() + nothing.len());
        let mut nothing = nothing.into_iter().peekable();
        let mut latest = 0;
        // Each as soon as all that begins before it can have begun.
        for Ranked { number, .. } in ranked {
            latest = latest.max(calls[number].start);
            while let Some(other) = nothing.next_if(|&other| calls[other].start < latest) {
                order.push(other);
            }
            order.push(number);
        }
        order.extend(nothing);
        Some(order)
    }
}

/// The gap of an addition that stands in none.
const LEFT: usize = usize::MAX;

enum Chosen {
    /// The gap of each addition, by call number.
    These(Vec<usize>),
    /// There is no choice; this far it went.
    None {
        deepest: usize,
    },
    GaveUp,
}

/// Chooses gap by gap.
struct Choice<'a> {
    sums: &'a Sums<'a>,
    limits: &'a Limits,
    work: u64,
    /// Levels with what was left over there that lead nowhere.
    left_by: FxHashSet<(usize, Vec<u32>)>,
    gap_of: Vec<usize>,
    deepest: usize,
}

/// The additions that can stand in one gap, with what is needed to choose.
struct Gap {
    level: usize,
    adds: Vec<Add>,
    /// From each place on, how much can be subtracted and added in all.
    rest: Vec<[i128; 2]>,
    /// From which place on all sums are known, and these.
    tail: usize,
    sums: FxHashSet<i128>,
    /// Places and sums that lead nowhere, with the first completion among those left out.
    dead: FxHashSet<(usize, i128, u64)>,
}

/// What came of filling gaps from a place on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// All of them can be filled.
    All,
    /// This one can, in a way that leaves no choice for later ones.
    InVain,
    /// Not even this one.
    Not,
}

/// Likewise, or it takes too long.
type Found = Result<Filled, ()>;

impl Choice<'_> {
    fn run(mut self) -> Chosen {
        self.gap_of.fill(LEFT);
        let all: Vec<Add> = self.sums.adds.clone();
        match self.level(0, all) {
            Ok(Filled::All) => Chosen::These(self.gap_of),
            Ok(_) => Chosen::None {
                deepest: self.deepest,
            },
            Err(()) => Chosen::GaveUp,
        }
    }

    /// Fills the gap before a level, and all behind it, from the additions that are left.
    fn level(&mut self, level: usize, left: Vec<Add>) -> Found {
        let Some(next) = self.sums.levels.get(level) else {
            return Ok(Filled::All);
        };
        self.deepest = self.deepest.max(level);
        let before = match level.checked_sub(1) {
            Some(before) => self.sums.levels[before].count,
            None => self.sums.initial,
        };
        let begun = left.partition_point(|add| add.gaps[0] <= level);
        // Starts ascend, and so do the earliest gaps.
        let adds: Vec<Add> = left[..begun].to_vec();
        let key = (level, adds.iter().map(|add| add.number as u32).collect());
        if self.left_by.contains(&key) {
            return Ok(Filled::Not);
        }
        let mut gap = Gap::new(level, adds);
        let found = self.choose(&mut gap, 0, next.count - before, OPEN, &left)?;
        if found != Filled::All {
            self.left_by.insert(key);
        }
        Ok(found)
    }

    /// Chooses among the additions from a place on, so that they make up `sum`. Nothing may be chosen that
    /// began after `bar`: something that was left out had completed then.
    fn choose(&mut self, gap: &mut Gap, place: usize, sum: i128, bar: u64, left: &[Add]) -> Found {
        self.work += 1;
        if self.work > MOST_WORK || (self.work.is_multiple_of(1 << 10) && self.limits.is_stopped()) {
            return Err(());
        }
        let next = gap.adds.get(place).copied().filter(|add| add.start < bar);
        let Some(add) = next else {
            // All others are left out.
            let is_due = gap.adds[place..].iter().any(|add| add.gaps[1] <= gap.level);
            if sum != 0 || is_due {
                return Ok(Filled::Not);
            }
            let rest = left.iter().filter(|add| self.gap_of[add.number] == LEFT);
            let rest = rest.copied().collect();
            return Ok(match self.level(gap.level + 1, rest)? {
                Filled::All => Filled::All,
                Filled::InVain | Filled::Not => Filled::InVain,
            });
        };
        let [least, most] = gap.rest[place];
        let is_short = sum < least || sum > most;
        let is_odd = place == gap.tail && !gap.sums.contains(&sum);
        if is_short || is_odd || gap.dead.contains(&(place, sum, bar)) {
            return Ok(Filled::Not);
        }
        self.gap_of[add.number] = gap.level;
        let with = self.choose(gap, place + 1, sum - add.amount, bar, left)?;
        if with == Filled::All {
            return Ok(with);
        }
        self.gap_of[add.number] = LEFT;
        let without = match add.gaps[1] > gap.level {
            true => self.choose(gap, place + 1, sum, bar.min(add.finish), left)?,
            false => Filled::Not,
        };
        if with == Filled::Not && without == Filled::Not {
            gap.dead.insert((place, sum, bar));
        }
        Ok(match without {
            Filled::Not => with,
            without => without,
        })
    }
}

impl Gap {
    fn new(level: usize, adds: Vec<Add>) -> Self {
        let mut rest = vec![[0, 0]; adds.len() + 1];
        for place in (0..adds.len()).rev() {
            let ([least, most], amount) = (rest[place + 1], adds[place].amount);
            rest[place] = [least + amount.min(0), most + amount.max(0)];
        }
        let tail = adds.len().saturating_sub(TABULATED);
        let mut sums = FxHashSet::from_iter([0]);
        for add in &adds[tail..] {
            let more: Vec<i128> = sums.iter().map(|sum| sum + add.amount).collect();
            sums.extend(more);
        }
        Gap {
            level,
            adds,
            rest,
            tail,
            sums,
            dead: FxHashSet::default(),
        }
    }
}
