//! The procedures that are shipped within windlass. Their names are reserved: another component never looks like one of them.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

// `BUILTINS`: name and component of each, built by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// The component of that name.
pub(super) fn find(name: &str) -> Option<&'static [u8]> {
    BUILTINS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, bytes)| *bytes)
}

/// All names, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|(name, _)| *name)
}

/// Their digests, each computed when it is first asked for.
static DIGESTS: LazyLock<BTreeMap<&str, OnceLock<String>>> =
    LazyLock::new(|| names().map(|name| (name, OnceLock::new())).collect());

/// `sha256:…` of the built-in component of that name.
fn digest(name: &str) -> Option<&'static str> {
    let (bytes, digest) = (find(name)?, DIGESTS.get(name)?);
    let of = || format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    Some(digest.get_or_init(of))
}

/// Whether a component has the name of a built-in one that it is not.
pub(crate) fn borrows(name: &str, digest_of_it: &str) -> bool {
    digest(name).is_some_and(|own| own != digest_of_it)
}

/// What people are shown as the name of a component: a name that it borrows stands with its digest.
pub(crate) fn title(name: &str, digest: &str) -> String {
    if borrows(name, digest) {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        format!("{name}@{}", hex.get(..8).unwrap_or(hex))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{digest, names, title};

    #[test]
    fn the_name_of_a_built_in_procedure_belongs_to_its_digest() {
        let other = format!("sha256:0123456789{}", "0".repeat(54));
        for name in names() {
            assert_eq!(title(name, digest(name).unwrap()), name);
            assert_eq!(title(name, &other), format!("{name}@01234567"));
        }
        assert_eq!(title("pg-tidy", &other), "pg-tidy");
    }
}
