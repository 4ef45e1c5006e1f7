//! A compiler for WebAssembly out of Debian's packages, for machines where rustup is missing or cannot fetch.
//!
//! Debian builds the compiler with that target and leaves its standard library out. So the packages are downloaded and unpacked (both
//! without root), the standard library is built once from Debian's sources, and the result is recorded where builds look for it.

use super::{Error, TARGET};
use crate::shell;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMPILER: &str = "rustc-web";
const SOURCES: &str = "rust-web-src";

/// Fills `directory` and writes `toolchain.toml` into it, last.
pub(super) fn build(directory: &Path, say: &dyn Fn(&str)) -> Result<(), Error> {
    for tool in ["apt-get", "apt-cache", "dpkg", "dpkg-query"] {
        shell::on_path(tool).ok_or(Error::NoDebian(tool))?;
    }
    let (root, scratch) = (directory.join("root"), directory.join("scratch"));
    for old in [&root, &scratch] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(Error::file(old))?;
        }
        fs::create_dir_all(old).map_err(Error::file(old))?;
    }
    let packages = packages()?;
    say(&format!("downloading {} packages", packages.len()));
    unpack(&packages, &scratch, &root)?;
    let debian = Unpacked::look(&root)?;
    debian.check_version()?;
    debian.link_linker()?;
    say("building the standard library for WebAssembly");
    debian.build_library(&scratch)?;
    debian.record(directory)?;
    // The sources are most of it, and nothing needs them any more.
    for done in [scratch, root.join("usr/src")] {
        fs::remove_dir_all(&done).map_err(Error::file(&done))?;
    }
    Ok(())
}

/// The compiler, its libraries that are not installed, its sources and the linker of the same LLVM.
fn packages() -> Result<Vec<String>, Error> {
    let mut depends = Command::new("apt-cache");
    depends.args(["depends", "--recurse", "--important", COMPILER]);
    let closure = shell::output(&mut depends)?;
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]);
    let query = shell::output(&mut query)?;
    let installed = query
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"));
    choose(&closure, &installed.collect()).ok_or(Error::Missing("compiler with a known LLVM"))
}

fn choose(closure: &str, installed: &HashSet<&str>) -> Option<Vec<String>> {
    let names = closure
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let mut chosen: Vec<String> = Vec::new();
    for name in names {
        let ours =
            name == COMPILER || name.starts_with("libstd-rust-") || name.starts_with("libllvm");
        let missing =
            name.starts_with("lib") && !name.ends_with("-dev") && !installed.contains(name);
        if ours || missing {
            chosen.push(name.to_owned());
        }
    }
    let llvm = chosen
        .iter()
        .find_map(|name| name.strip_prefix("libllvm"))?;
    let linker = format!("lld-{}", llvm.split('.').next()?);
    chosen.extend([linker, SOURCES.to_owned()]);
    Some(chosen)
}

fn unpack(packages: &[String], scratch: &Path, root: &Path) -> Result<(), Error> {
    let mut download = Command::new("apt-get");
    download.arg("download").args(packages).current_dir(scratch);
    shell::output(&mut download)?;
    for entry in fs::read_dir(scratch).map_err(Error::file(scratch))? {
        let path = entry.map_err(Error::file(scratch))?.path();
        if path.extension().is_some_and(|kind| kind == "deb") {
            shell::output(Command::new("dpkg").arg("-x").arg(&path).arg(root))?;
        }
    }
    Ok(())
}

/// Debian's files, where we put them.
struct Unpacked {
    rustc: PathBuf,
    libraries: PathBuf,
    linker: PathBuf,
    rustlib: PathBuf,
}

