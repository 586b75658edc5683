//! Why an operation failed, or why its outcome is unknown, as others write it: a keyword, a text, or a list
//! of both.

use crate::{ErrorClass, Reason, Value};

/// Whether a value is a name, as reasons are, and no argument.
pub(crate) fn is_name(value: &Value) -> bool {
    value.keyword().is_some() || matches!(value, Value::Text(text) if text.starts_with(':'))
}

/// What a keyword says; in JSON, which has none, a text.
pub(crate) fn name(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text.trim_start_matches(':')),
        Value::Form(form) => Some(form.strip_prefix(':').unwrap_or(form)),
        _ => None,
    }
}

/// `[:mismatch]` or `[:mismatch current]`.
pub(crate) fn mismatch(error: &Value) -> Option<Option<Value>> {
    match error {
        Value::List(parts) => match parts.as_slice() {
            [first, rest @ ..] if name(first) == Some("mismatch") => {
                (rest.len() <= 1).then(|| rest.first().cloned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The reason behind `:error`: `[:class "message"]` as perjury exports it, or anything that others wrote.
pub(crate) fn reason(error: Value) -> std::sync::Arc<Reason> {
    if let Value::List(parts) = &error
        && let [first, Value::Text(message)] = parts.as_slice()
        && let Some(class) = ErrorClass::ALL
            .into_iter()
            .find(|class| name(first) == Some(class.name()))
    {
        return Reason::new(class, message.as_str());
    }
    let message = match &error {
        Value::Nil => String::new(),
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    };
    let has = |word: &str| message.contains(word);
    let class = if has("timed-out") || has("timeout") || has("timed out") {
        ErrorClass::Timeout
    } else if has("connection-refused") || has("refused") {
        ErrorClass::ConnectionRefused
    } else {
        ErrorClass::Other
    };
    Reason::new(class, message)
}
