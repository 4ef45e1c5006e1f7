//! Damage that a rebuild finds is told, and not passed over like a lock.

use super::{granted, make_bloated, optimize};
use crate::world::World;
use xtask::postgres::{NEWEST, OLDEST};

/// Two equal keys in a unique index, as a broken collation or a broken disk leaves them.
fn make_equal_keys(world: &World, index: &str, duplicate: &str) {
    let ready = |yes: bool| {
        format!(
            "UPDATE pg_index SET indisready = {yes}, indisvalid = {yes}
             WHERE indexrelid = '{index}'::regclass"
        )
    };
    let sql = format!(
        "SET allow_system_table_mods = on; {}; {duplicate}; {}",
        ready(false),
        ready(true)
    );
    let mut session = world.session();
    for statement in sql.split("; ") {
        session.batch_execute(statement).unwrap();
    }
}

#[test]
fn equal_keys_in_a_unique_index_fail_the_run() {
    for major in [OLDEST, NEWEST] {
        let world = granted(World::on(major));
        make_bloated(&world, "public", "other", "other_v");
        make_equal_keys(
            &world,
            "other_pkey",
            "INSERT INTO other SELECT * FROM other WHERE id = 1",
        );
        let report = optimize(&world, &["index-bloat=1"]).expect(1);
        let found = report.check("public.other_pkey is sound");
        assert!(found.starts_with("fail: "), "{found}");
        assert!(found.contains("SQLSTATE 23505"), "{found}");
        // The others were worked on all the same, and nothing half-built is left.
        assert!(
            report.done().contains(&"reindex public.other_v".to_owned()),
            "{:?}",
            report.done()
        );
        let invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid";
        assert_eq!(world.sql(invalid), [""; 0]);
    }
}
