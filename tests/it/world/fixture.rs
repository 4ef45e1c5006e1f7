//! The servers that worlds are on: one for each version in this process, started when first wanted; or one that somebody gave.

use super::wire::Wire;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use xtask::postgres::{
    Instance, NEWEST, OLDEST, Options, Server, Statement, connect, required, secret,
    url_on_loopback, with_user,
};
use xtask::{bloat, until};

/// The role that windlass is given: it owns its databases, sees what others do, and can do nothing else.
const ROLE: &str = "windlass";
/// A server shows statistics within this time, or never.
const DEADLINE: Duration = Duration::from_mins(1);

/// A server with a template.
#[derive(Debug)]
pub(super) struct Fixture {
    instance: Instance,
    major: u32,
    guest: Option<Guest>,
    template: OnceLock<()>,
    made: AtomicU32,
}

/// What the suite needs to be a good guest on somebody's server.
#[derive(Debug)]
struct Guest {
    /// In all names that are made there.
    mark: String,
    password: String,
    wire: Wire,
    /// Drops everything with the mark when this process ends.
    _sweeper: Child,
}

/// The server that `DATABASE_URL` names, else the newest supported version.
pub(super) fn default() -> &'static Fixture {
    of(NEWEST)
}

/// The server of this major version, unless `DATABASE_URL` names one. A static is never dropped: the server ends when this process does.
pub(super) fn of(major: u32) -> &'static Fixture {
    static GIVEN: OnceLock<Option<Fixture>> = OnceLock::new();
    static SERVERS: [OnceLock<Fixture>; (NEWEST - OLDEST + 1) as usize] =
        [const { OnceLock::new() }; (NEWEST - OLDEST + 1) as usize];
    if let Some(given) = GIVEN.get_or_init(Fixture::given) {
        return given;
    }
    let place = usize::try_from(major - OLDEST).unwrap();
    SERVERS[place].get_or_init(|| Fixture::start(major, &Options::default()))
}

impl Guest {
    fn on(url: &str) -> Self {
        let mark = format!("wl{}", &secret()[..6]);
        // In a group of its own: who ends the suite's group must not end this before it has swept.
        let sweeper = Command::new(env!("CARGO_BIN_EXE_sweeper"))
            .arg(&mark)
            .env("DATABASE_URL", url)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            mark,
            password: secret(),
            wire: Wire::to(url),
            _sweeper: sweeper,
        }
    }
}

impl Fixture {
    pub(super) fn start(major: u32, options: &Options) -> Self {
        let options = options
            .clone()
            .log_statements()
            .set("max_connections", "200")
            // Tests hold locks with them.
            .set("max_prepared_transactions", "50");
        let binaries = required(major).unwrap();
        Self::prepare(Instance::start(&binaries, &options).unwrap(), None)
    }

    fn given() -> Option<Self> {
        let given = Instance::given().unwrap()?;
        let guest = Guest::on(&given.admin_url());
        Some(Self::prepare(given, Some(guest)))
    }

