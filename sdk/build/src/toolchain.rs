//! Which compiler can make WebAssembly here.
//!
//! The active toolchain if it has the target's libraries; else the one that `cargo xtask setup` recorded in
//! `target/wasm-toolchain/toolchain.toml` of a folder above the procedure, or of the windlass checkout that this was compiled from:
//!
//! ```toml
//! rustc = "/path/to/rustc"
//! cargo = "/path/to/cargo"          # the active one if absent
//! sysroot = "/path/to/sysroot"      # the compiler's own if absent
//! libraries = ["/path/to/lib"]      # where the compiler finds its shared libraries, if not by itself
//! ```

use crate::files::{self, FileError};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What procedures are compiled for: no operating system, so nothing to import but the contract.
pub const TARGET: &str = "wasm32-unknown-unknown";

const RECORDED: &str = "target/wasm-toolchain/toolchain.toml";

/// A compiler that can make WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The program, by path or by name.
    pub cargo: PathBuf,
    /// The program, by path or by name.
    pub rustc: PathBuf,
    /// Where the target's libraries are, if not in the compiler's own place.
    pub sysroot: Option<PathBuf>,
    /// Folders with shared libraries of the compiler.
    pub libraries: Vec<PathBuf>,
    /// What to write for the source paths of the standard library, which differ from machine to machine.
    pub(crate) std_sources: Option<(PathBuf, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    rustc: PathBuf,
    cargo: Option<PathBuf>,
    sysroot: Option<PathBuf>,
    #[serde(default)]
    libraries: Vec<PathBuf>,
}

/// Why nothing can be compiled.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// No compiler at all.
    #[error("cannot start `{}`", program.display())]
    NoCompiler {
        /// What was tried.
        program: PathBuf,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// A compiler that does not know the target, or says nothing usable.
    #[error("`{}` failed: {message}", program.display())]
    Refused {
        /// What was asked.
        program: PathBuf,
        /// What it said.
        message: String,
    },
    /// The compiler is there, the target's libraries are not.
    #[error("the wasm32-unknown-unknown target is not installed")]
    NoTarget,
    /// The record of setup is there and cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The record of setup is not what setup writes.
    #[error("`{}` is not a record of a toolchain", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        source: toml::de::Error,
    },
}

impl ToolchainError {
    /// The next command.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTarget => Some(
                "rustup target add wasm32-unknown-unknown; in a windlass checkout: cargo xtask setup"
                    .to_owned(),
            ),
            Self::NoCompiler { .. } => {
                Some("install Rust, so that cargo and rustc are on the PATH".to_owned())
            }
            Self::Record { .. } | Self::File(_) => Some("cargo xtask setup".to_owned()),
            Self::Refused { .. } => None,
        }
    }
}

/// Finds a compiler for procedures in this folder.
pub fn find(dir: &Path) -> Result<Toolchain, ToolchainError> {
    let active = Toolchain {
        cargo: variable("CARGO", "cargo"),
        rustc: variable("RUSTC", "rustc"),
        sysroot: None,
        libraries: Vec::new(),
        std_sources: None,
    };
    match active.clone().probed(dir) {
        Ok(toolchain) => Ok(toolchain),
        Err(missing) => match recorded(dir) {
            Some(path) => read_record(&path, &active)?.probed(dir),
            None => Err(missing),
        },
    }
}

/// Inside a build script cargo names its own programs; elsewhere those on the PATH are meant.
#[expect(
    clippy::disallowed_methods,
    reason = "the builder stands in for cargo, which is configured by its environment"
)]
fn variable(name: &str, default: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(|| default.into(), PathBuf::from)
}

fn recorded(dir: &Path) -> Option<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = dir.canonicalize().ok()?;
    dir.ancestors()
        .chain(checkout.ancestors().skip(2).take(1))
        .map(|folder| folder.join(RECORDED))
        .find(|path| path.is_file())
}

fn read_record(path: &Path, active: &Toolchain) -> Result<Toolchain, ToolchainError> {
    let record: Recorded =
        toml::from_str(&files::text(path)?).map_err(|source| ToolchainError::Record {
            path: path.to_owned(),
            source,
        })?;
    Ok(Toolchain {
        cargo: record.cargo.unwrap_or_else(|| active.cargo.clone()),
        rustc: record.rustc,
        sysroot: record.sysroot,
        libraries: record.libraries,
        std_sources: None,
    })
}

