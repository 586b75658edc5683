//! Adds under a session: each is sent again under its number until the node answers, and is to count once.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 6.3. This is the only client that
//! repeats a request, because that is what is on trial; its workload says so in the report.

use std::time::Duration;

use history::{Failure, Key, Op, Outcome, Value};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::client::BundledClient;
use super::session::{EXPIRED, NO_SESSION, Session};

/// How long one try may take, as a share of the client's patience.
const TRIES: u32 = 4;
/// The pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(30);

#[derive(Serialize)]
struct AddBody<'a> {
    key: &'a str,
    value: &'a Value,
    session: u64,
    sequence: u64,
}

#[derive(Deserialize)]
struct AddAnswer {
    added: bool,
}

#[derive(Deserialize)]
struct SessionAnswer {
    session: u64,
}

impl BundledClient {
    /// Adds once, however often the request has to be sent. The worker ends this when its time is over.
    pub(super) async fn add_once(&mut self, op: &Op, key: &Key, value: &Value) -> Outcome {
        let number = match self.session.number {
            Some(number) => number,
            None => match self.open_session().await {
                Ok(number) => *self.session.number.insert(number),
                Err(why) => return NO_SESSION.outcome(op, why),
            },
        };
        self.session.sequence += 1;
        let name = self.name_of(key);
        let body = AddBody {
            key: &name,
            value,
            session: number,
            sequence: self.session.sequence,
        };
        let mut in_doubt = false;
        loop {
            let answer = self.post_within("v1/add", &body, self.timeout / TRIES).await;
            match answer {
                Ok((true, bytes)) => {
                    return match serde_json::from_slice(&bytes) {
                        Ok(AddAnswer { added: true }) => Outcome::ok(),
                        Ok(AddAnswer { added: false }) => {
                            Self::not_understood(op, "there is no number to add to")
                        }
                        Err(error) => Self::not_understood(op, &error.to_string()),
                    };
                }
                Ok((false, bytes)) if is(&bytes, "session-expired") => {
                    self.session = Session::default();
                    return EXPIRED.outcome(op, "the session has expired");
                }
                // Certainly not done by this try; by an earlier one it may have been.
                Ok((false, bytes)) if happened_not(&bytes) && !in_doubt => {
                    if let Some(outcome) = Self::refusal(op, &bytes) {
                        // The number was not used up: the next add takes another one, which is allowed.
                        if matches!(&outcome, Outcome::Fail(Failure::Error(_))) {
                            return outcome;
                        }
                    }
                    in_doubt = true;
                }
                Ok((false, _)) | Err(_) => in_doubt = true,
            }
            sleep(PAUSE).await;
        }
    }

    async fn open_session(&self) -> Result<u64, String> {
        let nothing = serde_json::json!({});
        let (is_success, bytes) = self.post_within("v1/session", &nothing, self.timeout / 2).await?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match is_success {
            true => serde_json::from_slice::<SessionAnswer>(&bytes)
                .map(|answer| answer.session)
                .map_err(|error| error.to_string()),
            false => Err(text()),
        }
    }
}

/// Whether an error has this code.
fn is(bytes: &[u8], code: &str) -> bool {
    error(bytes).is_some_and(|(error, _)| error == code)
}

/// Whether the node is certain that nothing happened.
fn happened_not(bytes: &[u8]) -> bool {
    error(bytes).is_some_and(|(_, happened)| happened == "no")
}

fn error(bytes: &[u8]) -> Option<(String, String)> {
    let answer: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let text = |field: &str| Some(answer.get(field)?.as_str()?.to_owned());
    Some((text("error")?, text("happened")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        // (answer, expired, certain)
        for (answer, expired, certain) in [
            (r#"{"error":"session-expired","happened":"maybe"}"#, true, false),
            (r#"{"error":"no-leader","happened":"no"}"#, false, true),
            (r#"{"error":"timeout","happened":"maybe"}"#, false, false),
            ("<html>", false, false),
        ] {
            let bytes = answer.as_bytes();
            assert_eq!(
                (is(bytes, "session-expired"), happened_not(bytes)),
                (expired, certain),
                "{answer}"
            );
        }
    }
}
