//! The real command line, with faults that the suite asks for in the environment.
//!
//! | variable | what happens |
//! |---|---|
//! | `WINDLASS_TEST_KILL_AT=n` | the process kills itself (SIGKILL) right after its n-th committed entry, from 1 |
//! | `WINDLASS_TEST_PAUSE_AT=n` | the process stops itself (SIGSTOP) there, until it is told to go on (SIGCONT) |
//! | `WINDLASS_TEST_FAIL_CALL=n` | its n-th live call answers `unavailable`, "injected", without reaching the target |
#![forbid(unsafe_code)]

use rustix::process::Signal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use windlass::contract::{CallError, ErrorKind};
use windlass::engine::{Hooks, OnCall, OnCommit};

fn main() -> ExitCode {
    windlass::cli::main_with(Hooks {
        on_commit: number("WINDLASS_TEST_KILL_AT")
            .map(|at| signal_at(at, Signal::KILL))
            .or_else(|| number("WINDLASS_TEST_PAUSE_AT").map(|at| signal_at(at, Signal::STOP))),
        on_call: number("WINDLASS_TEST_FAIL_CALL").map(fail_at),
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

fn signal_at(at: u64, signal: Signal) -> OnCommit {
    let committed = AtomicU64::new(0);
    Arc::new(move |_, _| {
        if committed.fetch_add(1, Ordering::SeqCst) + 1 == at {
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        }
    })
}

fn fail_at(at: u64) -> OnCall {
    Arc::new(move |call| (call == at).then(|| CallError::new(ErrorKind::Unavailable, "injected")))
}
