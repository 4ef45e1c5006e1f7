//! What format 1 looks like on disk. These lines stay readable for ever; a change of the format gets a file of its own.

use super::entry::{Ask, Call, Entry, RunId, Stamped};
use super::{KINDS, kind};
use crate::call::{Effect, Read, Revert, Reverted, Undo};
use crate::cluster;
use crate::cluster::call::{Change, Look};
use crate::contract::{CallError, Denial, ErrorKind, Level, Verdict};
use crate::database;
use crate::grant::Side;
use crate::notify;
use crate::probe;
use serde_json::Value;
use std::collections::BTreeSet;

const FORMAT_1: &str = include_str!("format-1.jsonl");

pub(crate) fn entries() -> Vec<Stamped> {
    FORMAT_1
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn every_line_reads_and_writes_the_same() {
    for (stamped, line) in entries().iter().zip(FORMAT_1.lines()) {
        let before: Value = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_value(stamped).unwrap(), before);
        assert_eq!(serde_json::to_string(stamped).unwrap(), line);
        assert_eq!(before["entry"]["kind"], stamped.entry.kind());
        assert!(kind::known(stamped.entry.label()));
    }
}

/// Every value that one of our enums can take in a stored entry, by its place. Each match is closed, so that a new variant does not compile
/// until it is named here, and then fails until the file has a line with it.
#[derive(Default)]
struct Seen {
    values: BTreeSet<&'static str>,
}

