//! The notify room: each promise of `wit/notify.wit` against receivers that misbehave on purpose.

mod address;
mod doubt;
mod escape;
mod mail;
pub(crate) mod mail_server;
mod needed;
mod outbox;
mod place;
pub(crate) mod receiver;
mod signed;
pub(crate) mod whole;
