//! A plan: what a run would do, found out by running the same component with effects that are only prepared.

use super::differing::differing;
use super::ledger::Collected;
use super::replay::Answer;
use crate::call::{Effect, Prepared, Undo};
use crate::clock::Millis;
use crate::contract::{ErrorKind, Level, Verdict};
use crate::grant::{Capabilities, Side};
use crate::journal::{Ask, Call, Entry, Stamped};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use thiserror::Error;

/// The schema of the document.
pub(super) const SCHEMA: &str = "windlass.plan/1";

/// What a run would do. Its digest covers everything else in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// `sha256:…` over the document without this field.
    pub digest: String,
    /// When it was made.
    pub at: Millis,
    /// Name of the procedure.
    pub procedure: String,
    /// Its version.
    pub version: String,
    /// `sha256:…` of its component.
    pub component: String,
    /// Logical name of the target.
    pub target: String,
    /// What it was called with.
    pub parameters: Value,
    /// What it would do, in order.
    pub effects: Vec<PlannedEffect>,
    /// Findings while planning.
    pub checks: Vec<PlannedCheck>,
    /// Warnings and remarks of the procedure.
    pub remarks: Vec<String>,
    /// What the plan rests on without having seen it: waits that were not waited, looks that did not see the effects before them.
    pub assumed: Vec<String>,
    /// Why this plan cannot be run, if it cannot: refused or failed calls.
    pub problems: Vec<String>,
    /// Whether one of the problems is a refusal.
    pub refused: bool,
    /// What the target said to the first change that its own rights do not allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<String>,
    /// The procedure's own sentence.
    pub summary: String,
    /// The calls that are refused, or would be in a run, to be explained; no part of the document.
    #[serde(skip)]
    pub refusals: Vec<Stamped>,
}

/// Errors that say nothing of what is there.
fn is_gap(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Denied | ErrorKind::Unavailable | ErrorKind::Limit | ErrorKind::Cancelled => {
            true
        }
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Damaged => {
            false
        }
    }
}

/// One effect of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedEffect {
    /// From 1.
    pub number: u64,
    /// What must agree with the effect of a run.
    pub key: String,
    /// What is done.
    pub action: String,
    /// To what.
    pub object: String,
    /// What is there now.
    pub now: String,
    /// What is foreseen.
    pub after: String,
    /// How it would be taken back, or why it would not.
    pub undo: String,
    /// Whether it can be taken back, or needs no taking back.
    pub reversible: bool,
    /// What else there is to know, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Whether it is a message to people, which changes no target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub message: bool,
    /// Whether a run would be refused it by the grant as it was when the plan was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_granted: bool,
    /// The narrowest grant of it.
    #[serde(default)]
    pub needs: Capabilities,
}

/// One finding of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCheck {
    /// What was checked.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Why.
    pub evidence: String,
    /// Whether it rests on a look that saw nothing of the planned effects before it, so that it can come out either way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
}

/// How a run of a plan would end, as far as the plan shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foretold {
    /// Well.
    Success,
    /// A check would fail, and all would be taken back.
    Failure(String),
    /// So many effects are not granted.
    Refusal(usize),
    /// A check could not decide, or the target would deny a change.
    Doubt(String),
}

/// Why a plan cannot be used.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It is not a plan document.
    #[error("not a plan")]
    Malformed(#[source] serde_json::Error),
    /// It is one of another version of windlass.
    #[error("its schema is `{0}`, this windlass reads `{SCHEMA}`")]
    Schema(String),
    /// It was changed after it was made.
    #[error("its content does not match its digest: it was changed after it was made")]
    Changed,
    /// It met refused or failed calls.
    #[error("it is no plan that can be run: {0}")]
    Incomplete(String),
    /// The copy that was kept for resuming is gone.
    #[error("plan {0} is no longer kept")]
    Lost(String),
    /// It is a plan for other parameters.
    #[error("it was made with other parameters: {0}")]
    Parameters(String),
    /// It is a plan for something else.
    #[error("it is a plan for {0}")]
    Other(String),
}

/// Who and what a plan is for.
pub(super) struct Subject {
    pub(super) procedure: String,
    pub(super) version: String,
    pub(super) component: String,
    pub(super) target: String,
    pub(super) parameters: Value,
}

