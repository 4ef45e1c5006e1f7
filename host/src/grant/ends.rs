//! Grants that end at different times: each call is covered by those that have not ended when it is made. Pure.

use super::{Capabilities, Effective};
use crate::call::Effect;
use crate::clock::Millis;

impl Effective {
    /// What may be done at this time; nothing if it is what may be done already.
    pub fn at(&self, now: Millis) -> Option<Self> {
        self.expires.filter(|end| *end <= now)?;
        let (valid, ended): (Vec<_>, Vec<_>) =
            self.parts.iter().cloned().partition(|(end, _)| now < *end);
        let mut lapsed = vec![self.lapsed.clone()];
        if self.parts.is_empty() {
            lapsed.push(self.grant.clone());
        }
        lapsed.extend(ended.into_iter().map(|(_, part)| part));
        Some(Self {
            needs: self.needs.clone(),
            grant: Capabilities::joined(valid.iter().map(|(_, part)| part)),
            budget: self.budget.clone(),
            expires: valid.iter().map(|(end, _)| *end).min(),
            lapsed: Capabilities::joined(&lapsed),
            parts: valid,
            kept: self.kept.clone(),
        })
    }

    /// Until when the grants cover the effect: the latest time at which those that have not ended cover it together.
    pub fn covers_until(&self, effect: &Effect) -> Option<Millis> {
        let mut ends: Vec<_> = self.parts.iter().map(|(end, _)| *end).collect();
        ends.sort_unstable();
        let covers = |until: &Millis| {
            let then = self.parts.iter().filter(|(end, _)| end >= until);
            Capabilities::joined(then.map(|(_, part)| part)).allows_effect(effect)
        };
        ends.into_iter().rev().find(covers).or(self.expires)
    }
}

impl Capabilities {
    /// All of these together.
    pub(super) fn joined<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut joined = Self::default();
        for one in all {
            joined.cluster.extend(one.cluster.iter().cloned());
            joined.database.extend(one.database.iter().cloned());
            joined.notify.extend(one.notify.iter().cloned());
            joined.probe.extend(one.probe.iter().cloned());
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, Effective, Millis};
    use crate::call::Read;
    use crate::database;
    use crate::grant::Side;

    fn of(name: &str) -> Capabilities {
        let scope = format!("[[database]]\ndatabases = [\"{name}\"]\nverbs = [\"server\"]\n");
        toml::from_str(&scope).unwrap()
    }

    fn look(name: &str) -> Read {
        let database = name.to_owned();
        Read::Database(database::Read::Server { database })
    }

    #[test]
    fn a_call_is_covered_by_the_grants_that_hold_then() {
        let parts = vec![(Millis(10), of("a")), (Millis(20), of("*"))];
        let effective = Effective {
            needs: of("*"),
            grant: Capabilities::joined(parts.iter().map(|(_, part)| part)),
            expires: Some(Millis(10)),
            parts,
            ..Effective::nothing()
        };
        assert_eq!(effective.at(Millis(9)), None);
        let later = effective.at(Millis(10)).unwrap();
        assert_eq!(
            later.refuses_read(&look("a")),
            None,
            "the longer one covers it"
        );
        assert_eq!(later.expires, Some(Millis(20)));
        let last = later.at(Millis(20)).unwrap();
        assert_eq!(last.refuses_read(&look("a")), Some(Side::GrantEnded));
        assert_eq!(last.expires, None);
        let narrow = Effective {
            parts: vec![(Millis(10), of("a"))],
            expires: Some(Millis(10)),
            ..effective
        };
        let ended = narrow.at(Millis(10)).unwrap();
        assert_eq!(ended.refuses_read(&look("a")), Some(Side::GrantEnded));
        assert_eq!(ended.refuses_read(&look("b")), Some(Side::Grant));
    }
}
