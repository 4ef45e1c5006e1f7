//! Names of runs: the day, then the time of day in three letters and digits that cannot be taken for one another.

use crate::clock::Millis;
use jiff::tz::TimeZone;

/// Crockford's base 32, in small letters; its order is that of the numbers.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Names per day: three digits.
const SLOTS: u64 = 32 * 32 * 32;
const DAY: u64 = 24 * 60 * 60 * 1000;

/// Names for a run that begins at this time, best first: `251121-k3f`, then the next free ones of the day, which never end.
pub(super) fn candidates(at: Millis) -> impl Iterator<Item = String> {
    let date = at.timestamp().to_zoned(TimeZone::UTC).strftime("%y%m%d");
    let date = date.to_string();
    let slot = (at.0 % DAY) * SLOTS / DAY;
    (slot..).map(move |slot| {
        // Beyond the day's last name: longer ones, which sort behind it.
        let (short, rest) = (slot.min(SLOTS - 1), slot.saturating_sub(SLOTS - 1));
        let mut name = format!("{date}-{}", base32(short, 3));
        if rest > 0 {
            name.push_str(&base32(rest, 4));
        }
        name
    })
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
        let first = |at| candidates(Millis(at)).next().unwrap();
        assert_eq!(first(NOON), "251121-g00");
        let mut names: Vec<_> = (0..400).map(|i| first(NOON + i * DAY / 100)).collect();
        let sorted = names.clone();
        names.sort();
        assert_eq!(names, sorted);
    }

    #[test]
    fn names_of_a_day_do_not_run_out() {
        let last = NOON + DAY / 2 - 1;
        let names: Vec<_> = candidates(Millis(last)).take(3).collect();
        assert_eq!(names, ["251121-zzz", "251121-zzz0001", "251121-zzz0002"]);
    }

    #[test]
    fn either_part_can_be_typed() {
        assert!(matches("251121-k3f", "2511"));
        assert!(matches("251121-k3f", "k3"));
        assert!(!matches("251121-k3f", "3f"));
    }
}
