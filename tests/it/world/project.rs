//! The folder of a project, and the real command line to try in it.

use super::{Output, Running};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use tempfile::TempDir;

/// How the folders of worlds begin, in the system's temporary one; their process's number follows.
const FOLDERS: &str = "windlass-world-";

/// A project: `windlass.toml`, grants, the record of runs.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Project {
    /// A folder with this `windlass.toml`; windlass runs in it with these variables set.
    pub(crate) fn new(config: &str, variables: &[(&str, &str)]) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep_folders);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{FOLDERS}{}-", std::process::id()))
            .tempdir()
            .unwrap();
        fs::write(folder.path().join("windlass.toml"), config).unwrap();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            folder,
            variables: variables.iter().map(owned).collect(),
        }
    }

    /// The project's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where runs are recorded.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join(".windlass")
    }

    /// Reads a file of the project.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The project's files, by their paths in it, but for those that windlass keeps its state in.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path == self.state() {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.path()).unwrap();
                    found.insert(name.to_string_lossy().into_owned());
                }
            }
        }
        found
    }

    /// Runs windlass in the project's folder to its end.
    pub(crate) fn windlass(&self, arguments: &[&str]) -> Output {
        self.start(&[], arguments).wait()
    }

    /// The same with these variables set: faults (see `src/main.rs`), or another connection string.
    pub(crate) fn windlass_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.start(variables, arguments).wait()
    }

    /// Writes an approved grant of all that the procedure needs on the target.
    pub(crate) fn grant(&self, procedure: &str, target: &str) {
        let words = ["grant", procedure, "--target", target];
        let approved = ["--approved-by", "tester"];
        self.windlass(&[&words[..], &approved].concat()).expect(0);
    }

    /// Starts windlass and does not wait.
    pub(crate) fn start(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_windlass-under-test"));
        command.args(arguments).envs(variables.iter().copied());
        Running::start(command)
    }

    /// A program in the project's folder with the environment that windlass is given: windlass itself, or one that starts it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // Compiled procedures are kept from test to test.
            .env(
                "XDG_CACHE_HOME",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
            )
            .env("USER", "tester")
            .stdin(Stdio::null());
        for outside in ["DATABASE_URL", "RUST_LOG", "RUST_BACKTRACE", "NO_COLOR"] {
            command.env_remove(outside);
        }
        // As on a terminal: a pipe has no width.
        command.env("COLUMNS", "80");
        command
    }
}

/// Removes the folders of processes that are gone: who is killed removes nothing.
fn sweep_folders() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(FOLDERS)
            .and_then(|rest| rest.split('-').next()?.parse().ok())
            .and_then(Pid::from_raw);
        if owner.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            // Another process may be at it.
            let _: io::Result<()> = fs::remove_dir_all(entry.path());
        }
    }
}
