//! Names resolved to objects, and what the role may do with them.

use super::failure::{Outcome, refuse};
use super::rights::maintain;
use super::session::Session;
use super::shown;
use super::tables::HELD;
use crate::contract::ErrorKind;
use crate::contract::database_types::{ObjectName, StorageParameter};
use crate::database::call::dotted;
use crate::database::names::{check_object, is_system_schema};
use tokio_postgres::Row;

/// A table as the catalog has it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) name: ObjectName,
    /// `r`, `p` or `m`.
    pub(super) kind: char,
    /// Whether the role owns it.
    pub(super) owned: bool,
    /// Whether the role may vacuum and analyze it.
    pub(super) maintained: bool,
    /// Whether it has a TOAST table.
    pub(super) toasted: bool,
    /// The table's own parameters, those of its TOAST table with `toast.` before them.
    pub(super) parameters: Vec<StorageParameter>,
}

/// An index as the catalog has it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the catalog has them so, and each is asked on its own"
)]
pub(super) struct Index {
    pub(super) oid: u32,
    pub(super) name: ObjectName,
    /// `i`, or `I` of a partitioned table.
    pub(super) kind: char,
    /// The table that it belongs to; for an index of a TOAST table, the table whose values that keeps.
    pub(super) table: ObjectName,
    /// The table or TOAST table that it is an index of.
    pub(super) table_oid: u32,
    pub(super) owned: bool,
    /// Whether the role may maintain the table.
    pub(super) maintained: bool,
    pub(super) valid: bool,
    pub(super) exclusion: bool,
    pub(super) temporary: bool,
    /// Whether a session builds or drops an index of this table now.
    pub(super) in_work: bool,
    /// Unknown while another session holds the index or its table exclusively: printing it would wait for that session.
    pub(super) definition: Option<String>,
}

const TABLE: &str = "
    SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence = 't',
           pg_has_role(c.relowner, 'USAGE'),
           pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE') OR {maintain},
           c.reloptions, t.reloptions, t.oid IS NOT NULL
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_database d ON d.datname = current_database()
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE ";

const INDEX: &str = "
    WITH {held}
    SELECT i.oid, n.nspname, i.relname, i.relkind::text, tn.nspname, coalesce(o.relname, c.relname), c.oid,
           pg_has_role(c.relowner, 'USAGE'),
           pg_has_role(c.relowner, 'USAGE') OR {maintain},
           x.indisvalid, x.indisexclusion, c.relpersistence = 't',
           NOT x.indisvalid AND {in_work},
           CASE WHEN h.oid IS NULL AND t.oid IS NULL THEN pg_get_indexdef(i.oid) END
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace n ON n.oid = i.relnamespace
    JOIN pg_class c ON c.oid = x.indrelid
    LEFT JOIN pg_class o ON c.relkind = 't' AND o.reltoastrelid = c.oid
    JOIN pg_namespace tn ON tn.oid = coalesce(o.relnamespace, c.relnamespace)
    LEFT JOIN held h ON h.oid = i.oid
    LEFT JOIN held t ON t.oid = c.oid
    WHERE ";

