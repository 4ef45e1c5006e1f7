//! The probe room: each promise of `wit/probe.wit` against servers that misbehave on purpose.

mod place;
mod samples;
pub(crate) mod served;
mod waits;
mod watched;
