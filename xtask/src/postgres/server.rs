//! A running server with its data, its log and its password.

use super::{Account, Binaries, Error, Statement, Version, statements, url_on_loopback};
use crate::fresh::{free_port, secret};
use crate::shell;
use crate::watched::{End, Watched};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The superuser of every server of ours.
pub(super) const ADMIN: &str = "postgres";
/// What a server is told to do it has done within this time, or something is wrong.
pub(super) const DEADLINE: Duration = Duration::from_mins(1);

/// How a server is set up. The default is quick and forgetful, as tests want it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: BTreeMap<String, String>,
}

impl Options {
    /// Sets one of the server's own settings.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes commits durable, so that [`Server::crash`] loses nothing that was promised.
    #[must_use]
    pub fn durable(self) -> Self {
        self.set("fsync", "on")
    }

    /// Writes every statement to the log before it is executed; see [`Server::statements`].
    #[must_use]
    pub fn log_statements(self) -> Self {
        self.set("log_statement", "all")
    }
}

/// A running server on a free loopback port. Dropping it ends it and removes its data; so does the end of this process, even by SIGKILL.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    account: Account,
    port: u16,
    password: String,
    process: Option<Watched>,
    // The last field, so that the data goes after the process.
    home: TempDir,
}

impl Server {
    /// Makes a new, empty cluster and starts it. Takes about a second.
    pub fn start(binaries: &Binaries, options: &Options) -> Result<Self, Error> {
        let password = secret();
        let mut server = Self::prepare(binaries, password)?;
        server.make_cluster()?;
        server.configure(options)?;
        server.launch_on_free_port()?;
        server.install_statistics()?;
        Ok(server)
    }

    /// A directory without a cluster yet.
    pub(super) fn prepare(binaries: &Binaries, password: String) -> Result<Self, Error> {
        let account = Account::current()?;
        let temporary = std::env::temp_dir();
        let home = tempfile::Builder::new()
            .prefix("windlass-postgres-")
            .tempdir()
            .map_err(Error::file(&temporary))?;
        account
            .give(home.path())
            .map_err(Error::file(home.path()))?;
        Ok(Self {
            binaries: binaries.clone(),
            account,
            port: 0,
            password,
            process: None,
            home,
        })
    }

    fn make_cluster(&self) -> Result<(), Error> {
        let file = self.home.path().join("password");
        std::fs::write(&file, &self.password).map_err(Error::file(&file))?;
        self.account.give(&file).map_err(Error::file(&file))?;
        let mut initdb = Command::new(self.binaries.program("initdb"));
        initdb
            .arg("--pgdata")
            .arg(self.data())
            .arg("--pwfile")
            .arg(&file)
            .args(["--username", ADMIN, "--auth", "scram-sha-256"])
            .args(["--encoding", "UTF8", "--no-locale", "--no-sync"])
            .current_dir(self.home.path());
        self.account.apply(&mut initdb);
        shell::output(&mut initdb)?;
        std::fs::remove_file(&file).map_err(Error::file(&file))
    }