/// True of an index `x` that some session builds or drops now. The progress view hides what other roles build; locks do not.
pub(super) const IN_WORK: &str = "(
    EXISTS (SELECT FROM pg_stat_progress_create_index p
            WHERE p.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND (p.relid = x.indrelid OR EXISTS (
                  SELECT FROM pg_locks l WHERE l.pid = p.pid AND l.relation = x.indrelid
                     AND l.mode = 'ShareUpdateExclusiveLock')))
    OR EXISTS (SELECT FROM pg_locks l
               WHERE l.locktype = 'relation' AND l.relation = x.indexrelid AND l.pid <> pg_backend_pid()
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')))";

/// Finds a table, partitioned table or materialized view by name.
pub(super) async fn table(session: &Session, name: &ObjectName) -> Outcome<Table> {
    check_object(name)?;
    let sql = TABLE.replace("{maintain}", maintain(session)) + "n.nspname = $1 AND c.relname = $2";
    match session.query_opt(&sql, &[&name.schema, &name.name]).await? {
        Some(row) => read_table(&row),
        None => refuse(
            ErrorKind::NotFound,
            format!("there is no table `{}`", dotted(name)),
        ),
    }
}

/// Finds a table by OID; none if it is gone.
pub(super) async fn table_by_oid(session: &Session, oid: u32) -> Outcome<Option<Table>> {
    let sql = TABLE.replace("{maintain}", maintain(session)) + "c.oid = $1";
    match session.query_opt(&sql, &[&oid]).await? {
        Some(row) => read_table(&row).map(Some),
        None => Ok(None),
    }
}

fn read_table(row: &Row) -> Outcome<Table> {
    let name = ObjectName {
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
    };
    let kind = first(row, 3)?;
    if !matches!(kind, 'r' | 'p' | 'm') || row.try_get(4)? {
        return refuse(
            ErrorKind::Conflict,
            format!("`{}` is not a table or a materialized view", dotted(&name)),
        );
    }
    refuse_system(&name)?;
    Ok(Table {
        oid: row.try_get(0)?,
        name,
        kind,
        owned: row.try_get(5)?,
        maintained: row.try_get(6)?,
        toasted: row.try_get(9)?,
        parameters: read_parameters(row.try_get(7)?, row.try_get(8)?),
    })
}

/// Finds an index by name.
pub(super) async fn index(session: &Session, name: &ObjectName) -> Outcome<Index> {
    check_object(name)?;
    let sql = index_sql(session) + "n.nspname = $1 AND i.relname = $2";
    match session.query_opt(&sql, &[&name.schema, &name.name]).await? {
        Some(row) => read_index(&row),
        None => refuse(
            ErrorKind::NotFound,
            format!("there is no index `{}`", dotted(name)),
        ),
    }
}

/// Finds an index by OID; none if it is gone.
pub(super) async fn index_by_oid(session: &Session, oid: u32) -> Outcome<Option<Index>> {
    let sql = index_sql(session) + "i.oid = $1";
    match session.query_opt(&sql, &[&oid]).await? {
        Some(row) => read_index(&row).map(Some),
        None => Ok(None),
    }
}

/// All invalid indexes of a table.
pub(super) async fn invalid_indexes(session: &Session, table: u32) -> Outcome<Vec<Index>> {
    let sql = index_sql(session) + "x.indrelid = $1 AND NOT x.indisvalid ORDER BY i.oid";
    let rows = session.query(&sql, &[&table]).await?;
    rows.iter().map(read_index).collect()
}

fn index_sql(session: &Session) -> String {
    INDEX
        .replace("{maintain}", maintain(session))
        .replace("{in_work}", IN_WORK)
        .replace("{held}", HELD)
}

fn read_index(row: &Row) -> Outcome<Index> {
    let ((name, _), (table, _)) = (shown::object(row, 1)?, shown::object(row, 4)?);
    refuse_system(&table)?;
    Ok(Index {
        oid: row.try_get(0)?,
        name,
        kind: first(row, 3)?,
        table,
        table_oid: row.try_get(6)?,
        owned: row.try_get(7)?,
        maintained: row.try_get(8)?,
        valid: row.try_get(9)?,
        exclusion: row.try_get(10)?,
        temporary: row.try_get(11)?,
        in_work: row.try_get(12)?,
        definition: shown::maybe_text(row, 13)?,
    })
}

fn first(row: &Row, column: usize) -> Outcome<char> {
    let text: String = row.try_get(column)?;
    Ok(text.chars().next().unwrap_or_default())
}

fn refuse_system(name: &ObjectName) -> Outcome<()> {
    if is_system_schema(&name.schema) {
        return refuse(
            ErrorKind::Conflict,
            format!(
                "`{}` belongs to the server; autovacuum looks after it",
                dotted(name)
            ),
        );
    }
    Ok(())
}

/// The catalog's `name=value` texts of a table and its TOAST table.
pub(super) fn read_parameters(
    own: Option<Vec<String>>,
    toast: Option<Vec<String>>,
) -> Vec<StorageParameter> {
    let split = |prefix: &str, text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        StorageParameter {
            name: format!("{prefix}{name}"),
            value: value.to_owned(),
        }
    };
    let own = own.unwrap_or_default();
    let toast = toast.unwrap_or_default();
    own.iter()
        .map(|text| split("", text))
        .chain(toast.iter().map(|text| split("toast.", text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_split_at_the_first_equals() {
        let read = read_parameters(
            Some(vec![
                "fillfactor=70".into(),
                "user_catalog_table=a=b".into(),
            ]),
            Some(vec!["autovacuum_enabled=off".into()]),
        );
        let texts: Vec<_> = read
            .iter()
            .map(|p| format!("{} {}", p.name, p.value))
            .collect();
        assert_eq!(
            texts,
            [
                "fillfactor 70",
                "user_catalog_table a=b",
                "toast.autovacuum_enabled off"
            ]
        );
        assert!(read_parameters(None, None).is_empty());
    }
}
