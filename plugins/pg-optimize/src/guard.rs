//! When nothing may be started. Pure.

use crate::parameters::Parameters;
use windlass_sdk::database::{IndexFacts, ReplicationFacts, ReplicationSlot, Standby};
use windlass_sdk::text;

/// Why what is written now might not reach the standbys in time: fewer stream than expected, one is too far behind, or a slot that nobody
/// uses retains too much of the log. Nothing if all keep up.
pub(crate) fn behind(
    facts: &ReplicationFacts,
    expected: Option<u32>,
    parameters: &Parameters,
) -> Option<String> {
    missing(&facts.standbys, expected)
        .or_else(|| {
            let standbys = facts.standbys.iter();
            standbys
                .filter(|standby| standby.state != "backup")
                .find_map(|standby| too_far(standby, parameters))
        })
        .or_else(|| {
            let slots = facts.slots.iter();
            slots
                .filter(|slot| !slot.active)
                .find_map(|slot| retained(slot, parameters))
        })
}

fn missing(standbys: &[Standby], expected: Option<u32>) -> Option<String> {
    let expected = expected?;
    let streaming = standbys
        .iter()
        .filter(|standby| standby.state == "streaming")
        .count();
    (streaming < expected as usize)
        .then(|| format!("{streaming} of {expected} expected standbys stream"))
}

fn too_far(standby: &Standby, parameters: &Parameters) -> Option<String> {
    let name = &standby.name;
    let Some(bytes) = standby.lag_bytes else {
        return Some(format!("standby {name} has not said how far it is"));
    };
    let time = standby.lag.unwrap_or(0);
    // On an idle primary the time is what it was until the last byte was replayed.
    let late = time > parameters.max_lag.as_milliseconds() && bytes > 0;
    (late || bytes > parameters.max_lag_bytes.as_bytes()).then(|| {
        let (bytes, time) = (text::bytes(bytes), text::duration(time));
        format!("standby {name} is {bytes} and {time} behind")
    })
}

fn retained(slot: &ReplicationSlot, parameters: &Parameters) -> Option<String> {
    let retained = slot.retained_bytes.unwrap_or(0);
    (retained > parameters.max_lag_bytes.as_bytes()).then(|| {
        let retained = text::bytes(retained);
        format!(
            "nobody uses the slot {}, which retains {retained} of the log",
            slot.name
        )
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
    // What is free is known of the data directory's volume alone.
    let free = free.filter(|_| index.tablespace.is_none());
    match free {
        Some(free) if free / 2 < index.bytes => Some(format!(
            "{size}, and of the {} free twice that is needed",
            text::bytes(free)
        )),
        None if index.bytes > parameters.max_size_when_disk_unknown.as_bytes() => Some(format!(
            "{size}, and the free disk space is unknown: {}, or raise max-size-when-disk-unknown ({})",
            match &index.tablespace {
                Some(name) => format!("see what the volume of tablespace {name} has"),
                None => "declare the volume's size for the database in windlass.toml".to_owned(),
            },
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
    use windlass_sdk::database::{IndexFacts, ReplicationFacts, ReplicationSlot, Standby};
    use windlass_sdk::sample;

    fn stops(
        standbys: &[Standby],
        slots: &[ReplicationSlot],
        expected: Option<u32>,
    ) -> Option<String> {
        let facts = ReplicationFacts {
            standbys: standbys.to_vec(),
            slots: slots.to_vec(),
        };
        behind(&facts, expected, &Parameters::default())
    }

    #[test]
    fn a_standby_behind_in_bytes_or_time_stops_work() {
        let stops = |bytes, time| stops(&[standby(bytes, time)], &[], None).is_some();
        assert!(stops(Some(300 << 20), None));
        assert!(stops(Some(1), Some(31_000)));
        assert!(stops(None, None), "it has not said how far it is");
        assert!(!stops(Some(0), None));
        assert!(
            !stops(Some(0), Some(31_000)),
            "on an idle primary the time means nothing"
        );
        assert!(!stops(Some(1 << 20), Some(10)));
    }

    #[test]
    fn a_standby_that_is_missing_stops_work() {
        let catching_up = Standby {
            state: "catchup".to_owned(),
            ..sample::standby("c")
        };
        assert!(stops(&[], &[], Some(1)).is_some());
        assert!(stops(&[catching_up], &[], Some(1)).is_some());
        assert_eq!(
            stops(&[sample::standby("b")], &[], Some(2)).unwrap(),
            "1 of 2 expected standbys stream"
        );
        assert_eq!(stops(&[sample::standby("b")], &[], Some(1)), None);
        assert_eq!(stops(&[], &[], Some(0)), None);
    }

    #[test]
    fn a_slot_of_nobody_that_retains_much_stops_work() {
        let slot = |active, retained| ReplicationSlot {
            active,
            retained_bytes: retained,
            ..sample::slot("s")
        };
        let stops = |slot| stops(&[], &[slot], Some(0));
        let why = stops(slot(false, Some(300 << 20))).unwrap();
        assert_eq!(
            why,
            "nobody uses the slot s, which retains 300 MB of the log"
        );
        assert_eq!(stops(slot(false, Some(1 << 20))), None);
        assert_eq!(stops(slot(true, Some(300 << 20))), None);
        assert_eq!(stops(slot(false, None)), None, "a lost one retains nothing");
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
        let elsewhere = IndexFacts {
            tablespace: Some("fast".to_owned()),
            ..large
        };
        assert!(no_room(&elsewhere, Some(u64::MAX), &Parameters::default()).is_some());
    }
}
