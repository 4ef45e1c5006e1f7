//! What an entry looks like in the file: JSON, and beyond a size compressed and stored once under its digest.

use super::super::entry::{Entry, RunId};
use super::StoreError;
use super::chain::{Hash, Stored, digest};
use std::borrow::Cow;
use std::sync::Arc;

/// Bodies beyond this many bytes go to the blobs.
const INLINE: usize = 8 * 1024;
/// The most bytes that one entry may have.
const LIMIT: usize = 16 * 1024 * 1024;
/// The most bytes that one blob may unpack to: no component is larger.
const UNPACKED: usize = 512 * 1024 * 1024;
/// Fast, and JSON shrinks to a tenth all the same.
const LEVEL: i32 = 3;

/// Content under its digest.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) digest: Hash,
    pub(super) size: usize,
    pub(super) packed: Vec<u8>,
}

impl Blob {
    pub(super) fn pack(bytes: &[u8]) -> Self {
        let packed = zstd::bulk::compress(bytes, LEVEL)
            .ok()
            .filter(|packed| packed.len() < bytes.len());
        Self {
            digest: digest(bytes),
            size: bytes.len(),
            packed: packed.unwrap_or_else(|| bytes.to_vec()),
        }
    }

    /// The content, if it still is what its digest says.
    pub(super) fn unpack(&self) -> Result<Vec<u8>, String> {
        if self.size > UNPACKED {
            return Err(format!("the stored content claims {} bytes", self.size));
        }
        // What does not shrink is stored as it is.
        let bytes = if self.packed.len() == self.size {
            Cow::Borrowed(&self.packed[..])
        } else {
            zstd::bulk::decompress(&self.packed, self.size)
                .map_err(|error| format!("the stored content does not unpack: {error}"))?
                .into()
        };
        if digest(&bytes) == self.digest {
            Ok(bytes.into_owned())
        } else {
            Err("the stored content does not have its digest".into())
        }
    }
}

/// An entry's JSON, as it is stored.
#[derive(Debug)]
pub(super) enum Body {
    Inline(String),
    Blob(Blob),
}

impl Body {
    pub(super) fn encode(run: &RunId, entry: &Entry) -> Result<Self, StoreError> {
        let json = serde_json::to_string(entry).map_err(|error| StoreError::Unencodable {
            run: run.clone(),
            source: Arc::new(error),
        })?;
        let size = json.len();
        if size <= INLINE {
            Ok(Self::Inline(json))
        } else if size <= LIMIT {
            Ok(Self::Blob(Blob::pack(json.as_bytes())))
        } else {
            Err(StoreError::TooLarge {
                run: run.clone(),
                size,
                limit: LIMIT,
            })
        }
    }

    /// Bytes of its JSON.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Inline(json) => json.len(),
            Self::Blob(blob) => blob.size,
        }
    }

    pub(super) fn stored(&self) -> Stored<'_> {
        match self {
            Self::Inline(json) => Stored::Inline(json),
            Self::Blob(blob) => Stored::Blob(&blob.digest),
        }
    }
}
