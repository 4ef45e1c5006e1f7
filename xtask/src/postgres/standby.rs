//! A standby, copied from its primary while that is at work.
//!
//! `pg_basebackup` does not come with fetched servers; what it does is done here with the functions that it calls itself.

use super::server::DEADLINE;
use super::{Error, Server};
use crate::until;
use std::fs;
use std::io;
use std::path::Path;

const SLOT: &str = "standby";
const NOT_COPIED: [&str; 4] = ["postmaster.pid", "postmaster.opts", "pg_wal", "pg_replslot"];

impl Server {
    /// Copies a primary and follows it. It reads through the slot `standby` on the primary, which stays there when the standby goes: use a
    /// primary of the test's own.
    pub fn standby_of(primary: &Self) -> Result<Self, Error> {
        let mut standby = Self::prepare(primary.binaries(), primary.password().to_owned())?;
        let mut session = super::connect(&primary.admin_url())?;
        session.execute(
            "SELECT pg_create_physical_replication_slot($1, true)",
            &[&SLOT],
        )?;
        let old = primary.version().major < 15;
        session.batch_execute(if old {
            "SELECT pg_start_backup('standby', true, false)"
        } else {
            "SELECT pg_backup_start('standby', true)"
        })?;
        let data = standby.data();
        standby.copy(&primary.data(), &data)?;
        let label: String = session
            .query_one(
                if old {
                    "SELECT labelfile FROM pg_stop_backup(false, false)"
                } else {
                    "SELECT labelfile FROM pg_backup_stop(false)"
                },
                &[],
            )?
            .get(0);
        standby.follow(primary, &label)?;
        standby.launch_on_free_port()?;
        Ok(standby)
    }

    /// Waits until everything that was written on the primary before can be read here.
    pub fn wait_for(&self, primary: &Self) -> Result<(), Error> {
        let position: String = super::connect(&primary.admin_url())?
            .query_one("SELECT pg_current_wal_lsn()::text", &[])?
            .get(0);
        let mut session = super::connect(&self.admin_url())?;
        let sql = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
        let caught_up = until(DEADLINE, || match session.query_one(sql, &[&position]) {
            Ok(row) => row.get::<_, bool>(0).then_some(Ok(())),
            Err(error) => Some(Err(error.into())),
        });
        caught_up.unwrap_or_else(|| Err(self.late("catch up")))
    }

    fn follow(&self, primary: &Self, label: &str) -> Result<(), Error> {
        let data = self.data();
        for directory in ["pg_wal", "pg_wal/archive_status", "pg_replslot"] {
            self.make_directory(&data.join(directory))
                .map_err(Error::file(&data))?;
        }
        let settings = format!(
            "\nprimary_conninfo = 'host=127.0.0.1 port={} user=postgres password={} application_name=standby'\nprimary_slot_name = '{SLOT}'\n",
            primary.port(),
            primary.password()
        );
        let conf = data.join("postgresql.auto.conf");
        let text = fs::read_to_string(&conf).map_err(Error::file(&conf))? + &settings;
        for (name, text) in [
            ("postgresql.auto.conf", text.as_str()),
            ("backup_label", label),
            ("standby.signal", ""),
        ] {
            let path = data.join(name);
            fs::write(&path, text).map_err(Error::file(&path))?;
            self.account().give(&path).map_err(Error::file(&path))?;
        }
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.make_directory(to).map_err(Error::file(to))?;
        for entry in fs::read_dir(from).map_err(Error::file(from))? {
            let entry = entry.map_err(Error::file(from))?;
            let name = entry.file_name();
            if NOT_COPIED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            let (from, to) = (entry.path(), to.join(&name));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.copy(&from, &to)?;
            } else {
                self.copy_file(&from, &to).map_err(Error::file(&from))?;
            }
        }
        Ok(())
    }

    /// The primary is at work: a file may go before its turn comes, and replay makes up for it.
    fn copy_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::copy(from, to) {
            Ok(_) => self.account().give(to),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// PostgreSQL refuses data that others could enter.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().mode(0o700).create(path)?;
        self.account().give(path)
    }
}
