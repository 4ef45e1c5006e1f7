//! A person's word on an effect that the target cannot tell about: `--effect 3=done`.

use super::failure::Failure;
use crate::engine::Decision;
use crate::journal::{RunId, State};

#[derive(Debug, clap::Args)]
pub(super) struct Decided {
    /// What became of the effect in doubt, if the target cannot tell: 3=done or 3=not-done
    #[arg(long, value_name = "N=WHAT", value_parser = number_and_fate)]
    effect: Option<(u64, bool)>,
}

fn number_and_fate(text: &str) -> Result<(u64, bool), String> {
    let read = || {
        let (number, fate) = text.split_once('=')?;
        let happened = match fate {
            "done" => true,
            "not-done" => false,
            _ => return None,
        };
        Some((number.parse().ok()?, happened))
    };
    read().ok_or_else(|| "write N=done or N=not-done".into())
}

impl Decided {
    /// The decision of this person, if there is one, about the effect that is open.
    pub(super) fn by(
        &self,
        by: String,
        run: &RunId,
        state: &State,
    ) -> Result<Option<Decision>, Failure> {
        let Some((effect, happened)) = self.effect else {
            return Ok(None);
        };
        if state.open_effect().is_none_or(|open| open.number != effect) {
            return Err(
                Failure::usage(format!("effect {effect} of run {run} is not in doubt"))
                    .note("nothing was changed")
                    .hint(format!("windlass show {run}")),
            );
        }
        Ok(Some(Decision {
            effect,
            happened,
            by,
        }))
    }
}
