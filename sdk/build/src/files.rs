//! Reading what the author and the compiler wrote.

use std::path::{Path, PathBuf};

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct FileError {
    path: PathBuf,
    source: std::io::Error,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the builder reads the author's own folder, on the author's behalf"
)]
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn text(path: &Path) -> Result<String, FileError> {
    let bytes = bytes(path)?;
    String::from_utf8(bytes).map_err(|error| FileError {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })
}
