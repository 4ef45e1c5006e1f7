//! When nothing may be started. Pure.

use crate::parameters::Parameters;
use windlass_sdk::database::{IndexFacts, Standby};
use windlass_sdk::text;

/// The standby that is too far behind, with how far; none if all keep up.
pub(crate) fn behind(standbys: &[Standby], parameters: &Parameters) -> Option<String> {
    standbys
        .iter()
        .filter(|standby| standby.state != "backup")
        .find_map(|standby| {
            let bytes = standby.lag_bytes.unwrap_or(0);
            let time = standby.lag.unwrap_or(0);
            // Without bytes the role sees nothing of standbys; that is for pg-health to complain about.
            let too_far = bytes > parameters.max_lag_bytes.as_bytes()
                || time > parameters.max_lag.as_milliseconds() && bytes > 0;
            too_far.then(|| {
                format!(
                    "standby {} is {} and {} behind",
                    standby.name,
                    text::bytes(bytes),
                    text::duration(time)
                )
            })
        })
}

/// Why there is no room to build the index a second time, if there is none. Old and new exist side by side until the end, and what
/// the build logs needs space as well: twice the index.
pub(crate) fn no_room(
    index: &IndexFacts,
    free: Option<u64>,
    parameters: &Parameters,
) -> Option<String> {
    let size = text::bytes(index.bytes);
    match free {
        Some(free) if free / 2 < index.bytes => Some(format!(
            "{size}, and of the {} free twice that is needed",
            text::bytes(free)
        )),
        None if index.bytes > parameters.max_size_when_disk_unknown.as_bytes() => Some(format!(
            "{size}, and the free disk space is unknown: declare the volume's size for the database in windlass.toml, or raise \
             max-size-when-disk-unknown ({})",
            parameters.max_size_when_disk_unknown
        )),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{behind, no_room};
    use crate::facts::{index, standby};
    use crate::parameters::Parameters;

    #[test]
    fn a_standby_behind_in_bytes_or_time_stops_work() {
        let stops = |bytes, time| behind(&[standby(bytes, time)], &Parameters::default()).is_some();
        assert!(stops(Some(300 << 20), None));
        assert!(stops(Some(1), Some(31_000)));
        assert!(!stops(Some(0), None));
        assert!(
            !stops(Some(0), Some(31_000)),
            "on an idle primary the time means nothing"
        );
        assert!(!stops(Some(1 << 20), Some(10)));
    }

    #[test]
    fn a_rebuild_needs_twice_its_index() {
        let index = index("a", 100 << 20, 0);
        let parameters = Parameters::default();
        assert_eq!(no_room(&index, Some(200 << 20), &parameters), None);
        assert!(no_room(&index, Some((200 << 20) - 2), &parameters).is_some());
        assert_eq!(no_room(&index, None, &parameters), None);
    }

    #[test]
    fn with_unknown_space_only_modest_indexes_are_rebuilt() {
        let large = index("a", (1 << 30) + 1, 0);
        let why = no_room(&large, None, &Parameters::default()).unwrap();
        assert!(why.contains("max-size-when-disk-unknown (1 GB)"), "{why}");
    }
}
