//! The real command line, with faults that the suite asks for in the environment.
//!
//! A place in a run is named by a kind of entry and how often this process has committed it: `done:2` is its second effect that ended
//! well, `done` the first. So one entry more before it changes nothing.
//!
//! | variable | what happens |
//! |---|---|
//! | `WINDLASS_TEST_KILL_AT=place` | the process kills itself (SIGKILL) right after it has committed that entry |
//! | `WINDLASS_TEST_KILL_BEFORE=place` | it does so right before: what the entry tells has happened, and nothing tells it |
//! | `WINDLASS_TEST_PAUSE_AT=place` | the process stops itself (SIGSTOP) after it, until it is told to go on (SIGCONT) |
//! | `WINDLASS_TEST_KILL_EACH_AFTER=file` | it kills itself after each entry after which the file does not say that it did: see `chain.rs` |
//! | `WINDLASS_TEST_KILL_EACH_BEFORE=file` | the same, before each entry that tells of a change |
//! | `WINDLASS_TEST_FAIL_CALL=n` | its n-th live call answers `unavailable`, "injected", without reaching the target |
//! | `WINDLASS_TEST_FAIL_EFFECT=n` | the run's n-th effect is recorded as intended and then fails so, without reaching the target |
#![forbid(unsafe_code)]

mod chain;

use rustix::process::Signal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use windlass::contract::{CallError, ErrorKind};
use windlass::engine::{Hooks, OnCall, OnCommit};
use windlass::journal::{KINDS, Moment};

fn main() -> ExitCode {
    windlass::cli::main_with(Hooks {
        on_commit: at_one_place().or_else(in_a_chain),
        on_call: number("WINDLASS_TEST_FAIL_CALL").map(fail_at),
        on_apply: number("WINDLASS_TEST_FAIL_EFFECT").map(fail_at),
    })
}

fn at_one_place() -> Option<OnCommit> {
    let signals = [
        ("WINDLASS_TEST_KILL_AT", Moment::AfterCommit, Signal::KILL),
        (
            "WINDLASS_TEST_KILL_BEFORE",
            Moment::BeforeCommit,
            Signal::KILL,
        ),
        ("WINDLASS_TEST_PAUSE_AT", Moment::AfterCommit, Signal::STOP),
    ];
    let mut signals = signals.into_iter();
    signals.find_map(|(variable, moment, signal)| {
        Some(signal_at(Place::parse(&value(variable)?), moment, signal))
    })
}

fn in_a_chain() -> Option<OnCommit> {
    let chains = [
        ("WINDLASS_TEST_KILL_EACH_AFTER", Moment::AfterCommit),
        ("WINDLASS_TEST_KILL_EACH_BEFORE", Moment::BeforeCommit),
    ];
    let mut chains = chains.into_iter();
    chains
        .find_map(|(variable, moment)| Some(chain::kill_each(moment, Path::new(&value(variable)?))))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the suite talks to this program through its environment"
)]
fn value(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

#[expect(clippy::expect_used, reason = "the suite gives numbers")]
fn number(variable: &str) -> Option<u64> {
    Some(value(variable)?.parse().expect("the suite gives numbers"))
}

/// The n-th entry of a kind that this process commits, from 1.
#[derive(Clone, Copy)]
struct Place {
    kind: &'static str,
    occurrence: u64,
}

impl Place {
    #[expect(clippy::expect_used, reason = "a fault that cannot come is no fault")]
    fn parse(text: &str) -> Self {
        let (kind, occurrence) = text.split_once(':').unwrap_or((text, "1"));
        let known = KINDS.iter().find(|known| **known == kind);
        Self {
            kind: known.expect("the suite names a kind of entry"),
            occurrence: occurrence.parse().expect("the suite gives numbers"),
        }
    }
}

fn signal_at(place: Place, wanted: Moment, signal: Signal) -> OnCommit {
    let seen = AtomicU64::new(0);
    Arc::new(move |moment, _, stamped| {
        if moment == wanted
            && stamped.entry.kind() == place.kind
            && seen.fetch_add(1, Ordering::SeqCst) + 1 == place.occurrence
        {
            send_self(signal);
        }
    })
}

fn send_self(signal: Signal) {
    let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
}

/// Calls and effects are counted from 1.
fn fail_at(at: u64) -> OnCall {
    Arc::new(move |number| {
        (number == at).then(|| CallError::new(ErrorKind::Unavailable, "injected"))
    })
}
