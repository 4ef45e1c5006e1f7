//! A plan: what a run would do, found out by running the same component with effects that are only prepared.

use crate::call::{Effect, Prepared, Undo};
use crate::clock::Millis;
use crate::contract::Verdict;
use crate::grant::Capabilities;
use crate::journal::Stamped;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
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

impl Plan {
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
    pub(super) fn content_digest(&self) -> String {
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

/// The first six characters of a `sha256:…` digest.
pub fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..6).unwrap_or(hex)
}
