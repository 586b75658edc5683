//! How operations ended, as every picture distinguishes them.

use history::{Failure, Outcome};

use crate::svg::Rgb;

/// How an operation ended, as pictures distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    Ok,
    /// A cas that was compared and refused: an answer, so it does not look like an error.
    Mismatch,
    Fail,
    Info,
}

impl Class {
    /// The class of an outcome.
    pub fn of(outcome: &Outcome) -> Class {
        match outcome {
            Outcome::Ok(_) => Class::Ok,
            Outcome::Fail(Failure::Mismatch { .. }) => Class::Mismatch,
            Outcome::Fail(Failure::Error(_)) => Class::Fail,
            Outcome::Info(_) => Class::Info,
        }
    }

    pub const ALL: [Class; 4] = [Class::Ok, Class::Mismatch, Class::Fail, Class::Info];

    /// The words of the legend.
    pub fn name(self) -> &'static str {
        match self {
            Class::Ok => "ok",
            Class::Mismatch => "cas without a match",
            Class::Fail => "fail",
            Class::Info => "info",
        }
    }

    /// From the palette of Okabe and Ito, which colour-blind people can distinguish.
    pub fn colour(self) -> Rgb {
        match self {
            Class::Ok => (0x00, 0x72, 0xb2),
            Class::Mismatch => (0x56, 0xb4, 0xe9),
            Class::Fail => (0xe6, 0x9f, 0x00),
            Class::Info => (0xd5, 0x2e, 0x00),
        }
    }
}
