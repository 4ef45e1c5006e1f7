//! Figures with something beside them: durable effects and SQLite, whole processes, psql. Each pair is measured in turns, so that what else
//! the machine does meets both. Prints a table for ../README.md.
//!
//! `cargo bench -p windlass-tests --bench programs -- [--sample-count N] [WORD]`
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures: it starts programs, looks at clocks, prints, and what goes wrong ends it"
)]

mod effects;
mod figures;
mod fleet;
mod flow;
#[path = "../common/guest.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod guest;
mod health;
mod optimize;
mod processes;
mod project;
mod server;
#[path = "../common/stage.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod stage;

use figures::Figures;

fn main() {
    let mut figures = Figures::from_arguments(std::env::args().skip(1));
    for (name, measure) in [
        ("effects", effects::measure as fn(&mut Figures)),
        ("processes", processes::measure),
        ("optimize", optimize::measure),
        ("health", health::measure),
        ("flow", flow::measure),
        ("fleet", fleet::measure),
    ] {
        if figures.wants(name) {
            measure(&mut figures);
        }
    }
    figures.print();
}
