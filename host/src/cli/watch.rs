//! What an operator sees while a run is under way, and how Ctrl-C stops it. Lines go to stderr; on a terminal the effect under way is
//! drawn live.

use super::narrate::Narrator;
use super::output::Printer;
use crate::engine::{Audience, Brake, Control, Event, Progress, Seat, Stop, brake};
use crate::journal::{Entry, State};
use crate::text::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the first Ctrl-C is answered with while a procedure works.
pub(super) const WORKING: &str =
    "Stopping after this effect. Once more stops now; nothing is lost either way.";
/// While a run is taken back.
pub(super) const TAKING_BACK: &str =
    "Stopping after this undo. Once more stops now; nothing is lost either way.";
/// While a plan is made.
pub(super) const PLANNING: &str = "Stopping the plan. Nothing was changed.";

/// The telling of one run. Finish it before printing the result.
#[derive(Debug)]
pub(super) struct Watching {
    telling: JoinHandle<()>,
    listening: JoinHandle<()>,
    pressed: Arc<AtomicBool>,
}

impl Watching {
    /// Waits until everything that happened is told.
    ///
    /// Answers whether the operator wanted it stopped.
    pub(super) async fn finish(self) -> bool {
        self.listening.abort();
        // It ends when the run lets go of its side; if it broke off there is nothing more to tell.
        let _ = self.telling.await;
        self.pressed.load(Ordering::Relaxed)
    }
}

/// A seat for an operator at this terminal. `past` is what is already recorded of the run; `stopping` is what the first Ctrl-C is
/// answered with.
pub(super) fn watch(printer: Printer, past: State, stopping: &'static str) -> (Seat, Watching) {
    let (brake, control) = brake();
    let (sender, receiver) = mpsc::unbounded_channel();
    let audience = if printer.draws() {
        Audience::new(sender)
    } else {
        Audience::new(sender).reading_lines()
    };
    let teller = Teller::new(printer, past);
    let pressed = Arc::new(AtomicBool::new(false));
    let listener = Listener {
        printer,
        bar: teller.bar.clone(),
        brake,
        stopping,
        pressed: Arc::clone(&pressed),
    };
    let telling = tokio::spawn(tell(teller, receiver));
    let listening = tokio::spawn(listener.listen(Signals::new()));
    (
        Seat { control, audience },
        Watching {
            telling,
            listening,
            pressed,
        },
    )
}

/// The control of several runs that nobody watches one by one. Signals work on it until the handle is aborted.
pub(super) fn control(printer: Printer) -> (Control, JoinHandle<()>) {
    let (brake, control) = brake();
    let listener = Listener {
        printer,
        bar: ProgressBar::hidden(),
        brake,
        stopping: WORKING,
        pressed: Arc::default(),
    };
    (control, tokio::spawn(listener.listen(Signals::new())))
}

/// Ctrl-C, requests to terminate, and a terminal that is gone. It exists from before the run begins until it ends, so that none falls between two waits.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> Self {
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
            hangup: signal_unless_ignored(SignalKind::hangup()),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            () = one(&mut self.interrupt) => {}
            () = one(&mut self.terminate) => {}
            () = one(&mut self.hangup) => {}
        }
    }
}

/// A process that `nohup` started goes on without its terminal: catching the signal would undo that.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's word on this process is no file of a folder"
)]
fn signal_unless_ignored(kind: SignalKind) -> Option<Signal> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = kind.as_raw_value().checked_sub(1)?;
    let is_ignored = ignored.is_some_and(|mask| mask >> bit & 1 == 1);
    if is_ignored { None } else { signal(kind).ok() }
}

/// A signal that cannot be caught does what it does to every process, so there is nothing to wait for.
async fn one(caught: &mut Option<Signal>) {
    let came = match caught {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Presses the brake at each signal.
struct Listener {
    printer: Printer,
    /// What is drawn makes room for a line.
    bar: ProgressBar,
    brake: Brake,
    stopping: &'static str,
    pressed: Arc<AtomicBool>,
}

impl Listener {
    async fn listen(self, mut signals: Signals) {
        loop {
            signals.next().await;
            let stop = self.brake.press();
            self.pressed.store(true, Ordering::Relaxed);
            let note = match stop {
                Stop::No => continue,
                Stop::AtSafePoint => self.stopping,
                Stop::Now => {
                    "Stopping now. What is under way is looked at when the run is resumed."
                }
            };
            self.bar.suspend(|| self.printer.note(note));
        }
    }
}

async fn tell(mut teller: Teller, mut events: mpsc::UnboundedReceiver<Event>) {
    while let Some(event) = events.recv().await {
        teller.hear(event);
    }
    teller.bar.finish_and_clear();
}

struct Teller {
    printer: Printer,
    bar: ProgressBar,
    narrator: Narrator,
    under_way: String,
}

impl Teller {
    fn new(printer: Printer, past: State) -> Self {
        let target = if printer.draws() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        if printer.draws() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self {
            printer,
            bar,
            narrator: Narrator::after(past),
            under_way: String::new(),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Recorded(_, stamped) => {
                tracing::trace!(seq = stamped.seq, entry = ?stamped.entry, "recorded");
                let line = self.narrator.tell(&stamped);
                if let Entry::Intended { effect, call, .. } = &stamped.entry {
                    self.under_way = format!("{effect} {}", printable(&call.to_string()));
                    self.bar.set_message(self.under_way.clone());
                    self.bar.reset_elapsed();
                    // Where it is drawn live, a line that it began says nothing more.
                    if self.printer.draws() {
                        return;
                    }
                }
                if let Some(line) = line {
                    self.bar.suspend(|| self.printer.tell(&line));
                    self.bar.set_message("");
                }
            }
            Event::Effect(progress) if progress.notice => {
                let line = format!("  {}", printable(&progress.phase));
                self.bar.suspend(|| self.printer.note(line));
            }
            Event::Effect(progress) => {
                tracing::trace!(?progress, "effect");
                self.show(&format!("{}: ", self.under_way), &progress);
            }
            Event::Step(progress) => self.show("", &progress),
        }
    }

    fn show(&self, before: &str, progress: &Progress) {
        let phase = printable(&progress.phase).to_string();
        let text = match progress
            .done
            .saturating_mul(100)
            .checked_div(progress.total)
        {
            Some(percent) => format!("{before}{phase} {} %", percent.min(100)),
            None => format!("{before}{phase}"),
        };
        self.bar.set_message(text);
    }
}