impl Unpacked {
    fn look(root: &Path) -> Result<Self, Error> {
        let usr = root.join("usr");
        let (rustc, rustlib) = (usr.join("bin/rustc"), usr.join("lib/rustlib"));
        let library = find(&usr.join("lib"), |name| {
            name.starts_with("librustc_driver-")
        });
        let libraries = library.as_deref().and_then(Path::parent);
        let linker = find(&usr.join("lib"), |name| name.starts_with("llvm-"))
            .map(|llvm| llvm.join("bin/lld"))
            .filter(|linker| linker.is_file());
        match (rustc.is_file(), libraries, linker) {
            (false, ..) => Err(Error::Missing("compiler")),
            (_, None, _) => Err(Error::Missing("compiler's library")),
            (.., None) => Err(Error::Missing("linker")),
            (true, Some(libraries), Some(linker)) => Ok(Self {
                rustc,
                libraries: libraries.to_path_buf(),
                linker,
                rustlib,
            }),
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(&self.rustc);
        command
            .args(arguments)
            .env("LD_LIBRARY_PATH", &self.libraries);
        Ok(shell::output(&mut command)?)
    }

    fn line(&self, key: &'static str) -> Result<String, Error> {
        let said = self.ask(&["--version", "--verbose"])?;
        let mut lines = said.lines();
        lines
            .find_map(|line| line.strip_prefix(key))
            .map(|value| value.trim().to_owned())
            .ok_or(Error::Missing("version"))
    }

    fn check_version(&self) -> Result<(), Error> {
        let (found, wanted) = (self.line("release:")?, env!("CARGO_PKG_RUST_VERSION"));
        if numbers(&found) < numbers(wanted) {
            return Err(Error::TooOld { found, wanted });
        }
        Ok(())
    }

    /// The compiler looks for `rust-lld` among its own tools.
    fn link_linker(&self) -> Result<(), Error> {
        let tools = self.rustlib.join(self.line("host:")?).join("bin");
        fs::create_dir_all(&tools).map_err(Error::file(&tools))?;
        let link = tools.join("rust-lld");
        symlink(&self.linker, &link).map_err(Error::file(&link))
    }

    /// Cargo can build the standard library only for a crate: an empty one.
    fn build_library(&self, scratch: &Path) -> Result<(), Error> {
        let empty = scratch.join("empty");
        fs::create_dir_all(&empty).map_err(Error::file(&empty))?;
        let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";
        for (name, text) in [("Cargo.toml", manifest), ("lib.rs", "")] {
            let path = empty.join(name);
            fs::write(&path, text).map_err(Error::file(&path))?;
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "build",
                "--release",
                "-Z",
                "build-std=std,panic_abort",
                "--target",
                TARGET,
            ])
            .current_dir(&empty)
            .env("RUSTC", &self.rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "-Cembed-bitcode=yes")
            .env("CARGO_TARGET_DIR", empty.join("target"))
            .env("LD_LIBRARY_PATH", &self.libraries)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER");
        shell::output(&mut command)?;
        let built = empty.join("target").join(TARGET).join("release/deps");
        let place = self.rustlib.join(TARGET).join("lib");
        fs::create_dir_all(&place).map_err(Error::file(&place))?;
        for entry in fs::read_dir(&built).map_err(Error::file(&built))? {
            let path = entry.map_err(Error::file(&built))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".rlib") && !name.starts_with("libempty-") {
                fs::copy(&path, place.join(&*name)).map_err(Error::file(&path))?;
            }
        }
        Ok(())
    }

    fn record(&self, directory: &Path) -> Result<(), Error> {
        let record = directory.join("toolchain.toml");
        // A string of JSON is one of TOML, too.
        let quoted = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
        let text = format!(
            "# Written by `cargo xtask setup`.\nrustc = {}\nlibraries = [{}]\n",
            quoted(&self.rustc),
            quoted(&self.libraries)
        );
        fs::write(&record, text).map_err(Error::file(&record))
    }
}

/// The first file or folder of a kind, in a folder or one below it.
fn find(folder: &Path, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let mut entries = files(folder);
    let below: Vec<PathBuf> = entries.iter().flat_map(|entry| files(entry)).collect();
    entries.extend(below);
    let mut entries = entries.into_iter();
    entries.find(|path| {
        path.file_name()
            .is_some_and(|name| wanted(&name.to_string_lossy()))
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{choose, numbers};
    use std::collections::HashSet;

    #[test]
    fn takes_the_compiler_its_missing_libraries_and_the_linker_of_its_llvm() {
        let closure = "rustc-web\n  Depends: libc6\n  Depends: <libc-dev>\nlibc6\nlibstd-rust-web-1.96\nlibllvm22\nlibz3-4\ngcc\nlibnsl-dev\n<libc-dev>\n";
        let installed = HashSet::from(["libc6", "libstd-rust-web-1.96"]);
        let chosen = choose(closure, &installed).unwrap();
        assert_eq!(
            chosen,
            [
                "rustc-web",
                "libstd-rust-web-1.96",
                "libllvm22",
                "libz3-4",
                "lld-22",
                "rust-web-src"
            ]
        );
        assert_eq!(choose("rustc-web\n", &installed), None);
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(numbers("1.100.0") > numbers("1.95"));
        assert!(numbers("1.85.0") < numbers("1.95"));
    }
}
