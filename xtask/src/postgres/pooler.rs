//! `PgBouncer` between a client and a server: installed, or out of Debian's packages without root.

use super::{Account, Error, Server, fetch, url_on_loopback};
use crate::fresh::free_port;
use crate::shell;
use crate::watched::{End, Watched};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_mins(1);
const NAME: &str = "pgbouncer";
/// What it needs that a machine may lack.
const PACKAGES: [&str; 3] = [NAME, "libcares2", "libevent-2.1-7"];
/// What the first library is called in older releases of Debian.
const OLDER: [&str; 3] = [NAME, "libc-ares2", "libevent-2.1-7"];

/// The program, and where its libraries are if they are not the machine's.
#[derive(Clone, Debug)]
pub struct PgBouncer {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl PgBouncer {
    /// The one on PATH or where Debian puts it, else one unpacked from Debian's packages below the target directory.
    pub fn find() -> Result<Self, Error> {
        let debian = PathBuf::from("/usr/sbin").join(NAME);
        let installed = shell::on_path(NAME).or_else(|| debian.is_file().then_some(debian));
        if let Some(program) = installed {
            return Ok(Self {
                program,
                libraries: None,
            });
        }
        let folder = fetch::store(Account::current()?)?.join(NAME);
        if let Some(kept) = Self::unpacked(&folder) {
            return Ok(kept);
        }
        for tool in ["apt-get", "dpkg"] {
            shell::on_path(tool).ok_or_else(|| Error::NoClientTool(NAME.to_owned()))?;
        }
        unpack(&folder)?;
        Self::unpacked(&folder)
            .ok_or_else(|| Error::Package(folder, "its program does not run here".to_owned()))
    }

    /// What it says of its version.
    pub fn version(&self) -> Result<String, Error> {
        let mut command = Command::new(&self.program);
        command.arg("--version").current_dir("/");
        self.adapt(&mut command);
        let said = shell::output(&mut command)?;
        let word = said.split_whitespace().nth(1).unwrap_or_default();
        Ok(word.to_owned())
    }

    fn unpacked(folder: &Path) -> Option<Self> {
        let found = Self {
            program: folder.join("usr/sbin").join(NAME),
            libraries: fs::read_dir(folder.join("usr/lib"))
                .ok()?
                .flatten()
                .map(|entry| entry.path())
                .find(|path| path.join("libcares.so.2").exists()),
        };
        found.version().ok().map(|_| found)
    }

    fn adapt(&self, command: &mut Command) {
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }
}

/// Another process may do the same: each works aside, and the first one to finish wins.
fn unpack(folder: &Path) -> Result<(), Error> {
    let store = folder.parent().unwrap_or(folder);
    let aside = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(store)
        .map_err(Error::file(store))?;
    let download = |packages: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("download").args(packages).current_dir(aside.path());
        shell::output(&mut apt)
    };
    download(&PACKAGES).or_else(|_| download(&OLDER))?;
    let root = aside.path().join("root");
    fs::create_dir(&root).map_err(Error::file(&root))?;
    for entry in fs::read_dir(aside.path()).map_err(Error::file(aside.path()))? {
        let path = entry.map_err(Error::file(aside.path()))?.path();
        if path.extension().is_some_and(|kind| kind == "deb") {
            shell::output(Command::new("dpkg").arg("-x").arg(&path).arg(&root))?;
        }
    }
    fetch::open_to_all(&root)?;
    match fs::rename(&root, folder) {
        Err(_) if folder.is_dir() => Ok(()),
        result => result.map_err(Error::file(folder)),
    }
}

/// A running pool on a free loopback port, for the superuser and the roles that have the server's password. Dropping it ends it.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    password: String,
    process: Option<Watched>,
    _home: TempDir,
}

impl Pooler {
    /// Starts one in front of a server, with settings of `PgBouncer`'s own such as `pool_mode`.
    pub fn start(
        pgbouncer: &PgBouncer,
        server: &Server,
        logins: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let account = Account::current()?;
        let temporary = std::env::temp_dir();
        let home = tempfile::Builder::new()
            .prefix("windlass-pgbouncer-")
            .tempdir()
            .map_err(Error::file(&temporary))?;
        account
            .give(home.path())
            .map_err(Error::file(home.path()))?;
        let port = free_port()?;
        let users = home.path().join("users");
        let password = server.password();
        let lines = logins
            .iter()
            .map(|login| format!("\"{login}\" \"{password}\"\n"));
        fs::write(&users, lines.collect::<String>()).map_err(Error::file(&users))?;
        let given = settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}\n"));
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\n{}",
            server.port(),
            users.display(),
            given.collect::<String>(),
        );
        let file = home.path().join("pgbouncer.ini");
        fs::write(&file, text).map_err(Error::file(&file))?;
        let path = home.path().join("log");
        let log = File::create(&path).map_err(Error::file(&path))?;
        let arguments = [file.display().to_string()];
        let adapt = |command: &mut Command| {
            account.apply(command);
            pgbouncer.adapt(command);
        };
        let program = &pgbouncer.program;
        let process = Watched::start(program, &arguments, home.path(), log, End::Kill, adapt)?;
        let ready = crate::until(DEADLINE, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        if ready.is_none() {
            let log = fs::read_to_string(&path).unwrap_or_default();
            process.crash();
            return Err(Error::Package(program.clone(), shell::tail(&log, 12)));
        }
        Ok(Self {
            port,
            password: password.to_owned(),
            process: Some(process),
            _home: home,
        })
    }

    /// The URL of a database for one of the logins.
    pub fn url(&self, user: &str, database: &str) -> String {
        url_on_loopback(self.port, user, &self.password, database)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.crash();
        }
    }
}
