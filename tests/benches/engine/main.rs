//! What the engine costs apart from its targets. See ../README.md.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "it measures: what goes wrong ends it")]

#[path = "../common/guest.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod guest;
mod instance;
mod replay;
#[path = "../common/stage.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod stage;

fn main() {
    divan::main();
}
