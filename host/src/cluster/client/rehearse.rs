//! What the server would make of a change: asked before each, since what it stores only it knows.

use super::alike::NodeSort;
use super::api::Api;
use super::change::{TRIES, changed};
use super::looked::{Seen, seen};
use super::probe::may;
use crate::cluster::field::{FieldChange, difference, patch, stored};
use crate::cluster::object::{Kind, Object};
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::{Value, json};
use std::time::Instant;

/// One change of one object.
pub(super) struct Rehearsal {
    pub(super) api: Api,
    pub(super) end: Instant,
    pub(super) object: Object,
    /// As it was seen.
    pub(super) found: Value,
    pub(super) asked: Vec<FieldChange>,
    pub(super) part: &'static str,
}

/// What the server makes of what was asked.
pub(super) struct Stored {
    /// The object that it is a change of.
    pub(super) found: Value,
    /// As the server answers: what is set is what it stores, not what it was asked for.
    pub(super) changes: Vec<FieldChange>,
    /// What would change, a line each, in a plan.
    pub(super) lines: Vec<String>,
}

impl Rehearsal {
    /// Has the server rehearse it.
    ///
    /// Of nodes that are alike the server would say the same hundreds of times: a plan has one rehearsed, if whoever may change one may change all.
    pub(super) async fn stored(self, permit: &Permit) -> Result<Stored, CallError> {
        if self.asked.is_empty() {
            return Ok(Stored {
                found: self.found,
                changes: self.asked,
                lines: Vec::new(),
            });
        }
        if !permit.is_plan() {
            let mut stored = self.rehearsed().await?;
            stored.lines.clear();
            return Ok(stored);
        }
        if self.object.kind != Kind::Node || !may_change_all(&self.api, permit).await {
            return self.rehearsed().await;
        }
        let sort = |seen: &mut Seen| NodeSort::of(&self.found, seen.common_labels(), &self.asked);
        let Some(sort) = seen(permit, &self.api, sort) else {
            return self.rehearsed().await;
        };
        let known = seen(permit, &self.api, |seen| seen.rehearsed.get(&sort).cloned());
        if let Some((node, mut lines)) = known.flatten() {
            lines.push(format!("as rehearsed of {node}, which is like it"));
            return Ok(Stored {
                found: self.found,
                changes: self.asked,
                lines,
            });
        }
        let (api, object) = (self.api.clone(), self.object.clone());
        let stored = self.rehearsed().await?;
        let said = (object, stored.lines.clone());
        seen(permit, &api, |seen| seen.rehearsed.insert(sort, said));
        Ok(stored)
    }

    async fn rehearsed(self) -> Result<Stored, CallError> {
        let Self {
            api,
            end,
            object,
            mut found,
            asked,
            part,
        } = self;
        for _ in 0..TRIES {
            let body = patch(&found, &asked).ok_or_else(|| changed(&object))?;
            match api.patch(end, &object, part, &body, true).await {
                Ok(answer) => {
                    let lines = difference(&found, &answer);
                    return Ok(Stored {
                        changes: stored(&found, &asked, &answer),
                        lines: lines.iter().map(FieldChange::to_string).collect(),
                        found,
                    });
                }
                // Others write to it too, and what was seen may be old.
                Err(failure) if failure.status == Some(409) => {
                    found = api.get(end, &object).await?;
                    if !asked.iter().all(|change| change.is_before(&found)) {
                        return Err(changed(&object));
                    }
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(changed(&object))
    }
}

/// Whether no right to patch is of single nodes only: then what the server refuses of one it may not refuse of another.
async fn may_change_all(api: &Api, permit: &Permit) -> bool {
    let known = seen(permit, api, |seen| seen.may_patch_nodes).flatten();
    if let Some(known) = known {
        return known;
    }
    let patch = json!({"resource": "nodes", "verb": "patch"});
    // Who cannot be told of rights is not trusted to have them.
    let may = may(api, permit.deadline(), &patch).await.unwrap_or(false);
    seen(permit, api, |seen| seen.may_patch_nodes = Some(may));
    may
}
