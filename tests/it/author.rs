//! The author's page, from an empty folder outside of the workspace to a report: the third procedure that a stranger writes.

use crate::world::World;
use std::fs;
use std::path::Path;
use windlass_build::Request;
use xtask::postgres::NEWEST;

const BUILT: &str = "pg-fresh-statistics-0.1.0.wasm";

/// The fenced block after the line that begins with the file's name.
fn block<'a>(page: &'a str, file: &str) -> &'a str {
    let (_, after) = page.split_once(&format!("\n`{file}`")).unwrap();
    let (_, after) = after.split_once("\n```").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    after.split_once("\n```").unwrap().0
}

/// Writes what the page shows.
fn write_crate(folder: &Path) {
    let checkout = xtask::workspace();
    let page = fs::read_to_string(checkout.join("docs/author.md")).unwrap();
    fs::create_dir_all(folder.join("src")).unwrap();
    for file in ["plugin.toml", "src/lib.rs"] {
        fs::write(folder.join(file), block(&page, file)).unwrap();
    }
    let beside = format!("{}/", checkout.display());
    let manifest = block(&page, "Cargo.toml").replace("../windlass/", &beside);
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The versions that are here already; an author gets the newest.
    fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// What `windlass build` does, with dependencies compiled where those of the built-in procedures are.
fn build(world: &World, folder: &Path) {
    let request = Request {
        show_compiler: false,
        ..Request::new(folder, xtask::target().join("plugins"))
    };
    let built = windlass_build::build(&request).unwrap();
    fs::write(world.path().join(BUILT), built.component).unwrap();
}

#[test]
fn a_stranger_builds_inspects_grants_plans_and_runs_a_third_procedure() {
    let world = World::on(NEWEST);
    world.as_owner(
        "CREATE TABLE old (id integer); INSERT INTO old SELECT generate_series(1, 100);
         CREATE TABLE fresh (id integer); ANALYZE fresh",
    );
    let folder = world.path().join("pg-fresh-statistics");
    write_crate(&folder);
    build(&world, &folder);

    let inspected = world.windlass(&["inspect", BUILT]).expect(0);
    assert!(
        inspected.stdout.contains("pg-fresh-statistics"),
        "{inspected}"
    );
    assert!(inspected.stdout.contains("older-than"), "{inspected}");
    let target = [BUILT, "--target", "orders"];
    let typed = |verb, more: &[&'static str]| [&[verb], &target[..], more].concat();
    world.windlass(&typed("run", &[])).expect(3);
    world
        .windlass(&typed("grant", &["--approved-by", "tester"]))
        .expect(0);

    let day = ["--set", "older-than=1d"];
    let planned = world.windlass(&typed("plan", &day)).expect(0);
    assert!(planned.stdout.contains("public.old"), "{planned}");
    assert!(!planned.stdout.contains("public.fresh"), "{planned}");
    let analyzed =
        "SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL ORDER BY 1";
    assert_eq!(world.sql(analyzed), ["fresh"]);

    let bound = [&day[..], &["--plan", "plan.json"]].concat();
    let ran = world.windlass(&typed("run", &bound)).expect(0);
    assert!(ran.stdout.contains("1 table analyzed"), "{ran}");
    world.until(
        "SELECT FROM pg_stat_user_tables WHERE relname = 'old' AND last_analyze IS NOT NULL",
    );
    let again = world.windlass(&typed("run", &day)).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again}");
    world.windlass(&["audit", "verify"]).expect(0);
}