impl Toolchain {
    /// Itself with what is known of its standard library, if that has the target.
    fn probed(mut self, dir: &Path) -> Result<Self, ToolchainError> {
        let printed = self.ask_rustc(
            dir,
            &[
                "--print",
                "sysroot",
                "--print",
                "target-libdir",
                "--target",
                TARGET,
            ],
        )?;
        let mut lines = printed.lines().map(str::trim);
        let (sysroot, libraries) = (lines.next(), lines.next());
        if !libraries.is_some_and(|folder| has_core(Path::new(folder))) {
            return Err(ToolchainError::NoTarget);
        }
        let version = self.ask_rustc(dir, &["--verbose", "--version"])?;
        let commit = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "));
        if let (Some(sysroot), Some(commit)) = (sysroot, commit) {
            let sources = Path::new(sysroot).join("lib/rustlib/src/rust");
            self.std_sources = Some((sources, format!("/rustc/{commit}")));
        }
        Ok(self)
    }

    fn ask_rustc(&self, dir: &Path, arguments: &[&str]) -> Result<String, ToolchainError> {
        let mut command = self.command(&self.rustc, dir);
        if let Some(sysroot) = &self.sysroot {
            command.arg("--sysroot").arg(sysroot);
        }
        let output =
            command
                .args(arguments)
                .output()
                .map_err(|source| ToolchainError::NoCompiler {
                    program: self.rustc.clone(),
                    source,
                })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(ToolchainError::Refused {
                program: self.rustc.clone(),
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            })
        }
    }

    /// Cargo, to be run in the folder, with this compiler.
    pub(crate) fn cargo(&self, dir: &Path) -> Command {
        let mut command = self.command(&self.cargo, dir);
        command.env("RUSTC", &self.rustc);
        command
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the builder is one of the two that start a process"
    )]
    fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_of_an_outer_build) {
                command.env_remove(name);
            }
        }
        if !self.libraries.is_empty() {
            let mut folders = self.libraries.clone();
            folders.extend(
                std::env::var_os("LD_LIBRARY_PATH")
                    .iter()
                    .flat_map(std::env::split_paths),
            );
            // A folder with a colon in its name cannot be passed on; the compiler then says what it misses.
            if let Ok(folders) = std::env::join_paths(folders) {
                command.env("LD_LIBRARY_PATH", folders);
            }
        }
        command
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the builder reads the compiler's own folder"
)]
fn has_core(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Whether a variable tells of the build that this one may be started from: its flags and wrappers must not leak in. How cargo reaches
/// registries stays.
fn is_of_an_outer_build(name: &str) -> bool {
    const STAYS: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const GOES: [&str; 8] = [
        "CARGO",
        "__CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTDOC",
        "CLIPPY_",
        "DEP_",
        "MAKEFLAGS",
    ];
    const GOES_EXACTLY: [&str; 8] = [
        "TARGET",
        "HOST",
        "OUT_DIR",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "NUM_JOBS",
        "MFLAGS",
    ];
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    !begins(&STAYS) && (begins(&GOES) || GOES_EXACTLY.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::{ToolchainError, find, is_of_an_outer_build};
    use std::path::Path;

    #[test]
    fn an_outer_build_does_not_leak_in() {
        for name in [
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_PKG_NAME",
            "CARGO_MAKEFLAGS",
            "RUSTFLAGS",
            "OUT_DIR",
            "TARGET",
            "CARGO",
        ] {
            assert!(is_of_an_outer_build(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "RUSTUP_TOOLCHAIN",
            "RUSTUP_HOME",
            "PATH",
            "HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_X_INDEX",
            "HTTPS_PROXY",
            "TARGETS",
        ] {
            assert!(!is_of_an_outer_build(name), "{name}");
        }
    }

    #[test]
    fn this_machine_can_compile() {
        let toolchain = find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(toolchain.std_sources.is_some());
    }

    #[test]
    fn the_missing_target_has_a_way_out() {
        let hint = ToolchainError::NoTarget.hint().unwrap();
        assert!(
            hint.contains("rustup target add wasm32-unknown-unknown")
                && hint.contains("cargo xtask setup")
        );
    }
}
