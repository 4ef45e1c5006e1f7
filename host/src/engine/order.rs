//! What is to be planned or run.

use super::bound::Subject;
use super::gate::Gate;
use super::guest::Brief;
use super::ledger::Ledger;
use super::lock::Locks;
use super::plan::Plan;
use super::remarks::Remarks;
use super::replay::Replay;
use super::runs::Seat;
use super::sandbox::Ended;
use super::turn::Turn;
use super::watch::Watches;
use super::{Engine, EngineError};
use crate::clock::Millis;
use crate::grant::Effective;
use crate::journal::{Begin, Entry, RunId, Store, entry};
use crate::plugin;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What is to be planned or run.
#[derive(Debug)]
pub struct Order {
    /// The procedure.
    pub plugin: plugin::Component,
    /// Logical name of the target.
    pub target: String,
    /// A JSON object, checked against the procedure's schema and complete with defaults.
    pub parameters: Value,
    /// What it may do.
    pub effective: Effective,
    /// Files of the grants that allow it, with their digests.
    pub grants: Vec<String>,
    /// Digests of the components whose memory it shares: its own, and those that the grants were for before they were renewed.
    pub lineage: Vec<String>,
    /// The plan that it is bound to.
    pub plan: Option<Plan>,
    /// Who wants it.
    pub by: String,
}

impl Order {
    pub(super) fn subject(&self) -> Subject {
        Subject {
            procedure: self.plugin.name().to_owned(),
            version: self.plugin.version().to_owned(),
            component: self.plugin.digest().to_owned(),
            target: self.target.clone(),
            parameters: self.parameters.clone(),
        }
    }

    /// The first entry of its journal.
    pub(super) fn begin(&self) -> Begin {
        Begin {
            format: entry::FORMAT,
            procedure: self.plugin.name().to_owned(),
            version: self.plugin.version().to_owned(),
            digest: self.plugin.digest().to_owned(),
            target: self.target.clone(),
            parameters: self.parameters.clone(),
            grants: self.grants.clone(),
            plan: self.plan.as_ref().map(|plan| plan.digest.clone()),
            by: self.by.clone(),
            host: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(super) fn brief(&self, began: Millis, memory: Option<Store>) -> Brief {
        Brief {
            procedure: self.plugin.name().to_owned(),
            target: self.target.clone(),
            lineage: self.lineage.clone(),
            parameters: self.parameters.to_string(),
            began,
            memory,
        }
    }
}

impl Engine {
    /// Runs the procedure with effects that are only prepared, and answers what it would do. Writes nothing but the cache of compiled
    /// components. `memory` is where earlier runs remembered things.
    pub async fn plan(
        &self,
        order: &Order,
        memory: Option<Store>,
        seat: Seat,
    ) -> Result<Plan, EngineError> {
        let run = RunId("plan".into());
        let ledger = Ledger::plan(run.clone(), seat.audience.clone(), self.clock.clone());
        let mut gate = self.gate(run, order.effective.clone(), seat, ledger, Locks::default());
        gate.ledger.append(Entry::Begin(order.begin())).await?;
        let at = self.clock.now();
        let brief = order.brief(at, memory);
        let (ended, gate) = self.guests.run(&order.plugin, gate, brief).await?;
        let end = match ended {
            Ended::Returned(returned) => returned,
            Ended::Limit(what) => Err(format!("limit: the procedure {what}")),
            Ended::Trapped(what) => Err(format!("the procedure {what}")),
            Ended::Halted(halt) => Err(halt.to_string()),
        };
        let collected = gate.ledger.into_plan();
        Ok(Plan::new(order.subject(), at, collected, end))
    }

    pub(super) fn gate(
        &self,
        run: RunId,
        effective: Effective,
        seat: Seat,
        ledger: Ledger,
        locks: Locks,
    ) -> Gate {
        Gate {
            run,
            watches: Watches::default(),
            rooms: Arc::clone(&self.rooms),
            effective: Arc::new(effective),
            clock: self.clock.clone(),
            hooks: self.hooks.clone(),
            control: seat.control,
            audience: seat.audience,
            ledger,
            replay: Replay::default(),
            locks,
            bound: None,
            started: self.clock.instant(),
            worked: Duration::ZERO,
            looked_for_cancel: None,
            calls: 0,
            live_calls: 0,
            effects: 0,
            messages: 0,
            remarks: Remarks::default(),
            shown: None,
            turn: Turn::default(),
        }
    }
}
