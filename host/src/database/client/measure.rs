//! Bloat of B-trees as pgstattuple measures it, where it is installed and the role may use it.

use super::bloat;
use super::failure::Outcome;
use super::session::Session;
use crate::database::names::quote_ident;

/// Reading an index from end to end is work for a disk: this much in one look.
const MOST_BYTES: u64 = 2 << 30;
const MOST_BYTES_OF_ONE: u64 = 1 << 30;
/// Nobody rebuilds a smaller index for its bloat, and there can be thousands of them.
const FEWEST_BYTES: u64 = 1 << 20;

/// The extension's own function and no other of its name.
const FUNCTION: &str = "
    SELECT n.nspname
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_proc p ON p.oid = d.objid AND p.proname = 'pgstatindex'
        AND p.proargtypes[0] = 'regclass'::regtype AND p.pronargs = 1
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE e.extname = 'pgstattuple' AND has_function_privilege(p.oid, 'EXECUTE')
      AND has_schema_privilege(n.oid, 'USAGE')";

/// Measures until it has read enough.
pub(super) struct Measure {
    sql: String,
    left: u64,
}

impl Measure {
    /// The extension, if it can be used.
    pub(super) async fn find(session: &Session) -> Outcome<Option<Self>> {
        let row = session.query_opt(FUNCTION, &[]).await?;
        let schema: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(schema.map(|schema| Self {
            sql: format!(
                "SELECT s.leaf_pages, s.avg_leaf_density, s.empty_pages + s.deleted_pages,
                        current_setting('block_size')::int4
                 FROM {}.pgstatindex($1::oid::regclass) s",
                quote_ident(&schema)
            ),
            left: MOST_BYTES,
        }))
    }

    /// Measures one B-tree. Nothing if it is too small or too large, or if the server will not: the estimate serves then.
    /// Must be called within a transaction.
    pub(super) async fn index(
        &mut self,
        session: &Session,
        oid: u32,
        bytes: u64,
        fill: f64,
    ) -> Outcome<Option<u64>> {
        if !(FEWEST_BYTES..=MOST_BYTES_OF_ONE).contains(&bytes) || bytes > self.left {
            return Ok(None);
        }
        self.left -= bytes;
        session.batch_execute("SAVEPOINT measuring").await?;
        match session.query_one(&self.sql, &[&oid]).await {
            Ok(row) => {
                session.batch_execute("RELEASE measuring").await?;
                let page = u32::try_from(row.try_get::<_, i32>(3)?).unwrap_or(8192);
                let bloat = bloat::measured(
                    page,
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    fill,
                );
                Ok(Some(bloat.min(bytes)))
            }
            Err(failure) if failure.code().is_some() => {
                session.batch_execute("ROLLBACK TO measuring").await?;
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}
