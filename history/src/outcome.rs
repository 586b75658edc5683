//! How an operation ended.
//!
//! The three outcomes are Jepsen's: `ok` it happened; `fail` it certainly did not and never will; `info` it
//! is unknown, now and forever. When in doubt, `info`: a wrong `fail` makes false accusations, a needless
//! `info` only costs checking time.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::Value;

/// The end of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Outcome {
    /// It happened, and the store answered so.
    Ok(Answer),
    /// It certainly did not happen and never will.
    Fail(Failure),
    /// It may have happened, or may yet.
    Info(Arc<Reason>),
}

/// What a store answered to an operation that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Answer {
    /// What a read saw. Absent for operations that answer nothing but success.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::value::present"
    )]
    pub value: Option<Value>,
}

/// Why an operation certainly did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "kebab-case")]
pub enum Failure {
    /// A cas found another value than the one it expected. This is an answer of the store, and if the store
    /// also says what it found, the answer is as good as a read.
    Mismatch {
        /// What the register held instead, if the store says so.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "crate::value::present"
        )]
        current: Option<Value>,
    },
    /// The operation was refused, or never reached the store.
    Error(Arc<Reason>),
}

/// Why an operation failed or stayed open: a class for counting and a text for reading.
///
/// Outcomes share it ([`Arc`]): it is rare and repeats, and must not make every operation larger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of error it was.
    pub class: ErrorClass,
    /// The rule of the system's table of errors by which the outcome was decided; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The text from the store or the client.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Kinds of errors that a client distinguishes; reports count by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ErrorClass {
    /// No connection could be made, so nothing was sent.
    ConnectionRefused,
    /// The connection broke after the request, or part of it, may have been sent.
    ConnectionLost,
    /// No answer in time.
    Timeout,
    /// The store says that it has no leader or cannot act now.
    Unavailable,
    /// The store refused the operation for another reason.
    Rejected,
    /// An answer that the client does not understand.
    Protocol,
    /// The run ended before the answer came.
    Aborted,
    /// Recorded by another harness, which gives no class.
    Other,
}

impl Outcome {
    /// Success without a value.
    pub fn ok() -> Self {
        Outcome::Ok(Answer { value: None })
    }

    /// Success of a read that saw `value`.
    pub fn ok_value(value: Value) -> Self {
        Outcome::Ok(Answer { value: Some(value) })
    }

    /// Certain failure.
    pub fn fail(class: ErrorClass, message: impl Into<String>) -> Self {
        Outcome::Fail(Failure::Error(Reason::new(class, message)))
    }

    /// A cas that found another value than the expected one.
    pub fn mismatch(current: Option<Value>) -> Self {
        Outcome::Fail(Failure::Mismatch { current })
    }

    /// An unknown outcome.
    pub fn info(class: ErrorClass, message: impl Into<String>) -> Self {
        Outcome::Info(Reason::new(class, message))
    }

    /// The outcome of an operation whose completion was never recorded.
    pub fn unrecorded() -> Self {
        static REASON: LazyLock<Arc<Reason>> =
            LazyLock::new(|| Reason::new(ErrorClass::Aborted, "no completion was recorded"));
        Outcome::Info(Arc::clone(&REASON))
    }

    /// `ok`, `fail` or `info`.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Ok(_) => "ok",
            Outcome::Fail(_) => "fail",
            Outcome::Info(_) => "info",
        }
    }

    /// Whether this is [`Outcome::Info`], after which a process is retired.
    pub fn is_info(&self) -> bool {
        matches!(self, Outcome::Info(_))
    }

    /// Whether the store answered: `ok`, or a cas that was compared and did not match.
    pub fn is_answer(&self) -> bool {
        matches!(self, Outcome::Ok(_) | Outcome::Fail(Failure::Mismatch { .. }))
    }

    /// The value that the store answered with: what a read saw, or what a refused cas found.
    pub fn answer(&self) -> Option<&Value> {
        match self {
            Outcome::Ok(answer) => answer.value.as_ref(),
            Outcome::Fail(Failure::Mismatch { current }) => current.as_ref(),
            Outcome::Fail(Failure::Error(_)) | Outcome::Info(_) => None,
        }
    }

    /// The error behind a `fail` or an `info`, if it was an error.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Outcome::Ok(_) | Outcome::Fail(Failure::Mismatch { .. }) => None,
            Outcome::Fail(Failure::Error(reason)) | Outcome::Info(reason) => Some(reason),
        }
    }
}

impl Reason {
    /// A reason, ready to be shared.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Arc<Self> {
        Arc::new(Reason {
            class,
            rule: String::new(),
            message: message.into(),
        })
    }

    /// A reason that was decided by a row of the system's table of errors.
    pub fn by_rule(class: ErrorClass, rule: &str, message: impl Into<String>) -> Arc<Self> {
        Arc::new(Reason {
            class,
            rule: rule.to_owned(),
            message: message.into(),
        })
    }
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [ErrorClass; 8] = [
        ErrorClass::ConnectionRefused,
        ErrorClass::ConnectionLost,
        ErrorClass::Timeout,
        ErrorClass::Unavailable,
        ErrorClass::Rejected,
        ErrorClass::Protocol,
        ErrorClass::Aborted,
        ErrorClass::Other,
    ];

    /// The name used in journals and reports.
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::ConnectionRefused => "connection-refused",
            ErrorClass::ConnectionLost => "connection-lost",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Unavailable => "unavailable",
            ErrorClass::Rejected => "rejected",
            ErrorClass::Protocol => "protocol",
            ErrorClass::Aborted => "aborted",
            ErrorClass::Other => "other",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
