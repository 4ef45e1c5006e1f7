//! What a plan knows of its entries beside them: which checks rest on looks that saw nothing of the effects, and what a grant does not allow.

use crate::contract::Level;
use crate::journal::{Call, Entry, Stamped};
use std::collections::BTreeSet;

/// What a plan knows of its entries beside them.
#[derive(Default)]
pub(super) struct Asides {
    /// Whether something was looked at that a planned effect may change.
    rests: bool,
    /// Places of the checks that rest on such a look.
    pub(super) assumed: BTreeSet<u64>,
    /// Refusals that a run would meet.
    pub(super) lacking: Vec<Stamped>,
}

impl Asides {
    /// Notes what follows from an entry after the first effect. Returns what those who watch are told instead of it: a check whose look
    /// saw nothing of the effects neither passes nor fails.
    pub(super) fn note(&mut self, stamped: &Stamped) -> Option<Stamped> {
        if let Entry::Observed {
            call: Call::Read(_),
            ..
        } = &stamped.entry
        {
            self.rests = true;
        }
        let Entry::Check { name, evidence, .. } = &stamped.entry else {
            return None;
        };
        if !self.rests {
            return None;
        }
        self.assumed.insert(stamped.seq);
        let entry = Entry::Log {
            level: Level::Info,
            message: format!("· {name}: {evidence}"),
        };
        Some(Stamped {
            entry,
            ..stamped.clone()
        })
    }
}
