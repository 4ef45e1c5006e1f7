//! A project folder with procedures, grants and targets, and the real command line in it.

use crate::guest::Call;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The variable of the target `orders`.
pub(crate) const VARIABLE: &str = "ORDERS_DATABASE_URL";

/// A project folder on this disk. Its targets: `orders`, and `shard-000` on.
pub(crate) struct Project {
    folder: TempDir,
    url: String,
}

impl Project {
    /// With these databases as shards.
    pub(crate) fn new(url: &str, shards: &[String]) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut text = format!("[database.orders]\nconnection = {{ env = \"{VARIABLE}\" }}\n");
        for (number, shard) in shards.iter().enumerate() {
            let file = format!("shard-{number:03}.url");
            std::fs::write(folder.path().join(&file), shard).unwrap();
            writeln!(
                text,
                "[database.shard-{number:03}]\nconnection = {{ file = \"{file}\" }}"
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("windlass.toml"), text).unwrap();
        let url = url.to_owned();
        Self { folder, url }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Grants a built-in procedure on `orders`.
    pub(crate) fn grant(&self, procedure: &str) {
        self.succeeds(&[
            "grant",
            procedure,
            "--target",
            "orders",
            "--approved-by",
            "tester",
        ]);
    }

    /// The same on every shard: the grant for one of them, written wider as an operator would.
    pub(crate) fn grant_on_shards(&self, procedure: &str, name: &str) {
        self.succeeds(&[
            "grant",
            procedure,
            "--target",
            "shard-000",
            "--approved-by",
            "tester",
        ]);
        let file = self
            .path()
            .join("grants")
            .join(format!("{name}.shard-000.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let wider: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with("target = "))
            .map(|line| line.replace("shard-000", "shard-*"))
            .collect();
        std::fs::write(&file, wider.join("\n")).unwrap();
    }

    /// Writes the procedure that makes this call to `measured.wasm`.
    pub(crate) fn put(&self, call: Call) {
        std::fs::write(self.path().join("measured.wasm"), call.component()).unwrap();
    }

    /// The command line, with what it prints thrown away.
    pub(crate) fn windlass(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass-under-test"));
        command
            .current_dir(self.path())
            .args(arguments)
            .env(VARIABLE, &self.url)
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let mut command = self.windlass(&[], arguments);
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it until it kills itself: see `src/main.rs`.
    pub(crate) fn is_killed_at(&self, place: &str, arguments: &[&str]) {
        use std::os::unix::process::ExitStatusExt as _;
        let mut command = self.windlass(&[("WINDLASS_TEST_KILL_AT", place)], arguments);
        let status = command.status().unwrap();
        assert_eq!(status.signal(), Some(9), "{arguments:?}: {status}");
    }
}
