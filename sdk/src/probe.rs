//! Services as their users see them, at endpoints that the operator named.
//!
//! ```no_run
//! use windlass_sdk::parameters::Span;
//!
//! # fn look(run: &windlass_sdk::Run) -> Result<(), windlass_sdk::Error> {
//! let shop = run.endpoint("shop");
//! let sample = shop.http()?;
//! if !sample.passed {
//!     run.warning(format!("shop: {}", sample.why));
//! }
//! shop.await_passes(3, Span::seconds(1), Span::minutes(2))?;
//! # Ok(())
//! # }
//! ```
//!
//! The operator says where an endpoint leads and what is expected of it; a procedure sees neither. All of it only looks: a component that
//! uses it imports `probe-read` and nothing that changes anything.

use crate::Error;
use crate::bindings::windlass::procedure::probe_read;
use crate::parameters::Span;

pub use crate::bindings::windlass::procedure::probe_types::{Certificate, Chain, Sample};

/// An endpoint by its logical name. Each method is one call to the host and needs the verb that it names in a `[[needs.probe]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    name: String,
}

impl Endpoint {
    pub(crate) fn named(name: String) -> Self {
        Self { name }
    }

    /// The logical name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One request, and whether all was as the operator expects it. A service that is down is a sample that did not pass, not an error.
    /// Verb: `http`.
    pub fn http(&self) -> Result<Sample, Error> {
        Ok(probe_read::http(&self.name)?)
    }

    /// Has the host sample the endpoint beside the run until its end; the report tells for how long users were hit. In a plan nothing is
    /// watched. Verb: `http`.
    pub fn watch(&self, every: Span) -> Result<(), Error> {
        Ok(probe_read::watch(&self.name, every.as_milliseconds())?)
    }

    /// The certificates that the server shows now, whether they verify or not. Verb: `tls`.
    pub fn tls(&self) -> Result<Chain, Error> {
        Ok(probe_read::tls(&self.name)?)
    }

    /// Waits until so many samples in a row passed, at most for a time; answers the last. In a plan that is assumed. Verb: `http`.
    pub fn await_passes(&self, times: u32, every: Span, within: Span) -> Result<Sample, Error> {
        let (every, within) = (every.as_milliseconds(), within.as_milliseconds());
        Ok(probe_read::await_passes(&self.name, times, every, within)?)
    }

    /// The same with another status than the operator expects, such as the 503 of a maintenance page, and nothing expected of the body or
    /// the latency. Verb: `http`.
    pub fn await_status(
        &self,
        status: u16,
        times: u32,
        every: Span,
        within: Span,
    ) -> Result<Sample, Error> {
        let (every, within) = (every.as_milliseconds(), within.as_milliseconds());
        Ok(probe_read::await_status(
            &self.name, status, times, every, within,
        )?)
    }

    /// Waits until the server shows the certificate of this serial so many times in a row; answers the last chain, which is empty in a plan.
    /// Verb: `tls`.
    pub fn await_serial(
        &self,
        serial: &str,
        times: u32,
        every: Span,
        within: Span,
    ) -> Result<Chain, Error> {
        let (every, within) = (every.as_milliseconds(), within.as_milliseconds());
        Ok(probe_read::await_serial(
            &self.name, serial, times, every, within,
        )?)
    }
}
