//! Messages from the host about a run. They are not effects of the run, so the run's record does not contain them.

use super::Client;
use super::attempt::Answer;
use super::letter::Letter;
use crate::clock::{Clock, Millis};
use crate::contract::notify_types::Message;
use crate::journal::{RunId, State, Store};
use crate::notify::Effect;
use std::time::Duration;

/// A message from the host.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What it is about.
    pub event: String,
    /// The message.
    pub message: Message,
}

impl Client {
    /// Makes one attempt, with this time limit, to send the message. Fails with the reason if the receiver did not accept it. Reserves the
    /// channel's next turn in the journal if the channel has a rate limit.
    pub async fn tell(
        &self,
        channel: &str,
        notice: Notice,
        (run, state): (&RunId, &State),
        (store, clock): (&Store, &Clock),
        within: Duration,
    ) -> Result<(), String> {
        let ready = self.channel(channel).map_err(|error| error.message)?;
        let now = clock.now();
        if !ready.every.is_zero() {
            let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            let latest = Millis(now.0.saturating_add(millis(within)));
            let turn = store
                .reserve_time(channel, millis(ready.every), now, latest)
                .map_err(|error| error.to_string())?
                .ok_or("it takes no message now")?;
            tokio::time::sleep(Duration::from_millis(turn.since(now))).await;
        }
        let effect = Effect::send(channel.to_owned(), notice.event, notice.message);
        let letter = Letter::of_host(&effect, run, state, now);
        match ready.attempt(&letter, clock, within).await {
            Answer::Taken(_) => Ok(()),
            Answer::Again { why, .. } | Answer::Refused(why) | Answer::Silent(why) => Err(why),
        }
    }
}
