//! The `windlass` binary. All of it is in the library, so that the suite can run the same with faults hooked in.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::cli::main()
}
