//! Whether the role may do it, and whether the object is still the one that was looked at.

use super::failure::Outcome;
use super::session::Session;
use crate::contract::database_types::ObjectName;
use crate::contract::{CallError, ErrorKind};
use crate::database::call::dotted;
use crate::database::names::{quote_ident, quote_object};

/// Whether the role has the privilege MAINTAIN, which exists from PostgreSQL 17 on.
pub(super) fn maintain(session: &Session) -> &'static str {
    if session.major() >= 17 {
        "has_table_privilege(c.oid, 'MAINTAIN')"
    } else {
        "false"
    }
}

/// Says which right is missing and what would give it.
pub(super) async fn lacks_right(
    session: &Session,
    table: &ObjectName,
    verb: &str,
) -> Outcome<String> {
    let role: String = session
        .query_one("SELECT current_user::text", &[])
        .await?
        .try_get(0)?;
    let remedy = if session.major() >= 17 && verb == "maintain" {
        format!(
            "GRANT MAINTAIN ON {} TO {}",
            quote_object(table),
            quote_ident(&role)
        )
    } else {
        "a role that is a member of its owner".into()
    };
    Ok(format!(
        "role `{role}` may not {verb} `{}`; {remedy} would allow it",
        dotted(table)
    ))
}

/// The name must still mean what was prepared.
pub(super) fn same_object(found: u32, prepared: u32, name: &ObjectName) -> Result<(), CallError> {
    if found == prepared {
        return Ok(());
    }
    Err(CallError::new(
        ErrorKind::Conflict,
        format!(
            "`{}` was replaced by another object of that name",
            dotted(name)
        ),
    ))
}
