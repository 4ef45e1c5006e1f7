//! The lease that keeps runs apart.

use super::{Bench, CLUSTER, LONG};
use crate::world::Namespace;
use std::time::Duration;
use windlass::clock::Clock;
use windlass::journal::RunId;

#[test]
fn a_lease_of_another_is_waited_for_as_long_as_it_says() {
    let bench = Bench::new(Namespace::new());
    bench.namespace.apply(
        "
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: windlass}
spec: {holderIdentity: another, leaseDurationSeconds: 1}
",
    );
    let run = RunId("251121-k3f".into());
    let clock = Clock::system();
    let begun = clock.instant();
    let lock = bench.runtime.block_on(async {
        let locked = bench.room.lock(CLUSTER, &run);
        tokio::time::timeout(LONG, locked).await
    });
    assert!(lock.unwrap().unwrap().is_held());
    let took = clock.instant() - begun;
    // Ours holds for 15 s.
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(15));
    assert!((least..most).contains(&took), "{took:?}");
}
