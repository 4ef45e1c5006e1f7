//! A run of 10,000 entries, met again.

use crate::guest::Call;
use crate::stage::{Stage, order, seat};
use divan::Bencher;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::unbounded_channel;
use windlass::engine::{Audience, Brake, Event, Order, Seat};
use windlass::journal::{Entry, Moment, Phase, RunId};

const ENTRIES: u64 = 10_000;

/// A run that was stopped when it had made so many entries.
struct Stopped {
    stage: Stage,
    order: Order,
    run: RunId,
}

impl Stopped {
    fn new() -> Self {
        let stage = Stage::new();
        let order = order(Call::Analyze, ENTRIES);
        let (brake, unwatched) = seat();
        let (sender, mut events) = unbounded_channel();
        let audience = Audience::new(sender);
        let watched = Seat {
            audience,
            ..unwatched
        };
        stage.runtime.spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::Recorded(_, stamped) = event
                    && stamped.seq >= ENTRIES
                {
                    brake.press();
                    break;
                }
            }
        });
        let finished = stage.runtime.block_on(stage.runs().start(&order, watched));
        let finished = finished.unwrap();
        let phase = &finished.phase;
        assert!(matches!(phase, Phase::Stopped { .. }), "{phase:?}");
        let run = finished.run;
        Self { stage, order, run }
    }
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn read_10_000_entries(bencher: Bencher<'_, '_>) {
    let stopped = Stopped::new();
    bencher.bench_local(|| stopped.stage.store.entries(&stopped.run).unwrap());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn fold_10_000_entries(bencher: Bencher<'_, '_>) {
    let stopped = Stopped::new();
    bencher.bench_local(|| stopped.stage.store.state(&stopped.run).unwrap());
}

/// All of `resume` up to the first call that is not answered from the journal: there the run is stopped again. It is told to stop when it has
/// recorded that it goes on: whoever is told while the lock is waited for gives up.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn resume_after_10_000_entries(bencher: Bencher<'_, '_>) {
    let Stopped { stage, order, run } = Stopped::new();
    let current: Arc<Mutex<Option<Brake>>> = Arc::default();
    let pressed = Arc::clone(&current);
    let runs = stage.watched_runs(Arc::new(move |moment, _, stamped| {
        if moment == Moment::AfterCommit
            && matches!(stamped.entry, Entry::Resumed { .. })
            && let Some(brake) = &*pressed.lock().unwrap()
        {
            brake.press();
        }
    }));
    bencher.bench_local(|| {
        let (brake, seat) = seat();
        *current.lock().unwrap() = Some(brake);
        let finished = stage
            .runtime
            .block_on(runs.resume(&run, &order, seat, None));
        let phase = finished.unwrap().phase;
        assert!(matches!(phase, Phase::Stopped { .. }), "{phase:?}");
    });
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn verify_10_000_entries(bencher: Bencher<'_, '_>) {
    let stopped = Stopped::new();
    bencher.bench_local(|| stopped.stage.store.verify(None).unwrap());
}
