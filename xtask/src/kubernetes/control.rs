//! The programs of a cluster: started, looked after while something else is waited for, ended at once.

use super::Error;
use crate::shell::{self, Failure};
use crate::watched::{End, Watched};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How much of a log is told in an error, in lines.
const TOLD: usize = 24;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// One of the programs, in the order in which they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kwok,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }
}

/// The programs that run, in one folder.
#[derive(Debug)]
pub(super) struct Control {
    kubebed: PathBuf,
    home: PathBuf,
    running: BTreeMap<Part, Process>,
}

#[derive(Debug)]
struct Process {
    watched: Watched,
    log: PathBuf,
    /// Where its own part of the log begins: what is before was said by one that is gone.
    from: u64,
}

impl Control {
    pub(super) fn new(kubebed: &Path, home: &Path) -> Self {
        Self {
            kubebed: kubebed.to_path_buf(),
            home: home.to_path_buf(),
            running: BTreeMap::new(),
        }
    }

    /// Starts a program and does not wait.
    pub(super) fn launch(&mut self, part: Part, flags: &[String]) -> Result<(), Error> {
        let path = self.home.join(format!("{}.log", part.name()));
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(Error::file(&path))?;
        let from = log.metadata().map_err(Error::file(&path))?.len();
        let arguments: Vec<String> = [part.name().to_owned()]
            .into_iter()
            .chain(flags.iter().cloned())
            .collect();
        // Nothing of the caller's home is to be read or written.
        let at_home = |command: &mut Command| {
            command.env("HOME", &self.home);
        };
        let watched = Watched::start(
            &self.kubebed,
            &arguments,
            &self.home,
            log,
            End::Kill,
            at_home,
        )?;
        let process = Process {
            watched,
            log: path,
            from,
        };
        self.running.insert(part, process);
        Ok(())
    }

    /// Ends a program at once, if it runs.
    pub(super) fn stop(&mut self, part: Part) {
        if let Some(process) = self.running.remove(&part) {
            process.watched.crash();
        }
    }

    pub(super) fn is_running(&self, part: Part) -> bool {
        self.running.contains_key(&part)
    }

    /// Waits until a program that was started has made this file.
    pub(super) fn wait_for_file(&mut self, path: &Path) -> Result<(), Error> {
        while !path.exists() {
            self.find_ended()?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Runs these to their end, beside each other. It is an error if one fails, or if any program of the cluster ends before; `part` is
    /// the one whose log then tells why.
    pub(super) fn wait(&mut self, part: Part, commands: Vec<Command>) -> Result<(), Error> {
        let mut looking = Vec::new();
        for mut command in commands {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            let name = part.name().to_owned();
            looking.push(Looking(
                command
                    .spawn()
                    .map_err(|error| Failure::Start(name, error))?,
            ));
        }
        while !looking.is_empty() {
            self.find_ended()?;
            let mut left = Vec::new();
            for mut look in looking {
                match look.ended() {
                    None => left.push(look),
                    Some(Ok(())) => {}
                    Some(Err(looked)) => return Err(self.late(part, looked)),
                }
            }
            looking = left;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn find_ended(&mut self) -> Result<(), Error> {
        let ended = self.running.iter_mut();
        let ended = ended.filter_map(|(part, process)| Some((*part, process.watched.ended()?)));
        let Some((part, status)) = ended.last() else {
            return Ok(());
        };
        let log = self.log(part);
        self.stop(part);
        let program = part.name();
        Err(Error::Ended {
            program,
            status,
            log,
        })
    }

    fn late(&self, part: Part, looked: Failure) -> Error {
        let (program, log) = (part.name(), self.log(part));
        Error::Late {
            program,
            log,
            looked,
        }
    }

    /// The end of what a running program said.
    fn log(&self, part: Part) -> String {
        let mut bytes = Vec::new();
        if let Some(process) = self.running.get(&part)
            && let Ok(mut log) = File::open(&process.log)
            && log.seek(SeekFrom::Start(process.from)).is_ok()
        {
            // What cannot be read is not told.
            let _ = log.read_to_end(&mut bytes);
        }
        told(&String::from_utf8_lossy(&bytes))
    }
}

/// What of a log tells most: its end, or where the program broke, because Go tells the reason first and then many calls.
fn told(log: &str) -> String {
    let broke = log
        .lines()
        .position(|line| line.starts_with("panic: ") || line.starts_with("fatal error: "));
    match broke {
        Some(first) => {
            let lines: Vec<&str> = log.lines().skip(first).take(TOLD).collect();
            lines.join("\n")
        }
        None => shell::tail(log, TOLD),
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        while let Some((_, process)) = self.running.pop_last() {
            process.watched.crash();
        }
    }
}

/// A command that looks for something. Dropping it ends it.
struct Looking(Child);

impl Looking {
    fn ended(&mut self) -> Option<Result<(), Failure>> {
        let status = match self.0.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) if status.success() => return Some(Ok(())),
            Ok(Some(status)) => status,
            Err(error) => return Some(Err(Failure::Start("kubebed".to_owned(), error))),
        };
        let mut said = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            let _ = stderr.read_to_string(&mut said);
        }
        Some(Err(Failure::Failed {
            program: "kubebed".to_owned(),
            status,
            output: shell::tail(&said, TOLD),
        }))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
