//! How long the gate waits for a room.

use super::permit::Permit;
use std::time::Duration;

/// Time for a room to notice its deadline by itself, cancel its statement and look at what that left.
const GRACE: Duration = Duration::from_secs(90);

/// What became of waiting.
pub(super) enum Waited<T> {
    /// The room answered.
    Answered(T),
    /// It did not, within the permit's time and some grace.
    Late,
    /// The operator wants to leave now. What the room would have said is not asked for any more.
    Stopped,
}

/// Waits for the room. An operator who wants to leave goes first: a room notices the same, and would answer with an error that the guest
/// must not see.
pub(super) async fn wait<T>(permit: &Permit, work: impl Future<Output = T>) -> Waited<T> {
    let late = permit.deadline() + GRACE;
    tokio::select! {
        biased;
        () = permit.stopped() => Waited::Stopped,
        answer = work => Waited::Answered(answer),
        () = tokio::time::sleep_until(late.into()) => Waited::Late,
    }
}
