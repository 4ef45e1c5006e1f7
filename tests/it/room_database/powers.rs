//! Who evaluates an operator's invariant: a read-only transaction does not keep a query from all that a role could do.

use super::on_each_server;
use super::place::{Place, database, refused, target};
use windlass::contract::ErrorKind;
use windlass::contract::database_types::InvariantResult;
use windlass::database::client::{Expectation, Invariant};
use windlass::database::{Client, Read, Target};

on_each_server!(
    a_superuser_only_reads,
    a_role_that_could_do_more_does_not_evaluate
);

const SLOT: &str = "SELECT pg_create_physical_replication_slot('of_an_invariant', true)";

fn declare(target: &mut Target) {
    for (name, sql) in [("slot", SLOT), ("rows", "SELECT FROM public.t")] {
        let invariant = Invariant {
            sql: sql.to_owned(),
            expect: Expectation::SomeRows,
            max_rows: 10,
        };
        target.invariants.insert(name.to_owned(), invariant);
    }
}

fn evaluate(name: &str) -> Read {
    Read::Invariant {
        database: database(),
        name: name.into(),
    }
}

async fn made_a_slot(place: &Place) -> bool {
    let slots = place
        .texts("SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'of_an_invariant'")
        .await;
    for _ in &slots {
        place
            .sql("SELECT pg_drop_replication_slot('of_an_invariant')")
            .await;
    }
    !slots.is_empty()
}

async fn notes(place: &Place) -> Vec<String> {
    let mut notes = place.room.probe("orders").await.unwrap().notes;
    notes.retain(|note| note.contains("invariants"));
    notes
}

async fn a_superuser_only_reads(mut place: Place) {
    place
        .sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await;
    place.with(declare);
    let evaluated = place.read(evaluate("slot")).await;
    assert!(!made_a_slot(&place).await);
    refused(evaluated, ErrorKind::Denied);
    let rows: InvariantResult = place.facts(evaluate("rows")).await;
    assert!(rows.holds);
    let notes = notes(&place).await;
    assert!(
        notes.len() == 1
            && notes[0].contains("as pg_read_all_data")
            && notes[0].contains("SUPERUSER"),
        "{notes:?}"
    );
}

async fn a_role_that_could_do_more_does_not_evaluate(mut place: Place) {
    place
        .sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await;
    let role = place
        .as_role("ALTER ROLE {role} REPLICATION; GRANT SELECT ON t TO {role}")
        .await;
    let mut declared = target(&place.server.url(&role, &place.database));
    declare(&mut declared);
    place.room = Client::new(vec![declared]).unwrap().into();
    let remedy = format!("GRANT pg_read_all_data TO \"{role}\"");
    for name in ["slot", "rows"] {
        let evaluated = place.read(evaluate(name)).await;
        assert!(!made_a_slot(&place).await);
        let why = refused(evaluated, ErrorKind::Denied);
        assert!(
            why.contains("REPLICATION") && why.contains(&remedy),
            "{why}"
        );
    }
    let told = notes(&place).await;
    assert!(
        told[0].contains("not evaluated") && told[0].contains(&remedy),
        "{told:?}"
    );
    place
        .sql(&format!("GRANT pg_read_all_data TO {role}"))
        .await;
    let evaluated = place.read(evaluate("slot")).await;
    assert!(!made_a_slot(&place).await);
    refused(evaluated, ErrorKind::Denied);
    let rows: InvariantResult = place.facts(evaluate("rows")).await;
    assert!(rows.holds);
}
