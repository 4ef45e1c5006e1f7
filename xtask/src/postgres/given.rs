//! What a server that `DATABASE_URL` names must allow, so that the suite can use it.

use super::{Error, NEWEST, OLDEST, connect};

/// Each is true where the server serves.
const NEEDS: [(&str, &str); 4] = [
    (
        "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)",
        "the user must be a superuser, to make databases and roles",
    ),
    (
        "NOT current_setting('autovacuum')::boolean",
        "autovacuum must be off: tests say themselves when dead rows go",
    ),
    (
        "current_setting('max_connections')::integer >= 100",
        "max_connections must be 100 or more",
    ),
    (
        "current_setting('max_prepared_transactions')::integer >= 50",
        "max_prepared_transactions must be 50 or more: tests hold locks with them",
    ),
];

/// The major version of the server, if the suite can use it. Looks only.
pub(super) fn check(url: &str) -> Result<u32, Error> {
    let mut session = connect(url)?;
    let sql = "SELECT current_setting('server_version_num')::integer / 10000";
    let major: i32 = session.query_one(sql, &[])?.get(0);
    let major = major.unsigned_abs();
    let mut lacks = Vec::new();
    if !(OLDEST..=NEWEST).contains(&major) {
        lacks.push(format!("it is version {major}, not {OLDEST} to {NEWEST}"));
    }
    for (condition, need) in NEEDS {
        let row = session.query_one(&format!("SELECT coalesce({condition}, false)"), &[])?;
        if !row.get::<_, bool>(0) {
            lacks.push(need.to_owned());
        }
    }
    if lacks.is_empty() {
        Ok(major)
    } else {
        Err(Error::Unfit(lacks.join("; ")))
    }
}

/// Drops the databases and roles whose names contain `mark`, which only their maker knows. Doing it again does nothing.
pub fn sweep(url: &str, mark: &str) -> Result<(), Error> {
    let mut session = connect(url)?;
    let mut drop_all = |kind: &str, names: &str, force: &str| -> Result<(), Error> {
        for row in session.query(names, &[&mark])? {
            let name: String = row.get(0);
            session.batch_execute(&format!("DROP {kind} IF EXISTS \"{name}\" {force}"))?;
        }
        Ok(())
    };
    let databases = "SELECT datname::text FROM pg_database WHERE strpos(datname, $1) > 0";
    drop_all("DATABASE", databases, "WITH (FORCE)")?;
    let roles = "SELECT rolname::text FROM pg_roles WHERE strpos(rolname, $1) > 0";
    drop_all("ROLE", roles, "")
}