impl Plan {
    /// Makes the document from what a planning run recorded.
    pub(super) fn new(
        subject: Subject,
        at: Millis,
        collected: Collected,
        end: Result<String, String>,
    ) -> Self {
        let Collected {
            entries,
            foreseen,
            before,
            asides,
        } = collected;
        let mut plan = Self {
            schema: SCHEMA.into(),
            digest: String::new(),
            at,
            procedure: subject.procedure,
            version: subject.version,
            component: subject.component,
            target: subject.target,
            parameters: subject.parameters,
            effects: foreseen,
            checks: Vec::new(),
            remarks: Vec::new(),
            assumed: Vec::new(),
            problems: Vec::new(),
            refused: false,
            declined: None,
            summary: String::new(),
            refusals: asides.lacking,
        };
        let mut known = BTreeSet::new();
        for (place, stamped) in entries.into_iter().enumerate() {
            plan.note(&stamped.entry, asides.assumed.contains(&stamped.seq));
            if let Entry::Observed { call, answer } = &stamped.entry {
                let assumed = plan.observe(call, answer, place >= before);
                let new = assumed.filter(|what| known.insert(what.clone()));
                plan.assumed.extend(new);
            } else if let Entry::Refused { .. } = &stamped.entry {
                plan.refusals.push(stamped);
            }
        }
        match end {
            Ok(summary) => plan.summary = summary,
            Err(error) => plan.problem(&error),
        }
        plan.digest = plan.content_digest();
        plan
    }

    /// A procedure that gives up because of a refusal says the same once more.
    fn problem(&mut self, what: &str) {
        if !self.problems.iter().any(|known| known == what) {
            self.problems.push(what.to_owned());
        }
    }

    /// A look that failed leaves a gap in what the plan knows; a procedure that got over it does not close it. A change that the room
    /// declined is none: the run would meet the same. Answers what is assumed of it.
    fn observe(&mut self, call: &Call, answer: &Answer, after_effects: bool) -> Option<String> {
        let asked = match call {
            Call::Read(read) => read.to_string(),
            Call::Ask(Ask::Sleep { milliseconds }) => {
                let span = crate::text::duration(Duration::from_millis(*milliseconds));
                return Some(format!("{span} of waiting pass without event"));
            }
            Call::Ask(ask) => ask.name().to_owned(),
            Call::Effect(effect) => effect.to_string(),
        };
        let declined = matches!(call, Call::Effect(_));
        match answer {
            Err(error) if declined && error.kind == ErrorKind::Denied => {
                // A message that cannot be sent is told, and holds no run.
                if matches!(call, Call::Effect(effect) if effect.changes_target()) {
                    self.declined.get_or_insert_with(|| error.message.clone());
                }
                None
            }
            Err(error) if is_gap(error.kind) => {
                self.problem(&error.message);
                None
            }
            Ok(_) if matches!(call, Call::Read(read) if read.waits().is_some()) => {
                Some(format!("{asked}: it ends well"))
            }
            Ok(_) if after_effects && matches!(call, Call::Read(_)) => {
                Some(format!("{asked}: as of now, before these effects"))
            }
            Ok(_) | Err(_) => None,
        }
    }

    fn note(&mut self, entry: &Entry, assumed: bool) {
        match entry {
            // It ends the work of a run, and spoils neither the run nor its plan.
            Entry::Refused {
                side: Side::Budget,
                value,
                error,
                ..
            } if Effect::deserialize(value).is_ok() => self.remarks.push(error.message.clone()),
            Entry::Refused { error, .. } => {
                self.refused = true;
                self.problem(&error.message);
            }
            Entry::Log {
                level: Level::Warning | Level::Error,
                message,
            } => {
                self.remarks.push(message.clone());
            }
            Entry::Check {
                name,
                verdict,
                evidence,
            } => self.checks.push(PlannedCheck {
                name: name.clone(),
                verdict: *verdict,
                evidence: evidence.clone(),
                assumed,
            }),
            Entry::Begin(_)
            | Entry::Resumed { .. }
            | Entry::Observed { .. }
            | Entry::Waiting { .. }
            | Entry::Step { .. }
            | Entry::Log { .. }
            | Entry::Panicked { .. }
            | Entry::Intended { .. }
            | Entry::Noted { .. }
            | Entry::Turned(_)
            | Entry::Done { .. }
            | Entry::Failed { .. }
            | Entry::NotDone { .. }
            | Entry::InDoubt { .. }
            | Entry::Unwinding { .. }
            | Entry::Undoing { .. }
            | Entry::Undone { .. }
            | Entry::UndoFailed { .. }
            | Entry::Stopped { .. }
            | Entry::CancelRequested { .. }
            | Entry::UndoRequested { .. }
            | Entry::End { .. } => {}
        }
    }

