//! What the server would make of a change: asked in a plan, never in a run.

use super::api::Api;
use super::change::{TRIES, changed};
use crate::cluster::field::{FieldChange, difference, patch};
use crate::cluster::object::Object;
use crate::contract::CallError;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Rehearsals that are under way at once.
const AT_ONCE: usize = 8;

/// One change of one object.
#[derive(Clone)]
pub(super) struct Rehearsal {
    pub(super) api: Api,
    pub(super) end: Instant,
    pub(super) object: Object,
    /// As the plan has seen it.
    pub(super) found: Value,
    pub(super) changes: Vec<FieldChange>,
    pub(super) part: &'static str,
}

/// How a rehearsal ended: what would change, a line each.
pub type Lines = Result<Vec<String>, CallError>;

impl Rehearsal {
    /// Has the server rehearse it.
    pub(super) async fn lines(self) -> Lines {
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

/// Rehearsals that a plan does not wait for one by one. Those that are under way end with the plan.
#[derive(Debug)]
pub(super) struct Rehearsals {
    under_way: Mutex<JoinSet<(String, Lines)>>,
    turns: Arc<Semaphore>,
}

impl Default for Rehearsals {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Rehearsals {
    fn under_way(&self) -> MutexGuard<'_, JoinSet<(String, Lines)>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Rehearses a change beside what the plan goes on with, under the key of its effect.
    pub(super) fn begin(&self, key: String, rehearsal: Rehearsal) {
        let turns = Arc::clone(&self.turns);
        self.under_way().spawn(async move {
            // Nobody closes it.
            let _turn = turns.acquire().await;
            (key, rehearsal.lines().await)
        });
    }

    /// Waits for all that were begun.
    pub(super) async fn ended(&self) -> Vec<(String, Lines)> {
        let mut begun = std::mem::take(&mut *self.under_way());
        let mut ended = Vec::new();
        while let Some(next) = begun.join_next().await {
            ended.extend(next);
        }
        ended
    }
}
