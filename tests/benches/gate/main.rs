//! What the gate checks before it lets anything happen. It must cost no allocation: divan shows rows for those that there were.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "it measures: what goes wrong ends it")]

#[path = "../common/guest.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod guest;
#[path = "../common/stage.rs"]
#[expect(dead_code, reason = "the other benches use the rest")]
mod stage;

use crate::guest::Call;
use crate::stage::{Stage, order, seat};
use divan::{Bencher, black_box};
use windlass::call::Effect;
use windlass::contract::database_types::ObjectName;
use windlass::database;

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

fn analyze() -> Effect {
    Effect::Database(database::Effect::Analyze {
        database: "orders".into(),
        table: ObjectName {
            schema: "public".into(),
            name: "accounts".into(),
        },
    })
}

/// Needs and grant alone.
#[divan::bench]
fn capabilities(bencher: Bencher<'_, '_>) {
    let (order, effect) = (order(Call::Analyze, 0), analyze());
    bencher.bench_local(|| order.effective.refuses_effect(black_box(&effect)).is_none());
}

/// Capabilities, expiry, budget, lock.
#[divan::bench]
fn all_checks_of_an_effect(bencher: Bencher<'_, '_>) {
    let stage = Stage::new();
    let order = order(Call::Analyze, 0);
    let effect = analyze();
    let locks = stage.state();
    let gate = stage
        .engine
        .at_the_gate(&order, stage.store.clone(), &locks, seat().1);
    let mut gate = stage.runtime.block_on(gate).unwrap();
    assert!(gate.check(&effect));
    bencher.bench_local(|| gate.check(black_box(&effect)));
}

/// The plan key of an effect, which a run that is bound to a plan compares besides.
#[divan::bench]
fn plan_key(bencher: Bencher<'_, '_>) {
    let effect = analyze();
    bencher.bench_local(|| black_box(&effect).plan_key());
}