    /// Reads a plan document and checks that nobody changed it.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let plan: Self = serde_json::from_str(text).map_err(PlanError::Malformed)?;
        if plan.schema != SCHEMA {
            return Err(PlanError::Schema(plan.schema));
        }
        if plan.digest != plan.content_digest() {
            return Err(PlanError::Changed);
        }
        Ok(plan)
    }

    /// The bytes that the digest is of: the document with an empty digest.
    pub(super) fn content(&self) -> Vec<u8> {
        if self.digest.is_empty() {
            return serde_json::to_vec(self).unwrap_or_default();
        }
        let bare = Self {
            digest: String::new(),
            ..self.clone()
        };
        bare.content()
    }

    /// The plan of which these are the bytes.
    pub(super) fn from_content(content: &[u8], digest: &str) -> Result<Self, PlanError> {
        let bare: Self = serde_json::from_slice(content).map_err(PlanError::Malformed)?;
        Ok(Self {
            digest: digest.to_owned(),
            ..bare
        })
    }

    /// The digest that the document should carry.
    fn content_digest(&self) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(self.content())))
    }

    /// The first characters of the digest, as people say it.
    pub fn name(&self) -> &str {
        short(&self.digest)
    }

    /// How a run of it would end, as far as it shows: the worst that it shows decides, in the order in which a run's end is judged.
    pub fn foretold(&self) -> Foretold {
        let first = |verdict| {
            let mut checks = self.checks.iter();
            checks.find(|check| check.verdict == verdict && !check.assumed)
        };
        let told = |check: &PlannedCheck| format!("{}: {}", check.name, check.evidence);
        let not_granted = self.effects.iter().filter(|e| e.not_granted).count();
        if let Some(check) = first(Verdict::Fail) {
            Foretold::Failure(told(check))
        } else if not_granted > 0 {
            Foretold::Refusal(not_granted)
        } else if let Some(check) = first(Verdict::Inconclusive) {
            Foretold::Doubt(told(check))
        } else if let Some(why) = &self.declined {
            Foretold::Doubt(why.clone())
        } else {
            Foretold::Success
        }
    }

    /// The narrowest grant of its effects.
    pub fn needs(&self) -> Capabilities {
        let each: Vec<_> = self
            .effects
            .iter()
            .map(|effect| effect.needs.clone())
            .collect();
        Capabilities::gathered(&each)
    }

    /// Whether a run may be bound to it.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }

    /// What a bound run may do, if this is a plan for just this run.
    pub(super) fn bind(&self, subject: &Subject) -> Result<Bound, PlanError> {
        if let Some(problem) = self.problems.first() {
            return Err(PlanError::Incomplete(problem.clone()));
        }
        if self.component != subject.component {
            let plain = |procedure: &str, version: &str| format!("{procedure} {version}");
            let planned = plain(&self.procedure, &self.version);
            let given = plain(&subject.procedure, &subject.version);
            return Err(PlanError::Other(if planned == given {
                format!("another component, {}", self.component)
            } else {
                format!("{planned}, and this is {given}")
            }));
        }
        if self.target != subject.target {
            return Err(PlanError::Other(format!("target `{}`", self.target)));
        }
        if self.parameters != subject.parameters {
            let differing = differing(&self.parameters, &subject.parameters);
            return Err(PlanError::Parameters(differing));
        }
        let mut keys = BTreeMap::new();
        for effect in &self.effects {
            *keys.entry(effect.key.clone()).or_insert(0) += 1;
        }
        Ok(Bound {
            name: self.name().to_owned(),
            keys,
        })
    }
}

impl PlannedEffect {
    pub(super) fn new(number: u64, effect: &Effect, prepared: Prepared, granted: bool) -> Self {
        Self {
            not_granted: !granted,
            needs: Capabilities::just(effect, &prepared.touches),
            number,
            key: effect.plan_key(),
            message: !effect.changes_target(),
            action: effect.action().to_owned(),
            object: effect.object_text(),
            now: prepared.now,
            after: prepared.after,
            details: prepared.details,
            reversible: !matches!(prepared.undo, Undo::Impossible(_) | Undo::Final(_)),
            undo: prepared.undo.to_string(),
        }
    }
}

/// The effects that a bound run may still apply, by plan key, whatever their order.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    name: String,
    keys: BTreeMap<String, u64>,
}

impl Bound {
    /// Whether a planned effect of this key is left.
    pub(super) fn contains(&self, effect: &Effect) -> bool {
        self.keys
            .get(&effect.plan_key())
            .is_some_and(|left| *left > 0)
    }

    /// Uses up one planned effect of this key, if there is one.
    pub(super) fn take(&mut self, effect: &Effect) {
        if let Some(left) = self.keys.get_mut(&effect.plan_key()) {
            *left = left.saturating_sub(1);
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The first six characters of a `sha256:…` digest.
pub fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..6).unwrap_or(hex)
}
