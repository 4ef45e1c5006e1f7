//! What a guest can ask of an endpoint, as values. Pure. `Display` is the line in plans and reports.

use super::scope::Verb;
use crate::clock::Millis;
use crate::contract::{CallError, ErrorKind};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Most samples in a row that can be waited for.
const MOST_TIMES: u32 = 1_000;
/// Shortest time from one sample to the next, in milliseconds.
const LEAST_EVERY: u64 = 100;

/// A look at an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// The logical name.
    pub endpoint: String,
    /// How.
    #[serde(flatten)]
    pub look: Look,
}

/// How it is looked at, or what is waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "read", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is the function of the same name in wit/probe.wit; times are in milliseconds"
)]
pub enum Look {
    Http,
    Tls,
    AwaitPasses {
        times: u32,
        every: u64,
        within: u64,
    },
    AwaitStatus {
        status: u16,
        times: u32,
        every: u64,
        within: u64,
    },
    AwaitSerial {
        serial: String,
        times: u32,
        every: u64,
        within: u64,
    },
    Watch {
        every: u64,
    },
}

/// What a watch saw that is worth a record: the endpoint passes, or does not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The logical name.
    pub endpoint: String,
    /// When the sample was begun that told.
    pub seen: Millis,
    /// Whether it passes; absent if it is not watched any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<bool>,
    /// Why not; empty if it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Read {
    /// Refuses what cannot be meant.
    pub fn check(&self) -> Result<(), CallError> {
        let invalid = |message: &str| Err(CallError::new(ErrorKind::Invalid, message));
        if !crate::plugin::is_name(&self.endpoint) {
            return invalid(
                "the name of the endpoint is none: a lower-case letter, then letters, digits and `-`, at most 63",
            );
        }
        match self.look {
            Look::AwaitStatus { status, .. } if !(100..600).contains(&status) => {
                invalid("no server answers with such a status")
            }
            Look::AwaitSerial { ref serial, .. } if !is_serial(serial) => {
                invalid("a serial number has hexadecimal digits, two for each byte, at most 64")
            }
            Look::AwaitPasses { times, every, .. }
            | Look::AwaitStatus { times, every, .. }
            | Look::AwaitSerial { times, every, .. } => {
                if !(1..=MOST_TIMES).contains(&times) {
                    return invalid("what is waited for has to pass 1 to 1,000 times");
                }
                if every < LEAST_EVERY {
                    return invalid("from one sample to the next there are at least 100 ms");
                }
                Ok(())
            }
            Look::Watch { every } if every < LEAST_EVERY => {
                invalid("from one sample to the next there are at least 100 ms")
            }
            Look::Http | Look::Tls | Look::Watch { .. } => Ok(()),
        }
    }

    /// The verb that a capability must hold.
    pub fn verb(&self) -> Verb {
        match self.look {
            Look::Http
            | Look::AwaitPasses { .. }
            | Look::AwaitStatus { .. }
            | Look::Watch { .. } => Verb::Http,
            Look::Tls | Look::AwaitSerial { .. } => Verb::Tls,
        }
    }

    /// For how long it waits, if it does.
    pub fn waits(&self) -> Option<Duration> {
        match self.look {
            Look::AwaitPasses { within, .. }
            | Look::AwaitStatus { within, .. }
            | Look::AwaitSerial { within, .. } => Some(Duration::from_millis(within)),
            Look::Http | Look::Tls | Look::Watch { .. } => None,
        }
    }

    /// From the first to the last of the samples that it wants in a row.
    pub fn takes(&self) -> Duration {
        match self.look {
            Look::AwaitPasses { times, every, .. }
            | Look::AwaitStatus { times, every, .. }
            | Look::AwaitSerial { times, every, .. } => {
                Duration::from_millis(every.saturating_mul(u64::from(times)))
            }
            Look::Http | Look::Tls | Look::Watch { .. } => Duration::ZERO,
        }
    }

    /// Whether it asks that the endpoint is watched from here on.
    pub fn is_watch(&self) -> bool {
        matches!(self.look, Look::Watch { .. })
    }
}

/// Whether it is written as a chain writes it.
fn is_serial(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (2..=64).contains(&text.len()) && text.len().is_multiple_of(2) && text.bytes().all(is_digit)
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.look {
            Look::Http => f.write_str("ask over HTTP"),
            Look::Tls => f.write_str("look at the certificates"),
            Look::AwaitPasses { times, .. } => write!(f, "wait for {times} passes in a row"),
            Look::AwaitStatus { status, times, .. } => {
                write!(f, "wait for status {status}, {times} times in a row")
            }
            // Not which: in a plan nobody knows the one that is to come.
            Look::AwaitSerial { times, .. } => {
                write!(f, "wait for its new certificate, {times} times in a row")
            }
            Look::Watch { .. } => f.write_str("watch until the end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Read};

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let check = |endpoint: &str, look: Look| {
            let endpoint = endpoint.into();
            Read { endpoint, look }.check()
        };
        let passes = |times, every| Look::AwaitPasses {
            times,
            every,
            within: 0,
        };
        let status = |status| Look::AwaitStatus {
            status,
            times: 1,
            every: 100,
            within: 0,
        };
        let serial = |serial: &str| Look::AwaitSerial {
            serial: serial.into(),
            times: 1,
            every: 100,
            within: 0,
        };
        for name in ["", "Shop", "http://shop", "shop/", "*", &"a".repeat(64)] {
            assert!(check(name, Look::Http).is_err(), "{name}");
        }
        for look in [
            Look::Http,
            Look::Tls,
            passes(1, 100),
            passes(1_000, 100),
            status(503),
            serial("0afe"),
        ] {
            check("shop", look).unwrap();
        }
        for look in [
            passes(0, 100),
            passes(1_001, 100),
            passes(1, 99),
            status(99),
            status(600),
            serial(""),
            serial("afe"),
            serial("0AFE"),
            serial(&"00".repeat(33)),
        ] {
            assert!(check("shop", look.clone()).is_err(), "{look:?}");
        }
    }
}
