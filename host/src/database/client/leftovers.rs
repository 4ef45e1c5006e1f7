//! What an interrupted REINDEX CONCURRENTLY leaves: which invalid indexes are whose, and how they are dropped.

use super::catalog::{self, Index};
use super::failure::Outcome;
use super::session::Session;
use crate::call::Revert;
use crate::contract::database_types::ObjectName;
use crate::database;

/// Which of a rebuild's two invalid indexes a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    /// `_ccnew`: not finished.
    New,
    /// `_ccold`: replaced.
    Old,
}

const LONGEST_NAME: usize = 63;
const LONGEST_CHARACTER: usize = 4;

/// Splits `accounts_pkey_ccnew3` into `accounts_pkey` and what it is.
pub(super) fn suffix(name: &str) -> Option<(&str, Suffix)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if let Some(stem) = stem.strip_suffix("_ccnew") {
        Some((stem, Suffix::New))
    } else {
        stem.strip_suffix("_ccold").map(|stem| (stem, Suffix::Old))
    }
}

/// Whether a rebuild of `index` could have named its leftover so. The server shortens long names to make room for the suffix.
pub(super) fn belongs_to(index: &str, leftover: &str) -> bool {
    let Some((stem, _)) = suffix(leftover) else {
        return false;
    };
    stem == index || (index.starts_with(stem) && leftover.len() + LONGEST_CHARACTER > LONGEST_NAME)
}

/// The leftovers of rebuilds of the index that are not in `known`. What another session works on is among them: the server does not say
/// on which index of a table that is, and whoever drops them waits and looks again.
pub(super) async fn new_ones(
    session: &Session,
    table: u32,
    index: &str,
    known: &[u32],
) -> Outcome<Vec<Index>> {
    let mut found = catalog::invalid_indexes(session, table).await?;
    found.retain(|candidate| {
        !known.contains(&candidate.oid) && belongs_to(index, &candidate.name.name)
    });
    Ok(found)
}

/// How the leftovers are cleared away; none if there are none.
pub(super) fn sweep(database: &str, index: &ObjectName, leftovers: &[Index]) -> Option<Revert> {
    let named = |leftover: &Index| (leftover.name.clone(), leftover.oid);
    (!leftovers.is_empty()).then(|| {
        Revert::Database(database::Revert::DropLeftovers {
            database: database.to_owned(),
            index: index.clone(),
            leftovers: leftovers.iter().map(named).collect(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_split_off() {
        assert_eq!(suffix("a_ccnew"), Some(("a", Suffix::New)));
        assert_eq!(suffix("a1_ccold27"), Some(("a1", Suffix::Old)));
        assert_eq!(suffix("a_ccnew_ccold"), Some(("a_ccnew", Suffix::Old)));
        assert_eq!(suffix("a_ccnewx"), None);
        assert_eq!(suffix("ccnew"), None);
    }

    #[test]
    fn a_leftover_belongs_to_one_index() {
        assert!(belongs_to("accounts_pkey", "accounts_pkey_ccnew"));
        assert!(belongs_to("accounts_pkey", "accounts_pkey_ccnew1"));
        assert!(!belongs_to("accounts_pkey", "accounts_ccnew"));
        assert!(!belongs_to("accounts_pkey", "accounts_pkey2_ccnew"));
        assert!(!belongs_to("accounts_pkey", "accounts_pkey"));
    }

    #[test]
    fn long_names_are_shortened_by_the_server() {
        let index = "i".repeat(63);
        assert!(belongs_to(&index, &format!("{}_ccnew", "i".repeat(57))));
        assert!(belongs_to(&index, &format!("{}_ccnew1", "i".repeat(56))));
        assert!(!belongs_to(&index, &format!("{}_ccnew", "i".repeat(20))));
        // A character of two bytes does not fit into the last byte.
        let index = format!("{}ää", "i".repeat(56));
        assert!(belongs_to(&index, &format!("{}_ccnew", "i".repeat(56))));
    }
}
