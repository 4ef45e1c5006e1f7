//! Programs of PostgreSQL: installed ones first, fetched ones where there are none.

use super::{Account, Error, NEWEST, OLDEST, fetch};
use crate::shell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A version of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The part that decides compatibility: 18 of 18.4.
    pub major: u32,
    /// The part that only mends: 4 of 18.4.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The server programs of one version.
#[derive(Clone, Debug)]
pub struct Binaries {
    directory: PathBuf,
    version: Version,
    installed: bool,
}

impl Binaries {
    /// Any supported version: the newest one that is installed, else the newest one that can be fetched.
    pub fn find() -> Result<Self, Error> {
        let account = Account::current()?;
        match newest_installed(account, |major| (OLDEST..=NEWEST).contains(&major)) {
            Some(found) => Ok(found),
            None => fetched(NEWEST, account, || format!("{OLDEST} to {NEWEST}")),
        }
    }

    /// This major version, installed or fetched.
    pub fn major(major: u32) -> Result<Self, Error> {
        let account = Account::current()?;
        match newest_installed(account, |found| found == major) {
            Some(found) => Ok(found),
            None => fetched(major, account, || major.to_string()),
        }
    }

    /// Their version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The directory they are in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// True for those that came with the machine, false for fetched ones.
    pub fn installed(&self) -> bool {
        self.installed
    }

    /// The path of one of them.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether a loadable module, such as `pg_stat_statements`, came with them.
    pub fn has_module(&self, name: &str) -> bool {
        let libraries = ["../lib", "../lib/postgresql", "../lib64/pgsql"];
        libraries.iter().any(|library| {
            let directory = self.directory.join(library);
            ["so", "dylib"]
                .iter()
                .any(|kind| directory.join(format!("{name}.{kind}")).is_file())
        })
    }

    /// The programs in a directory, if that user can run them.
    pub(super) fn in_directory(
        directory: &Path,
        account: Account,
        installed: bool,
    ) -> Option<Self> {
        if !directory.join("initdb").is_file() {
            return None;
        }
        let directory = directory.canonicalize().ok()?;
        let mut command = Command::new(directory.join("postgres"));
        command.arg("--version").current_dir("/");
        account.apply(&mut command);
        let version = version_in(&shell::output(&mut command).ok()?)?;
        Some(Self {
            directory,
            version,
            installed,
        })
    }
}

fn fetched(major: u32, account: Account, wanted: impl Fn() -> String) -> Result<Binaries, Error> {
    fetch::major(major, account).map_err(|why| Error::None {
        wanted: wanted(),
        why: Box::new(why),
    })
}

fn newest_installed(account: Account, wanted: impl Fn(u32) -> bool) -> Option<Binaries> {
    installed_directories()
        .iter()
        .filter_map(|directory| Binaries::in_directory(directory, account, true))
        .filter(|binaries| wanted(binaries.version.major))
        .max_by_key(Binaries::version)
}

/// PATH, then where Debian, Red Hat and Homebrew put the versions that can be installed side by side.
fn installed_directories() -> Vec<PathBuf> {
    let mut directories = shell::path();
    for major in (OLDEST..=NEWEST).rev() {
        directories.push(format!("/usr/lib/postgresql/{major}/bin").into());
        directories.push(format!("/usr/pgsql-{major}/bin").into());
        directories.push(format!("/opt/homebrew/opt/postgresql@{major}/bin").into());
    }
    directories
}

/// The path of a client program such as `psql`, `pgbench` or `reindexdb`: on PATH, else beside an installed server.
pub fn client_tool(name: &str) -> Result<PathBuf, Error> {
    installed_directories()
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .ok_or_else(|| Error::NoClientTool(name.to_owned()))
}

/// The client programs that the suite compares windlass with, and the oldest version of each that has the options it is called with.
const COMPARED: [(&str, u32); 3] = [("pgbench", 15), ("vacuumdb", 14), ("reindexdb", 14)];

/// Looks for the client programs that the suite needs, and answers their versions.
pub fn check_client_tools() -> Result<Vec<(&'static str, Version)>, Error> {
    let mut found = Vec::new();
    for (name, oldest) in COMPARED {
        let program = client_tool(name)?;
        let said = shell::output(Command::new(&program).arg("--version"))?;
        let version = version_in(&said).filter(|version| version.major >= oldest);
        let version = version.ok_or_else(|| Error::OldClientTool {
            name: name.to_owned(),
            found: said.trim().to_owned(),
            oldest,
        })?;
        found.push((name, version));
    }
    Ok(found)
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)`; a version under development has no minor part.
fn version_in(said: &str) -> Option<Version> {
    let number = said.split_whitespace().nth(2)?;
    let mut parts = number.split('.');
    Some(Version {
        major: parts.next()?.parse().ok()?,
        minor: parts.next().and_then(|part| part.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::{Version, client_tool, version_in};

    #[test]
    fn reads_versions_as_servers_print_them() {
        let version = |major, minor| Some(Version { major, minor });
        assert_eq!(
            version_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            version(15, 18)
        );
        assert_eq!(version_in("postgres (PostgreSQL) 18.4"), version(18, 4));
        assert_eq!(version_in("postgres (PostgreSQL) 19beta1"), None);
        assert_eq!(version_in(""), None);
    }

    #[test]
    fn a_missing_tool_says_what_to_install() {
        let error = client_tool("pg_no_such_tool").unwrap_err();
        assert_eq!(error.to_string(), "`pg_no_such_tool` is not installed");
        assert!(error.hint().unwrap().contains("postgresql-client"));
    }
}