impl Seen {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other kinds hold no enum; `kind` is closed"
    )]
    fn entry(&mut self, entry: &Entry) {
        self.values.insert(entry.kind());
        match entry {
            Entry::Observed { call, answer } => {
                self.call(call);
                if let Err(error) = answer {
                    self.values.insert("answer: error");
                    self.error(error);
                }
            }
            Entry::Refused { side, error, .. } => {
                self.side(*side);
                self.error(error);
            }
            Entry::Log { level, .. } => self.level(*level),
            Entry::Check { verdict, .. } => self.verdict(*verdict),
            Entry::Intended { call, prepared, .. } => {
                self.effect(call);
                self.undo(&prepared.undo);
            }
            Entry::Done {
                applied, confirmed, ..
            } => {
                if *confirmed {
                    self.values.insert("done: confirmed");
                }
                if applied.sweep.is_some() {
                    self.values.insert("done: sweep");
                }
            }
            Entry::Failed { sweep: Some(_), .. } => {
                self.values.insert("failed: sweep");
            }
            Entry::NotDone { sweep: Some(_), .. } => {
                self.values.insert("not-done: sweep");
            }
            Entry::Undoing { revert, .. } => self.revert(revert),
            Entry::Undone { reverted, .. } => {
                self.values.insert(match reverted {
                    Reverted::Restored(_) => "reverted: restored",
                    Reverted::NothingToDo(_) => "reverted: nothing to do",
                    Reverted::LeftAlone(_) => "reverted: left alone",
                });
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &Call) {
        self.values.insert(match call {
            Call::Read(Read::Database(read)) => match read {
                database::Read::Server { .. } => "read: server",
                database::Read::Coverage { .. } => "read: coverage",
                database::Read::Collations { .. } => "read: collations",
                database::Read::Tables { .. } => "read: tables",
                database::Read::Indexes { .. } => "read: indexes",
                database::Read::XminHolders { .. } => "read: xmin holders",
                database::Read::Sessions { .. } => "read: sessions",
                database::Read::Replication { .. } => "read: replication",
                database::Read::Statements { .. } => "read: statements",
                database::Read::Invariants { .. } => "read: invariants",
                database::Read::Invariant { .. } => "read: invariant",
            },
            Call::Read(Read::Cluster(read)) => look(&read.look),
            Call::Read(Read::Probe(read)) => match read.look {
                probe::Look::Http => "read: http",
                probe::Look::Tls => "read: tls",
                probe::Look::AwaitPasses { .. } => "read: await passes",
                probe::Look::AwaitStatus { .. } => "read: await status",
                probe::Look::AwaitSerial { .. } => "read: await serial",
                probe::Look::Watch { .. } => "read: watch",
            },
            Call::Ask(Ask::Now) => "ask: now",
            Call::Ask(Ask::Random { .. }) => "ask: random",
            Call::Ask(Ask::Sleep { .. }) => "ask: sleep",
            Call::Ask(Ask::Remember { .. }) => "ask: remember",
            Call::Ask(Ask::Recall { .. }) => "ask: recall",
            Call::Effect(_) => "declined effect",
        });
    }

    fn effect(&mut self, effect: &Effect) {
        let effect = match effect {
            Effect::Database(effect) => effect,
            Effect::Cluster(effect) => {
                self.values.insert(change(&effect.change));
                return;
            }
            Effect::Notify(notify::Effect::Send { .. }) => {
                self.values.insert("effect: send");
                return;
            }
        };
        self.values.insert(match effect {
            database::Effect::Vacuum { .. } => "effect: vacuum",
            database::Effect::Analyze { .. } => "effect: analyze",
            database::Effect::Reindex { .. } => "effect: reindex",
            database::Effect::DropInvalidIndex { .. } => "effect: drop invalid index",
            database::Effect::CancelBackend { .. } => "effect: cancel backend",
            database::Effect::SetParameters { .. } => "effect: set parameters",
        });
    }

    fn revert(&mut self, revert: &Revert) {
        self.values.insert(match revert {
            Revert::Cluster(cluster::Revert::RestoreFields { .. }) => "revert: restore fields",
            Revert::Cluster(cluster::Revert::DeleteJob { .. }) => "revert: delete job",
            Revert::Cluster(cluster::Revert::DeleteMade { .. }) => "revert: delete made",
            Revert::Cluster(cluster::Revert::MakeAgain { .. }) => "revert: make again",
            Revert::Database(database::Revert::RestoreParameters { .. }) => {
                "revert: restore parameters"
            }
            Revert::Database(database::Revert::DropLeftovers { .. }) => "revert: drop leftovers",
        });
    }

    fn undo(&mut self, undo: &Undo) {
        self.values.insert(match undo {
            Undo::By(_) => "undo: by",
            Undo::NotNeeded(_) => "undo: not needed",
            Undo::Impossible(_) => "undo: impossible",
            Undo::Final(_) => "undo: final",
        });
    }

    fn side(&mut self, side: Side) {
        self.values.insert(match side {
            Side::Policy => "side: policy",
            Side::Needs => "side: needs",
            Side::Grant => "side: grant",
            Side::Budget => "side: budget",
            Side::Plan => "side: plan",
            Side::Lock => "side: lock",
            Side::GrantEnded => "side: grant-ended",
        });
    }

    fn error(&mut self, error: &CallError) {
        if let Some(denial) = error.denied {
            self.denial(denial);
        }
        self.values.insert(match error.kind {
            ErrorKind::Denied => "error: denied",
            ErrorKind::Invalid => "error: invalid",
            ErrorKind::NotFound => "error: not found",
            ErrorKind::Conflict => "error: conflict",
            ErrorKind::Unavailable => "error: unavailable",
            ErrorKind::Limit => "error: limit",
            ErrorKind::Damaged => "error: damaged",
            ErrorKind::Cancelled => "error: cancelled",
        });
    }

    fn denial(&mut self, denial: Denial) {
        self.values.insert(match denial {
            Denial::Need => "denied: need",
            Denial::Grant => "denied: grant",
            Denial::Policy => "denied: policy",
            Denial::Budget => "denied: budget",
            Denial::Plan => "denied: plan",
            Denial::Lock => "denied: lock",
            Denial::GrantEnded => "denied: grant-ended",
        });
    }

    fn level(&mut self, level: Level) {
        self.values.insert(match level {
            Level::Debug => "level: debug",
            Level::Info => "level: info",
            Level::Warning => "level: warning",
            Level::Error => "level: error",
        });
    }

    fn verdict(&mut self, verdict: Verdict) {
        self.values.insert(match verdict {
            Verdict::Pass => "verdict: pass",
            Verdict::Fail => "verdict: fail",
            Verdict::Inconclusive => "verdict: inconclusive",
        });
    }
}

fn look(look: &Look) -> &'static str {
    match look {
        Look::Facts => "look: facts",
        Look::Workload { .. } => "look: workload",
        Look::Workloads { .. } => "look: workloads",
        Look::Revisions { .. } => "look: revisions",
        Look::Pods { .. } => "look: pods",
        Look::Logs { .. } => "look: logs",
        Look::Nodes { .. } => "look: nodes",
        Look::Budgets { .. } => "look: budgets",
        Look::Jobs { .. } => "look: jobs",
        Look::LastSuccess { .. } => "look: last success",
        Look::Certificates { .. } => "look: certificates",
        Look::Issued { .. } => "look: issued",
        Look::Route { .. } => "look: route",
        Look::Members { .. } => "look: members",
        Look::Consumers { .. } => "look: consumers",
        Look::Compare { .. } => "look: compare",
        Look::AwaitRollout { .. } => "look: await rollout",
        Look::AwaitNoPods { .. } => "look: await no pods",
        Look::AwaitPods { .. } => "look: await pods",
        Look::AwaitBudgets { .. } => "look: await budgets",
        Look::AwaitJob { .. } => "look: await job",
        Look::AwaitCertificate { .. } => "look: await certificate",
        Look::AwaitNode { .. } => "look: await node",
    }
}

