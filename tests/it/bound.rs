//! A run that is bound to a plan does nothing else.

use crate::interruptions::add_second_table;
use crate::laws::{only_run, work};
use crate::world::World;
use windlass::grant::Side;
use windlass::journal::{Entry, Outcome};
use xtask::postgres::NEWEST;

#[test]
fn an_effect_that_the_plan_does_not_contain_is_refused_and_named() {
    let world = World::bloated_on(NEWEST);
    world
        .windlass(&["grant", "pg-optimize", "--target", "orders"])
        .expect(0);
    let chosen = ["--set", "min-size=8kB", "--set", "min-dead-rows=100"];
    let mut typed = vec!["plan", "pg-optimize", "--target", "orders"];
    typed.extend(chosen);
    world.windlass(&typed).expect(0);
    // What nobody planned for.
    add_second_table(&world);
    let refused = world
        .windlass(&[
            "run",
            "pg-optimize",
            "--target",
            "orders",
            "--plan",
            "plan.json",
        ])
        .expect(3);
    let said = refused
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        said.contains("public.second") && said.contains("is not in plan"),
        "{refused}"
    );
    let (_, state, entries) = only_run(&world);
    assert_eq!(state.outcome(), Some(Outcome::Refused));
    let by_plan = |entry: &Entry| {
        matches!(
            entry,
            Entry::Refused {
                side: Side::Plan,
                ..
            }
        )
    };
    assert!(entries.iter().any(|stamped| by_plan(&stamped.entry)));
    let sent = work(&world);
    assert!(
        !sent.iter().any(|statement| statement.contains("second")),
        "{sent:#?}"
    );
}
