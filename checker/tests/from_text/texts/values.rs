//! What is written and what objects are called: one way a history.

use history::Value;
use rand::{Rng, RngExt};

use super::case::Holds;

/// What numbers stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Int,
    Text,
    /// `1.5`
    Float,
    /// `3/2`
    Ratio,
    Keyword,
    /// Integers of about 64 bits.
    Big,
    /// `[1 "x"]`
    List,
    /// `{"a" 1}`
    Map,
    /// `#{1}`
    Set,
    /// 1, 1.0 and "1", which are three values.
    Alike,
}

impl Family {
    pub fn draw(rng: &mut dyn Rng, is_json: bool) -> Family {
        const JSON: [Family; 5] = [
            Family::Int,
            Family::Text,
            Family::Float,
            Family::List,
            Family::Map,
        ];
        const OTHERS: [Family; 5] = [
            Family::Ratio,
            Family::Keyword,
            Family::Big,
            Family::Set,
            Family::Alike,
        ];
        match rng.random_range(0..14) {
            0..4 => Family::Int,
            number @ 4..9 => JSON[number - 4],
            _ if is_json => Family::Text,
            number => OTHERS[number - 9],
        }
    }

    pub fn value(self, number: i64) -> Value {
        match self {
            Family::Int => Value::Int(number),
            Family::Text => Value::text(&format!("v{number}")),
            Family::Float => Value::float(number as f64 + 0.5),
            Family::Ratio => Value::form(&format!("{}/2", 2 * number + 1)),
            Family::Keyword => Value::form(&format!(":k{number}")),
            Family::Big => {
                let number = i128::from(i64::MAX) + 1 + i128::from(number);
                i64::try_from(number).map_or_else(|_| Value::form(&number.to_string()), Value::Int)
            }
            Family::List => Value::list(vec![Value::Int(number), Value::text("x")]),
            Family::Map => Value::map(vec![(Value::text("a"), Value::Int(number))]),
            Family::Set => Value::set(vec![Value::Int(number)]),
            Family::Alike => {
                let (third, rest) = (number.div_euclid(3), number.rem_euclid(3));
                match rest {
                    0 => Value::Int(third),
                    1 => Value::float(third as f64),
                    _ => Value::text(&third.to_string()),
                }
            }
        }
    }
}

/// The names of objects.
pub struct Keys;

impl Keys {
    pub fn draw(rng: &mut dyn Rng, holds: Holds, count: i64) -> Vec<Value> {
        let list = |number: i64| Value::list(vec![Value::text("a"), Value::Int(number)]);
        let kinds = match holds {
            Holds::Texts => {
                return (0..count)
                    .map(|number| Value::text(&format!("k{number}")))
                    .collect();
            }
            Holds::Json => 7,
            Holds::Edn => 10,
        };
        let kind = rng.random_range(0..kinds);
        let key = |number: i64| match kind {
            0 => Value::Int(number),
            1 => Value::text(&format!("k{number}")),
            2 => Value::Int(-1000 * number - 1),
            3 => list(number),
            4 => Value::float(number as f64 + 0.5),
            5 => Value::map(vec![(Value::text("a"), Value::Int(number))]),
            6 if number == 0 => Value::Nil,
            6 => Value::Int(number),
            7 => Value::form(&format!(":k{number}")),
            8 => Value::list((0..number).map(Value::Int).collect()),
            _ => [
                Value::Int(1),
                Value::float(1.0),
                Value::text("1"),
                Value::form(":1"),
            ][number.rem_euclid(4) as usize]
                .clone(),
        };
        (0..count).map(key).collect()
    }
}
