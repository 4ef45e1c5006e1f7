//! What an operator has to know of a database before the first run: who we are there and what we may do.

use super::failure::Outcome;
use super::invariants::Powers;
use super::measure::Measure;
use super::purpose::Purpose;
use super::reindex::{CORRUPTS, corrupts};
use super::rights::maintain;
use super::room::Room;
use super::session::{NEWEST_MAJOR, Session};
use super::shown;
use super::tables::amount;
use crate::contract::CallError;
use crate::database::call::dotted;
use crate::database::names::quote_ident;
use crate::journal::RunId;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was found. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// As the server prints it, such as "18.4".
    pub version: String,
    /// Major version times 10,000 plus minor.
    pub version_number: u32,
    /// Whether the server replays another's log; maintenance is impossible there.
    pub standby: bool,
    /// The role of the login.
    pub login: String,
    /// The role after `SET ROLE`; the login where none is configured.
    pub role: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
    /// Protocol and cipher; none where the connection is not encrypted.
    pub tls: Option<String>,
    /// Version of each installed extension that windlass can use.
    pub extensions: BTreeMap<String, String>,
    /// Whether the role sees all sessions, statements and standbys.
    pub sees_statistics: bool,
    /// User tables and materialized views.
    pub tables: u64,
    /// How many of them the role may vacuum and analyze.
    pub maintainable: u64,
    /// How many of them the role owns, so that it may also drop indexes and set parameters.
    pub owned: u64,
    /// Of how many of them the role may not read all planner statistics. Where nothing measures it, their bloat is unknown.
    pub hidden: u64,
    /// What an operator may want to change, one sentence each.
    pub notes: Vec<String>,
}

/// How many objects one sentence names.
const EXAMPLES: usize = 5;

const LOGIN: &str = "
    SELECT current_user::text,
           (SELECT concat(s.version, ' ', s.cipher) FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid() AND s.ssl)";

const ROLE: &str = "
    SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int4,
           pg_is_in_recovery(), current_user::text,
           (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user),
           pg_has_role('pg_read_all_stats', 'USAGE'),
           has_function_privilege('pg_ls_waldir()', 'EXECUTE')";

const EXTENSIONS: &str = "
    SELECT e.extname, e.extversion FROM pg_extension e WHERE e.extname IN ('pg_stat_statements', 'pgstattuple')";

const RIGHTS: &str = "
    SELECT count(*), count(*) FILTER (WHERE pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE') OR {maintain}),
           count(*) FILTER (WHERE pg_has_role(c.relowner, 'USAGE')),
           count(*) FILTER (WHERE row_security_active(c.oid) OR EXISTS (
               SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')))
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_database d ON d.datname = current_database()
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

/// Names of schemas, tables and indexes. In another encoding than `SQL_ASCII` the server takes none that it cannot show.
const NAMES: &str = "
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND getdatabaseencoding() = 'SQL_ASCII' ORDER BY 1, 2";

/// Connects as a run would and asks.
pub(super) async fn probe(room: &Room) -> Result<Probe, CallError> {
    let watch = open(room, Purpose::Watch).await?;
    let look = open(room, Purpose::Look).await?;
    look.begin_look(room)
        .await
        .map_err(|failure| failure.for_operator(room.name()))?;
    ask(room, &watch, &look)
        .await
        .map_err(|failure| failure.into_call(room.name()))
}

async fn open(room: &Room, purpose: Purpose) -> Result<Session, CallError> {
    Session::open(room, purpose, &RunId("doctor".into()))
        .await
        .map_err(|failure| failure.for_operator(room.name()))
}

async fn ask(room: &Room, watch: &Session, look: &Session) -> Outcome<Probe> {
    let login = watch.query_one(LOGIN, &[]).await?;
    let role = look.query_one(ROLE, &[]).await?;
    let mut extensions = BTreeMap::new();
    for row in look.query(EXTENSIONS, &[]).await? {
        extensions.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let rights = look
        .query_one(&RIGHTS.replace("{maintain}", maintain(look)), &[])
        .await?;
    let mut probe = Probe {
        version: role.try_get(0)?,
        version_number: u32::try_from(role.try_get::<_, i32>(1)?).unwrap_or(0),
        standby: role.try_get(2)?,
        login: login.try_get(0)?,
        role: role.try_get(3)?,
        superuser: role.try_get::<_, Option<bool>>(4)?.unwrap_or(false),
        tls: login.try_get(1)?,
        extensions,
        sees_statistics: role.try_get(5)?,
        tables: amount(&rights, 0)?,
        maintainable: amount(&rights, 1)?,
        owned: amount(&rights, 2)?,
        hidden: amount(&rights, 3)?,
        notes: Vec::new(),
    };
    let measures = Measure::find(look).await?.is_some();
    probe.notes = notes(room, look.major(), &probe, role.try_get(6)?);
    if !room.target.invariants.is_empty() {
        probe.notes.extend(Powers::of(look).await?.note());
    }
    probe.notes.extend(unseen(&probe, measures));
    probe.notes.extend(unnameable(look).await?);
    Ok(probe)
}

/// What the role may not see of bloat.
fn unseen(probe: &Probe, measures: bool) -> Option<String> {
    let role = quote_ident(&probe.role);
    (probe.hidden > 0 && !measures).then(|| {
        format!(
            "{role} may not read the statistics of {} of {} tables, so the bloat of their indexes is unknown: GRANT SELECT on them, or CREATE \
             EXTENSION pgstattuple, which pg_monitor may use",
            probe.hidden, probe.tables
        )
    })
}

/// Objects that no statement can name.
async fn unnameable(look: &Session) -> Outcome<Option<String>> {
    let mut names = Vec::new();
    for row in look.query(NAMES, &[]).await? {
        let (object, exact) = shown::object(&row, 0)?;
        if !exact {
            names.push(dotted(&object));
        }
    }
    let more = match names.len().saturating_sub(EXAMPLES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(EXAMPLES);
    Ok((!names.is_empty()).then(|| {
        format!(
            "names that are not UTF-8 are left alone: {}{more}",
            names.join(", ")
        )
    }))
}

fn notes(room: &Room, major: u32, probe: &Probe, sees_log: bool) -> Vec<String> {
    let role = quote_ident(&probe.role);
    let mut notes = Vec::new();
    let mut note = |applies: bool, text: String| {
        if applies {
            notes.push(text);
        }
    };
    note(
        major > NEWEST_MAJOR,
        format!("PostgreSQL {major} is newer than this windlass was tried on ({NEWEST_MAJOR})"),
    );
    note(corrupts(probe.version_number), CORRUPTS.into());
    note(
        probe.standby,
        "this is a standby: it can be looked at, not maintained".into(),
    );
    note(
        probe.superuser,
        format!(
            "{role} is a superuser; {} is enough: see docs/operator.md",
            if major >= 17 {
                "a role in pg_maintain and pg_monitor"
            } else {
                "a role in pg_monitor and in the owner of the tables"
            }
        ),
    );
    note(
        !probe.sees_statistics,
        format!(
            "GRANT pg_monitor TO {role}: without it sessions, statements and standbys cannot be read"
        ),
    );
    note(
        room.target.disk_size.is_some() && !(probe.sees_statistics && sees_log),
        format!("GRANT pg_monitor TO {role}: without it the free space cannot be computed"),
    );
    note(
        probe.tls.is_none() && room.may_use_tls(),
        "the connection is not encrypted; sslmode=require would insist on it".into(),
    );
    note(
        probe.maintainable < probe.tables,
        format!(
            "{role} may maintain {} of {} tables",
            probe.maintainable, probe.tables
        ),
    );
    notes
}
