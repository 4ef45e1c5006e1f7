//! What could not be judged, because it was not seen. It is never taken for nothing to do. Pure.

use crate::memory::Memory;
use crate::parameters::Parameters;
use windlass_sdk::database::{
    CoverageFacts, IndexFacts, Maintenance, TableFacts, TableKind, UnknownBloat,
};
use windlass_sdk::{Finding, text};

/// As many as one look shows.
const MOST_SHOWN: usize = 5_000;
/// How many objects one sentence names.
const NAMED: usize = 5;

/// What a run is told of something that it cannot judge: one line if only a part of it is unknown, a finding if it is all.
#[derive(Debug, PartialEq)]
pub(crate) enum Unknown {
    Nothing,
    /// For the summary, and the whole of it for a warning.
    Part(String, String),
    All(Finding),
}

fn unknown(all: bool, short: String, long: String) -> Unknown {
    if all {
        Unknown::All(Finding::inconclusive(long))
    } else {
        Unknown::Part(short, long)
    }
}

/// Whether the run was shown tables at all, where there are some, and everything that its grant names.
pub(crate) fn tables(coverage: &CoverageFacts) -> Unknown {
    let absent: Vec<String> = coverage
        .absent
        .iter()
        .map(|what| format!("there is no {what}, which the grant names"))
        .collect();
    let absent = absent.join("; ");
    if coverage.tables_covered > 0 || coverage.tables == 0 && absent.is_empty() {
        return if absent.is_empty() {
            Unknown::Nothing
        } else {
            Unknown::Part(absent.clone(), absent)
        };
    }
    let none = format!(
        "none of the {} of the database is covered by the grant",
        text::count(coverage.tables, "table")
    );
    let parts = [none, absent].into_iter().filter(|part| !part.is_empty());
    Unknown::All(Finding::inconclusive(parts.collect::<Vec<_>>().join("; ")))
}

