//! How an operator stops a run, and how people watch one.

use crate::journal::{RunId, Stamped};
use tokio::sync::{mpsc, watch};

/// How urgently the operator wants the run to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// When the effect under way has ended.
    AtSafePoint,
    /// Now; the effect under way stays in doubt until the run is resumed.
    Now,
}

/// The operator's side.
#[derive(Clone, Debug)]
pub struct Brake {
    level: watch::Sender<Stop>,
    now: watch::Sender<bool>,
}

/// The run's side.
#[derive(Clone, Debug)]
pub struct Control {
    level: watch::Receiver<Stop>,
    now: watch::Receiver<bool>,
}

/// A brake and the control that it works on.
pub fn brake() -> (Brake, Control) {
    let (level, level_seen) = watch::channel(Stop::No);
    let (now, now_seen) = watch::channel(false);
    (
        Brake { level, now },
        Control {
            level: level_seen,
            now: now_seen,
        },
    )
}

impl Brake {
    /// Asks once more: first for the next safe point, then for now. Answers what holds from here on.
    pub fn press(&self) -> Stop {
        let next = match *self.level.borrow() {
            Stop::No => Stop::AtSafePoint,
            Stop::AtSafePoint | Stop::Now => Stop::Now,
        };
        self.level.send_replace(next);
        self.now.send_replace(next == Stop::Now);
        next
    }
}

impl Control {
    /// Whether the operator wants to stop at all, by now.
    pub fn is_wanted(&self) -> bool {
        self.level() >= Stop::AtSafePoint
    }

    pub(super) fn level(&self) -> Stop {
        *self.level.borrow()
    }

    pub(super) fn now(&self) -> watch::Receiver<bool> {
        self.now.clone()
    }

    /// Resolves when the run shall stop at all.
    pub async fn wanted(&self) {
        let mut level = self.level.clone();
        if level
            .wait_for(|level| *level >= Stop::AtSafePoint)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

/// How far an effect is, for people. Never recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Such as "building index" or "scanning heap".
    pub phase: String,
    /// In the phase's own unit.
    pub done: u64,
    /// Zero if unknown.
    pub total: u64,
    /// Whether the phase is a line to be read, also where progress is not drawn.
    pub notice: bool,
}

/// What people who watch a run see.
#[derive(Clone, Debug)]
pub enum Event {
    /// An entry of the journal, durable unless the run is a plan.
    Recorded(RunId, Box<Stamped>),
    /// How far the effect under way is.
    Effect(Progress),
    /// How far the procedure says it is.
    Step(Progress),
}

/// Tells those who watch. Nobody watching is fine.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    sender: Option<mpsc::UnboundedSender<Event>>,
    reads_lines: bool,
}

impl Audience {
    /// An audience that hears through the channel.
    pub fn new(sender: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            sender: Some(sender),
            reads_lines: false,
        }
    }

    /// The same, but it reads lines: nothing is drawn for it, so nobody is asked how far an effect is.
    #[must_use]
    pub fn reading_lines(mut self) -> Self {
        self.reads_lines = true;
        self
    }

    /// Whether anybody sees how far an effect is.
    pub(super) fn sees_progress(&self) -> bool {
        self.is_there() && !self.reads_lines
    }

    /// Whether anybody watches.
    pub(super) fn is_there(&self) -> bool {
        self.sender.is_some()
    }

    pub(super) fn tell(&self, event: Event) {
        if let Some(sender) = &self.sender {
            // An audience that left is no reason to stop.
            let _ = sender.send(event);
        }
    }

    /// A channel whose messages are told as the progress of the effect under way.
    pub(super) fn effect_progress(&self) -> Option<mpsc::UnboundedSender<Progress>> {
        let audience = self.clone();
        audience.sender.as_ref()?;
        let (sender, mut receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(progress) = receiver.recv().await {
                audience.tell(Event::Effect(progress));
            }
        });
        Some(sender)
    }
}
