//! The procedures that are shipped within windlass.

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
