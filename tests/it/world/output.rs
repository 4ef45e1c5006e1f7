//! How an invocation of windlass ended, and one that has not yet.

use rustix::process::{WaitOptions, waitpid};
use serde_json::Value;
use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use xtask::until;

/// What takes longer hangs. It measures nothing: all cases of `selftest` took more than three on a busy machine.
const DEADLINE: Duration = Duration::from_mins(10);

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The exit code; 128 and the signal's number if one ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Fails the test unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "code {code} was expected:\n{self}");
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}):\n{self}"),
        }
    }

    /// Both streams.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The form of snapshots.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit code: {}", self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            writeln!(f, "----- {name} -----")?;
            write!(f, "{text}")?;
            if !text.is_empty() && !text.ends_with('\n') {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// An invocation at work. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        // In a group of its own: if we are killed, the kernel wakes and hangs up what is stopped in a group that nobody is left to tell.
        let mut child = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Stream::collect(child.stdout.take().unwrap());
        let stderr = Stream::collect(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// As a terminal does that is closed.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// As a power cut does, and answers what was printed until then.
    pub(crate) fn kill(mut self) -> Output {
        self.child.kill().unwrap();
        self.wait()
    }

    /// The most memory that it had until now, in bytes, by the kernel's own account; none once it has ended.
    pub(crate) fn high_water(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_at_work(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has stopped itself (see `src/main.rs`).
    pub(crate) fn until_paused(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
        let changed = until(DEADLINE, || waitpid(Some(pid), options).unwrap());
        let Some((_, status)) = changed else {
            panic!("it neither pauses nor ends");
        };
        assert!(status.stopped(), "it ended instead of pausing: {status:?}");
    }

    /// As a host does that falls asleep.
    pub(crate) fn pause(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        self.until_paused();
    }

    /// Tells it to go on after a pause.
    pub(crate) fn go_on(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    }

    /// Waits until it has said this on stderr.
    #[track_caller]
    pub(crate) fn until_said(&self, words: &str) {
        self.stderr.brings(words);
    }

    /// Waits until it has printed this on stdout.
    #[track_caller]
    pub(crate) fn until_printed(&self, words: &str) {
        self.stdout.brings(words);
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Output {
        // Both streams end when the process does.
        assert!(
            self.stdout.reaches(|read| read.ended) && self.stderr.reaches(|read| read.ended),
            "windlass did not end within {} s:\n{}",
            DEADLINE.as_secs(),
            self.stderr.text()
        );
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        Output {
            code: code_of(self.child.wait().unwrap()),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a stream brought until now.
#[derive(Debug, Default)]
struct Read {
    bytes: Vec<u8>,
    ended: bool,
}

impl Read {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A stream that is read as it comes.
#[derive(Clone, Debug, Default)]
struct Stream {
    shared: Arc<(Mutex<Read>, Condvar)>,
}

impl Stream {
    fn collect(mut source: impl io::Read + Send + 'static) -> Self {
        let stream = Self::default();
        let filled = stream.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut chunk) {
                filled.change(|read| read.bytes.extend(&chunk[..length]));
            }
            filled.change(|read| read.ended = true);
        });
        stream
    }

    fn change(&self, change: impl FnOnce(&mut Read)) {
        let (read, changed) = &*self.shared;
        change(&mut read.lock().unwrap());
        changed.notify_all();
    }

    /// Waits until it is so; false if it is not within the deadline.
    fn reaches(&self, is_so: impl Fn(&Read) -> bool) -> bool {
        let (read, changed) = &*self.shared;
        let read = read.lock().unwrap();
        let (_read, waited) = changed
            .wait_timeout_while(read, DEADLINE, |read| !is_so(read))
            .unwrap();
        !waited.timed_out()
    }

    #[track_caller]
    fn brings(&self, words: &str) {
        let in_time = self.reaches(|read| read.ended || read.text().contains(words));
        let text = self.text();
        assert!(
            in_time && text.contains(words),
            "there is no `{words}`:\n{text}"
        );
    }

    fn text(&self) -> String {
        self.shared.0.lock().unwrap().text()
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap()
}
