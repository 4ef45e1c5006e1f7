//! What naive checks pass and these must not.

use super::*;
use windlass_sdk::Verdict::{self, Fail, Inconclusive, Pass};
use windlass_sdk::database::{CollationFacts, CoverageFacts, IndexFacts, Leftover, TableFacts};
use windlass_sdk::sample;
use windlass_sdk::sample::{sessions, standby, table};

fn verdict_of_standbys(count: usize, expected: Option<u32>) -> Verdict {
    standbys(&vec![standby("a"); count], expected).verdict
}

#[test]
fn a_missing_standby_is_not_fine() {
    assert_eq!(verdict_of_standbys(0, Some(1)), Fail);
    assert_eq!(verdict_of_standbys(1, Some(2)), Fail);
    assert_eq!(verdict_of_standbys(2, Some(2)), Pass);
    assert_eq!(verdict_of_standbys(0, Some(0)), Pass);
    assert_eq!(verdict_of_standbys(0, None), Inconclusive);
    assert_eq!(verdict_of_standbys(2, None), Inconclusive);
}

#[test]
fn a_base_backup_is_no_standby() {
    let backup = Standby {
        state: "backup".to_owned(),
        ..standby("pg_basebackup")
    };
    assert_eq!(
        standbys(std::slice::from_ref(&backup), Some(1)).verdict,
        Fail
    );
    let judged = |expected| {
        lag(
            std::slice::from_ref(&backup),
            expected,
            &Parameters::default(),
        )
    };
    assert_eq!(judged(Some(0)).verdict, Pass);
    assert_eq!(judged(Some(1)).verdict, Inconclusive);
    assert_eq!(judged(None).verdict, Inconclusive);
}

#[test]
fn unknown_lag_is_fine_only_with_nothing_left_to_replay() {
    let judged = |bytes, time| {
        let standby = Standby {
            lag_bytes: bytes,
            lag: time,
            ..standby("a")
        };
        lag(&[standby], Some(1), &Parameters::default()).verdict
    };
    assert_eq!(judged(Some(0), None), Pass);
    assert_eq!(judged(Some(1 << 30), None), Fail);
    assert_eq!(judged(None, None), Inconclusive);
    assert_eq!(judged(None, Some(5)), Inconclusive);
    assert_eq!(judged(Some(4096), Some(31_000)), Fail);
    assert_eq!(judged(Some(4096), Some(20)), Pass);
}

#[test]
fn a_standby_that_does_not_stream_fails() {
    let standby = Standby {
        state: "catchup".to_owned(),
        ..standby("a")
    };
    let finding = lag(&[standby], Some(1), &Parameters::default());
    assert_eq!(finding, Finding::fail("1 of 1: a is in state `catchup`"));
}

#[test]
fn slots_that_hold_back_or_lose_log_fail() {
    let judged = |active, status: &str, retained| {
        let slot = ReplicationSlot {
            active,
            wal_status: status.to_owned(),
            retained_bytes: Some(retained),
            ..sample::slot("s")
        };
        slots(&[slot], &Parameters::default()).verdict
    };
    assert_eq!(judged(true, "reserved", 0), Pass);
    assert_eq!(judged(false, "reserved", 0), Fail);
    assert_eq!(judged(true, "lost", 0), Fail);
    assert_eq!(judged(true, "extended", 11 << 30), Fail);
    assert_eq!(slots(&[], &Parameters::default()).verdict, Pass);
}

#[test]
fn headroom_is_a_share_of_what_roles_can_have() {
    let judged =
        |used| headroom(&SessionFacts { used, ..sessions() }, &Parameters::default()).verdict;
    assert_eq!(judged(80), Pass);
    assert_eq!(judged(81), Fail);
    assert_eq!(judged(103), Fail);
    let unknown = SessionFacts {
        limit: 0,
        ..sessions()
    };
    assert_eq!(
        headroom(&unknown, &Parameters::default()).verdict,
        Inconclusive
    );
}

#[test]
fn old_transactions_fail() {
    let parameters = Parameters::default();
    let judged = |sessions: &SessionFacts, holders: &[XminHolder]| {
        transactions(sessions, holders, 7_200_000, &parameters)
    };
    assert_eq!(judged(&sessions(), &[]).verdict, Pass);
    let prepared = |since| XminHolder {
        kind: XminHolderKind::PreparedTransaction,
        name: "xa_4711".to_owned(),
        since: Some(since),
        ..sample::holder(0)
    };
    assert_eq!(judged(&sessions(), &[prepared(3_600_000)]).verdict, Pass);
    let forgotten = judged(&sessions(), &[prepared(3_599_999)]);
    assert_eq!(forgotten.verdict, Fail);
    assert!(
        forgotten.evidence.contains("xa_4711"),
        "{}",
        forgotten.evidence
    );
    let old = SessionFacts {
        oldest_transaction: Some(3_600_001),
        oldest_idle_in_transaction: Some(300_001),
        waiting_for_locks: 4,
        ..sessions()
    };
    assert_eq!(judged(&old, &[]).verdict, Fail);
    assert_eq!(idle(&old, &parameters).verdict, Fail);
    assert_eq!(
        lock_waits(&old, &parameters),
        Finding::fail("4 sessions, at most 3 sessions allowed")
    );
}

