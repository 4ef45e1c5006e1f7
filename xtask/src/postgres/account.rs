//! Whom servers run as.

use super::Error;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// The user that servers run as. PostgreSQL refuses root, so root gives its rights up in the child.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    /// This process's own user; for root the user `postgres`, else `nobody`.
    pub fn current() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let path = Path::new("/etc/passwd");
        let users = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let ids = ids_of(&users, "postgres").or_else(|| ids_of(&users, "nobody"));
        ids.map_or(Err(Error::NoAccount), |ids| Ok(Self { ids: Some(ids) }))
    }

    /// Makes a command run as this user.
    pub fn apply(self, command: &mut Command) {
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
    }

    /// Gives a file or a directory, without what is in it, to this user.
    pub fn give(self, path: &Path) -> io::Result<()> {
        match self.ids {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Whether this user can enter a directory.
    pub(super) fn can_enter(self, directory: &Path) -> bool {
        let mut command = Command::new("test");
        command.arg("-x").arg(directory).current_dir("/");
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}

fn ids_of(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::ids_of;

    #[test]
    fn finds_a_user_by_its_whole_name() {
        let users =
            "root:x:0:0::/root:/bin/sh\npostgresql:x:7:7::/:\npostgres:x:101:104::/var:/bin/sh\n";
        assert_eq!(ids_of(users, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(users, "nobody"), None);
    }
}
