//! What is watched beside a run, from when its procedure asked for it to its end.
//!
//! A watch has no part in what a procedure is told, so a replay is not disturbed by it: it only begins anew. What it sees goes into the
//! journal before the next entry, whichever that is.

use super::gate::Gate;
use crate::call::Read;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The watches of one run. They end with it.
#[derive(Debug, Default)]
pub(super) struct Watches {
    at_work: JoinSet<()>,
    /// What is watched, by name.
    watched: Vec<String>,
}

impl Gate {
    /// Begins to watch, if the look asks for it and was allowed. In a plan nothing is watched.
    pub(super) fn watch(&mut self, read: &Read) {
        let name = read.target();
        if !read.is_watch() || self.watches.watched.iter().any(|known| known == name) {
            return;
        }
        let Some(seen) = self.ledger.witness() else {
            return;
        };
        self.watches.watched.push(name.to_owned());
        let permit = self.permit(self.run_deadline());
        let (rooms, read) = (Arc::clone(&self.rooms), read.clone());
        let work = async move { rooms.watch(&permit, &read, seen).await };
        self.watches.at_work.spawn(work);
    }
}