#[test]
fn no_tables_at_all_fails_unless_none_is_expected() {
    let expecting = Parameters::default();
    let none = sample::coverage(0);
    assert_eq!(tables(&none, &expecting).verdict, Fail);
    let not = Parameters {
        expect_tables: false,
        ..expecting
    };
    assert_eq!(tables(&none, &not).verdict, Pass);
}

#[test]
fn what_the_grant_does_not_show_is_counted() {
    let narrow = CoverageFacts {
        tables_covered: 1,
        absent: vec!["schema `pulbic`".to_owned()],
        ..sample::coverage(3)
    };
    assert_eq!(
        tables(&narrow, &Parameters::default()),
        Finding::pass(
            "1 of 3 tables seen, the others are not granted; there is no schema `pulbic`"
        )
    );
}

#[test]
fn no_index_where_tables_have_some_fails() {
    let with = TableFacts {
        index_bytes: 8192,
        ..table("a")
    };
    let coverage = sample::coverage(1);
    assert_eq!(indexes(&coverage, &[], &[with]).verdict, Fail);
    assert_eq!(indexes(&coverage, &[], &[table("a")]).verdict, Pass);
}

#[test]
fn an_index_that_is_being_built_is_told_and_does_not_fail() {
    let building = IndexFacts {
        valid: false,
        in_work: true,
        ..sample::index("a_ccnew")
    };
    let found = indexes(&sample::coverage(2), std::slice::from_ref(&building), &[]);
    assert_eq!(
        found,
        Finding::pass("1 index seen, all valid, but public.a_ccnew is being built or dropped now")
    );
    let left = IndexFacts {
        in_work: false,
        leftover: Some(Leftover::RebuildNew),
        ..building
    };
    assert_eq!(indexes(&sample::coverage(2), &[left], &[]).verdict, Fail);
}

#[test]
fn a_collation_of_another_version_fails() {
    let same = CollationFacts {
        compared: 2,
        changed: Vec::new(),
    };
    assert_eq!(collations(&same).verdict, Pass);
    let changed = windlass_sdk::database::ChangedCollation {
        name: None,
        recorded: "1.0".to_owned(),
        actual: Some("2.0".to_owned()),
        indexes: 3,
        examples: vec![sample::name("a")],
    };
    let found = collations(&CollationFacts {
        changed: vec![changed],
        ..same
    });
    assert_eq!(found.verdict, Fail);
    assert!(
        found
            .evidence
            .contains("3 indexes depend on it: public.a and 2 more"),
        "{}",
        found.evidence
    );
}

#[test]
fn the_oldest_table_counts_seen_or_not_in_transactions_and_multixacts() {
    let judged = |server: &ServerFacts, tables: &[TableFacts]| {
        wraparound(server, tables, &Parameters::default())
    };
    let old = TableFacts {
        frozen_age: 600_000_000,
        ..table("old")
    };
    let finding = judged(&sample::server(), &[table("a"), old]);
    assert_eq!(
        finding,
        Finding::fail(
            "1 of 2: public.old: 600,000,000 transactions, at most 500,000,000 are allowed"
        )
    );
    let multi = TableFacts {
        multixact_age: 500_000_001,
        ..table("multi")
    };
    assert_eq!(judged(&sample::server(), &[multi]).verdict, Fail);
    let server = ServerFacts {
        frozen_age: 600_000_000,
        ..sample::server()
    };
    let finding = judged(&server, &[table("a")]);
    assert_eq!(finding.verdict, Fail);
    assert!(
        finding.evidence.contains("of a table that is not seen"),
        "{}",
        finding.evidence
    );
    assert_eq!(judged(&server, &[]).verdict, Fail);
    let beside = ServerFacts {
        oldest_frozen: sample::aged("billing", 600_000_000),
        ..sample::server()
    };
    let finding = judged(&beside, &[table("a")]);
    assert_eq!(
        finding,
        Finding::fail(
            "1 of 3: database billing: 600,000,000 transactions, at most 500,000,000 are allowed"
        )
    );
    assert_eq!(judged(&sample::server(), &[]).verdict, Pass);
}
