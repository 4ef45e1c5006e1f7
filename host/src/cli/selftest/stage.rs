//! A folder for one case: a configuration of its own, the component, a place for the grant, the record and the cache.

use super::case::Case;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::config::FILE;
use crate::folder::Folder;
use cap_std::fs::{Dir, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use toml::{Table, Value};

/// The target of cases that reach none. Nothing listens there, and nothing is ever asked to.
pub(super) const NOWHERE: &str = "nowhere";
/// What the component is called in its folder.
pub(super) const COMPONENT: &str = "hostile.wasm";
/// The file with the connection of [`NOWHERE`].
const CONNECTION: &str = "nowhere.url";
/// Channels that lead nowhere, with what their files hold. Nothing listens behind the first two.
const CHANNELS: &[(&str, &str)] = &[
    ("ops", "http://127.0.0.1:1/"),
    ("page", "http://127.0.0.1:1/"),
    ("metadata", "https://169.254.169.254/"),
];
/// What messages to them would be signed with.
const KEY: &str = "channel.key";
/// Endpoints. Nothing listens behind the first two.
const ENDPOINTS: &[(&str, &str)] = &[
    ("shop", "http://127.0.0.1:1/"),
    ("bank", "http://127.0.0.1:1/"),
    ("metadata", "http://169.254.169.254/"),
];

/// Removed when it is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    place: TempDir,
    folder: Folder,
}

impl Stage {
    /// Makes the folder. `configuration` is what its `windlass.toml` says.
    pub(super) fn set(case: &Case, configuration: &str) -> Result<Self, Failure> {
        let failed = |error: &std::io::Error| {
            Failure::usage("no folder for the hostile components can be made")
                .cause(crate::folder::reason(error))
        };
        let place = tempfile::Builder::new()
            .prefix("windlass-selftest-")
            .tempdir()
            .map_err(|error| failed(&error))?;
        let folder = Folder::open(place.path())?;
        folder.write(FILE, configuration.as_bytes(), false)?;
        folder.write(
            CONNECTION,
            b"postgresql://nobody@127.0.0.1:1/nothing",
            false,
        )?;
        folder.write(
            KEY,
            b"whsec_bm90aGluZyBpcyBldmVyIHNpZ25lZCBieSBpdA==",
            false,
        )?;
        for (name, url) in CHANNELS {
            folder.write(&format!("{name}.url"), url.as_bytes(), false)?;
        }
        for name in ["grants", "cache"] {
            folder
                .dir()
                .create_dir(name)
                .map_err(|error| failed(&error))?;
        }
        write(folder.dir(), case).map_err(|error| failed(&error))?;
        Ok(Self { place, folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// Where its runs are recorded.
    pub(super) fn state(&self) -> PathBuf {
        self.path().join(".windlass")
    }

    /// A new file for what a process says.
    pub(super) fn file(&self, name: &str) -> std::io::Result<File> {
        self.folder.dir().create(name)
    }

    /// What a process said, whatever it was; of very much the beginning.
    pub(super) fn said(&self, name: &str) -> Result<String, Failure> {
        const MOST: u64 = 256 << 20;
        let bytes = self.folder.read(name, MOST)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn write(dir: &Dir, case: &Case) -> std::io::Result<()> {
    let mut file = dir.create(COMPONENT)?;
    file.write_all(case.component)?;
    if case.padding > 0 {
        // A custom section of zeros. The file has a hole there and takes no space.
        file.write_all(&[0])?;
        file.write_all(&leb(case.padding))?;
        file.seek(SeekFrom::Current(i64::from(case.padding) - 1))?;
        file.write_all(&[0])?;
    }
    Ok(())
}

/// A number as WebAssembly writes it.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The configuration of cases that reach no target.
pub(super) fn without_target() -> String {
    let channel = |(name, _): &(&str, &str)| {
        format!(
            "[channel.{name}]\nkind = \"webhook\"\nurl = {{ file = \"{name}.url\" }}\nkey = {{ file = \"{KEY}\" }}\ngive-up-after = \"1s\"\n"
        )
    };
    let mut sections: Vec<_> = CHANNELS.iter().map(channel).collect();
    let endpoint = |(name, url): &(&str, &str)| format!("[endpoint.{name}]\nurl = \"{url}\"\n");
    sections.extend(ENDPOINTS.iter().map(endpoint));
    sections.push(format!(
        "[database.{NOWHERE}]\nconnection = {{ file = \"{CONNECTION}\" }}\n"
    ));
    sections.concat()
}

/// The operator's own target, and nothing else of the configuration: no grants, no record. The files that it names are named in full.
pub(super) fn with_target(context: &Context, name: &str) -> Result<String, Failure> {
    let config = context.config()?;
    config.database(name)?;
    let (folder, file) = Folder::of_file(&config.file)?;
    let text = folder.read_text(&file)?;
    let unreadable = || Failure::fault(format!("`{FILE}` was read before and cannot be read now"));
    let whole: Table = text.parse().map_err(|_| unreadable())?;
    let databases = whole.get("database").and_then(Value::as_table);
    let target = databases.and_then(|databases| databases.get(name)?.as_table());
    let mut target = target.ok_or_else(unreadable)?.clone();
    let full = |value: &mut Value| {
        if let Value::String(path) = value {
            *path = folder.path().join(&*path).display().to_string();
        }
    };
    if let Some(ca) = target.get_mut("ca") {
        full(ca);
    }
    if let Some(Value::Table(connection)) = target.get_mut("connection")
        && let Some(file) = connection.get_mut("file")
    {
        full(file);
    }
    let own = Table::from_iter([(name.to_owned(), Value::Table(target))]);
    Ok(Table::from_iter([("database".to_owned(), Value::Table(own))]).to_string())
}
