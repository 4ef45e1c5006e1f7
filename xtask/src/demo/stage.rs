//! What the demo plays on: a server, the database `orders` in a bad state, a project folder.

use super::{show, unexpected, windlass};
use crate::setup;
use crate::trouble::Trouble;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;
use xtask::postgres::{Error, Instance, Options, connect};
use xtask::{bloat, shell};

/// Where windlass is told to find the connection string.
pub(super) const VARIABLE: &str = "ORDERS_DATABASE_URL";
const DATABASE: &str = "orders";
const ROWS: u32 = 400_000;
const SETTINGS: &str = r#"
[database.orders]
connection = { env = "ORDERS_DATABASE_URL" }
disk-size = "40 GB"
"#;

/// All of it; gone when dropped.
pub(super) struct Stage {
    /// Of the database `orders`, for windlass.
    pub(super) url: String,
    program: PathBuf,
    // Fields go in this order: first the session, then the database, then the server.
    _forgotten: postgres::Client,
    _database: Database,
    project: TempDir,
    _instance: Instance,
}

impl Stage {
    /// Starts and fills everything; takes some ten seconds.
    pub(super) fn set(program: &Path) -> Result<Self, Trouble> {
        let instance = obtain()?;
        let roles = Roles::on(&instance)?;
        let database = Database::make(&instance, &roles)?;
        let start = Instant::now();
        bloat::fill(&roles.windlass, ROWS)?;
        bloat::leave_invalid_index(&roles.windlass, "accounts_abalance")?;
        let forgotten = forget(&roles)?;
        let size: String = connect(&roles.windlass)?
            .query_one(
                "SELECT pg_size_pretty(pg_database_size(current_database()))",
                &[],
            )
            .map_err(Error::from)?
            .get(0);
        eprintln!(
            "database     {DATABASE}: {size}, filled in {:.1} s; every row was updated, a third deleted, a rebuild broke off,\n             \
             and the application `till` forgot to end a transaction",
            start.elapsed().as_secs_f64()
        );
        let project = make_project(program, &roles.windlass)?;
        Ok(Self {
            url: roles.windlass,
            program: program.to_path_buf(),
            _forgotten: forgotten,
            _database: database,
            project,
            _instance: instance,
        })
    }

    /// Shows a command and runs it.
    pub(super) fn windlass(&self, arguments: &[&str]) -> Result<(), Trouble> {
        show(&self.program, arguments, self.project.path(), &self.url)
    }

    /// The name of the run that began last.
    pub(super) fn latest_run(&self) -> Result<String, Trouble> {
        let arguments = ["runs", "--output", "json"];
        let mut command = windlass(&self.program, &arguments, self.project.path(), &self.url);
        let said = shell::output(&mut command)?;
        let mut names: Vec<&str> = said.split('"').filter(|text| is_run(text)).collect();
        names.sort_unstable();
        let latest = names.last().map(|name| (*name).to_owned());
        latest.ok_or_else(|| unexpected("`windlass runs` lists no run"))
    }
}

/// Six digits of the day, then at least three letters or digits that sort by time.
fn is_run(text: &str) -> bool {
    text.split_once('-').is_some_and(|(day, time)| {
        day.len() == 6
            && day.bytes().all(|byte| byte.is_ascii_digit())
            && time.len() >= 3
            && time
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
    })
}

fn obtain() -> Result<Instance, Trouble> {
    let instance = Instance::obtain(&Options::default())?;
    match instance.server() {
        Some(server) => {
            setup::server(Ok(server.binaries().clone()))?;
        }
        None => eprintln!(
            "PostgreSQL   {}, the server that DATABASE_URL names",
            instance.major()?
        ),
    }
    Ok(instance)
}

/// URLs of `orders`, for the one who maintains it and for the application.
struct Roles {
    windlass: String,
    till: String,
}

impl Roles {
    /// On a server of ours both are ordinary roles; on a given one there is only the user that was given.
    fn on(instance: &Instance) -> Result<Self, Trouble> {
        let Some(server) = instance.server() else {
            let url = instance.url(DATABASE)?;
            return Ok(Self {
                windlass: url.clone(),
                till: url,
            });
        };
        let password = server.password();
        let sql = format!(
            "CREATE ROLE windlass LOGIN PASSWORD '{password}' IN ROLE pg_monitor;
             CREATE ROLE till LOGIN PASSWORD '{password}'"
        );
        let mut session = connect(&server.admin_url())?;
        session.batch_execute(&sql).map_err(Error::from)?;
        Ok(Self {
            windlass: server.url("windlass", DATABASE),
            till: server.url("till", DATABASE),
        })
    }
}

/// The database `orders`: on a given server it is dropped in the end, on ours it goes with the server.
struct Database {
    drop_at: Option<String>,
}

impl Database {
    fn make(instance: &Instance, roles: &Roles) -> Result<Self, Trouble> {
        let mut session = connect(&instance.admin_url())?;
        let there = session
            .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&DATABASE])
            .map_err(Error::from)?;
        if there.is_some() {
            return Err(Trouble::Exists(DATABASE.to_owned()));
        }
        let ours = instance.server().is_some();
        let owner = if ours { "OWNER windlass" } else { "" };
        let create = format!("CREATE DATABASE {DATABASE} {owner}");
        session.batch_execute(&create).map_err(Error::from)?;
        let drop_at = (!ours).then(|| instance.admin_url());
        let database = Self { drop_at };
        connect(&roles.windlass)?;
        Ok(database)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(url) = &self.drop_at else { return };
        let dropped = connect(url).and_then(|mut session| {
            Ok(session.batch_execute(&format!("DROP DATABASE {DATABASE} WITH (FORCE)"))?)
        });
        if let Err(error) = dropped {
            eprintln!("the database `{DATABASE}` is still there: {error}");
        }
    }
}

/// The application begins a transaction and forgets it; then a few rows die, which stay as long as it lives.
fn forget(roles: &Roles) -> Result<postgres::Client, Trouble> {
    let mut session = connect(&roles.windlass)?;
    if roles.till != roles.windlass {
        let grant = "GRANT INSERT ON sessions TO till";
        session.batch_execute(grant).map_err(Error::from)?;
    }
    let forgotten = bloat::forget_transaction(&roles.till, "till")?;
    let update = "UPDATE accounts SET abalance = abalance + 1 WHERE aid <= 500";
    session.batch_execute(update).map_err(Error::from)?;
    bloat::end(session, &roles.windlass)?;
    Ok(forgotten)
}

fn make_project(program: &Path, url: &str) -> Result<TempDir, Trouble> {
    let temporary = std::env::temp_dir();
    let project = tempfile::Builder::new().prefix("windlass-demo-").tempdir();
    let project = project.map_err(Trouble::file(&temporary))?;
    println!();
    show(program, &["init"], project.path(), url)?;
    let file = project.path().join("windlass.toml");
    let mut options = std::fs::OpenOptions::new();
    let mut toml = options
        .append(true)
        .open(&file)
        .map_err(Trouble::file(&file))?;
    toml.write_all(SETTINGS.as_bytes())
        .map_err(Trouble::file(&file))?;
    println!("$ tail -3 windlass.toml{SETTINGS}");
    Ok(project)
}

#[cfg(test)]
mod tests {
    use super::is_run;

    #[test]
    fn runs_are_told_from_other_words() {
        assert!(is_run("251121-k3f") && is_run("251121-zzz0001"));
        assert!(!is_run("pg-optimize") && !is_run("2025-11-21") && !is_run("251121-K3F"));
    }
}
