//! Answers a resumed guest from the journal until the journal ends. Pure.

use super::halt::Halt;
use crate::call::Effect;
use crate::clock::Millis;
use crate::contract::CallError;
use crate::journal::{Call, Entry, Stamped};
use serde_json::Value;
use std::collections::VecDeque;

/// Something that the guest did, with what it was told.
#[derive(Debug)]
enum Recorded {
    Observed {
        call: Call,
        answer: Answer,
    },
    Refused {
        value: Value,
        error: CallError,
    },
    Effect {
        number: u64,
        call: Effect,
        answer: Option<Answer>,
    },
    Remark(Box<Entry>),
}

pub(super) type Answer = Result<Value, CallError>;

/// The recorded answer to an effect.
#[derive(Debug, PartialEq)]
pub(super) struct Past {
    pub(super) answer: Answer,
    /// False if it was refused, or declined before anything was sent.
    pub(super) intended: bool,
}

/// The guest's past, first to last.
#[derive(Debug, Default)]
pub(super) struct Replay {
    past: VecDeque<Recorded>,
    waiting: Option<Millis>,
    /// When the run was stopped while it waited, and for how long it was in all: nobody waited then.
    stopped: Option<Millis>,
    idle: u64,
}

impl Replay {
    /// Reads the past from a run's entries. Every effect must have an end: settle the open one before.
    pub(super) fn new(entries: &[Stamped]) -> Self {
        let mut replay = Self::default();
        for stamped in entries {
            replay.pass_time(stamped);
            replay.remember(&stamped.entry);
        }
        replay
    }

    /// Counts how long the run was stopped while it waited.
    fn pass_time(&mut self, stamped: &Stamped) {
        if let Entry::Waiting { .. } = stamped.entry {
            self.idle = 0;
        } else if let Entry::Stopped { .. } = stamped.entry {
            self.stopped = Some(stamped.at);
        } else if let Entry::Resumed { .. } = stamped.entry {
            let stopped = self.stopped.take();
            self.idle += stopped.map_or(0, |stopped| stamped.at.since(stopped));
        }
    }

    fn remember(&mut self, entry: &Entry) {
        match entry {
            Entry::Observed { call, answer } => {
                self.waiting = None;
                let (call, answer) = (call.clone(), answer.clone());
                self.past.push_back(Recorded::Observed { call, answer });
            }
            Entry::Waiting { until } => self.waiting = Some(*until),
            Entry::Refused { value, error, .. } => {
                let (value, error) = (value.clone(), error.clone());
                self.past.push_back(Recorded::Refused { value, error });
            }
            Entry::Step { .. }
            | Entry::Log { .. }
            | Entry::Check { .. }
            | Entry::Panicked { .. } => self
                .past
                .push_back(Recorded::Remark(Box::new(entry.clone()))),
            Entry::Intended { effect, call, .. } => {
                let call = call.clone();
                self.past.push_back(Recorded::Effect {
                    number: *effect,
                    call,
                    answer: None,
                });
            }
            Entry::Done {
                effect, applied, ..
            } => self.answer(*effect, Ok(applied.answer.clone())),
            Entry::Failed { effect, error, .. } => self.answer(*effect, Err(error.clone())),
            // The target says that it did not happen: the guest asks again, and this time it is live.
            Entry::NotDone { effect, .. } => self.forget(*effect),
            Entry::Begin(_)
            | Entry::Resumed { .. }
            | Entry::Noted { .. }
            | Entry::Turned(_)
            | Entry::InDoubt { .. }
            | Entry::Unwinding { .. }
            | Entry::Undoing { .. }
            | Entry::Undone { .. }
            | Entry::UndoFailed { .. }
            | Entry::Stopped { .. }
            | Entry::CancelRequested { .. }
            | Entry::UndoRequested { .. }
            | Entry::End { .. } => {}
        }
    }

    fn answer(&mut self, effect: u64, given: Answer) {
        for recorded in self.past.iter_mut().rev() {
            if let Recorded::Effect { number, answer, .. } = recorded
                && *number == effect
            {
                *answer = Some(given);
                return;
            }
        }
    }

    fn forget(&mut self, effect: u64) {
        self.past.retain(
            |recorded| !matches!(recorded, Recorded::Effect { number, .. } if *number == effect),
        );
    }

    /// Whether the guest has caught up with its past.
    pub(super) fn is_over(&self) -> bool {
        self.past.is_empty()
    }

    /// When a sleep that was under way ends, whoever was at work meanwhile. Once.
    pub(super) fn take_sleep(&mut self) -> Option<Millis> {
        self.waiting.take()
    }

    /// When a wait for others that was under way ends: the time for which the run was stopped does not count. Once.
    pub(super) fn take_wait(&mut self) -> Option<Millis> {
        let until = self.waiting.take()?;
        Some(Millis(until.0.saturating_add(self.idle)))
    }

