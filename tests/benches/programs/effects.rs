//! Durable effects beside what SQLite needs for the same entries, with the same settings, on the same disk, in turns.

use crate::figures::{Figures, Target, ratios, timed};
use crate::guest::Call;
use crate::stage::{Stage, order, order_on, seat};
use futures_util::future::join_all;
use rusqlite::{Connection, TransactionBehavior, params};
use std::time::Duration;
use windlass::engine::Order;
use windlass::journal::{Entry, Outcome, Phase, Stamped};

/// Effects of one sample in one run.
const EFFECTS: u32 = 1_000;
/// Runs at once, and the effects of each.
const RUNS: u32 = 64;
const EACH: u32 = 50;

pub(crate) fn measure(figures: &mut Figures) {
    let stage = Stage::new();
    let waiting = order(Call::Analyze, EFFECTS.into());
    let one = order(Call::Drop, EFFECTS.into());
    let many: Vec<_> = (0..RUNS)
        .map(|number| order_on(&format!("orders-{number}"), Call::Drop, EACH.into()))
        .collect();
    let mut bare = Bare::new(&one);
    let (mut waited, mut effects, mut two, mut single, mut rates) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..figures.samples(25) {
        waited.push(each(timed(|| stage.run(&waiting)).1, EFFECTS));
        effects.push(each(timed(|| stage.run(&one)).1, EFFECTS));
        two.push(each(timed(|| bare.insert(1)).1, EFFECTS));
        single.push(each(timed(|| bare.insert(2)).1, EFFECTS));
        let took = each(timed(|| at_once(&stage, &many)).1, RUNS * EACH);
        rates.push(1e6 / took);
    }
    let per_second: Vec<_> = effects.iter().map(|took| 1e6 / took).collect();
    figures.add("durable effect", Target::None, "µs", &effects);
    figures.add("one whose end is waited for", Target::None, "µs", &waited);
    figures.add("SQLite, two commits", Target::None, "µs", &two);
    figures.add("SQLite, one commit", Target::None, "µs", &single);
    figures.add(
        "effect / two commits",
        Target::AtMost(1.5),
        "",
        &ratios(&effects, &two),
    );
    figures.add(
        "waited for / two commits",
        Target::AtMost(1.5),
        "",
        &ratios(&waited, &two),
    );
    figures.add(
        "effects in one run",
        Target::AtLeast(5_000.0),
        "/s",
        &per_second,
    );
    figures.add(
        "effects in 64 runs at once",
        Target::AtLeast(8_000.0),
        "/s",
        &rates,
    );
}

fn each(took: Duration, count: u32) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(count)
}

fn at_once(stage: &Stage, orders: &[Order]) {
    let runs = stage.runs();
    let all = orders.iter().map(|order| runs.start(order, seat().1));
    for finished in stage.runtime.block_on(join_all(all)) {
        let phase = finished.unwrap().phase;
        assert!(
            matches!(phase, Phase::Ended(Outcome::Succeeded)),
            "{phase:?}"
        );
    }
}

/// A journal that windlass made, and the entries of a real run, to be written by nothing but SQLite.
struct Bare {
    connection: Connection,
    rows: Vec<Row>,
    run: i64,
    _stage: Stage,
}

struct Row {
    seq: i64,
    at: i64,
    kind: &'static str,
    body: String,
}

impl Bare {
    fn new(order: &Order) -> Self {
        let stage = Stage::new();
        let run = stage.run(order).run;
        let entries = stage.store.entries(&run).unwrap();
        let rows: Vec<_> = entries.iter().filter_map(row).collect();
        assert_eq!(rows.len(), 2 * EFFECTS as usize);
        let connection = Connection::open(stage.journal()).unwrap();
        connection
            .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
            .unwrap();
        connection
            .pragma_update(None, "synchronous", "full")
            .unwrap();
        Self {
            connection,
            rows,
            run: 1_000,
            _stage: stage,
        }
    }

    /// All entries, so many in each transaction: one is what durability asks for, two what can be had where a *done* may ride with the
    /// next *intended*.
    fn insert(&mut self, entries_at_once: usize) {
        self.run += 1;
        for rows in self.rows.chunks(entries_at_once) {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .unwrap();
            for row in rows {
                transaction
                    .prepare_cached(
                        "INSERT INTO entry (run, seq, at, kind, body, blob, hash) VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
                    )
                    .unwrap()
                    .execute(params![self.run, row.seq, row.at, row.kind, row.body, [7_u8; 32]])
                    .unwrap();
            }
            transaction.commit().unwrap();
        }
    }
}

fn row(stamped: &Stamped) -> Option<Row> {
    let is_of_an_effect = matches!(stamped.entry, Entry::Intended { .. } | Entry::Done { .. });
    is_of_an_effect.then(|| Row {
        seq: stamped.seq.cast_signed(),
        at: stamped.at.0.cast_signed(),
        kind: stamped.entry.kind(),
        body: serde_json::to_string(&stamped.entry).unwrap(),
    })
}