    fn prepare(instance: Instance, guest: Option<Guest>) -> Self {
        let major = instance
            .check()
            .unwrap_or_else(|error| panic!("{}", error.story()));
        let fixture = Self {
            instance,
            major,
            guest,
            template: OnceLock::new(),
            made: AtomicU32::new(0),
        };
        let (role, password) = (fixture.role(), fixture.password());
        fixture.administer(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{password}' IN ROLE pg_monitor"
        ));
        fixture
    }

    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// The name of the role that windlass is given.
    pub(super) fn role(&self) -> String {
        match &self.guest {
            // As long as the other, so that lines are folded alike.
            Some(guest) => guest.mark.clone(),
            None => ROLE.to_owned(),
        }
    }

    fn password(&self) -> &str {
        match (&self.guest, self.instance.server()) {
            (Some(guest), _) => &guest.password,
            (None, Some(server)) => server.password(),
            (None, None) => panic!("a server is ours or somebody's"),
        }
    }

    /// Where the server's data is, if it is ours.
    pub(super) fn data(&self) -> Option<PathBuf> {
        self.instance.server().map(Server::data)
    }

    pub(super) fn server_mut(&mut self) -> &mut Server {
        self.instance.server_mut().unwrap()
    }

    /// The URL of a database for windlass.
    pub(super) fn url(&self, database: &str) -> String {
        self.url_of(&self.role(), database)
    }

    fn url_of(&self, role: &str, database: &str) -> String {
        match &self.guest {
            Some(guest) => url_on_loopback(guest.wire.port(), role, &guest.password, database),
            None => with_user(&self.admin_url(database), role, self.password()).unwrap(),
        }
    }

    /// The URL of a database for the one who may do everything.
    pub(super) fn admin_url(&self, database: &str) -> String {
        self.instance.url(database).unwrap()
    }

    fn administer(&self, sql: &str) {
        let mut session = connect(&self.instance.admin_url()).unwrap();
        session.batch_execute(sql).unwrap();
    }

    /// A new name for each database and role; on somebody's server nobody else has such a one.
    fn name(&self, kind: &str) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let whose = self.guest.as_ref().map_or("ours", |guest| &guest.mark);
        format!("{kind}_{whose}_{number}")
    }

    /// Makes a database, empty or as a copy of the bloated one.
    pub(super) fn make_database(&self, bloated: bool) -> String {
        let (name, owner) = (self.name("orders"), self.role());
        if !bloated {
            self.administer(&format!("CREATE DATABASE {name} OWNER {owner}"));
            return name;
        }
        let template = self.template();
        self.administer(&format!(
            "CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}"
        ));
        // Statistics about dead rows are not copied with the rows.
        let mut session = connect(&self.admin_url(&name)).unwrap();
        session.batch_execute("ANALYZE accounts, sessions").unwrap();
        self.await_statistics(&name);
        name
    }

    /// Waits until a new session sees the statistics: up to version 14 the server hands them on with a delay.
    fn await_statistics(&self, database: &str) {
        let shown = "SELECT FROM pg_stat_user_tables WHERE relname = 'accounts' AND n_dead_tup > 0";
        let seen = until(DEADLINE, || {
            let mut session = connect(&self.admin_url(database)).unwrap();
            session.query_opt(shown, &[]).unwrap()
        });
        assert!(seen.is_some(), "{database} has no dead rows");
    }

    fn template(&self) -> String {
        let whose = self.guest.as_ref().map_or("ours", |guest| &guest.mark);
        let template = format!("template_bloated_{whose}");
        self.template.get_or_init(|| {
            self.administer(&format!("CREATE DATABASE {template} OWNER {}", self.role()));
            let url = self.url(&template);
            bloat::fill(&url, super::ROWS).unwrap();
            bloat::leave_invalid_index(&url, "accounts_abalance").unwrap();
        });
        template
    }

    pub(super) fn drop_database(&self, name: &str) {
        self.administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// A role that may log in and no more, and the URL with which it does.
    pub(super) fn make_stranger(&self, database: &str) -> String {
        let (name, password) = (self.name("stranger"), self.password());
        self.administer(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"));
        self.url_of(&name, database)
    }

    /// A mark for [`Self::statements`].
    pub(super) fn log_length(&self) -> usize {
        match &self.guest {
            Some(guest) => guest.wire.length(),
            None => self.instance.server().map_or(0, Server::log_length),
        }
    }

    /// What was sent since: as the server's log has it, or as it was seen on its way where the log is somebody's.
    pub(super) fn statements(&self, mark: usize) -> Vec<Statement> {
        match (&self.guest, self.instance.server()) {
            (Some(guest), _) => guest.wire.statements(mark),
            (None, Some(server)) => server.statements(mark),
            (None, None) => Vec::new(),
        }
    }
}