    /// The recorded answer to a look or a question; none if the past is over.
    pub(super) fn call(&mut self, asked: &Call) -> Result<Option<Answer>, Halt> {
        match self.past.pop_front() {
            None => Ok(None),
            Some(Recorded::Observed { call, answer }) if call == *asked => Ok(Some(answer)),
            Some(Recorded::Refused { value, error }) if same(&value, asked) => Ok(Some(Err(error))),
            Some(other) => Err(diverged(&other, format!("{asked:?}"))),
        }
    }

    /// The recorded answer to an effect; none if the past is over.
    pub(super) fn effect(&mut self, asked: &Effect) -> Result<Option<Past>, Halt> {
        let past = |answer, intended| Ok(Some(Past { answer, intended }));
        match self.past.pop_front() {
            None => Ok(None),
            Some(Recorded::Effect {
                call,
                answer: Some(answer),
                ..
            }) if call == *asked => past(answer, true),
            Some(Recorded::Observed {
                call: Call::Effect(call),
                answer,
            }) if call == *asked => past(answer, false),
            Some(Recorded::Refused { value, error }) if same(&value, asked) => {
                past(Err(error), false)
            }
            Some(other) => Err(diverged(&other, asked.to_string())),
        }
    }

    /// Whether the remark is already recorded.
    pub(super) fn remark(&mut self, made: &Entry) -> Result<bool, Halt> {
        match self.past.pop_front() {
            None => Ok(false),
            Some(Recorded::Remark(entry)) if *entry == *made => Ok(true),
            Some(other) => Err(diverged(&other, format!("{made:?}"))),
        }
    }
}

fn same<T: serde::Serialize>(value: &Value, asked: &T) -> bool {
    serde_json::to_value(asked).is_ok_and(|asked| asked == *value)
}

fn diverged(recorded: &Recorded, asked: String) -> Halt {
    let recorded = match recorded {
        Recorded::Observed { call, .. } => format!("{call:?}"),
        Recorded::Refused { value, .. } => value.to_string(),
        Recorded::Effect { call, .. } => call.to_string(),
        Recorded::Remark(entry) => format!("{entry:?}"),
    };
    Halt::Diverged { recorded, asked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ErrorKind;
    use crate::journal::Ask;

    fn stamp(entry: Entry) -> Stamped {
        Stamped {
            seq: 0,
            at: Millis(0),
            entry,
        }
    }

    fn now(answer: u64) -> Stamped {
        stamp(Entry::Observed {
            call: Call::Ask(Ask::Now),
            answer: Ok(answer.into()),
        })
    }

    #[test]
    fn answers_in_order_and_then_ends() {
        let mut replay = Replay::new(&[now(7), now(8)]);
        assert_eq!(
            replay.call(&Call::Ask(Ask::Now)).unwrap(),
            Some(Ok(7.into()))
        );
        assert_eq!(
            replay.call(&Call::Ask(Ask::Now)).unwrap(),
            Some(Ok(8.into()))
        );
        assert!(replay.is_over());
        assert_eq!(replay.call(&Call::Ask(Ask::Now)).unwrap(), None);
    }

    #[test]
    fn the_time_for_which_a_run_was_stopped_is_not_waited() {
        let at = |at, entry| Stamped {
            seq: 0,
            at: Millis(at),
            entry,
        };
        let waiting = at(0, Entry::Waiting { until: Millis(10) });
        let stopped = at(
            4,
            Entry::Stopped {
                why: "stopped".into(),
                diverged: false,
            },
        );
        let resumed = at(
            100,
            Entry::Resumed {
                by: "ana".into(),
                grants: Vec::new(),
            },
        );
        let all = [waiting.clone(), stopped, resumed.clone()];
        assert_eq!(Replay::new(&all).take_wait(), Some(Millis(106)));
        assert_eq!(Replay::new(&all).take_sleep(), Some(Millis(10)));
        // Nothing tells when a process was killed.
        let killed = [waiting, resumed];
        assert_eq!(Replay::new(&killed).take_wait(), Some(Millis(10)));
        assert_eq!(Replay::new(&killed[1..]).take_wait(), None);
    }

    #[test]
    fn stops_at_the_first_difference() {
        let mut replay = Replay::new(&[now(7)]);
        let halt = replay
            .call(&Call::Ask(Ask::Random { length: 3 }))
            .unwrap_err();
        assert!(matches!(halt, Halt::Diverged { .. }));
    }

    #[test]
    fn a_refusal_is_answered_again() {
        let read = crate::call::Read::Database(crate::database::Read::Server {
            database: "orders".into(),
        });
        let error = CallError::new(ErrorKind::Denied, "no");
        let call = Call::Read(read.clone());
        let mut replay = Replay::new(&[stamp(Entry::Refused {
            call: read.to_string(),
            value: serde_json::to_value(&call).unwrap(),
            side: crate::grant::Side::Grant,
            error: error.clone(),
            touch: None,
        })]);
        assert_eq!(replay.call(&call).unwrap(), Some(Err(error)));
    }
}
