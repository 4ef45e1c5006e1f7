//! From a component to an instance of it, and the way through the gate and back.

use crate::guest::Call;
use crate::stage::{Stage, order, seat};
use divan::Bencher;
use divan::counter::ItemsCount;
use windlass::plugin::Component;

/// Calls of one sample: enough that what comes before and after them does not count.
const CALLS: u64 = 10_000;

/// As when nothing is cached.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn compile_health_cold(bencher: Bencher<'_, '_>) {
    let health = health();
    bencher.bench_local(|| {
        let stage = Stage::new();
        stage.engine.load(&health).unwrap()
    });
}

/// As the first run of a process does.
#[divan::bench]
fn load_health_from_the_cache(bencher: Bencher<'_, '_>) {
    let (stage, health) = (Stage::new(), health());
    stage.engine.load(&health).unwrap();
    bencher
        .with_inputs(|| stage.fresh_engine())
        .bench_local_values(|engine| {
            let loaded = engine.load(&health).unwrap();
            (engine, loaded)
        });
}

#[divan::bench]
fn link_health(bencher: Bencher<'_, '_>) {
    let (stage, health) = (Stage::new(), health());
    let loaded = stage.engine.load(&health).unwrap();
    bencher.bench_local(|| stage.engine.link(&health, &loaded).unwrap());
}

/// Its gate and its store made and dropped, too.
#[divan::bench]
fn instantiate_health(bencher: Bencher<'_, '_>) {
    let (stage, health) = (Stage::new(), health());
    let loaded = stage.engine.load(&health).unwrap();
    let linked = stage.engine.link(&health, &loaded).unwrap();
    bencher.bench_local(|| {
        let made = stage.engine.instantiate(&health, &linked, seat().1);
        stage.runtime.block_on(made).unwrap();
    });
}

/// All of a plan: load, link, instantiate, run, drop.
#[divan::bench]
fn plan_of_nothing(bencher: Bencher<'_, '_>) {
    let (stage, nothing) = (Stage::new(), order(Call::Progress, 0));
    bencher.bench_local(|| stage.plan(&nothing));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn round_trip_to_the_host(bencher: Bencher<'_, '_>) {
    round_trip(bencher, Call::Progress);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn round_trip_through_the_gate_to_a_look(bencher: Bencher<'_, '_>) {
    round_trip(bencher, Call::Server);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn round_trip_through_the_gate_to_an_effect(bencher: Bencher<'_, '_>) {
    round_trip(bencher, Call::Analyze);
}

/// In a plan, which has no journal.
fn round_trip(bencher: Bencher<'_, '_>, call: Call) {
    let (stage, calls) = (Stage::new(), order(call, CALLS));
    stage.plan(&calls);
    bencher
        .counter(ItemsCount::new(CALLS))
        .bench_local(|| stage.plan(&calls));
}

/// A real procedure: Rust, with everything that it brings.
fn health() -> windlass::engine::Order {
    let plugin = Component::find("pg-health", std::path::Path::new(".")).unwrap();
    windlass::engine::Order {
        plugin,
        ..order(Call::Server, 0)
    }
}
