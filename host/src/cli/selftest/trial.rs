//! One case, tried: this very program meets the component in a process of its own, which is measured.

use super::case::{Case, Command};
use super::stage::{COMPONENT, Stage};
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::journal::{Outcome, Store, StoreError};
use crate::text::is_deceptive;
use serde::Serialize;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use wait4::Wait4 as _;

/// How often a process is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How much longer than it must take a process is waited for.
const MORE: u32 = 2;

/// What a process did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Happened {
    /// The exit code; 128 and the signal's number if one ended it.
    pub(super) code: i32,
    /// How the run is recorded to have ended, if there was one.
    pub(super) outcome: Option<Outcome>,
    pub(super) milliseconds: u64,
    /// The most memory that the process had at once.
    pub(super) bytes: u64,
}

/// Who tries: this program, on this target.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) program: PathBuf,
    pub(super) configuration: String,
    pub(super) target: String,
    pub(super) clock: Clock,
}

impl Trial {
    /// Lets the component try, and tells what happened and what of it must not be.
    pub(super) async fn of(&self, case: &Case) -> Result<(Happened, Vec<String>), Failure> {
        let stage = Stage::set(case, &self.configuration)?;
        let component = COMPONENT;
        let patience = Duration::from_secs(case.must.seconds) * MORE;
        let target = self.target.as_str();
        let on_target = |command| vec![command, component, "--target", target];
        let words = match case.command {
            Command::Inspect => vec!["inspect", component],
            Command::Plan => on_target("plan"),
            Command::Run => on_target("run"),
        };
        if case.command != Command::Inspect {
            let approved = ["--approved-by", "windlass selftest", "--any-kind"];
            let grant = [&on_target("grant")[..], &approved].concat();
            let (granted, _) = self.windlass(&stage, &grant, patience).await?;
            if granted.code != 0 {
                return Ok((granted, vec!["it could not be granted".into()]));
            }
        }
        let (happened, said) = self.windlass(&stage, &words, patience).await?;
        let wrong = wrong(case, &happened, &said);
        Ok((happened, wrong))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested is a process: its end, what it says, its memory"
    )]
    async fn windlass(
        &self,
        stage: &Stage,
        words: &[&str],
        patience: Duration,
    ) -> Result<(Happened, String), Failure> {
        let output = |name| stage.file(name).map(|file| Stdio::from(file.into_std()));
        let failed = |error: std::io::Error| {
            Failure::usage(format!("`{}` cannot be started", self.program.display()))
                .cause(crate::folder::reason(&error))
        };
        let began = self.clock.instant();
        let mut child = std::process::Command::new(&self.program)
            .args(words)
            .current_dir(stage.path())
            .env("XDG_CACHE_HOME", stage.cache())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(output("stdout").map_err(failed)?)
            .stderr(output("stderr").map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let used = loop {
            if let Some(used) = child.try_wait4().map_err(failed)? {
                break used;
            }
            if self.clock.instant() - began > patience {
                child.kill().map_err(failed)?;
                break child.wait4().map_err(failed)?;
            }
            tokio::time::sleep(LOOK).await;
        };
        let took = self.clock.instant() - began;
        let signal = || used.status.signal().map_or(-1, |signal| 128 + signal);
        let happened = Happened {
            code: used.status.code().unwrap_or_else(signal),
            outcome: outcome(&stage.state())?,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            bytes: used.rusage.maxrss,
        };
        Ok((happened, stage.said("stdout")? + &stage.said("stderr")?))
    }
}

/// How the run that the record has ended; none if there is no run, or it has not ended.
fn outcome(state: &Path) -> Result<Option<Outcome>, Failure> {
    let store = match Store::open_read_only(state) {
        Ok(store) => store,
        Err(StoreError::Missing { .. } | StoreError::Directory { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let runs = store.runs()?;
    let state = runs
        .into_iter()
        .next()
        .map(|(_, state)| state)
        .transpose()?;
    Ok(state.and_then(|state| state.outcome()))
}

fn wrong(case: &Case, happened: &Happened, said: &str) -> Vec<String> {
    let must = &case.must;
    let mut wrong = Vec::new();
    if happened.code != must.code {
        wrong.push(format!("it ended with {}", happened.code));
    }
    if happened.outcome != must.outcome {
        wrong.push(format!("its run ended as {:?}", happened.outcome));
    }
    for piece in &must.says {
        if !says(said, piece) {
            wrong.push(format!("it did not say `{piece}`"));
        }
    }
    if let Some(char) = said.chars().find(|c| *c != '\n' && is_deceptive(*c)) {
        wrong.push(format!("it said {}", char.escape_unicode()));
    }
    if happened.bytes > must.megabytes * 1_000_000 {
        wrong.push(format!("it took more than {} MB", must.megabytes));
    }
    if happened.milliseconds > must.seconds * 1000 {
        wrong.push(format!("it took more than {} s", must.seconds));
    }
    wrong
}

/// Whether the words are said one after the other, wherever the lines are broken.
fn says(said: &str, piece: &str) -> bool {
    let mut words = piece.split_whitespace();
    let Some(first) = words.next() else {
        return true;
    };
    let rest: Vec<_> = words.collect();
    let mut from = 0;
    while let Some(at) = said[from..].find(first) {
        from += at + first.len();
        let mut left = &said[from..];
        let follows = rest.iter().all(|word| {
            let trimmed = left.trim_start();
            let apart = trimmed.len() < left.len();
            left = trimmed.strip_prefix(word).unwrap_or_default();
            apart && trimmed.starts_with(word)
        });
        if follows {
            return true;
        }
    }
    false
}
