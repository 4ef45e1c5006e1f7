//! `--wait`: tries again while another run is at work on the target.

use super::context::Context;
use crate::clock::Span;
use crate::engine::{Control, EngineError, LockError};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use std::time::Duration;

/// How often it is tried.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Wait {
    /// Wait while another run is at work on the target, at most so long; an hour if that is not said
    #[arg(
        long = "wait",
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1h",
        value_parser = span
    )]
    at_most: Option<Span>,
}

fn span(text: &str) -> Result<Span, String> {
    let text: StrDeserializer<'_, Error> = text.into_deserializer();
    Span::deserialize(text).map_err(|error| error.to_string())
}

impl Wait {
    /// Does it as soon as the target is free. Nothing is recorded of attempts that found it busy.
    pub(super) async fn for_target<T>(
        &self,
        context: &Context,
        control: &Control,
        attempt: impl AsyncFn() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let span = self.at_most.map_or(Duration::ZERO, |span| span.0);
        let until = context.clock.instant() + span;
        let mut told = false;
        loop {
            let tried = attempt().await;
            let Err(EngineError::Lock(busy)) = &tried else {
                return tried;
            };
            if !busy.is_busy() || context.clock.instant() >= until {
                return tried;
            }
            if !told {
                context
                    .printer
                    .note(format_args!("{busy}; waiting for its end"));
                told = true;
            }
            tokio::select! {
                () = control.wanted() => {
                    return Err(LockError::GivenUp(busy.target().to_owned()).into());
                }
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}
