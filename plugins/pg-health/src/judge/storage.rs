//! What the facts of tables, indexes and collations mean. Pure.

use crate::parameters::Parameters;
use windlass_sdk::database::{
    ChangedCollation, CollationFacts, CoverageFacts, IndexFacts, Leftover, ServerFacts, TableFacts,
};
use windlass_sdk::{Finding, text};

/// How many are seen, of how many, and what the grant names in vain.
pub(crate) fn tables(coverage: &CoverageFacts, parameters: &Parameters) -> Finding {
    let seen = of_all(coverage.tables_covered, coverage.tables, "table");
    let absent = coverage.absent.iter();
    let absent: Vec<String> = absent.map(|what| format!("there is no {what}")).collect();
    let told = |first: String| [&[first], absent.as_slice()].concat().join("; ");
    if coverage.tables_covered == 0 && parameters.expect_tables {
        Finding::fail(told(format!(
            "{seen} seen: is the grant, the database or the role the right one?"
        )))
    } else if coverage.tables_covered < coverage.tables {
        Finding::pass(told(format!("{seen} seen, the others are not granted")))
    } else {
        Finding::pass(told(format!("{seen} seen")))
    }
}

fn of_all(seen: u32, all: u32, thing: &str) -> String {
    if seen == all {
        return text::count(all, thing);
    }
    format!("{seen} of {}", text::count(all, thing))
}

/// The database's own age counts, which is that of its oldest table, seen or not; the oldest that is seen is named. So does the age of the
/// server's oldest database: the server stops for all when one is too old.
pub(crate) fn wraparound(
    server: &ServerFacts,
    tables: &[TableFacts],
    parameters: &Parameters,
) -> Finding {
    let limit = parameters.max_wraparound_age;
    let oldest = |age: fn(&TableFacts) -> u32| {
        let table = tables.iter().max_by_key(|table| age(table))?;
        Some((text::name(&table.name), age(table)))
    };
    let frozen = oldest(|table| table.frozen_age);
    let multixact = oldest(|table| table.multixact_age);
    let mut ages = vec![
        of_tables(server.frozen_age, "transaction", frozen),
        of_tables(server.multixact_age, "multixact", multixact),
    ];
    for (other, own, unit) in [
        (&server.oldest_frozen, server.frozen_age, "transaction"),
        (&server.oldest_multixact, server.multixact_age, "multixact"),
    ] {
        if other.age > own {
            let seen = format!("database {}: {}", other.name, text::count(other.age, unit));
            ages.push((other.age, seen));
        }
    }
    Finding::of_each(ages, |(age, seen)| {
        if age > limit {
            Finding::fail(format!(
                "{seen}, at most {} are allowed",
                text::number(u64::from(limit))
            ))
        } else {
            Finding::pass(seen)
        }
    })
}

fn of_tables(age: u32, unit: &str, oldest: Option<(String, u32)>) -> (u32, String) {
    // Of the two looks one is later.
    let age = age.max(oldest.as_ref().map_or(0, |(_, age)| *age));
    let seen = match oldest {
        Some((name, own)) if own == age => format!("{name}: {}", text::count(age, unit)),
        Some((name, own)) => format!(
            "{}, of a table that is not seen; {name}: {}",
            text::count(age, unit),
            text::number(u64::from(own))
        ),
        None => text::count(age, unit),
    };
    (age, seen)
}

/// Invalid ones come first in what is seen, so that all are known even where there are more than one look shows.
pub(crate) fn indexes(
    coverage: &CoverageFacts,
    indexes: &[IndexFacts],
    tables: &[TableFacts],
) -> Finding {
    if indexes.is_empty() && tables.iter().any(|table| table.index_bytes > 0) {
        return Finding::fail(
            "none is seen, but the tables have some: is the grant the right one?",
        );
    }
    let (building, invalid): (Vec<&IndexFacts>, Vec<&IndexFacts>) = indexes
        .iter()
        .filter(|index| !index.valid)
        .partition(|index| index.in_work);
    let finished = |all: u32| all.saturating_sub(u32::try_from(building.len()).unwrap_or(u32::MAX));
    let (covered, all) = (
        finished(coverage.indexes_covered),
        finished(coverage.indexes),
    );
    let names: Vec<String> = building
        .iter()
        .map(|index| text::name(&index.name))
        .collect();
    let building = match names.as_slice() {
        [] => String::new(),
        [name] => format!(", but {name} is being built or dropped now"),
        names => format!(", but {} are being built or dropped now", names.join(", ")),
    };
    let others = if covered < all {
        "; the others are of tables that are not granted"
    } else {
        ""
    };
    let seen = format!(
        "{} seen, all valid{building}{others}",
        of_all(covered, all, "index")
    );
    Finding::of_each_or(Finding::pass(seen), invalid, invalid_index)
}

fn invalid_index(index: &IndexFacts) -> Finding {
    let why = match (index.leftover, &index.not_rebuildable) {
        (Some(Leftover::RebuildNew), _) => "left by a rebuild that never finished",
        (Some(Leftover::RebuildOld), _) => "left by a rebuild that replaced it",
        (Some(Leftover::Creation), _) => "its creation never finished",
        (None, Some(_)) => "a partition lacks its part of it",
        (None, None) => "it is not known why",
    };
    Finding::fail(format!(
        "{} ({}) of {} is invalid: {why}",
        text::name(&index.name),
        text::bytes(index.bytes),
        text::name(&index.table)
    ))
}

/// What is ordered by a collation of another version may be out of order: rows are not found, and equal keys get into unique indexes.
pub(crate) fn collations(facts: &CollationFacts) -> Finding {
    let same = match facts.compared {
        0 => "none that has a version orders an index".to_owned(),
        1 => "1 has a version and orders an index: as recorded".to_owned(),
        many => format!("{many} have a version and order an index: as recorded"),
    };
    Finding::of_each_or(Finding::pass(same), &facts.changed, changed)
}

fn changed(collation: &ChangedCollation) -> Finding {
    let (name, refresh) = match &collation.name {
        Some(name) => (
            text::name(name),
            "ALTER COLLATION … REFRESH VERSION".to_owned(),
        ),
        None => (
            "the database's own".to_owned(),
            "ALTER DATABASE … REFRESH COLLATION VERSION".to_owned(),
        ),
    };
    let actual = collation.actual.as_deref().unwrap_or("unknown");
    let depend = match collation.indexes {
        0 => "no index depends on it".to_owned(),
        1 => format!("1 index depends on it{}", examples(collation)),
        many => format!(
            "{} depend on it{}",
            text::count(many, "index"),
            examples(collation)
        ),
    };
    Finding::fail(format!(
        "{name} is recorded as version {} and is {actual} now; {depend}: REINDEX, then {refresh}",
        collation.recorded
    ))
}

fn examples(collation: &ChangedCollation) -> String {
    let names: Vec<String> = collation.examples.iter().map(text::name).collect();
    let more = (collation.indexes as usize).saturating_sub(names.len());
    match (names.as_slice(), more) {
        ([], _) => String::new(),
        (names, 0) => format!(": {}", names.join(", ")),
        (names, more) => format!(": {} and {more} more", names.join(", ")),
    }
}
