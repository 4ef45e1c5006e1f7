//! Other programs: run to their end, with what they said in the error.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

/// How a program was run and did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It could not be started.
    #[error("`{0}` could not be started")]
    Start(String, #[source] std::io::Error),
    /// It ended badly.
    #[error("`{program}` failed ({status}): {output}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        output: String,
    },
}

/// Runs a command without input, to its end, and gives its standard output; what it says on standard error is told if it fails.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let program = name_of(command);
    let result = command.stdin(Stdio::null()).output();
    let Output {
        status,
        stdout,
        stderr,
    } = result.map_err(|error| Failure::Start(program.clone(), error))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = if stderr.is_empty() { stdout } else { stderr };
    Err(Failure::Failed {
        program,
        status,
        output: tail(&String::from_utf8_lossy(&said), 12),
    })
}

/// Runs a command without input, to its end; what it says goes where ours goes.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let program = name_of(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Failure::Start(program.clone(), error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Failed {
        program,
        status,
        output: "see above".to_owned(),
    })
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Directories on PATH.
pub fn path() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// The first program of this name on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    path()
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

fn name_of(command: &Command) -> String {
    let program: &OsStr = command.get_program();
    Path::new(program)
        .file_name()
        .unwrap_or(program)
        .to_string_lossy()
        .into_owned()
}
