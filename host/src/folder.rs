//! Directories opened once and handed down: the only way to a file.

use cap_std::ambient_authority;
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt as _, File, Metadata, MetadataExt as _, OpenOptions,
    OpenOptionsExt as _, Permissions,
};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of a text that people write, at most.
const TEXT_BYTES: u64 = 1 << 20;

/// A file or directory could not be used. The reason is worded for people.
#[derive(Debug, Error)]
#[error("cannot {action} `{}`: {why}", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    why: String,
    kind: ErrorKind,
    hint: Option<&'static str>,
}

impl FileError {
    fn new(action: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self {
            action,
            path: path.into(),
            why: reason(error),
            kind: error.kind(),
            hint: None,
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint
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
        self.rest(name, self.dir.open(name).map_err(fail)?, limit)
    }

    fn rest(&self, name: &str, file: File, limit: u64) -> Result<Vec<u8>, FileError> {
        let fail = |error: io::Error| FileError::new("read", self.path.join(name), &error);
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit {
            return Err(fail(io::Error::other(format!(
                "it is larger than {limit} bytes"
            ))));
        }
        Ok(bytes)
    }

    /// Fails if others than this user and root could have put a file there.
    pub fn is_guarded(&self) -> Result<(), FileError> {
        let meta = self.dir.dir_metadata();
        let meta = meta.map_err(|error| FileError::new("use", &self.path, &error))?;
        Self::guarded(&self.path, &meta)
    }

    /// Reads a whole text file of at most 1 MiB that only this user or root could have written. It is judged once it is open, so that no other
    /// file takes its place in between, and a pipe is not waited for.
    pub fn read_guarded(&self, name: &str) -> Result<String, FileError> {
        let path = self.path.join(name);
        let fail = |error: io::Error| FileError::new("use", &path, &error);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file = self.dir.open_with(name, &options).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if !meta.is_file() {
            return Err(fail(io::Error::other("it is no regular file")));
        }
        Self::guarded(&path, &meta)?;
        self.text(name, self.rest(name, file, TEXT_BYTES)?)
    }

    fn guarded(path: &Path, meta: &Metadata) -> Result<(), FileError> {
        let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
        let is_ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
        if is_ours && mode & 0o022 == 0 {
            return Ok(());
        }
        let wrong = format!("others could have written it: owner uid {owner}, mode {mode:04o}");
        let error = FileError::new("use", path, &io::Error::other(wrong));
        Err(FileError {
            hint: Some(
                "have it reviewed, then: chmod go-w, and chown it to the user who runs windlass",
            ),
            ..error
        })
    }

    /// Reads a whole text file of at most 1 MiB.
    pub fn read_text(&self, name: &str) -> Result<String, FileError> {
        self.text(name, self.read(name, TEXT_BYTES)?)
    }

    fn text(&self, name: &str, bytes: Vec<u8>) -> Result<String, FileError> {
        String::from_utf8(bytes).map_err(|_| {
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

    /// Writes a file, durably and as a whole: after a crash there is the old one or the new one. An existing one is an error unless
    /// `replace` says otherwise. What is no file, such as a terminal, is written to as it is.
    pub fn write(&self, name: &str, bytes: &[u8], replace: bool) -> Result<(), FileError> {
        let fail = |error: io::Error| FileError::new("write", self.path.join(name), &error);
        let there = self.dir.symlink_metadata(name).ok();
        match there {
            Some(_) if !replace => Err(fail(ErrorKind::AlreadyExists.into())),
            Some(there) if !there.is_file() => self.fill(name, bytes, None).map_err(fail),
            there => {
                let aside = format!(".{name}.{}", std::process::id());
                let placed = self
                    .fill(&aside, bytes, there.map(|there| there.permissions()))
                    .and_then(|()| self.place(&aside, name, replace));
                if placed.is_err() {
                    // What is left aside is nobody's; that it could not be removed either says nothing new.
                    let _ = self.dir.remove_file(&aside);
                }
                placed.map_err(fail)
            }
        }
    }

    fn fill(&self, name: &str, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = self.dir.open_with(name, &options)?;
        file.write_all(bytes)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        match file.sync_all() {
            // A terminal or a pipe keeps nothing.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }

    fn place(&self, aside: &str, name: &str, replace: bool) -> io::Result<()> {
        if replace {
            self.dir.rename(aside, &self.dir, name)?;
        } else {
            // Unlike renaming it fails where somebody else was faster.
            self.dir.hard_link(aside, &self.dir, name)?;
            self.dir.remove_file(aside)?;
        }
        self.dir.open(".")?.sync_all()
    }

    /// Opens a directory in this one that is for this user only, and makes it first where it is missing.
    pub fn private(&self, name: &str) -> Result<Dir, FileError> {
        let fail = |error: io::Error| FileError::new("create", self.path.join(name), &error);
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match self.dir.create_dir_with(name, &builder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
        self.dir.open_dir(name).map_err(fail)
    }
}

/// Who may do what with a file that the operator named; nothing if that cannot be known.
pub fn mode(path: &Path) -> Option<u32> {
    let (folder, name) = Folder::of_file(path).ok()?;
    let meta = folder.dir.metadata(name).ok()?;
    Some(meta.mode() & 0o7777)
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
    use cap_std::fs::MetadataExt as _;
    use std::io::Read as _;
    use std::path::Path;

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
    fn a_file_is_replaced_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("plan.json");
        write(&path, b"one", false).unwrap();
        // Who opened the old one goes on reading the old one.
        let folder = Folder::open(place.path()).unwrap();
        let mut old = folder.dir().open("plan.json").unwrap();
        write(&path, b"two", true).unwrap();
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one");
        assert_eq!(read(&path, 10).unwrap(), b"two");
        assert_eq!(
            folder.dir().entries().unwrap().count(),
            1,
            "nothing is left aside"
        );
        write(Path::new("/dev/null"), b"two", true).unwrap();
    }

    #[test]
    fn a_private_folder_is_for_one_user_whatever_the_mask() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let private = folder.private("ours").unwrap();
        assert_eq!(private.dir_metadata().unwrap().mode() & 0o777, 0o700);
        folder.private("ours").unwrap();
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
