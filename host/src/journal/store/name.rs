//! Names of runs: the day, then three letters and digits for the time of day, then four by chance. Those that could be taken for one
//! another are left out.
//!
//! A cluster knows a run by its name, and several machines may begin runs at the same moment: chance keeps their names apart.

use crate::clock::Millis;
use jiff::tz::TimeZone;

/// Crockford's base 32, in small letters; its order is that of the numbers.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Times of a day: three digits, 2.6 s each.
const SLOTS: u64 = 32 * 32 * 32;
const DAY: u64 = 24 * 60 * 60 * 1000;

/// A name for a run that begins at this time, such as `251121-k3f7q2x`; of `chance` the lowest 20 bits count.
pub(super) fn name(at: Millis, chance: u32) -> String {
    let date = at.timestamp().to_zoned(TimeZone::UTC).strftime("%y%m%d");
    let slot = (at.0 % DAY) * SLOTS / DAY;
    format!("{date}-{}{}", base32(slot, 3), base32(u64::from(chance), 4))
}

fn base32(number: u64, width: u32) -> String {
    (0..width)
        .rev()
        .map(|place| {
            let digit = (number >> (5 * place)) & 31;
            char::from(DIGITS[usize::try_from(digit).unwrap_or_default()])
        })
        .collect()
}

/// Whether what someone typed may mean this name: its beginning, or that of the part after the day.
pub(super) fn matches(name: &str, typed: &str) -> bool {
    name.starts_with(typed)
        || name
            .split_once('-')
            .is_some_and(|(_, time)| time.starts_with(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_763_726_400_000; // 2025-11-21 12:00 UTC

    #[test]
    fn names_are_short_and_sort_by_time() {
        assert_eq!(name(Millis(NOON), 0), "251121-g000000");
        assert_eq!(name(Millis(NOON + DAY / 2 - 1), u32::MAX), "251121-zzzzzzz");
        let mut names: Vec<_> = (0..400)
            .map(|i| name(Millis(NOON + i * DAY / 100), 7))
            .collect();
        let sorted = names.clone();
        names.sort();
        assert_eq!(names, sorted);
    }

    #[test]
    fn chance_keeps_those_of_one_moment_apart() {
        assert_ne!(name(Millis(NOON), 1), name(Millis(NOON), 1 << 19));
    }

    #[test]
    fn either_part_can_be_typed() {
        assert!(matches("251121-k3f", "2511"));
        assert!(matches("251121-k3f", "k3"));
        assert!(!matches("251121-k3f", "3f"));
    }
}
