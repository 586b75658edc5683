//! Numbers for values, in the order in which the values are first met.
//!
//! Most clients count their values up, so that integers near the first one are looked up in a table;
//! everything else goes through a hash map. Either way equal values get equal numbers, and different ones
//! different numbers.

use history::Value;
use rustc_hash::FxHashMap;

/// How far below the first integer the table begins: clients that run at the same time overtake each other.
const BELOW: i64 = 1_000;
/// How many integers the table may cover for each operation.
const SPAN: usize = 8;

/// Gives equal values equal numbers, counted up from 0.
pub(crate) struct Interner<'a> {
    count: u32,
    /// The number plus one of each integer from `lowest` on; 0 for those not met yet.
    table: Vec<u32>,
    lowest: i64,
    /// How long the table may become.
    room: usize,
    others: FxHashMap<&'a Value, u32>,
}

impl<'a> Interner<'a> {
    /// For the values of `operations` operations, of which `example` is one.
    pub fn new(operations: usize, example: Option<i64>) -> Self {
        Interner {
            count: 0,
            table: Vec::new(),
            lowest: example.unwrap_or(0).saturating_sub(BELOW),
            room: operations.saturating_mul(SPAN).saturating_add(BELOW as usize),
            others: FxHashMap::default(),
        }
    }

    /// How many different values there were.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Gives the next number to nothing.
    pub fn skip(&mut self) {
        self.count += 1;
    }

    /// The number of a value.
    #[inline]
    pub fn of(&mut self, value: &'a Value) -> u32 {
        let next = self.count;
        let number = match self.entry(value) {
            Some(entry) => {
                if *entry == 0 {
                    *entry = next + 1;
                }
                *entry - 1
            }
            None => *self.others.entry(value).or_insert(next),
        };
        if number == next {
            self.count += 1;
        }
        number
    }

    /// Where the table has this value, if it is an integer that the table may cover.
    #[inline]
    fn entry(&mut self, value: &Value) -> Option<&mut u32> {
        let Value::Int(int) = value else { return None };
        let at = usize::try_from(int.checked_sub(self.lowest)?).ok()?;
        if at >= self.table.len() {
            if at >= self.room {
                return None;
            }
            let length = (2 * self.table.len()).max(at + 1).min(self.room);
            self.table.resize(length, 0);
        }
        self.table.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_number() {
        // Around the table's ends, far outside, and no integers at all.
        let ints = [
            5,
            6,
            5 - BELOW,
            4 - BELOW,
            5 + 8 * 3,
            5 + 8 * 3 + 2 * BELOW,
            -1,
            i64::MIN,
            i64::MAX,
            0,
        ];
        let others = [Value::Nil, Value::text("5"), Value::list(vec![Value::Int(5)])];
        let values: Vec<Value> = ints.into_iter().map(Value::Int).chain(others).collect();
        for example in [None, Some(5), Some(i64::MIN), Some(i64::MAX)] {
            let mut numbers = Interner::new(3, example);
            let given: Vec<u32> = values
                .iter()
                .chain(&values)
                .map(|value| numbers.of(value))
                .collect();
            let expected: Vec<u32> = (0..values.len() as u32).chain(0..values.len() as u32).collect();
            assert_eq!(given, expected, "{example:?}");
            assert_eq!(numbers.count(), values.len());
        }
    }
}