/// Objects beyond those that one look shows, which are the largest.
pub(crate) fn beyond(coverage: &CoverageFacts, tables: usize, indexes: usize) -> Unknown {
    let left = |covered: u32, seen: usize, thing: &str| {
        let beyond = (covered as usize).saturating_sub(seen);
        (seen >= MOST_SHOWN && beyond > 0).then(|| text::count(beyond, thing))
    };
    let left: Vec<String> = [
        left(coverage.tables_covered, tables, "table"),
        left(coverage.indexes_covered, indexes, "index"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if left.is_empty() {
        return Unknown::Nothing;
    }
    let short = format!("not looked at: {}", left.join(" and "));
    let long = format!("{short}, as one look shows the {MOST_SHOWN} largest of each");
    Unknown::Part(short, long)
}

/// Indexes that might need a rebuild, and of which nobody knows whether they do.
pub(crate) fn bloat(
    indexes: &[IndexFacts],
    role: &str,
    memory: &Memory,
    parameters: &Parameters,
) -> Unknown {
    let candidates = indexes.iter().filter(|index| {
        index.valid
            && index.not_rebuildable.is_none()
            && index.withheld(Maintenance::Reindex).is_none()
            && parameters.min_size.reached_by(index.bytes)
    });
    let (known, unknown_ones): (Vec<_>, Vec<_>) = candidates
        .filter(|index| {
            memory.bloat(index).is_some() || index.unknown_bloat == Some(UnknownBloat::Hidden)
        })
        .partition(|index| memory.bloat(index).is_some());
    if unknown_ones.is_empty() {
        return Unknown::Nothing;
    }
    let mut tables: Vec<String> = unknown_ones
        .iter()
        .map(|index| text::name(&index.table))
        .collect();
    tables.sort();
    tables.dedup();
    let more = tables.len().saturating_sub(NAMED);
    tables.truncate(NAMED);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let short = format!(
        "the bloat of {} is unknown",
        text::count(unknown_ones.len(), "index")
    );
    let long = format!(
        "{short}: role `{role}` may not read the statistics of their columns. GRANT SELECT ON {}{more} TO {role} would allow it \
         (indexes of expressions take pg_read_all_data); or CREATE EXTENSION pgstattuple, which pg_monitor may use, measures those between \
         1 MB and 1 GB",
        tables.join(", ")
    );
    unknown(known.is_empty(), short, long)
}

/// Tables of which the server has counted nothing.
pub(crate) fn dead_rows(coverage: &CoverageFacts, tables: &[TableFacts]) -> Unknown {
    if coverage.uncounted == 0 {
        return Unknown::Nothing;
    }
    let counted = |table: &&TableFacts| {
        table.kind != TableKind::Partitioned && (table.live_rows > 0 || table.dead_rows > 0)
    };
    let short = format!(
        "the server has not counted the dead rows of {}",
        text::count(coverage.uncounted, "table")
    );
    let long = format!(
        "{short}: its counters were lost or reset, or track_counts is off; an ANALYZE of them counts anew"
    );
    unknown(!tables.iter().any(|table| counted(&table)), short, long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{index, table};
    use windlass_sdk::Verdict;
    use windlass_sdk::sample;

    fn hidden(named: &str) -> IndexFacts {
        IndexFacts {
            bloat_bytes: None,
            unknown_bloat: Some(UnknownBloat::Hidden),
            ..index(named, 100 << 20, 0)
        }
    }

    fn judged(indexes: &[IndexFacts]) -> Unknown {
        bloat(indexes, "r", &Memory::default(), &Parameters::default())
    }

    #[test]
    fn hidden_bloat_is_inconclusive_only_if_it_is_all() {
        let Unknown::All(finding) = judged(&[hidden("a"), hidden("b")]) else {
            panic!("all of it is unknown");
        };
        assert_eq!(finding.verdict, Verdict::Inconclusive);
        assert!(finding.evidence.contains("GRANT SELECT ON public.t TO r"));
        let some = judged(&[hidden("a"), index("b", 100 << 20, 0)]);
        assert!(
            matches!(some, Unknown::Part(short, _) if short == "the bloat of 1 index is unknown")
        );
        // Too small to be rebuilt, or no B-tree at all.
        let small = IndexFacts {
            bytes: 1,
            ..hidden("a")
        };
        let gin = IndexFacts {
            unknown_bloat: Some(UnknownBloat::Method),
            ..hidden("b")
        };
        assert_eq!(judged(&[small, gin]), Unknown::Nothing);
    }

    #[test]
    fn an_empty_database_is_no_blindness() {
        assert_eq!(tables(&sample::coverage(0)), Unknown::Nothing);
        assert_eq!(tables(&sample::coverage(3)), Unknown::Nothing);
        let blind = CoverageFacts {
            tables_covered: 0,
            ..sample::coverage(3)
        };
        assert!(matches!(tables(&blind), Unknown::All(_)));
        let absent = CoverageFacts {
            absent: vec!["schema `x`".to_owned()],
            ..sample::coverage(3)
        };
        assert!(matches!(tables(&absent), Unknown::Part(..)));
        let nothing = CoverageFacts {
            absent: vec!["schema `x`".to_owned()],
            ..sample::coverage(0)
        };
        assert!(matches!(tables(&nothing), Unknown::All(_)));
    }

    #[test]
    fn what_one_look_does_not_show_is_told() {
        let coverage = sample::coverage(6_000);
        let told = beyond(&coverage, MOST_SHOWN, MOST_SHOWN);
        assert!(
            matches!(&told, Unknown::Part(short, _) if short == "not looked at: 1,000 tables and 1,000 indexes"),
            "{told:?}"
        );
        // Between two looks some were dropped.
        assert_eq!(beyond(&sample::coverage(10), 9, 10), Unknown::Nothing);
    }

    #[test]
    fn tables_without_counters_are_told() {
        let coverage = CoverageFacts {
            uncounted: 1,
            ..sample::coverage(2)
        };
        assert!(matches!(
            dead_rows(&coverage, &[table("a", 0, 0)]),
            Unknown::All(_)
        ));
        assert!(matches!(
            dead_rows(&coverage, &[table("a", 5, 0)]),
            Unknown::Part(..)
        ));
    }
}
