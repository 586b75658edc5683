//! The values that operations carry and the keys that name objects.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A register's content, or an argument of an operation.
///
/// In JSON: `null`, a number, a string or an array. `Nil` is what a register holds before its first write.
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
            Value::List(values) => {
                f.write_str("[")?;
                for (number, value) in values.iter().enumerate() {
                    let space = if number == 0 { "" } else { " " };
                    write!(f, "{space}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A value or a key: null, a whole number, a text, or a list of values.",
            "anyOf": [
                { "type": "null" },
                { "type": "integer" },
                { "type": "string" },
                { "type": "array", "items": generator.subschema_for::<Value>() },
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
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, an integer, a string or an array of these")
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
