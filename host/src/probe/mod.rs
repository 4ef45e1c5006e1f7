//! The probe room: what `wit/probe.wit` promises. It looks at named endpoints over HTTP and TLS, and changes nothing.

pub mod call;
pub mod client;
pub mod scope;
mod wit;

pub use call::{Look, Read};
pub use client::{Client, Endpoint, EndpointError};
pub use scope::{Scope, Verb};
