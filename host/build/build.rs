//! Builds the procedures in `plugins/` and the hostile components in `tests/hostile/`, and puts them into the binary: the former are
//! called by name from any directory, the latter are tried by `windlass selftest`.
#![expect(clippy::print_stderr, reason = "how a build script talks to people")]
#![expect(
    clippy::disallowed_methods,
    reason = "runs in cargo's environment, on cargo's directories"
)]

mod cases;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use windlass_build::{BuildError, Request};

fn main() -> ExitCode {
    let Err(error) = build() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: cannot build what is put into windlass: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  cause: {error}");
        cause = error.source();
    }
    if let Some(hint) = error
        .downcast_ref::<BuildError>()
        .and_then(BuildError::hint)
    {
        eprintln!("  hint:  {hint}");
    }
    ExitCode::FAILURE
}

fn build() -> Result<(), Box<dyn Error>> {
    let host = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let workspace = host.parent().ok_or("the host has no workspace")?;
    watch(workspace);

    let mut list = String::from("pub(crate) const BUILTINS: &[(&str, &[u8])] = &[\n");
    for dir in procedures(&workspace.join("plugins"))? {
        let built = windlass_build::build(&Request {
            locked: true,
            ..Request::new(dir, workspace.join("target/plugins"))
        })?;
        let name = &built.name;
        std::fs::write(out.join(format!("{name}.wasm")), &built.component)?;
        writeln!(
            list,
            "    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\"))),"
        )?;
    }
    list.push_str("];\n");
    std::fs::write(out.join("builtins.rs"), list)?;
    cases::build(workspace, &out)
}

/// Everything that the components are made of, and nothing else: a change of the host builds no procedure again.
fn watch(workspace: &Path) {
    const MADE_OF: [&str; 7] = [
        "plugins",
        "tests/hostile",
        "sdk/src",
        "sdk/Cargo.toml",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
    ];
    for path in MADE_OF {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

/// Each folder with a manifest, in the order of their names.
fn procedures(plugins: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut folders = Vec::new();
    for entry in plugins.read_dir()? {
        let folder = entry?.path();
        if folder.join("plugin.toml").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}
