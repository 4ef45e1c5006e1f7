//! `cargo xtask`: what a newcomer's commands call.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prepares the machine and tells what it does"
)]

mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    match serve::serve(std::env::args().nth(2)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
