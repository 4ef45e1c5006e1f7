//! A world for one test: a database of its own on a real server, a project folder, and the real command line to try on them.

mod fixture;
mod namespace;
mod output;
mod redact;
mod steps;
mod wire;

pub(crate) use namespace::Namespace;
pub(crate) use output::{Output, Running};

use fixture::Fixture;
use postgres::{Client, SimpleQueryMessage};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use tempfile::TempDir;
use xtask::postgres::{Options, Server, Statement, connect};

/// The variable that the world's `windlass.toml` names.
pub(crate) const VARIABLE: &str = "ORDERS_DATABASE_URL";
/// How the folders of worlds begin, in the system's temporary one; their process's number follows.
const FOLDERS: &str = "windlass-world-";
/// Rows of `accounts` before a third of them was deleted, in a world that is bloated.
pub(crate) const ROWS: u32 = 4_000;

/// Everything that one test works on. Its target is `orders`.
#[derive(Debug)]
pub(crate) struct World {
    database: String,
    url: String,
    log_mark: usize,
    folder: TempDir,
    // After what is on it.
    home: Home,
}

#[derive(Debug)]
enum Home {
    Shared(&'static Fixture),
    Own(Box<Fixture>),
}

impl Home {
    fn fixture(&self) -> &Fixture {
        match self {
            Self::Shared(fixture) => fixture,
            Self::Own(fixture) => fixture,
        }
    }
}

impl World {
    /// An empty database on the default server: the one that `DATABASE_URL` names, else the newest supported version.
    pub(crate) fn new() -> Self {
        Self::with(Home::Shared(fixture::default()), false)
    }

    /// A database in which `accounts` and its indexes are bloated and the leftover `accounts_abalance_ccnew` is invalid, on the default
    /// server.
    pub(crate) fn bloated() -> Self {
        Self::with(Home::Shared(fixture::default()), true)
    }

    /// An empty database on the shared server of this major version.
    pub(crate) fn on(major: u32) -> Self {
        Self::with(Home::Shared(fixture::of(major)), false)
    }

    /// A bloated database on the shared server of this major version.
    pub(crate) fn bloated_on(major: u32) -> Self {
        Self::with(Home::Shared(fixture::of(major)), true)
    }

    /// A bloated database on a server that this test may stop, crash and restart: see [`Self::server`].
    pub(crate) fn alone(major: u32, options: &Options) -> Self {
        Self::with(Home::Own(Box::new(Fixture::start(major, options))), true)
    }

    fn with(home: Home, bloated: bool) -> Self {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep_folders);
        let fixture = home.fixture();
        let log_mark = fixture.log_length();
        let database = fixture.make_database(bloated);
        let url = fixture.url(&database);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{FOLDERS}{}-", std::process::id()))
            .tempdir()
            .unwrap();
        let text = format!(
            "[database.orders]\nconnection = {{ env = \"{VARIABLE}\" }}\ndisk-size = \"40 GB\"\n"
        );
        fs::write(folder.path().join("windlass.toml"), text).unwrap();
        Self {
            database,
            url,
            log_mark,
            folder,
            home,
        }
    }

    /// The server of a world that is alone.
    pub(crate) fn server(&mut self) -> &mut Server {
        match &mut self.home {
            Home::Own(fixture) => fixture.server_mut(),
            Home::Shared(_) => panic!("this server is shared: use World::alone"),
        }
    }

    /// The connection string that windlass is given: an ordinary role that owns the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The connection string of another role that may log in, made for this world, without any rights of its own.
    pub(crate) fn stranger(&self) -> String {
        self.home.fixture().make_stranger(&self.database)
    }

    /// The major version of its server.
    pub(crate) fn major(&self) -> u32 {
        self.home.fixture().major()
    }

    /// The server's own name of the database.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// A session of the superuser in this database.
    pub(crate) fn session(&self) -> Client {
        connect(&self.home.fixture().admin_url(&self.database)).unwrap()
    }

    /// The rows that a query gives the superuser, each as its columns with ` | ` between them.
    pub(crate) fn sql(&self, query: &str) -> Vec<String> {
        rows(&mut self.session(), query)
    }

    /// Makes the tables of [`xtask::bloat::fill`] in a world that is not bloated.
    pub(crate) fn bloat(&self, rows: u32) {
        xtask::bloat::fill(&self.url, rows).unwrap();
    }

