//! The servers that worlds are on: one for each version in this process, started when first wanted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use xtask::bloat;
use xtask::postgres::{Binaries, Instance, NEWEST, OLDEST, Options, Server, Statement, connect};

/// The role that windlass is given: it owns its databases, sees what others do, and can do nothing else.
const ROLE: &str = "windlass";
const TEMPLATE: &str = "template_bloated";

/// A server with a template.
#[derive(Debug)]
pub(super) struct Fixture {
    instance: Instance,
    template: OnceLock<()>,
    made: AtomicU32,
}

/// The server that `DATABASE_URL` names, else the newest supported version.
pub(super) fn default() -> &'static Fixture {
    static GIVEN: OnceLock<Option<Fixture>> = OnceLock::new();
    let given = GIVEN.get_or_init(|| Instance::given().unwrap().map(Fixture::prepare));
    given.as_ref().unwrap_or_else(|| of(NEWEST))
}

/// The server of this major version. A static is never dropped: the server ends when this process does.
pub(super) fn of(major: u32) -> &'static Fixture {
    static SERVERS: [OnceLock<Fixture>; (NEWEST - OLDEST + 1) as usize] =
        [const { OnceLock::new() }; (NEWEST - OLDEST + 1) as usize];
    let place = usize::try_from(major - OLDEST).unwrap();
    SERVERS[place].get_or_init(|| Fixture::start(major, &Options::default()))
}

impl Fixture {
    pub(super) fn start(major: u32, options: &Options) -> Self {
        let options = options
            .clone()
            .log_statements()
            .set("max_connections", "200")
            // Tests hold locks with them.
            .set("max_prepared_transactions", "50");
        let binaries = Binaries::major(major).unwrap();
        Self::prepare(Instance::start(&binaries, &options).unwrap())
    }

    fn prepare(instance: Instance) -> Self {
        if let Some(server) = instance.server() {
            let password = server.password();
            let sql = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{password}' IN ROLE pg_monitor");
            connect(&server.admin_url())
                .unwrap()
                .batch_execute(&sql)
                .unwrap();
        }
        Self {
            instance,
            template: OnceLock::new(),
            made: AtomicU32::new(0),
        }
    }

    pub(super) fn server_mut(&mut self) -> &mut Server {
        self.instance.server_mut().unwrap()
    }

    /// The URL of a database for windlass.
    pub(super) fn url(&self, database: &str) -> String {
        match self.instance.server() {
            Some(server) => server.url(ROLE, database),
            None => self.admin_url(database),
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

    fn owner(&self) -> String {
        let ours = self.instance.server().is_some();
        if ours {
            format!("OWNER {ROLE}")
        } else {
            String::new()
        }
    }

    /// A new name for each database and role; a given server may have some from another process.
    fn name(&self, kind: &str) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        format!("{kind}_{}_{number}", std::process::id())
    }

    /// Makes a database, empty or as a copy of the bloated one.
    pub(super) fn make_database(&self, bloated: bool) -> String {
        let name = self.name("orders");
        if !bloated {
            self.administer(&format!("CREATE DATABASE {name} {}", self.owner()));
            return name;
        }
        let template = format!("{TEMPLATE}_{}", std::process::id());
        self.template.get_or_init(|| self.make_template(&template));
        self.administer(&format!(
            "CREATE DATABASE {name} TEMPLATE {template} {}",
            self.owner()
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
        loop {
            let mut session = connect(&self.admin_url(database)).unwrap();
            if session.query_opt(shown, &[]).unwrap().is_some() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn make_template(&self, template: &str) {
        self.administer(&format!("CREATE DATABASE {template} {}", self.owner()));
        let url = self.url(template);
        bloat::fill(&url, super::ROWS).unwrap();
        bloat::leave_invalid_index(&url, "accounts_abalance").unwrap();
    }

    pub(super) fn drop_database(&self, name: &str) {
        self.administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// A role that may log in and no more, and the URL with which it does.
    pub(super) fn make_stranger(&self, database: &str) -> String {
        let Some(server) = self.instance.server() else {
            panic!("roles are made on servers of ours only: use World::on");
        };
        let name = self.name("stranger");
        let password = server.password();
        self.administer(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"));
        server.url(&name, database)
    }

    pub(super) fn log_length(&self) -> usize {
        self.instance.server().map_or(0, Server::log_length)
    }

    pub(super) fn statements(&self, mark: usize) -> Vec<Statement> {
        match self.instance.server() {
            Some(server) => server.statements(mark),
            None => panic!("a given server keeps its log to itself: use World::on"),
        }
    }
}
