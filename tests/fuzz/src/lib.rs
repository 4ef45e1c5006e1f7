//! What must hold of everything that windlass reads, whatever its bytes are: one function for each kind of input. Each panics where its
//! property is broken, and answers otherwise.
//!
//! On any compiler `tests/corpus.rs` feeds them the checked-in corpus and a fixed budget of changed inputs; with a nightly one cargo-fuzz
//! looks for more (see README.md).
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    reason = "it tests: what does not hold is told by panicking"
)]

mod component;
mod config;
mod grant;
mod journal;
mod manifest;
mod place;
mod plan;

pub use component::component;
pub use config::config;
pub use grant::grant;
pub use journal::{entries, journal};
pub use manifest::manifest;
pub use plan::{plan, plan_digest};

/// Takes any bytes, and panics if a property does not hold of them.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 7] = [
    ("component", component),
    ("config", config),
    ("entries", entries),
    ("grant", grant),
    ("journal", journal),
    ("manifest", manifest),
    ("plan", plan),
];
