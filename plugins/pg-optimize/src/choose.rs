//! What is worth doing, and what is left alone for which reason. Pure: facts in, choices out.

use crate::memory::{Memory, kind};
use crate::parameters::Parameters;
use windlass_sdk::database::{
    IndexFacts, Leftover, Maintenance, TableFacts, TableKind, Withholder, XminHolder,
};
use windlass_sdk::{Instant, text};

/// Chosen objects in the order in which they are to be worked on, and those that were passed over although they need it.
#[derive(Debug)]
pub(crate) struct Choice<'a, T> {
    pub chosen: Vec<&'a T>,
    pub left: Vec<Left>,
}

/// Why an object that needs work gets none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Left {
    pub object: String,
    pub why: String,
    /// What keeps the run from working on it, if it is no choice of its own.
    pub by: Option<Withholder>,
}

impl Left {
    /// Whether a reason that nobody need have wanted keeps the run from it: the role lacks a right, or no statement can name it. What a grant
    /// does not cover was wanted.
    pub(crate) fn is_barred(&self) -> bool {
        match self.by {
            Some(Withholder::Role | Withholder::Name) => true,
            Some(Withholder::Grant) | None => false,
        }
    }

    /// Left alone for a reason that lies in the object, a guard or somebody's wish.
    pub(crate) fn alone(object: String, why: impl Into<String>) -> Self {
        left(object, why)
    }
}

impl<T> Choice<'_, T> {
    pub(crate) fn none() -> Self {
        Self {
            chosen: Vec::new(),
            left: Vec::new(),
        }
    }
}

fn left(object: String, why: impl Into<String>) -> Left {
    Left {
        object,
        why: why.into(),
        by: None,
    }
}

/// An object that the run may not maintain.
fn withheld(object: String, by: Withholder, what: Maintenance) -> Left {
    let why = match (by, what) {
        (Withholder::Grant, _) => "the grant does not cover working on it",
        (Withholder::Name, _) => "its name is not UTF-8, so no statement can name it",
        (Withholder::Role, Maintenance::DropInvalidIndex | Maintenance::SetParameters) => {
            "the role may not do it: it takes the owner of the table or a member of it, with USAGE on its schema (pg_toast for what is TOAST's)"
        }
        (Withholder::Role, Maintenance::Vacuum | Maintenance::Analyze | Maintenance::Reindex) => {
            "the role may not maintain it: it takes the owner of the table, or MAINTAIN on PostgreSQL 17 and newer, with USAGE on its schema"
        }
    };
    Left {
        by: Some(by),
        ..left(object, why)
    }
}

impl<'a, T> Choice<'a, T> {
    /// Chooses the object, unless it may not be maintained so.
    pub(crate) fn choose(
        &mut self,
        object: &'a T,
        name: String,
        by: Option<Withholder>,
        what: Maintenance,
    ) {
        match by {
            None => self.chosen.push(object),
            Some(by) => self.left.push(withheld(name, by, what)),
        }
    }
}

/// Invalid indexes that a broken-off rebuild left. One whose creation never finished is somebody's wish, so it takes a parameter.
pub(crate) fn leftovers<'a>(
    indexes: &'a [IndexFacts],
    parameters: &Parameters,
) -> Choice<'a, IndexFacts> {
    let mut choice = Choice::none();
    for index in indexes.iter().filter(|index| !index.valid) {
        let object = text::name(&index.name);
        match (index.leftover, &index.not_rebuildable) {
            _ if index.in_work => choice
                .left
                .push(left(object, "it is being built or dropped now")),
            (Some(Leftover::Creation), _) if !parameters.drop_failed_creations => choice.left.push(left(
                object,
                "invalid, its creation never finished or has not yet; drop-failed-creations=true drops it",
            )),
            (Some(_), _) => {
                let what = Maintenance::DropInvalidIndex;
                choice.choose(index, object, index.withheld(what), what);
            }
            (None, Some(why)) => choice.left.push(left(object, format!("invalid, and {why}"))),
            (None, None) => choice.left.push(left(object, "invalid, and no leftover of a rebuild")),
        }
    }
    choice
}

