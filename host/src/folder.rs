//! Directories opened once and handed down: the only way to a file.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A file or directory could not be used. The reason is worded for people.
#[derive(Debug, Error)]
#[error("cannot {action} `{}`: {why}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    why: String,
    kind: ErrorKind,
}

impl FileError {
    fn new(action: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self {
            action,
            path: path.into(),
            why: reason(error),
            kind: error.kind(),
        }
    }

    /// Whether the file is simply not there.
    pub fn is_missing(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether there was something in the way of a new file.
    pub fn is_in_the_way(&self) -> bool {
        self.kind == ErrorKind::AlreadyExists
    }
}

/// What went wrong, without the words of the operating system's programmers.
pub fn reason(error: &io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        return "it does not exist".into();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !text.chars().nth(1).is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// An open directory. Nothing outside it can be reached through it, by symbolic links either.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
    path: PathBuf,
}

impl Folder {
    /// Opens a directory that the operator named.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Dir::open_ambient_dir(path, ambient_authority())
            .map(|dir| Self {
                dir,
                path: path.to_owned(),
            })
            .map_err(|error| FileError::new("open", path, &error))
    }

    /// Opens a directory that the operator named, and makes it first where it is missing.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        Dir::create_ambient_dir_all(path, ambient_authority())
            .map_err(|error| FileError::new("create", path, &error))?;
        Self::open(path)
    }

    /// Opens the directory of a file that the operator named, and tells the file's name in it. A symbolic link is followed first.
    pub fn of_file(path: &Path) -> Result<(Self, String), FileError> {
        let fail = |error: io::Error| FileError::new("open", path, &error);
        let real = path.canonicalize().map_err(fail)?;
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(fail(io::Error::other("it is no file")));
        };
        Ok((Self::open(parent)?, name.to_string_lossy().into_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself, for those who store in it.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Reads a whole file of at most `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        let fail = |error: io::Error| FileError::new("read", self.path.join(name), &error);
        let file = self.dir.open(name).map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit {
            return Err(fail(io::Error::other(format!(
                "it is larger than {limit} bytes"
            ))));
        }
        Ok(bytes)
    }

    /// Reads a whole text file of at most 1 MiB.
    pub fn read_text(&self, name: &str) -> Result<String, FileError> {
        String::from_utf8(self.read(name, 1 << 20)?).map_err(|_| {
            let error = io::Error::other("it is not UTF-8 text");
            FileError::new("read", self.path.join(name), &error)
        })
    }

    /// Names of the files that end with `.extension`, sorted.
    pub fn names(&self, extension: &str) -> Result<Vec<String>, FileError> {
        let fail = |error: io::Error| FileError::new("list", &self.path, &error);
        let mut names = Vec::new();
        for entry in self.dir.entries().map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            if Path::new(&name).extension().is_some_and(|e| e == extension) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Writes a file, durably; an existing one is an error unless `replace` says otherwise.
    pub fn write(&self, name: &str, bytes: &[u8], replace: bool) -> Result<(), FileError> {
        let fail = |error: io::Error| FileError::new("write", self.path.join(name), &error);
        let mut options = OpenOptions::new();
        options.write(true);
        if replace {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let mut file = self.dir.open_with(name, &options).map_err(fail)?;
        file.write_all(bytes).map_err(fail)?;
        file.sync_all().map_err(fail)
    }
}

/// Reads a file that the operator named, of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (folder, name) = Folder::of_file(path)?;
    folder.read(&name, limit)
}

/// Writes a file that the operator named; an existing one is an error unless `replace` says otherwise.
pub fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), FileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        let error = io::Error::other("it names no file");
        return Err(FileError::new("write", path, &error));
    };
    Folder::open(parent)?.write(&name.to_string_lossy(), bytes, replace)
}

#[cfg(test)]
mod tests {
    use super::{Folder, read, write};

    #[test]
    fn a_new_file_replaces_nothing_unless_told() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.toml");
        write(&path, b"one", false).unwrap();
        let error = write(&path, b"two", false).unwrap_err();
        assert!(error.is_in_the_way());
        assert_eq!(read(&path, 10).unwrap(), b"one");
        write(&path, b"three", true).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"three");
        assert!(
            read(&path, 4)
                .unwrap_err()
                .to_string()
                .ends_with("larger than 4 bytes")
        );
    }

    #[test]
    fn a_folder_does_not_lead_outside() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("inner");
        let folder = Folder::create(&inner).unwrap();
        write(&place.path().join("secret"), b"s", false).unwrap();
        assert!(folder.read("../secret", 10).is_err());
        let missing = folder.read("nothing", 10).unwrap_err();
        assert!(missing.is_missing());
        assert!(
            missing
                .to_string()
                .ends_with("inner/nothing`: it does not exist")
        );
    }
}
