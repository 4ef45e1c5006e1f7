//! What one run tells the next, so that it does not do the same again for nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_sdk::database::{IndexFacts, TableFacts, XminHolder, XminHolderKind};
use windlass_sdk::{Instant, text};

/// Kept under the key [`KEY`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    /// By index name: the bloat that is estimated right after a rebuild. An estimate is never exact, and what it still says of a
    /// fresh index it will say again: only what came on top is bloat.
    residue: BTreeMap<String, Residue>,
    /// By table name: what kept dead rows from being removed.
    held: BTreeMap<String, Held>,
}

pub(crate) const KEY: &str = "pg-optimize 1";

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Residue {
    bytes: u64,
    bloat: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    table: u32,
    by: String,
    age: u32,
}

impl Memory {
    /// Bloat that came since the last rebuild; all of it if there was none. Unknown if the server cannot estimate it.
    pub(crate) fn bloat(&self, index: &IndexFacts) -> Option<u64> {
        let bloat = index.bloat_bytes?;
        let residue = self.residue.get(&text::name(&index.name));
        // Much smaller than after its rebuild: it is another index by now.
        let residue = residue.filter(|residue| index.bytes >= residue.bytes / 2);
        Some(bloat.saturating_sub(residue.map_or(0, |residue| residue.bloat)))
    }

    /// Keeps what is still estimated of an index that was just rebuilt.
    pub(crate) fn rebuilt(&mut self, index: &IndexFacts) {
        let residue = Residue {
            bytes: index.bytes,
            bloat: index.bloat_bytes.unwrap_or(0),
        };
        self.residue.insert(text::name(&index.name), residue);
    }

    /// What kept the table's dead rows when it was last vacuumed, if it still does: the same holder, and as far back. One that has moved
    /// on since, such as a slot, is younger now.
    pub(crate) fn holder<'a>(
        &self,
        table: &TableFacts,
        holders: &'a [XminHolder],
    ) -> Option<&'a XminHolder> {
        let held = self.held.get(&text::name(&table.name))?;
        holders.iter().find(|holder| {
            held.table == table.oid && identity(holder) == held.by && holder.age >= held.age
        })
    }

    /// Keeps that this holder kept the table's dead rows.
    pub(crate) fn held(&mut self, table: &TableFacts, holder: &XminHolder) {
        let held = Held {
            table: table.oid,
            by: identity(holder),
            age: holder.age,
        };
        self.held.insert(text::name(&table.name), held);
    }

    /// The table's dead rows could be removed.
    pub(crate) fn released(&mut self, table: &TableFacts) {
        self.held.remove(&text::name(&table.name));
    }

    /// Forgets what no longer exists.
    pub(crate) fn keep_only(&mut self, tables: &[TableFacts], indexes: &[IndexFacts]) {
        self.residue
            .retain(|name, _| indexes.iter().any(|index| text::name(&index.name) == *name));
        self.held
            .retain(|name, _| tables.iter().any(|table| text::name(&table.name) == *name));
    }
}

/// Whether both are one holder that has not moved on in between: a session still in the same transaction, a slot as far back.
pub(crate) fn is_same(before: &XminHolder, now: &XminHolder) -> bool {
    identity(before) == identity(now) && now.age >= before.age
}

/// The same text means the same holder.
fn identity(holder: &XminHolder) -> String {
    let kind = kind(holder.kind);
    let number = |value: Option<Instant>| value.map_or_else(String::new, |value| value.to_string());
    let pid = holder.pid.map_or_else(String::new, |pid| pid.to_string());
    format!(
        "{kind} {} {pid} {} {}",
        holder.name,
        number(holder.backend_start),
        number(holder.since)
    )
}

pub(crate) fn kind(kind: XminHolderKind) -> &'static str {
    match kind {
        XminHolderKind::Session => "session",
        XminHolderKind::PreparedTransaction => "prepared transaction",
        XminHolderKind::ReplicationSlot => "replication slot",
        XminHolderKind::Standby => "standby",
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, is_same};
    use crate::facts::{holder, index, table};

    #[test]
    fn what_an_estimate_still_says_after_a_rebuild_is_no_bloat() {
        let mut memory = Memory::default();
        let mut index = index("a", 100 << 20, 40 << 20);
        assert_eq!(memory.bloat(&index), Some(40 << 20));
        memory.rebuilt(&index);
        assert_eq!(memory.bloat(&index), Some(0));
        index.bloat_bytes = Some(75 << 20);
        assert_eq!(memory.bloat(&index), Some(35 << 20));
        index.bytes = 45 << 20;
        assert_eq!(
            memory.bloat(&index),
            Some(75 << 20),
            "it is another index by now"
        );
    }

    #[test]
    fn a_holder_is_the_same_while_it_is_as_far_back() {
        let mut memory = Memory::default();
        let table = table("t", 1000, 1000);
        let session = holder(4711, 500);
        assert_eq!(memory.holder(&table, std::slice::from_ref(&session)), None);
        memory.held(&table, &session);
        let later = [holder(7, 10), holder(4711, 900)];
        assert_eq!(memory.holder(&table, &later), Some(&later[1]));
        assert_eq!(
            memory.holder(&table, &[holder(4711, 3)]),
            None,
            "it has moved on"
        );
        assert_eq!(
            memory.holder(&table, &[holder(4712, 900)]),
            None,
            "it is another"
        );
        memory.released(&table);
        assert_eq!(memory.holder(&table, &later), None);
    }

    #[test]
    fn a_session_in_its_next_transaction_is_another_holder() {
        let before = holder(4711, 500);
        assert!(is_same(&before, &holder(4711, 900)));
        assert!(!is_same(&before, &holder(4712, 900)));
        let next = windlass_sdk::database::XminHolder {
            since: before.since.map(|since| since + 1),
            ..holder(4711, 0)
        };
        assert!(!is_same(&before, &next));
        assert!(!is_same(&before, &holder(4711, 3)), "it has moved on");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut memory = Memory::default();
        memory.rebuilt(&index("a", 1 << 20, 0));
        memory.held(&table("t", 1, 1), &holder(1, 1));
        memory.keep_only(&[], &[]);
        assert_eq!(memory, Memory::default());
    }
}
