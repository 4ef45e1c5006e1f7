//! A server process that cannot outlive its owner.
//!
//! The kernel's parent-death signal would need unsafe code. So a shell leaves a watchdog behind before it becomes the server: the watchdog
//! reads a pipe whose only writer is this process. If that ends without a word, however this process died, the watchdog ends the
//! server at once and removes its files. A word on the pipe tells it that the server is gone already.

use super::{Account, Error};
use crate::shell::Failure;
use crate::until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A server has ended within this time, or something is wrong.
const DEADLINE: Duration = Duration::from_mins(1);
// The inner parentheses give the watchdog away, so that the server does not find a child that it never started.
const WATCHED: &str = r#"
exec 3<&0
home=$1; shift
( (
  if read -r _ <&3; then exit; fi
  kill -QUIT $$
  tries=0
  while kill -0 $$ 2>/dev/null && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
  rm -rf -- "$home"
) & )
exec "$@" </dev/null 3<&-
"#;

/// A running server process.
#[derive(Debug)]
pub(super) struct Watched {
    child: Child,
    leash: ChildStdin,
}

impl Watched {
    /// Starts a program with its output in `log`, in a process group of its own: Ctrl-C is for us, not for it.
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        home: &Path,
        log: &File,
        account: Account,
    ) -> Result<Self, Error> {
        let file = Error::file(home);
        let (out, err) = match (log.try_clone(), log.try_clone()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(error), _) | (_, Err(error)) => return Err(file(error)),
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHED, "watched"])
            .arg(home)
            .arg(program)
            .args(arguments)
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0);
        account.apply(&mut command);
        let no_shell = |error| Failure::Start("sh".to_owned(), error);
        let mut child = command.spawn().map_err(no_shell)?;
        match child.stdin.take() {
            Some(leash) => Ok(Self { child, leash }),
            None => Err(no_shell(std::io::ErrorKind::BrokenPipe.into()).into()),
        }
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, unless it has ended: then the number may be another process's by now.
    pub(super) fn signal(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for the end, and lets the watchdog go. A server that does not end when it is told to is killed.
    pub(super) fn wait(mut self) {
        if until(DEADLINE, || self.ended()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = self.leash.write_all(b"gone\n");
    }
}