/// Indexes with much bloat, the most bytes first.
pub(crate) fn rebuilds<'a>(
    indexes: &'a [IndexFacts],
    memory: &Memory,
    parameters: &Parameters,
) -> Choice<'a, IndexFacts> {
    let mut choice = Choice::none();
    let mut bloated: Vec<(u64, &IndexFacts)> = indexes
        .iter()
        .filter(|index| index.valid)
        .filter_map(|index| Some((memory.bloat(index)?, index)))
        .filter(|(bloat, index)| at_least(*bloat, index.bytes, parameters.index_bloat))
        .collect();
    bloated.sort_by(|(a, x), (b, y)| {
        b.cmp(a)
            .then_with(|| text::name(&x.name).cmp(&text::name(&y.name)))
    });
    for (_, index) in bloated {
        let object = text::name(&index.name);
        if let Some(why) = &index.not_rebuildable {
            choice.left.push(left(object, why));
        } else if parameters.min_size.reached_by(index.bytes) {
            let what = Maintenance::Reindex;
            choice.choose(index, object, index.withheld(what), what);
        } else {
            choice
                .left
                .push(left(object, format!("below {}", parameters.min_size)));
        }
    }
    choice
}

/// Tables with many dead rows, the most first.
pub(crate) fn vacuums<'a>(
    tables: &'a [TableFacts],
    holders: &[XminHolder],
    memory: &Memory,
    parameters: &Parameters,
) -> Choice<'a, TableFacts> {
    let mut choice = Choice::none();
    let mut dead: Vec<&TableFacts> = tables
        .iter()
        .filter(|table| has_dead_rows(table, parameters.dead_rows, parameters))
        .collect();
    dead.sort_by_key(|table| (std::cmp::Reverse(table.dead_rows), text::name(&table.name)));
    for table in dead {
        let object = text::name(&table.name);
        if table.kind == TableKind::Partitioned {
            choice.left.push(left(
                object,
                "partition parent, only its partitions are vacuumed",
            ));
        } else if !parameters.min_size.reached_by(table.heap_bytes) {
            choice
                .left
                .push(left(object, format!("below {}", parameters.min_size)));
        } else if let Some(holder) = memory.holder(table, holders) {
            choice.left.push(left(
                object,
                format!(
                    "its {} dead rows could not be removed last time, and what keeps them still does: {}",
                    text::number(table.dead_rows),
                    holder_text(holder)
                ),
            ));
        } else {
            let what = Maintenance::Vacuum;
            choice.choose(table, object, table.withheld(what), what);
        }
    }
    choice
}

pub(crate) fn has_dead_rows(table: &TableFacts, percent: u8, parameters: &Parameters) -> bool {
    let rows = table.live_rows.saturating_add(table.dead_rows);
    table.dead_rows >= parameters.min_dead_rows.max(1) && at_least(table.dead_rows, rows, percent)
}

/// Tables whose statistics are old news, and that a vacuum of this run does not analyze anyway.
pub(crate) fn analyzes<'a>(
    tables: &'a [TableFacts],
    vacuumed: &[u32],
    now: Instant,
    parameters: &Parameters,
) -> Choice<'a, TableFacts> {
    let due = |table: &&TableFacts| match (table.kind, table.last_analyze) {
        (TableKind::Partitioned, None) => true,
        (TableKind::Partitioned, Some(at)) => {
            now.saturating_sub(at) >= parameters.parent_statistics_age.as_milliseconds()
        }
        (TableKind::Table | TableKind::MaterializedView, None) => {
            table.live_rows >= parameters.min_modified_rows.max(1)
        }
        (TableKind::Table | TableKind::MaterializedView, Some(_)) => is_modified(table, parameters),
    };
    let mut all: Vec<&TableFacts> = tables
        .iter()
        .filter(|table| !vacuumed.contains(&table.oid))
        .filter(due)
        .collect();
    all.sort_by_key(|table| {
        (
            std::cmp::Reverse(table.modified_since_analyze),
            text::name(&table.name),
        )
    });
    let mut choice = Choice::none();
    for table in all {
        let what = Maintenance::Analyze;
        choice.choose(table, text::name(&table.name), table.withheld(what), what);
    }
    choice
}

