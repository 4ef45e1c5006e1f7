//! A world for one test: a database of its own on a real server, a project folder, and the real command line to try on them.

mod api;
mod fixture;
mod namespace;
mod output;
mod project;
mod redact;
mod relay;
mod shop;
mod steps;
mod wire;

pub(crate) use namespace::{NOT_PULLED, Namespace};
pub(crate) use output::{Output, Running};
pub(crate) use project::Project;
pub(crate) use relay::{Act, Relay};
pub(crate) use shop::{DATABASE, Shop};

use fixture::Fixture;
use postgres::{Client, SimpleQueryMessage};
use std::fs;
use std::ops::Deref;
use xtask::postgres::{Options, Server, Statement, connect};

/// The variable that the world's `windlass.toml` names.
pub(crate) const VARIABLE: &str = "ORDERS_DATABASE_URL";
/// Rows of `accounts` before a third of them was deleted, in a world that is bloated.
pub(crate) const ROWS: u32 = 4_000;

/// Everything that one test works on. Its target is `orders`.
#[derive(Debug)]
pub(crate) struct World {
    database: String,
    url: String,
    log_mark: usize,
    project: Project,
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
        let fixture = home.fixture();
        let log_mark = fixture.log_length();
        let database = fixture.make_database(bloated);
        let url = fixture.url(&database);
        let text = format!(
            "[database.orders]\nconnection = {{ env = \"{VARIABLE}\" }}\ndisk-size = \"40 GB\"\n"
        );
        let project = Project::new(&text, &[(VARIABLE, &url)]);
        Self {
            database,
            url,
            log_mark,
            project,
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

impl Deref for World {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Home::Shared(fixture) = &self.home {
            fixture.drop_database(&self.database);
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
