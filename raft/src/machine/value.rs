//! What a register holds, and how it is written in JSON and in codecs that do not describe themselves.

use serde::{Deserialize, Serialize};

/// What a register holds. In JSON: `null`, a number or a string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Value {
    /// Never written, or written as nil.
    #[default]
    Nil,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            match self {
                Value::Nil => serializer.serialize_unit(),
                Value::Int(number) => serializer.serialize_i64(*number),
                Value::Text(text) => serializer.serialize_str(text),
            }
        } else {
            match self {
                Value::Nil => None::<Result<i64, &str>>.serialize(serializer),
                Value::Int(number) => Some(Ok::<i64, &str>(*number)).serialize(serializer),
                Value::Text(text) => Some(Err::<i64, &str>(text)).serialize(serializer),
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(JsonValue)
        } else {
            // A codec that does not describe itself needs the variant spelled out.
            Ok(match Option::<Result<i64, String>>::deserialize(deserializer)? {
                None => Value::Nil,
                Some(Ok(number)) => Value::Int(number),
                Some(Err(text)) => Value::Text(text),
            })
        }
    }
}

struct JsonValue;

impl serde::de::Visitor<'_> for JsonValue {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("null, a whole number or a string")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::Int)
            .map_err(|_| E::custom("the number is beyond 64 bits with a sign"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_json_are_null_number_and_string() {
        let cases = [
            (Value::Nil, "null"),
            (Value::Int(-3), "-3"),
            (Value::Text("a".into()), "\"a\""),
        ];
        for (value, json) in cases {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<Value>(json).unwrap(), value);
        }
        for bad in ["1.5", "true", "18446744073709551615", "[]"] {
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
    }
}