    /// What windlass sent to this database since the world began, counted at the server: in its log, by the name of the application.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        let ours = |statement: &Statement| {
            statement.database == self.database && statement.application.starts_with("windlass")
        };
        let logged = self.home.fixture().statements(self.log_mark);
        logged.into_iter().filter(ours).collect()
    }

    /// The project's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The files that the server keeps the database in, with their sizes, where the server is ours. Their content is not compared: a look
    /// may note on a page that a transaction has ended, and a checkpoint writes when it likes.
    pub(crate) fn server_files(&self) -> Vec<String> {
        let Some(data) = self.home.fixture().data() else {
            return Vec::new();
        };
        let oid = &self.sql("SELECT oid FROM pg_database WHERE datname = current_database()")[0];
        let files = fs::read_dir(data.join("base").join(oid)).unwrap();
        let about = files.map(|file| {
            let file = file.unwrap();
            let name = file.file_name().to_string_lossy().into_owned();
            format!("file {name} {}", file.metadata().unwrap().len())
        });
        // Left out: the server's own cache of how catalogs look, which the first session makes, and empty files, which stay of what was
        // dropped before until some checkpoint.
        about
            .filter(|file| !file.contains("pg_internal.init") && !file.ends_with(" 0"))
            .collect()
    }

    /// Where runs are recorded.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join(".windlass")
    }

    /// Reads a file of the project.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The project's files, by their paths in it, but for those that windlass keeps its state in.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path == self.state() {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.path()).unwrap();
                    found.insert(name.to_string_lossy().into_owned());
                }
            }
        }
        found
    }

    /// Runs windlass in the project's folder to its end.
    pub(crate) fn windlass(&self, arguments: &[&str]) -> Output {
        self.start(&[], arguments).wait()
    }

    /// The same with these variables set: faults (see `src/main.rs`), or another connection string.
    pub(crate) fn windlass_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.start(variables, arguments).wait()
    }

    /// Starts windlass and does not wait.
    pub(crate) fn start(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_windlass-under-test"));
        command.args(arguments).envs(variables.iter().copied());
        Running::start(command)
    }

    /// A program in the project's folder with the environment that windlass is given: windlass itself, or one that starts it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env(VARIABLE, &self.url)
            // Compiled procedures are kept from test to test.
            .env(
                "XDG_CACHE_HOME",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
            )
            .env("USER", "tester")
            .stdin(Stdio::null());
        for outside in [
            "DATABASE_URL",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "NO_COLOR",
            "COLUMNS",
        ] {
            command.env_remove(outside);
        }
        command
    }

    /// A text with everything that differs from run to run replaced, for snapshots.
    pub(crate) fn redact(&self, text: &str) -> String {
        let (port, role) = (url_port(&self.url), self.home.fixture().role());
        let own = [
            (self.path().to_str().unwrap(), "[project]"),
            (self.database.as_str(), "[database]"),
            (port.as_str(), "[port]"),
            (role.as_str(), "windlass"),
        ];
        redact::redact(text, &own)
    }

    /// A whole invocation as a snapshot: what was typed, how it ended, both streams.
    pub(crate) fn snapshot(&self, arguments: &[&str]) -> String {
        self.snapshot_with(&[], arguments)
    }

    /// The same with these variables set.
    pub(crate) fn snapshot_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = self.windlass_with(variables, arguments);
        self.redact(&format!("$ windlass {}\n{output}", arguments.join(" ")))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Home::Shared(fixture) = &self.home {
            fixture.drop_database(&self.database);
        }
    }
}

/// Removes the folders of processes that are gone: who is killed removes nothing.
fn sweep_folders() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(FOLDERS)
            .and_then(|rest| rest.split('-').next()?.parse().ok())
            .and_then(Pid::from_raw);
        if owner.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            // Another process may be at it.
            let _: io::Result<()> = fs::remove_dir_all(entry.path());
        }
    }
}

/// The rows of a query, each as its columns with ` | ` between them.
pub(crate) fn rows(session: &mut Client, query: &str) -> Vec<String> {
    let messages = session.simple_query(query).unwrap();
    let rows = messages.iter().filter_map(|message| {
        if let SimpleQueryMessage::Row(row) = message {
            Some(row)
        } else {
            None
        }
    });
    rows.map(|row| {
        let columns = (0..row.len()).map(|column| row.get(column).unwrap_or_default());
        columns.collect::<Vec<_>>().join(" | ")
    })
    .collect()
}

fn url_port(url: &str) -> String {
    let config: postgres::Config = url.parse().unwrap();
    config
        .get_ports()
        .first()
        .map_or_else(|| "5432".to_owned(), u16::to_string)
}
