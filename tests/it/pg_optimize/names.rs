//! Names that break whoever quotes badly, and schemas that are not ours to touch.

use super::{dead_rows, granted, make_bloated, optimize};
use crate::world::World;
use xtask::postgres::{NEWEST, OLDEST};

fn awkward() -> Vec<String> {
    [
        "Upper Case",
        "quote\"d \"\" twice",
        "it's 'so'",
        "naïve ☃ 名前",
        "semi;colon--",
        "dots.in.it",
        "back\\slash",
        "%s $1 {}",
        "line\nbreak",
        "select",
    ]
    .into_iter()
    .map(str::to_owned)
    // 63 bytes, as long as names can be; the server shortens what a rebuild builds in characters, not bytes.
    .chain(["ä".repeat(31) + "z", "x".repeat(63)])
    .collect()
}

#[test]
fn any_name_is_quoted_right() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::on(major));
        for name in awkward() {
            let index: String = name.chars().rev().collect();
            let index = if index == name {
                format!("y{}", &index[1..])
            } else {
                index
            };
            make_bloated(&world, &name, &name, &index);
        }
        let before = storage(&world);
        assert_eq!(before.len(), 2 * awkward().len());
        let report = optimize(&world, &[]).expect(0);
        assert_eq!(report.lines("warning"), [""; 0]);
        let count = |verb: &str| {
            let done = report.done();
            done.iter()
                .filter(|effect| effect.starts_with(verb))
                .count()
        };
        assert_eq!(count("vacuum"), awkward().len());
        assert_eq!(count("reindex"), 2 * awkward().len());
        let after = storage(&world);
        assert_eq!(after.len(), before.len(), "an index is gone or left over");
        for line in &after {
            assert!(!before.contains(line), "not rebuilt: {line}");
            assert!(line.ends_with(" t"), "{line}");
        }
        let dead = "SELECT sum(n_dead_tup) FROM pg_stat_user_tables";
        assert_eq!(world.sql(dead), ["0"]);
        assert_eq!(optimize(&world, &[]).expect(0).summary(), "nothing to do");
    }
}

/// Each index with the file that it is in.
fn storage(world: &World) -> Vec<String> {
    world.sql(
        "SELECT concat_ws(' ', n.nspname, c.relname, c.relfilenode, i.indisvalid) FROM pg_index i
         JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1",
    )
}

#[test]
fn what_the_grant_does_not_cover_is_not_touched() {
    let world = granted(World::bloated_on(NEWEST));
    make_bloated(&world, "sales", "invoices", "invoices_v");
    make_bloated(&world, "sales", "secrets", "secrets_v");
    make_bloated(&world, "hr", "people", "people_v");
    let file = "grants/pg-optimize.orders.toml";
    let grant = world
        .read(file)
        .replace("schemas = [\"*\"]", "schemas = [\"sales\"]")
        .replace("tables = [\"*\"]", "tables = [\"inv*\"]");
    world.write(file, &grant);
    let before = storage(&world);
    let report = optimize(&world, &["drop-failed-creations=true"]).expect(0);
    assert_eq!(
        report.done(),
        [
            "reindex sales.invoices_v",
            "reindex sales.invoices_pkey",
            "vacuum (analyze) sales.invoices"
        ]
    );
    assert!(dead_rows(&world, "people") >= 3000);
    assert!(dead_rows(&world, "secrets") >= 3000);
    assert!(dead_rows(&world, "accounts") >= 3000);
    let changed: Vec<_> = storage(&world)
        .into_iter()
        .filter(|line| !before.contains(line))
        .collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    let maintenance = |text: &str| {
        ["VACUUM", "ANALYZE", "REINDEX", "DROP", "ALTER"]
            .iter()
            .any(|verb| text.starts_with(verb))
    };
    for text in super::statements(&world) {
        assert!(
            !maintenance(&text) || text.contains("\"sales\".\"inv"),
            "{text}"
        );
    }
}
