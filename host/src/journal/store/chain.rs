//! Each entry's hash covers the one before, over all runs: nothing can be changed, dropped or slipped in without breaking the rest.

use sha2::{Digest, Sha256};

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// What the first entry's hash covers in place of the one before.
pub(super) const GENESIS: Hash = [0; 32];

/// What is stored of a body, as the chain covers it.
#[derive(Clone, Copy)]
pub(super) enum Stored<'a> {
    Inline(&'a str),
    Blob(&'a Hash),
}

/// An entry as the chain covers it.
pub(super) struct Link<'a> {
    pub(super) run: &'a str,
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) label: &'a str,
    pub(super) body: Stored<'a>,
}

impl Link<'_> {
    /// The hash of the entry that follows the one with the hash `before`. Lengths go first, so that no two entries read the same.
    pub(super) fn hash(&self, before: &Hash) -> Hash {
        let mut hasher = Sha256::new_with_prefix(before);
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        field(self.run.as_bytes());
        field(&self.seq.to_be_bytes());
        field(&self.at.to_be_bytes());
        field(self.label.as_bytes());
        match self.body {
            Stored::Inline(body) => {
                field(b"body");
                field(body.as_bytes());
            }
            Stored::Blob(digest) => {
                field(b"blob");
                field(digest);
            }
        }
        hasher.finalize().into()
    }
}

/// The digest of these bytes.
pub(super) fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
