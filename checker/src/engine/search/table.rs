//! States and spent open calls by number, and what an operation makes of a state, asked of the model only
//! once.

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::plan::Class;
use crate::model::{Model, array_bytes};

/// A state, by number.
pub(super) type StateId = u32;
/// How many open calls of each class were used up, by number; 0 is none.
pub(super) type SpentId = u32;

/// The first states have a row with a place for each class, if there are not too many of these.
const DENSE_STATES: usize = 1 << 10;
const DENSE_CLASSES: usize = 256;

/// What an operation makes of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Next(u32);

impl Next {
    const NEW: Next = Next(u32::MAX);
    const NONE: Next = Next(u32::MAX - 1);
    const MANY: u32 = 1 << 31;
}

/// The states met so far and the steps between them.
pub(super) struct Table<'a, M: Model> {
    model: &'a M,
    ops: Vec<&'a M::Op>,
    states: IndexSet<M::State, FxBuildHasher>,
    rows: Vec<Next>,
    sparse: FxHashMap<(StateId, Class), Next>,
    /// Where an operation leads to several states.
    many: Vec<Vec<StateId>>,
    scratch: Vec<M::State>,
    /// About how many bytes the states and `many` take on the heap.
    elsewhere: usize,
}

impl<'a, M: Model> Table<'a, M> {
    pub fn new(model: &'a M, ops: Vec<&'a M::Op>) -> Self {
        let mut table = Table {
            model,
            ops,
            states: IndexSet::default(),
            rows: Vec::new(),
            sparse: FxHashMap::default(),
            many: Vec::new(),
            scratch: Vec::new(),
            elsewhere: 0,
        };
        table.number(model.init());
        table
    }

    /// The first state.
    pub const INITIAL: StateId = 0;

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.states.capacity() * (size_of::<M::State>() + 24)
            + self.rows.capacity() * 4
            + self.sparse.capacity() * 16
            + self.many.capacity() * size_of::<Vec<StateId>>()
            + self.elsewhere
    }

    fn is_dense(&self, state: usize) -> bool {
        state < DENSE_STATES && self.ops.len() <= DENSE_CLASSES
    }

    /// The number of a state.
    pub fn number(&mut self, state: M::State) -> StateId {
        let bytes = self.model.heap_bytes(&state);
        let (number, is_new) = self.states.insert_full(state);
        self.elsewhere += if is_new { bytes } else { 0 };
        if is_new && self.is_dense(number) {
            self.rows.resize((number + 1) * self.ops.len(), Next::NEW);
        }
        number as StateId
    }

    /// The state of that number.
    pub fn state(&self, number: StateId) -> &M::State {
        &self.states[number as usize]
    }

    /// Whether the operation is possible.
    pub fn is_legal(&mut self, state: StateId, class: Class) -> bool {
        self.next(state, class) != Next::NONE
    }

    /// Whether the operation is possible and certainly changes nothing.
    pub fn stays(&mut self, state: StateId, class: Class) -> bool {
        self.next(state, class) == Next(state)
    }

    /// The states that the operation leads to, one by one: `place` counts from 0 until there is none.
    pub fn step(&mut self, state: StateId, class: Class, place: usize) -> Option<StateId> {
        match self.next(state, class) {
            Next::NONE => None,
            Next(number) if number & Next::MANY == 0 => (place == 0).then_some(number),
            Next(number) => self.many[(number & !Next::MANY) as usize].get(place).copied(),
        }
    }

    fn next(&mut self, state: StateId, class: Class) -> Next {
        let at = state as usize * self.ops.len() + class as usize;
        let known = if self.is_dense(state as usize) {
            self.rows[at]
        } else {
            *self.sparse.get(&(state, class)).unwrap_or(&Next::NEW)
        };
        if known != Next::NEW {
            return known;
        }
        let mut found = std::mem::take(&mut self.scratch);
        self.model
            .steps(&self.states[state as usize], self.ops[class as usize], &mut found);
        let mut numbers: Vec<StateId> = found.drain(..).map(|state| self.number(state)).collect();
        self.scratch = found;
        numbers.sort_unstable();
        numbers.dedup();
        let next = match numbers[..] {
            [] => Next::NONE,
            [only] => Next(only),
            _ => {
                self.elsewhere += array_bytes::<StateId>(numbers.capacity());
                self.many.push(numbers);
                Next((self.many.len() - 1) as u32 | Next::MANY)
            }
        };
        if self.is_dense(state as usize) {
            self.rows[at] = next;
        } else {
            self.sparse.insert((state, class), next);
        }
        next
    }
}

/// Multisets of used-up open calls.
pub(super) struct Spent {
    /// Sorted by class; no count is 0.
    sets: IndexSet<Box<[(Class, u32)]>, FxBuildHasher>,
    added: FxHashMap<(SpentId, Class), SpentId>,
    /// How many open calls each set has in all.
    sizes: Vec<u32>,
}

impl Spent {
    /// Nothing is used up.
    pub const NONE: SpentId = 0;

    pub fn new() -> Self {
        let mut sets = IndexSet::default();
        sets.insert(Vec::new().into_boxed_slice());
        Spent {
            sets,
            added: FxHashMap::default(),
            sizes: vec![0],
        }
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.sets.len() * 160 + self.added.capacity() * 16
    }

    /// How many of a class are used up.
    pub fn count(&self, spent: SpentId, class: Class) -> u32 {
        let set = &self.sets[spent as usize];
        set.binary_search_by_key(&class, |(class, _)| *class)
            .map_or(0, |place| set[place].1)
    }

    /// How many are used up in all.
    pub fn size(&self, spent: SpentId) -> u32 {
        self.sizes[spent as usize]
    }

    /// The set with one more.
    pub fn add(&mut self, spent: SpentId, class: Class) -> SpentId {
        if let Some(&known) = self.added.get(&(spent, class)) {
            return known;
        }
        let mut set = self.sets[spent as usize].to_vec();
        match set.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(place) => set[place].1 += 1,
            Err(place) => set.insert(place, (class, 1)),
        }
        let number = self.intern(set);
        self.added.insert((spent, class), number);
        number
    }

    /// The largest set that both contain.
    pub fn common(&mut self, a: SpentId, b: SpentId) -> SpentId {
        if a == b {
            return a;
        }
        let common = self.sets[a as usize].iter().filter_map(|&(class, count)| {
            let both = count.min(self.count(b, class));
            (both > 0).then_some((class, both))
        });
        let common = common.collect();
        self.intern(common)
    }

    /// Whether `b` contains `a`.
    pub fn is_within(&self, a: SpentId, b: SpentId) -> bool {
        a == b
            || a == 0
            || (self.size(a) <= self.size(b)
                && self.sets[a as usize]
                    .iter()
                    .all(|&(class, count)| count <= self.count(b, class)))
    }

    fn intern(&mut self, set: Vec<(Class, u32)>) -> SpentId {
        let size = set.iter().map(|(_, count)| count).sum();
        let (number, is_new) = self.sets.insert_full(set.into_boxed_slice());
        if is_new {
            self.sizes.push(size);
        }
        number as SpentId
    }
}
