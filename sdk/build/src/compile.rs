//! From a folder with a `Cargo.toml` to a component.

use crate::files::{self, FileError};
use crate::toolchain::{TARGET, Toolchain};
use crate::{Procedure, Request};
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wit_component::ComponentEncoder;

/// The profile is part of what a digest means, so it is set here and not by the author's workspace.
const PROFILE: [&str; 9] = [
    "profile.release.opt-level='s'",
    "profile.release.lto='fat'",
    "profile.release.codegen-units=1",
    "profile.release.panic='abort'",
    "profile.release.strip='symbols'",
    "profile.release.debug=false",
    "profile.release.incremental=false",
    "profile.release.overflow-checks=false",
    "profile.release.debug-assertions=false",
];

/// Why a folder did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The folder has no such thing.
    #[error("`{}` is not a crate", dir.display())]
    NoCrate {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The compiler is gone between being found and being started.
    #[error("cannot start `{program}`")]
    Start {
        /// What was to be started.
        program: String,
        /// Why it was not.
        source: std::io::Error,
    },
    /// Cargo found something wrong and said so.
    #[error("`{command}` failed{output}")]
    Cargo {
        /// As one could type it.
        command: String,
        /// What it said, if nobody heard it.
        output: String,
    },
    /// Cargo answered something else than it documents.
    #[error("cannot understand what `{command}` answers")]
    Answer {
        /// As one could type it.
        command: String,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
    /// The crate makes no library that can be a component.
    #[error("`{}` makes no WebAssembly module", manifest.display())]
    NoModule {
        /// The `Cargo.toml`.
        manifest: PathBuf,
    },
    /// The `Cargo.toml` is of a workspace and of no crate.
    #[error("`{}` is of a workspace, and of no crate", manifest.display())]
    NoPackage {
        /// The `Cargo.toml`.
        manifest: PathBuf,
    },
    /// The two files of the author disagree.
    #[error("plugin.toml says version {manifest}, Cargo.toml says {package}")]
    Version {
        /// By `plugin.toml`.
        manifest: String,
        /// By `Cargo.toml`.
        package: String,
    },
    /// The module cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The module is not what a component can be made of.
    #[error("cannot make a component: {0}")]
    Componentize(String),
}

impl CompileError {
    /// The line to add, or where to look.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoModule { .. } => Some("[lib]\ncrate-type = [\"cdylib\"]".to_owned()),
            Self::NoCrate { .. } | Self::NoPackage { .. } => {
                Some("name the folder that holds the procedure's own Cargo.toml".to_owned())
            }
            Self::Componentize(message) if message.contains("__wbindgen") => Some(
                "something the crate depends on expects a browser's JavaScript; switch that feature off, often named `js` or `wasm-bindgen`, or take another crate".to_owned(),
            ),
            Self::Componentize(message) if message.contains("wasi") || message.contains("env") => Some(
                "something the crate depends on calls an operating system; a procedure has none".to_owned(),
            ),
            Self::Start { .. }
            | Self::Cargo { .. }
            | Self::Answer { .. }
            | Self::Version { .. }
            | Self::File(_)
            | Self::Componentize(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    manifest_path: PathBuf,
}

/// The lines of `--message-format=json` that matter; each has more than this.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Compiles the crate and answers its core module.
pub(crate) fn compile(
    request: &Request,
    toolchain: &Toolchain,
    procedure: &Procedure,
) -> Result<Vec<u8>, CompileError> {
    let manifest = request.dir.join("Cargo.toml");
    let manifest = manifest
        .canonicalize()
        .map_err(|source| CompileError::NoCrate {
            dir: request.dir.clone(),
            source,
        })?;
    let packages = packages(request, toolchain, &manifest)?;
    let Some(package) = packages
        .iter()
        .find(|package| package.manifest_path == manifest)
    else {
        return Err(CompileError::NoPackage { manifest });
    };
    if package.version != procedure.version {
        return Err(CompileError::Version {
            manifest: procedure.version.clone(),
            package: package.version.clone(),
        });
    }
    let mut cargo = build_command(request, toolchain, &manifest);
    cargo.env(
        "CARGO_ENCODED_RUSTFLAGS",
        flags(toolchain, &packages, &request.target_dir),
    );
    let answer = answer_of(cargo, request.show_compiler)?;
    match module_of(&answer, package)? {
        Some(path) => Ok(files::bytes(&path)?),
        None => Err(CompileError::NoModule { manifest }),
    }
}

/// Makes a component of a core module that was compiled against the contract.
pub(crate) fn componentize(core: &[u8]) -> Result<Vec<u8>, CompileError> {
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(core)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| CompileError::Componentize(format!("{error:#}")))
}

fn packages(
    request: &Request,
    toolchain: &Toolchain,
    manifest: &Path,
) -> Result<Vec<Package>, CompileError> {
    let mut cargo = toolchain.cargo(&request.dir);
    cargo.args([
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        TARGET,
    ]);
    add_common(&mut cargo, request, manifest);
    let command = shown(&cargo);
    let answer = answer_of(cargo, request.show_compiler)?;
    serde_json::from_slice::<Metadata>(&answer)
        .map(|metadata| metadata.packages)
        .map_err(|source| CompileError::Answer { command, source })
}

fn build_command(request: &Request, toolchain: &Toolchain, manifest: &Path) -> Command {
    let mut cargo = toolchain.cargo(&request.dir);
    cargo.args(["build", "--lib", "--release", "--target", TARGET]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    cargo.arg("--target-dir").arg(&request.target_dir);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    add_common(&mut cargo, request, manifest);
    cargo
}

fn add_common(cargo: &mut Command, request: &Request, manifest: &Path) {
    cargo.arg("--manifest-path").arg(manifest);
    if request.offline {
        cargo.arg("--offline");
    }
    if request.locked {
        cargo.arg("--locked");
    }
}

fn answer_of(mut cargo: Command, show: bool) -> Result<Vec<u8>, CompileError> {
    let stderr = if show {
        Stdio::inherit()
    } else {
        Stdio::piped()
    };
    let command = shown(&cargo);
    let output = cargo
        .stdin(Stdio::null())
        .stderr(stderr)
        .output()
        .map_err(|source| CompileError::Start {
            program: cargo.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let output = match said.trim() {
        "" => String::new(),
        said => format!(":\n{said}"),
    };
    Err(CompileError::Cargo { command, output })
}

/// The beginning of the command: enough to recognise it.
fn shown(command: &Command) -> String {
    let first = command.get_args().next().unwrap_or_default();
    let place = command.get_current_dir().unwrap_or(Path::new("."));
    format!("cargo {} (in {})", first.to_string_lossy(), place.display())
}

fn module_of(answer: &[u8], package: &Package) -> Result<Option<PathBuf>, CompileError> {
    let mut module = None;
    for line in answer
        .split(|byte| *byte == b'\n')
        .filter(|line| line.first() == Some(&b'{'))
    {
        let message: Message =
            serde_json::from_slice(line).map_err(|source| CompileError::Answer {
                command: "cargo build".to_owned(),
                source,
            })?;
        if message.reason == "compiler-artifact"
            && message.package_id.as_deref() == Some(&package.id)
        {
            let mut files = message.filenames.into_iter();
            module = files
                .find(|file| file.extension().is_some_and(|e| e == "wasm"))
                .or(module);
        }
    }
    Ok(module)
}

/// Source paths get into panic messages. They are written as `/package-version/…`, so that they do not depend on the machine.
fn flags(toolchain: &Toolchain, packages: &[Package], target_dir: &Path) -> OsString {
    let mut places: Vec<(PathBuf, String)> = packages
        .iter()
        .filter_map(|package| {
            let folder = package.manifest_path.parent()?.to_owned();
            Some((folder, format!("/{}-{}", package.name, package.version)))
        })
        .collect();
    places.push((target_dir.to_owned(), "/target".to_owned()));
    places.extend(toolchain.std_sources.clone());
    // The last that matches counts, so the most particular ones come last.
    places.sort_by_key(|(folder, _)| folder.as_os_str().len());
    let mut flags = Vec::new();
    for (folder, name) in places {
        let mut map = OsString::from("--remap-path-prefix=");
        map.push(folder);
        map.push("=");
        map.push(name);
        flags.push(map);
    }
    if let Some(sysroot) = &toolchain.sysroot {
        let mut flag = OsString::from("--sysroot=");
        flag.push(sysroot);
        flags.push(flag);
    }
    flags.join(&OsString::from("\u{1f}"))
}

#[cfg(test)]
mod tests {
    use super::CompileError;

    #[test]
    fn a_dependency_that_wants_a_browser_is_told_apart() {
        let hint = |message: &str| CompileError::Componentize(message.to_owned()).hint();
        let browser = "module requires an import interface named `__wbindgen_placeholder__`";
        assert!(hint(browser).unwrap().contains("wasm-bindgen"));
        let system = "module requires an import interface named `wasi_snapshot_preview1`";
        assert!(hint(system).unwrap().contains("operating system"));
        assert_eq!(hint("its exports are strange"), None);
    }
}
