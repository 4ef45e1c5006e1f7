//! What there was when the run began.

use crate::parameters::Parameters;
use windlass_sdk::database::{
    CoverageFacts, IndexFacts, OwnStatement, ServerFacts, TableFacts, XminHolder,
};
use windlass_sdk::{Database, Error, Instant, Run};

/// A holder without a beginning is old after so many transactions.
const OLD_AGE: u32 = 100_000;

/// Everything that is chosen from.
pub(crate) struct Seen {
    pub at: Instant,
    pub server: ServerFacts,
    pub coverage: CoverageFacts,
    pub tables: Vec<TableFacts>,
    pub indexes: Vec<IndexFacts>,
    pub holders: Vec<XminHolder>,
    /// Statements of other runs. Nobody waits for them any more: this run holds the lock that a run at work would hold.
    pub abandoned: Vec<OwnStatement>,
}

impl Seen {
    /// Looks, and refuses a server on which nothing can be maintained.
    pub(crate) fn look(
        run: &Run,
        database: &Database,
        parameters: &Parameters,
    ) -> Result<Self, Error> {
        run.step("look");
        let server = database.server()?;
        if server.is_standby {
            return Err(Error::failed(format!(
                "{} is a standby, and maintenance is possible on its primary only",
                database.name()
            )));
        }
        if server.free_bytes.is_none() {
            run.info(format!(
                "the free disk space is unknown, so indexes above {} are not rebuilt",
                parameters.max_size_when_disk_unknown
            ));
        }
        Ok(Self {
            at: run.now(),
            server,
            coverage: database.coverage()?,
            tables: database.tables()?,
            indexes: database.indexes()?,
            holders: database.xmin_holders()?,
            abandoned: database.sessions()?.under_way,
        })
    }

    /// Holders to warn of, and for how long each has been at it.
    pub(crate) fn old_holders(&self, parameters: &Parameters) -> Vec<(&XminHolder, Option<u64>)> {
        let threshold = parameters.report_transactions.as_milliseconds();
        self.holders
            .iter()
            .filter(|holder| !holder.windlass)
            .map(|holder| {
                (
                    holder,
                    holder.since.map(|since| self.at.saturating_sub(since)),
                )
            })
            .filter(|(holder, open)| open.map_or(holder.age >= OLD_AGE, |open| open >= threshold))
            .collect()
    }

    /// What holds back vacuum most. A slot of logical decoding keeps no rows of users.
    pub(crate) fn oldest_holder(&self) -> Option<&XminHolder> {
        let holders = self.holders.iter();
        let holders = holders.filter(|holder| !holder.windlass && !holder.catalog_only);
        holders.max_by_key(|holder| holder.age)
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::facts::holder;
    use crate::parameters::Parameters;
    use windlass_sdk::database::XminHolder;
    use windlass_sdk::sample;

    fn seen(holders: Vec<XminHolder>) -> Seen {
        Seen {
            at: 1000 + 300_000,
            server: sample::server(),
            coverage: sample::coverage(0),
            tables: Vec::new(),
            indexes: Vec::new(),
            holders,
            abandoned: Vec::new(),
        }
    }

    #[test]
    fn only_old_holders_are_worth_a_warning() {
        let young = XminHolder {
            since: Some(2000),
            ..holder(2, 3)
        };
        let slot = |age| XminHolder {
            since: None,
            pid: None,
            ..holder(0, age)
        };
        let seen = seen(vec![holder(1, 3), young, slot(99_999), slot(100_000)]);
        let old = seen.old_holders(&Parameters::default());
        let ages: Vec<_> = old
            .iter()
            .map(|(holder, open)| (holder.age, *open))
            .collect();
        assert_eq!(ages, [(3, Some(300_000)), (100_000, None)]);
    }

    #[test]
    fn what_keeps_only_catalog_rows_is_not_blamed_for_others() {
        let slot = XminHolder {
            catalog_only: true,
            pid: None,
            ..holder(0, 500_000)
        };
        assert_eq!(seen(vec![slot.clone()]).oldest_holder(), None);
        let seen = seen(vec![slot, holder(1, 3)]);
        assert_eq!(seen.oldest_holder().map(|holder| holder.age), Some(3));
    }
}
