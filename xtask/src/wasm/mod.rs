//! The compiler's WebAssembly target: there already, added by rustup, or put together from Debian's packages.

mod debian;

use crate::shell::{self, Failure};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use windlass_build::toolchain::{self, TARGET, Toolchain, ToolchainError};

/// Where the toolchain from Debian's packages is kept.
const KEPT: &str = "wasm-toolchain";

/// Why procedures cannot be compiled here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Both ways failed.
    #[error(
        "the target {TARGET} cannot be had: rustup could not add it ({rustup}), and Debian's packages could not replace it"
    )]
    NoTarget {
        /// Why rustup did not help, in one line.
        rustup: String,
        /// Why Debian's packages did not.
        #[source]
        why: Box<Error>,
    },
    /// The machine is no Debian.
    #[error("`{0}` is not installed")]
    NoDebian(&'static str),
    /// Debian has no compiler that is new enough.
    #[error("Debian's compiler is {found}, and {wanted} is needed")]
    TooOld {
        /// As the compiler says.
        found: String,
        /// The workspace's own minimum.
        wanted: &'static str,
    },
    /// A package is not as expected.
    #[error("Debian's packages have no {0}")]
    Missing(&'static str),
    /// A program failed.
    #[error(transparent)]
    Program(#[from] Failure),
    /// A file could not be read or written.
    #[error("`{0}` cannot be used")]
    File(PathBuf, #[source] io::Error),
    /// The compiler that was set up is not found afterwards.
    #[error("the toolchain that was set up does not work")]
    Useless(#[source] ToolchainError),
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File(path, error)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        matches!(self, Self::NoTarget { .. }).then(|| {
            format!("install it by hand where the network allows it: rustup target add {TARGET}")
        })
    }
}

/// Makes sure that procedures can be compiled, and answers with what. `say` is told what takes long.
pub fn ensure(say: &dyn Fn(&str)) -> Result<Toolchain, Error> {
    if let Ok(found) = toolchain::find(&crate::workspace()) {
        return Ok(found);
    }
    say(&format!("adding the compiler's target {TARGET}"));
    let Err(failure) = add_by_rustup() else {
        return found();
    };
    say("rustup cannot add it; taking Debian's packages instead, which needs a minute");
    match from_debian(say) {
        Ok(toolchain) => Ok(toolchain),
        Err(why) => Err(Error::NoTarget {
            rustup: first_line(&failure),
            why: Box::new(why),
        }),
    }
}

/// Puts a toolchain together from Debian's packages, without root; it is used where the active one lacks the target.
pub fn from_debian(say: &dyn Fn(&str)) -> Result<Toolchain, Error> {
    debian::build(&crate::target().join(KEPT), say)?;
    found()
}

fn found() -> Result<Toolchain, Error> {
    toolchain::find(&crate::workspace()).map_err(Error::Useless)
}

/// The active toolchain is the one that cargo runs us with; rustup finds it as cargo did.
fn add_by_rustup() -> Result<String, Failure> {
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .current_dir(crate::workspace());
    shell::output(&mut rustup)
}

fn first_line(failure: &Failure) -> String {
    let text = failure.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.next().unwrap_or_default().trim().to_owned()
}
