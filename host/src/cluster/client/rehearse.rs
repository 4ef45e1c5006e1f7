//! What the server would make of a change: asked in a plan, never in a run.

use super::alike::NodeSort;
use super::api::Api;
use super::change::{TRIES, changed};
use super::looked::{Seen, seen};
use super::probe::may;
use crate::cluster::field::{FieldChange, difference, patch};
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
    /// As the plan has seen it.
    pub(super) found: Value,
    pub(super) changes: Vec<FieldChange>,
    pub(super) part: &'static str,
}

impl Rehearsal {
    /// Has the server rehearse it. Answers what would change, a line each.
    ///
    /// Of nodes that are alike the server would say the same hundreds of times: one is rehearsed, if whoever may change one may change all.
    pub(super) async fn lines(self, permit: &Permit) -> Result<Vec<String>, CallError> {
        if self.object.kind != Kind::Node || !may_change_all(&self.api, permit).await {
            return self.asked().await;
        }
        let sort = |seen: &mut Seen| NodeSort::of(&self.found, seen.common_labels(), &self.changes);
        let Some(sort) = seen(permit, &self.api, sort) else {
            return self.asked().await;
        };
        let known = seen(permit, &self.api, |seen| seen.rehearsed.get(&sort).cloned());
        if let Some((node, mut lines)) = known.flatten() {
            lines.push(format!("as rehearsed of {node}, which is like it"));
            return Ok(lines);
        }
        let lines = self.asked().await?;
        let said = (self.object.clone(), lines.clone());
        seen(permit, &self.api, |seen| seen.rehearsed.insert(sort, said));
        Ok(lines)
    }

    async fn asked(&self) -> Result<Vec<String>, CallError> {
        let rehearsed = self.rehearsed().await?;
        let changes = difference(&self.found, &rehearsed);
        Ok(changes.iter().map(FieldChange::to_string).collect())
    }

    async fn rehearsed(&self) -> Result<Value, CallError> {
        let Self { api, object, .. } = self;
        let request = |found: &Value| patch(found, &self.changes).ok_or_else(|| changed(object));
        let mut body = request(&self.found)?;
        for _ in 0..TRIES {
            match api.patch(self.end, object, self.part, &body, true).await {
                Ok(rehearsed) => return Ok(rehearsed),
                // Others write to it too, and a plan does not look at each object anew.
                Err(failure) if failure.status == Some(409) => {
                    body = request(&api.get(self.end, object).await?)?;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(changed(object))
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
