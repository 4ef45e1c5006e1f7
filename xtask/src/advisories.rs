//! `cargo xtask advisories`: what the `RustSec` advisory database says of the packages in `Cargo.lock`. Where the database cannot be reached
//! it says that nothing was checked, and that is no failure: a build machine may have no way out.

use crate::trouble::Trouble;
use semver::{Version, VersionReq};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::shell;

const DATABASE: &str = "https://github.com/RustSec/advisory-db";

/// Checks against the database in the folder, or else against a fresh copy of the public one.
pub(crate) fn advisories(folder: Option<&str>) -> Result<(), Trouble> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let database = match folder {
        Some(folder) => PathBuf::from(folder),
        None => match fetch(&root.join("target/advisory-db")) {
            Ok(database) => database,
            Err(why) => {
                let why = why.to_string();
                eprintln!(
                    "advisories were not checked: {}",
                    why.lines().last().unwrap_or(&why)
                );
                return Ok(());
            }
        },
    };
    let packages = packages(&read(&root.join("Cargo.lock"))?)?;
    let ignored = ignored(&read(&root.join("deny.toml"))?)?;
    let (mut looked, mut found) = (0, Vec::new());
    for package in &packages {
        let version = package.version()?;
        for advisory in advisories_of(&database, &package.name)? {
            looked += 1;
            if !ignored.contains(&advisory.advisory.id) && advisory.is_about(&version) {
                found.push(format!(
                    "{} {}: {}{}",
                    package.name,
                    package.version,
                    advisory.advisory.id,
                    advisory.remark()
                ));
            }
        }
    }
    println!(
        "advisories   {} packages, {looked} advisories about them, {} that hold",
        packages.len(),
        found.len()
    );
    for line in &found {
        println!("  {line}");
    }
    let grave = found.iter().any(|line| !line.ends_with(')'));
    if grave {
        return Err(Trouble::Advisories);
    }
    Ok(())
}

/// A fresh copy each time: it is small without its history, and a stale one would say too little.
fn fetch(to: &Path) -> Result<PathBuf, Trouble> {
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(Trouble::file(to))?;
    }
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--depth", "1", DATABASE])
        .arg(to)
        .env("GIT_TERMINAL_PROMPT", "0");
    shell::output(&mut git)?;
    Ok(to.to_path_buf())
}

fn read(path: &Path) -> Result<String, Trouble> {
    std::fs::read_to_string(path).map_err(Trouble::file(path))
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

impl Package {
    fn version(&self) -> Result<Version, Trouble> {
        let parsed = Version::parse(&self.version);
        parsed.map_err(|error| Trouble::Unexpected(format!("{}: {error}", self.name)))
    }
}

/// What others made: our own packages are in no database.
fn packages(lock: &str) -> Result<Vec<Package>, Trouble> {
    let lock: Lock = toml::from_str(lock).map_err(malformed("Cargo.lock"))?;
    let mut packages = lock.package;
    packages.retain(|package| package.source.is_some());
    Ok(packages)
}

/// Advisories that `deny.toml` sets aside, each with its reason there.
fn ignored(deny: &str) -> Result<BTreeSet<String>, Trouble> {
    let deny: toml::Table = deny.parse().map_err(malformed("deny.toml"))?;
    let list = deny
        .get("advisories")
        .and_then(|advisories| advisories.get("ignore"));
    let entries = list.and_then(|list| list.as_array()).into_iter().flatten();
    let ids = entries.filter_map(|entry| entry.get("id")?.as_str().map(str::to_owned));
    Ok(ids.collect())
}

fn malformed(what: &str) -> impl FnOnce(toml::de::Error) -> Trouble {
    move |error| Trouble::Unexpected(format!("{what}: {}", error.message()))
}

/// What stands between the first fences of an advisory's file.
#[derive(Deserialize)]
struct Advisory {
    advisory: About,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct About {
    id: String,
    /// Set where it was taken back.
    withdrawn: Option<toml::Value>,
    /// Set where it is no vulnerability: `unmaintained`, `unsound`, `notice`.
    informational: Option<String>,
}

#[derive(Default, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<Range>,
    #[serde(default)]
    unaffected: Vec<Range>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Range(VersionReq);

impl TryFrom<String> for Range {
    type Error = semver::Error;

    fn try_from(text: String) -> Result<Self, semver::Error> {
        VersionReq::parse(&text).map(Self)
    }
}

impl Advisory {
    fn is_about(&self, version: &Version) -> bool {
        let mut safe = self
            .versions
            .patched
            .iter()
            .chain(&self.versions.unaffected);
        self.advisory.withdrawn.is_none() && !safe.any(|range| range.0.matches(version))
    }

    fn remark(&self) -> String {
        let kind = self.advisory.informational.as_ref();
        kind.map(|kind| format!(" ({kind})")).unwrap_or_default()
    }
}

fn advisories_of(database: &Path, package: &str) -> Result<Vec<Advisory>, Trouble> {
    if !database.join("crates").is_dir() {
        let text = format!("`{}` is no advisory database", database.display());
        return Err(Trouble::Unexpected(text));
    }
    let folder = database.join("crates").join(package);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut advisories = Vec::new();
    for entry in folder.read_dir().map_err(Trouble::file(&folder))? {
        let path = entry.map_err(Trouble::file(&folder))?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = read(&path)?;
            let (_, rest) = text.split_once("```toml").unwrap_or_default();
            let (toml, _) = rest.split_once("```").unwrap_or_default();
            let name = path.display().to_string();
            advisories.push(toml::from_str(toml).map_err(malformed(&name))?);
        }
    }
    Ok(advisories)
}

#[cfg(test)]
mod tests {
    use super::{advisories_of, ignored, packages};

    const ADVISORY: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\npackage = \"some\"\ndate = \"2026-01-01\"\n\n\
                            [versions]\npatched = [\">= 1.2.3\", \"^1.0.7\"]\nunaffected = [\"< 0.5\"]\n```\n\n# It breaks\n";

    #[test]
    fn an_advisory_is_about_versions_that_are_neither_patched_nor_unaffected() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("crates/some");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("RUSTSEC-2026-0001.md"), ADVISORY).unwrap();
        let found = advisories_of(place.path(), "some").unwrap().remove(0);
        let is_about = |version: &str| found.is_about(&version.parse().unwrap());
        assert!(is_about("0.5.0") && is_about("1.0.6"));
        assert!(!is_about("0.4.9") && !is_about("1.0.8") && !is_about("2.0.0"));
        assert!(advisories_of(place.path(), "other").unwrap().is_empty());
        assert!(advisories_of(&folder, "some").is_err());
    }

    #[test]
    fn our_own_packages_are_left_out_and_what_is_set_aside_is_known() {
        let lock = "[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"theirs\"\nversion = \"1.0.0\"\nsource = \"x\"\n";
        let packages = packages(lock).unwrap();
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].name, "theirs");
        let deny =
            "[advisories]\nignore = [{ id = \"RUSTSEC-2026-0001\", reason = \"not reachable\" }]\n";
        assert!(ignored(deny).unwrap().contains("RUSTSEC-2026-0001"));
        assert!(ignored("").unwrap().is_empty());
    }
}
