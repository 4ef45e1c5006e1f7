//! The notify room: what `wit/notify.wit` promises, done by Slack-compatible webhooks, signed webhooks and SMTP.
//!
//! | effect | undo | in doubt |
//! |---|---|---|
//! | send | not needed: a message stands; a correction is a new message | an end of the message, never of the run; not sent again |
//!
//! The journal is the outbox: a message is *intended* before its first byte, each attempt is noted before it begins and again when it has
//! failed, and how the message ended is the effect's answer. There is no other record of it.

pub mod call;
pub mod client;
mod note;
pub mod scope;
mod wit;

pub use call::{Effect, delivery_of, ending};
pub use client::{Channel, ChannelError, Client, Kind, Smtp, SmtpTls};
pub use note::attempts;
pub use scope::{Scope, Verb};
