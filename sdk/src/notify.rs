//! Telling people, on channels that the operator named.
//!
//! ```no_run
//! use windlass_sdk::notify::{Delivery, Message};
//!
//! # fn tell(run: &windlass_sdk::Run) -> Result<(), windlass_sdk::Error> {
//! let message = Message::success("orders is tidy").field("freed", "269 MB");
//! if let Delivery::GivenUp(why) = message.send("ops", "end")? {
//!     run.warning(format!("nobody was told: {why}"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A message is plain text: whatever in it looks like a mention, a link or markup is shown as it is written. The host adds which run,
//! procedure and target it comes from. A component that never calls [`Message::send`] does not import `notify-send`.

use crate::bindings::windlass::procedure::notify_send;
use crate::bindings::windlass::procedure::notify_types;
use crate::{Error, Run};

pub use crate::bindings::windlass::procedure::notify_types::{Delivery, Level};

/// A message that is being written.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is not sent yet"]
pub struct Message {
    message: notify_types::Message,
}

impl Message {
    /// A message of a level. The title is one line; beyond 200 characters it is cut.
    pub fn new(level: Level, title: impl Into<String>) -> Self {
        Self {
            message: notify_types::Message {
                level,
                title: title.into(),
                text: String::new(),
                fields: Vec::new(),
            },
        }
    }

    /// Something begins, or is so.
    pub fn info(title: impl Into<String>) -> Self {
        Self::new(Level::Info, title)
    }

    /// Something ended well.
    pub fn success(title: impl Into<String>) -> Self {
        Self::new(Level::Success, title)
    }

    /// Somebody should look at it.
    pub fn warning(title: impl Into<String>) -> Self {
        Self::new(Level::Warning, title)
    }

    /// Something failed.
    pub fn failure(title: impl Into<String>) -> Self {
        Self::new(Level::Failure, title)
    }

    /// What there is to say beyond the title; may have several lines. Beyond 4,000 characters it is cut.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.message.text = text.into();
        self
    }

    /// A named value. At most 20 are shown.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.message.fields.push(notify_types::Field {
            name: name.into(),
            value: value.into(),
        });
        self
    }

    /// Sends it, and answers how it ended. The second message of a run about the same event to the same channel is not sent and ends as
    /// the first did. Needs a `[[needs.notify]]` with the channel and the event. Undo: not needed, a message stands.
    pub fn send(&self, channel: &str, event: &str) -> Result<Delivery, Error> {
        Ok(notify_send::send(channel, event, &self.message)?)
    }

    /// Sends it where the operator wants messages; a warning in the log where that does not come about. For messages that must not fail
    /// the maintenance they are about: [`Kind::Denied`](crate::Kind::Denied) and all other errors are warnings too.
    pub fn tell(&self, run: &Run, channel: Option<&str>, event: &str) {
        let Some(channel) = channel else {
            return;
        };
        match self.send(channel, event) {
            Ok(Delivery::Delivered) => {}
            Ok(Delivery::GivenUp(why)) => {
                run.warning(format!("`{event}` was not delivered to {channel}: {why}"));
            }
            Ok(Delivery::InDoubt(why)) => {
                run.warning(format!(
                    "`{event}` may not have been delivered to {channel}: {why}"
                ));
            }
            Err(error) => run.warning(format!("`{event}` was not sent to {channel}: {error}")),
        }
    }
}
