//! The values that operations carry and the keys that name objects.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A register's content, or an argument of an operation.
///
/// Unlike values are never equal: the text `"1"` is not the integer, and the text `"true"` is not the form
/// `true`. A set is not a list: a client that reads a list where a set was written was not told what was
/// written.
///
/// In JSON: `null`, a whole number, a string or an array; a set, a map and a form are objects with one field
/// of that name: `{"set":[1,2]}`, `{"map":[["a",1]]}`, `{"form":":kept"}`. `Nil` is what a register holds
/// before its first write.
///
/// It takes 16 bytes: a history holds several of them for each operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// Nothing has been written yet.
    #[default]
    Nil,
    /// An integer, the value that perjury's own workloads write.
    Int(i64),
    /// Text, as other harnesses record it.
    Text(Arc<String>),
    /// Several values: what a set or a list holds, or the answers of a transaction.
    List(Arc<Vec<Value>>),
    /// Values without an order: each once, in ascending order.
    Set(Arc<Vec<Value>>),
    /// Names and what they stand for: each name once, in ascending order.
    Map(Arc<Vec<(Value, Value)>>),
    /// Anything else, as EDN writes it, each in one way only: `true`, `:name`, `1.5`, `1/2`, `\a`, `#inst
    /// "…"`, an integer of more than 64 bits.
    Form(Arc<String>),
}

/// The name of the object that an operation addresses. `Key::Nil` means the only object of a history.
pub type Key = Value;

impl Value {
    /// A text value.
    pub fn text(text: &str) -> Self {
        Value::Text(Arc::new(text.to_owned()))
    }

    /// Several values.
    pub fn list(values: Vec<Value>) -> Self {
        Value::List(Arc::new(values))
    }

    /// Values without an order; what is there twice counts once.
    pub fn set(mut values: Vec<Value>) -> Self {
        values.sort_unstable();
        values.dedup();
        Value::Set(Arc::new(values))
    }

    /// Names and what they stand for; of two equal names the first one counts.
    pub fn map(mut pairs: Vec<(Value, Value)>) -> Self {
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Value::Map(Arc::new(pairs))
    }

    /// What EDN writes so. The spelling must be the only one that such a form is given.
    pub fn form(spelling: &str) -> Self {
        Value::Form(Arc::new(spelling.to_owned()))
    }

    /// `true` or `false`.
    pub fn boolean(is_true: bool) -> Self {
        Value::form(if is_true { "true" } else { "false" })
    }

    /// A floating-point number, in its shortest spelling. One that is whole is not an integer.
    pub fn float(number: f64) -> Self {
        match number {
            _ if number.is_nan() => Value::form("##NaN"),
            f64::INFINITY => Value::form("##Inf"),
            f64::NEG_INFINITY => Value::form("##-Inf"),
            // There is one zero.
            _ if number == 0.0 => Value::form("0.0"),
            _ => Value::Form(Arc::new(format!("{number:?}"))),
        }
    }

    /// The elements of a list or of a set.
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) | Value::Set(values) => Some(values),
            _ => None,
        }
    }

    /// The name of a keyword, without its colon.
    pub fn keyword(&self) -> Option<&str> {
        match self {
            Value::Form(form) => form.strip_prefix(':'),
            _ => None,
        }
    }

    /// Whether this is [`Value::Nil`].
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Form(form) => f.write_str(form),
            Value::List(values) => write!(f, "[{}]", Spaced(values)),
            Value::Set(values) => write!(f, "#{{{}}}", Spaced(values)),
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (number, (name, value)) in pairs.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    write!(f, "{comma}{name} {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Spaced<'a>(&'a [Value]);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, value) in self.0.iter().enumerate() {
            let space = if number == 0 { "" } else { " " };
            write!(f, "{space}{value}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A value or a key: null, a whole number, a text, a list of values; or an object with one \
                            field: a set of values, a map as a list of pairs, or any other form as EDN writes it.",
            "anyOf": [
                { "type": "null" },
                { "type": "integer" },
                { "type": "string" },
                { "type": "array", "items": generator.subschema_for::<Value>() },
                {
                    "type": "object",
                    "properties": {
                        "set": { "type": "array", "items": generator.subschema_for::<Value>() },
                        "map": { "type": "array", "items": generator.subschema_for::<(Value, Value)>() },
                        "form": { "type": "string" },
                    },
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                },
            ],
        })
    }
}

// Written by hand because a derived untagged enum first copies its input into a tree, for every value of a
// journal.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => s.serialize_unit(),
            Value::Int(value) => s.serialize_i64(*value),
            Value::Text(text) => s.serialize_str(text),
            Value::List(values) => s.collect_seq(values.iter()),
            Value::Set(values) => s.collect_map([("set", values)]),
            Value::Map(pairs) => s.collect_map([("map", pairs)]),
            Value::Form(form) => s.collect_map([("form", form.as_str())]),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "null, an integer, a string, an array of these, or an object with a set, a map or a form",
                )
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Nil)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                i64::try_from(value)
                    .map(Value::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::text(text))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Value::list(values))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let Some(name) = map.next_key::<String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                let value = match name.as_str() {
                    "set" => Value::set(map.next_value()?),
                    "map" => Value::map(map.next_value()?),
                    "form" => Value::Form(map.next_value()?),
                    other => return Err(de::Error::unknown_field(other, &["set", "map", "form"])),
                };
                match map.next_key::<String>()? {
                    None => Ok(value),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// For optional fields: distinguishes nil (`"value":null`) from an absent field.
pub(crate) mod present {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Option<Value>, s: S) -> Result<S::Ok, S::Error> {
        value.as_ref().unwrap_or(&Value::Nil).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(d).map(Some)
    }
}