fn change(change: &Change) -> &'static str {
    match change {
        Change::SetImage { .. } => "change: set image",
        Change::Scale { .. } => "change: scale",
        Change::Restart { .. } => "change: restart",
        Change::Pause { .. } => "change: pause",
        Change::Proceed { .. } => "change: proceed",
        Change::RollBack { .. } => "change: roll back",
        Change::Annotate { .. } => "change: annotate",
        Change::Cordon { .. } => "change: cordon",
        Change::Uncordon { .. } => "change: uncordon",
        Change::Label { .. } => "change: label",
        Change::Drain { .. } => "change: drain",
        Change::FromCronJob { .. } => "change: from cron job",
        Change::DeleteJob { .. } => "change: delete job",
        Change::FromManifest { .. } => "change: from manifest",
        Change::Divert { .. } => "change: divert",
        Change::Restore { .. } => "change: restore",
        Change::Renew { .. } => "change: renew",
        Change::Apply { .. } => "change: apply",
        Change::Declare { .. } => "change: declare",
        Change::Prune { .. } => "change: prune",
        Change::Patch { .. } => "change: patch",
    }
}

/// How many values the closed matches of [`Seen`], and those of clusters, name besides the kinds.
const VALUES: usize = 17 + 4 + 7 + 2 + 3 + 4 + 7 + 7 + 8 + 4 + 3 + 22 + 22 + 4 + 6;

#[test]
fn nothing_that_can_be_stored_is_missing() {
    let mut seen = Seen::default();
    for stamped in entries() {
        seen.entry(&stamped.entry);
    }
    let missing: Vec<_> = KINDS.iter().filter(|k| !seen.values.contains(*k)).collect();
    assert!(missing.is_empty(), "no line of the kinds {missing:?}");
    let others = seen.values.len() - KINDS.len();
    assert_eq!(others, VALUES, "{:#?}", seen.values);
}

#[test]
fn the_file_is_one_legal_run_after_another() {
    for run in runs() {
        super::State::fold(&run).unwrap();
    }
}

/// The file holds several runs; each begins at position 0.
pub(crate) fn runs() -> Vec<Vec<Stamped>> {
    let mut runs: Vec<Vec<Stamped>> = Vec::new();
    for stamped in entries() {
        if stamped.seq == 0 {
            runs.push(Vec::new());
        }
        runs.last_mut().unwrap().push(stamped);
    }
    runs
}

/// A name for the nth run of the file.
pub(crate) fn name(n: usize) -> RunId {
    RunId(format!("golden-{n}"))
}