fn is_modified(table: &TableFacts, parameters: &Parameters) -> bool {
    let modified = table.modified_since_analyze;
    modified >= parameters.min_modified_rows.max(1)
        && at_least(modified, table.live_rows, parameters.modified_rows)
}

/// How people recognise what keeps dead rows.
pub(crate) fn holder_text(holder: &XminHolder) -> String {
    let kind = kind(holder.kind);
    let pid = holder.pid.map(|pid| format!(" {pid}")).unwrap_or_default();
    format!(
        "{kind}{pid} of {}, {}, for {}",
        holder.name,
        holder.state,
        text::count(holder.age, "transaction")
    )
}

fn at_least(part: u64, whole: u64, percent: u8) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{holder, index, invalid, table};

    const MB: u64 = 1 << 20;

    fn names(choice: &Choice<'_, IndexFacts>) -> Vec<String> {
        choice
            .chosen
            .iter()
            .map(|index| index.name.name.clone())
            .collect()
    }

    fn why(left: &[Left]) -> Vec<&str> {
        left.iter().map(|left| left.why.as_str()).collect()
    }

    #[test]
    fn only_rebuilds_leave_what_is_dropped_unasked() {
        let indexes = [
            index("fine", MB, 0),
            invalid("a_ccnew", Some(Leftover::RebuildNew)),
            invalid("a_ccold", Some(Leftover::RebuildOld)),
            invalid("wish", Some(Leftover::Creation)),
            invalid("unknown", None),
        ];
        let choice = leftovers(&indexes, &Parameters::default());
        assert_eq!(names(&choice), ["a_ccnew", "a_ccold"]);
        assert_eq!(choice.left.len(), 2);
        let asked = Parameters {
            drop_failed_creations: true,
            ..Parameters::default()
        };
        assert_eq!(
            names(&leftovers(&indexes, &asked)),
            ["a_ccnew", "a_ccold", "wish"]
        );
    }

    #[test]
    fn what_is_withheld_is_left_and_told_by_whom() {
        let with = |named: &str, by| {
            let mut index = index(named, 100 * MB, 60 * MB);
            let what = Maintenance::Reindex;
            index.withheld = vec![windlass_sdk::database::Withheld { what, by }];
            index
        };
        let indexes = [
            with("granted_elsewhere", Withholder::Grant),
            with("owned_by_another", Withholder::Role),
            with("unnameable", Withholder::Name),
            index("fine", 100 * MB, 60 * MB),
        ];
        let choice = rebuilds(&indexes, &Memory::default(), &Parameters::default());
        assert_eq!(names(&choice), ["fine"]);
        let barred: Vec<bool> = choice.left.iter().map(Left::is_barred).collect();
        assert_eq!(barred, [false, true, true]);
    }

    #[test]
    fn what_is_being_built_is_no_leftover() {
        let building = IndexFacts {
            in_work: true,
            ..invalid("a_ccnew", None)
        };
        let building = [building];
        let choice = leftovers(&building, &Parameters::default());
        assert_eq!(why(&choice.left), ["it is being built or dropped now"]);
    }

    #[test]
    fn the_worst_index_comes_first_and_small_ones_are_left() {
        let mut exclusion = index("exclusion", 100 * MB, 60 * MB);
        exclusion.not_rebuildable = Some("an exclusion constraint".to_owned());
        let mut unknown = index("gin", 100 * MB, 0);
        unknown.bloat_bytes = None;
        let indexes = [
            index("compact", 100 * MB, 29 * MB),
            index("bad", 100 * MB, 30 * MB),
            index("worst", 50 * MB, 40 * MB),
            index("small", 9 * MB, 8 * MB),
            exclusion,
            unknown,
        ];
        let choice = rebuilds(&indexes, &Memory::default(), &Parameters::default());
        assert_eq!(names(&choice), ["worst", "bad"]);
        assert_eq!(
            why(&choice.left),
            ["an exclusion constraint", "below 10 MB"]
        );
    }

    #[test]
    fn a_second_run_finds_nothing_to_rebuild() {
        let indexes = [index("stubborn", 100 * MB, 45 * MB)];
        let mut memory = Memory::default();
        assert_eq!(
            rebuilds(&indexes, &memory, &Parameters::default())
                .chosen
                .len(),
            1
        );
        memory.rebuilt(&indexes[0]);
        assert!(
            rebuilds(&indexes, &memory, &Parameters::default())
                .chosen
                .is_empty()
        );
    }

    #[test]
    fn tables_are_vacuumed_by_their_dead_rows() {
        let mut parent = table("parent", 0, 90_000);
        parent.kind = TableKind::Partitioned;
        let mut small = table("small", 10, 5000);
        small.heap_bytes = MB;
        let tables = [
            table("few", 100_000, 900),
            table("share", 1_000_000, 40_000),
            table("some", 100_000, 6000),
            table("many", 100_000, 50_000),
            parent,
            small,
        ];
        let choice = vacuums(&tables, &[], &Memory::default(), &Parameters::default());
        let chosen: Vec<&str> = choice
            .chosen
            .iter()
            .map(|table| table.name.name.as_str())
            .collect();
        assert_eq!(chosen, ["many", "some"]);
        assert_eq!(
            why(&choice.left),
            [
                "partition parent, only its partitions are vacuumed",
                "below 10 MB"
            ]
        );
    }

    #[test]
    fn rows_that_are_still_held_are_not_vacuumed_again() {
        let tables = [table("t", 100_000, 50_000)];
        let mut memory = Memory::default();
        memory.held(&tables[0], &holder(4711, 500));
        let choice = vacuums(
            &tables,
            &[holder(4711, 700)],
            &memory,
            &Parameters::default(),
        );
        assert!(choice.chosen.is_empty());
        assert!(
            choice.left[0]
                .why
                .contains("session 4711 of app, idle in transaction"),
            "{:?}",
            choice.left
        );
        assert_eq!(
            vacuums(&tables, &[], &memory, &Parameters::default())
                .chosen
                .len(),
            1
        );
    }

    #[test]
    fn statistics_follow_modifications_and_parents_their_age() {
        let day = 24 * 3_600_000;
        let with = |name: &str, live, modified, last| {
            let mut table = table(name, live, 0);
            (table.modified_since_analyze, table.last_analyze) = (modified, last);
            table
        };
        let parent = |name: &str, last| TableFacts {
            kind: TableKind::Partitioned,
            ..with(name, 0, 0, last)
        };
        let tables = [
            with("steady", 100_000, 9_999, Some(0)),
            with("changed", 100_000, 10_000, Some(0)),
            with("few", 100, 999, Some(0)),
            with("new", 5000, 0, None),
            with("empty", 0, 0, None),
            parent("old parent", Some(day)),
            parent("fresh parent", Some(9 * day)),
            parent("new parent", None),
        ];
        let choice = analyzes(&tables, &[], 10 * day, &Parameters::default());
        let chosen: Vec<&str> = choice
            .chosen
            .iter()
            .map(|table| table.name.name.as_str())
            .collect();
        assert_eq!(chosen, ["changed", "new", "new parent", "old parent"]);
        let vacuumed = analyzes(&tables, &[1], 10 * day, &Parameters::default());
        assert!(vacuumed.chosen.is_empty());
    }
}
