//! The real command line, with faults that the suite asks for in the environment.
//!
//! | variable | what happens |
//! |---|---|
//! | `WINDLASS_TEST_KILL_AT=n` | the process kills itself (SIGKILL) right after its n-th entry is committed, from 1 |
//! | `WINDLASS_TEST_KILL_BEFORE=n` | it does so right before: what the entry tells has happened, and nothing tells it |
//! | `WINDLASS_TEST_PAUSE_AT=n` | the process stops itself (SIGSTOP) after it, until it is told to go on (SIGCONT) |
//! | `WINDLASS_TEST_FAIL_CALL=n` | its n-th live call answers `unavailable`, "injected", without reaching the target |
//! | `WINDLASS_TEST_FAIL_EFFECT=n` | the run's n-th effect is recorded as intended and then fails so, without reaching the target |
#![forbid(unsafe_code)]

use rustix::process::Signal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use windlass::contract::{CallError, ErrorKind};
use windlass::engine::{Hooks, OnCall, OnCommit};
use windlass::journal::Moment;

fn main() -> ExitCode {
    let signals = [
        ("WINDLASS_TEST_KILL_AT", Moment::AfterCommit, Signal::KILL),
        (
            "WINDLASS_TEST_KILL_BEFORE",
            Moment::BeforeCommit,
            Signal::KILL,
        ),
        ("WINDLASS_TEST_PAUSE_AT", Moment::AfterCommit, Signal::STOP),
    ];
    let on_commit = signals
        .into_iter()
        .find_map(|(variable, moment, signal)| Some(signal_at(number(variable)?, moment, signal)));
    windlass::cli::main_with(Hooks {
        on_commit,
        on_call: number("WINDLASS_TEST_FAIL_CALL").map(fail_at),
        on_apply: number("WINDLASS_TEST_FAIL_EFFECT").map(fail_at),
    })
}

#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "the suite talks to this program through its environment"
)]
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("the suite gives numbers"))
}

fn signal_at(at: u64, wanted: Moment, signal: Signal) -> OnCommit {
    let seen = AtomicU64::new(0);
    Arc::new(move |moment, _, _| {
        if moment == wanted && seen.fetch_add(1, Ordering::SeqCst) + 1 == at {
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        }
    })
}

/// Calls and effects are counted from 1.
fn fail_at(at: u64) -> OnCall {
    Arc::new(move |number| {
        (number == at).then(|| CallError::new(ErrorKind::Unavailable, "injected"))
    })
}
