//! The probe room: each promise of `wit/probe.wit` against servers that misbehave on purpose.

mod place;
mod samples;
mod served;
mod waits;
