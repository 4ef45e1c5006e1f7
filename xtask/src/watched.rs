//! A server process that cannot outlive its owner.
//!
//! The kernel's parent-death signal would need unsafe code. So a shell leaves a watchdog behind before it becomes the server: the watchdog
//! reads a pipe whose only writer is this process. If that ends without a word, however this process died, the watchdog ends the
//! server at once and removes its files. A word on the pipe tells it that the server is gone already.
//!
//! Several servers may share a home: each watchdog removes it after its own server's end, so the last one removes it for good.

use crate::shell::Failure;
use crate::until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A server has ended within this time, or something is wrong.
const DEADLINE: Duration = Duration::from_mins(1);
// The inner parentheses give the watchdog away, so that the server does not find a child that it never started.
const WATCHED: &str = r#"
exec 3<&0
home=$1; end=$2; shift 2
( (
  if read -r _ <&3; then exit; fi
  kill -s "$end" $$
  tries=0
  while kill -0 $$ 2>/dev/null && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
  rm -rf -- "$home"
) & )
exec "$@" </dev/null 3<&-
"#;

/// What ends a server at once, as a power cut would.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// For a server with processes of its own, which it ends on SIGQUIT.
    Quit,
    /// For one that is a single process.
    Kill,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Quit => Signal::QUIT,
            Self::Kill => Signal::KILL,
        }
    }
}

/// A running server process.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    leash: ChildStdin,
    end: End,
}

impl Watched {
    /// Starts a program in `home` with its output in `log`, in a process group of its own: Ctrl-C is for us, not for it. `adapt` may set
    /// whom it runs as, and its environment.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        home: &Path,
        log: File,
        end: End,
        adapt: impl FnOnce(&mut Command),
    ) -> Result<Self, Failure> {
        let not_started = |error: io::Error| Failure::Start(program.display().to_string(), error);
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHED, "watched"])
            .arg(home)
            .arg(end.name())
            .arg(program)
            .args(arguments)
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().map_err(not_started)?)
            .stderr(log)
            .process_group(0);
        adapt(&mut command);
        let mut child = command.spawn().map_err(not_started)?;
        let leash = child.stdin.take();
        let leash = leash.ok_or_else(|| not_started(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { child, leash, end })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, unless it has ended: then the number may be another process's by now.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it at once.
    pub(crate) fn crash(mut self) {
        self.signal(self.end.signal());
        self.wait();
    }

    /// Waits for the end, and lets the watchdog go. A server that does not end when it is told to is killed.
    pub(crate) fn wait(mut self) {
        if until(DEADLINE, || self.ended()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = self.leash.write_all(b"gone\n");
    }
}

/// Sees to it that a folder goes when its owner dies, however that comes about: a server's watchdog without a server.
#[derive(Debug)]
pub(crate) struct Kept(Option<Watched>);

impl Kept {
    /// Has this folder removed when the owner dies; who drops this removes it.
    pub(crate) fn new(home: &Path) -> Result<Self, Failure> {
        let nowhere = File::options().write(true).open("/dev/null");
        let log = nowhere.map_err(|error| Failure::Start("sleep".to_owned(), error))?;
        let forever = ["2147483647".to_owned()];
        let sleep = Path::new("sleep");
        let watched = Watched::start(sleep, &forever, home, log, End::Kill, |_| {})?;
        Ok(Self(Some(watched)))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(watched) = self.0.take() {
            watched.crash();
        }
    }
}