    fn configure(&self, options: &Options) -> Result<(), Error> {
        let mut settings: BTreeMap<&str, &str> = BTreeMap::from([
            ("listen_addresses", "127.0.0.1"),
            ("log_line_prefix", statements::PREFIX),
            ("log_timezone", "UTC"),
            ("timezone", "UTC"),
            // Tests and demos say themselves when dead rows go.
            ("autovacuum", "off"),
            ("fsync", "off"),
            ("full_page_writes", "on"),
            ("shared_buffers", "128MB"),
            ("max_wal_size", "4GB"),
            ("wal_level", "replica"),
            ("max_wal_senders", "5"),
            ("max_prepared_transactions", "50"),
            ("hot_standby", "on"),
            ("dynamic_library_path", "$libdir"),
        ]);
        if self.binaries.has_module("pg_stat_statements") {
            settings.insert("shared_preload_libraries", "pg_stat_statements");
        }
        let given = options.settings.iter();
        settings.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
        let mut text = String::from("\n# Set by windlass's xtask; the last one counts.\n");
        for (name, value) in settings {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        let path = self.data().join("postgresql.conf");
        let read = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
        std::fs::write(&path, read + &text).map_err(Error::file(&path))
    }

    /// Every database made from now on has `pg_stat_statements`, where it came with the server.
    fn install_statistics(&self) -> Result<(), Error> {
        if self.binaries.has_module("pg_stat_statements") {
            for database in ["template1", ADMIN] {
                super::connect(&self.url(ADMIN, database))?
                    .batch_execute("CREATE EXTENSION pg_stat_statements")?;
            }
        }
        Ok(())
    }

    /// Another process may take a port between our look and the server's start; only then is another one tried.
    pub(super) fn launch_on_free_port(&mut self) -> Result<(), Error> {
        loop {
            self.port = free_port()?;
            let from = self.log_length();
            match self.launch() {
                Err(Error::DidNotStart { .. }) if self.log_from(from).contains("in use") => {}
                result => return result,
            }
        }
    }

    fn launch(&mut self) -> Result<(), Error> {
        let path = self.log_path();
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log: File = log.map_err(Error::file(&path))?;
        let home = self.home.path();
        let arguments = [
            "-D".to_owned(),
            self.data().display().to_string(),
            "-p".to_owned(),
            self.port.to_string(),
            "-k".to_owned(),
            home.display().to_string(),
        ];
        let program = self.binaries.program("postgres");
        let as_account = |command: &mut Command| self.account.apply(command);
        let process = Watched::start(&program, &arguments, home, log, End::Quit, as_account)?;
        self.wait_until_ready(process)
    }

    /// Watches the status line of `postmaster.pid`, as `pg_ctl` does.
    fn wait_until_ready(&mut self, mut process: Watched) -> Result<(), Error> {
        let status = self.data().join("postmaster.pid");
        let own = process.id().to_string();
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            if let Some(status) = process.ended() {
                process.wait();
                return Err(Error::DidNotStart {
                    version: self.version(),
                    status,
                    log: shell::tail(&self.log(), 12),
                });
            }
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let mut lines = text.lines();
            if lines.next() == Some(&own) && lines.nth(6).is_some_and(|line| line.trim() == "ready")
            {
                self.process = Some(process);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        process.signal(Signal::QUIT);
        process.wait();
        Err(self.late("accept connections"))
    }

    pub(super) fn late(&self, what: &'static str) -> Error {
        Error::Late {
            version: self.version(),
            what,
            seconds: DEADLINE.as_secs(),
            log: shell::tail(&self.log(), 12),
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.binaries.version()
    }

    /// The programs that it runs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The port on 127.0.0.1. It stays the same over [`Server::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of the superuser. Roles that are made for [`Server::url`] are given the same one.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The URL of a database for a role that has the server's password.
    pub fn url(&self, user: &str, database: &str) -> String {
        url_on_loopback(self.port, user, &self.password, database)
    }

    /// The URL of the superuser's own database.
    pub fn admin_url(&self) -> String {
        self.url(ADMIN, ADMIN)
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// Where its log is.
    pub fn log_path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    /// All that it wrote to its log.
    pub fn log(&self) -> String {
        self.log_from(0)
    }

    /// How long its log is now, in bytes; a mark for [`Server::statements`].
    pub fn log_length(&self) -> usize {
        std::fs::metadata(self.log_path())
            .ok()
            .and_then(|about| usize::try_from(about.len()).ok())
            .unwrap_or(0)
    }

    fn log_from(&self, mark: usize) -> String {
        let mut bytes = Vec::new();
        // Without a log nothing was logged. Other tests make it long, so only what was asked for is read.
        if let Ok(mut log) = File::open(self.log_path())
            && log.seek(SeekFrom::Start(mark as u64)).is_ok()
        {
            let _ = log.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The statements that were logged after a mark, in their order. Needs [`Options::log_statements`].
    pub fn statements(&self, mark: usize) -> Vec<Statement> {
        statements::parse(&self.log_from(mark))
    }

    /// Whether the server process is there.
    pub fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_none())
    }

    /// Stops it in order: sessions are disconnected, everything is written.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Ends it as a power cut would: nothing is written any more, and the next start recovers.
    pub fn crash(&mut self) {
        self.end(Signal::QUIT);
    }

    /// Starts it again on its data and on its port.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        self.launch()
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.signal(signal);
            process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}
