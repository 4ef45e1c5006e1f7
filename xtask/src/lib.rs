//! What the newcomer's commands and the suite share: real PostgreSQL servers, a real Kubernetes, the WebAssembly toolchain, databases with
//! real bloat.
//!
//! This crate prepares a machine and is no part of what windlass ships; so it starts processes, reads the environment and touches files.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "it prepares the machine: processes, environment and files are its work"
)]

pub mod bloat;
mod fresh;
pub mod kubernetes;
pub mod postgres;
pub mod shell;
pub mod wasm;
mod watched;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The root of this workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Looks every few milliseconds until there is something to see; none if there is nothing within this time.
pub fn until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if start.elapsed() > within {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An error as windlass tells it: what failed, each cause, what to do about it.
pub fn story(error: &dyn std::error::Error, hint: Option<String>) -> String {
    let mut lines = vec![format!("error: {error}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        lines.push(format!("  cause: {error}"));
        cause = error.source();
    }
    lines.extend(hint.map(|hint| format!("  hint:  {hint}")));
    lines.join("\n")
}

/// Where downloads are kept between runs: the workspace's own target directory, so that removing it removes everything.
pub fn target() -> PathBuf {
    workspace().join("target")
}
