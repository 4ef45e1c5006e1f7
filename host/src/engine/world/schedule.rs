//! What a procedure does, what goes wrong and when, and what operators do about it.

use super::super::Plan;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Range;

/// A procedure and the processes that work on its run, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) script: Script,
    /// How many calls and effects a run may make.
    pub(super) budget: (Option<u64>, Option<u64>),
    /// What it is bound to.
    pub(super) plan: Option<Plan>,
    /// What goes wrong in the process that starts the run.
    pub(super) start: Vec<At>,
    /// Those that come after it.
    pub(super) shifts: Vec<Shift>,
}

/// What the procedure does.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) acts: Vec<Act>,
    pub(super) end: End,
}

/// One call of the procedure, and whether it goes on if that is answered with an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) step: Step,
    pub(super) swallows: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Sets a setting of a table, which can be taken back.
    Set {
        table: u8,
        value: u8,
    },
    /// Sets it only if another table has one now.
    SetIfSet {
        table: u8,
        value: u8,
    },
    /// Rebuilds an index in two steps: what breaks off between them leaves something.
    Rebuild {
        index: u8,
    },
    /// A change of which the target keeps no trace.
    Vacuum {
        table: u8,
    },
    /// A change that cannot be taken back.
    End {
        session: u8,
    },
    /// A change that cannot be taken back, nor what was done before it.
    Drop {
        index: u8,
    },
    /// What no grant allows.
    Forbidden,
    Look,
    /// Waits until the endpoint passes, which takes so many seconds; for at most ten.
    Await {
        seconds: u8,
    },
    Sleep {
        seconds: u8,
    },
    Pass,
    Fail,
    Unsure,
}

/// How the procedure ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Well,
    WithAnError,
    Panics,
}

/// A process that takes the run over, what it is told to do, and what goes wrong in it.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    pub(super) order: Order,
    pub(super) troubles: Vec<At>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Resume,
    Undo,
    Cancel,
    TakeBack,
}

/// Something that goes wrong when the process has come to this moment: a call of the target, a commit, a tenth of a second of waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) moment: u16,
    pub(super) trouble: Trouble,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The process dies.
    Death,
    /// An operator stops it; the second time at once.
    Stop,
    /// Someone asks elsewhere for the run to be cancelled.
    Cancel,
    /// The target does not answer for so many seconds.
    Away { seconds: u8 },
    /// Another run takes the lock and keeps it for so many seconds.
    Robbed { seconds: u8 },
    /// Another hand changes the setting of a table.
    OtherHand { table: u8 },
    /// The target does not allow the next change.
    Denies,
    /// The next change fails where it is.
    Fails,
    /// The connection breaks in the next changes.
    Breaks { times: u8 },
    /// The target refuses to take back what comes next.
    KeepsIt { times: u8 },
    /// Nothing can be recorded any more.
    DiskFull,
}

pub(super) fn schedules() -> impl Strategy<Value = Schedule> {
    let shift = (orders(), troubles()).prop_map(|(order, troubles)| Shift { order, troubles });
    let at_most = |most: Range<u64>| prop_oneof![3 => Just(None), 1 => most.prop_map(Some)];
    let budget = (at_most(1..8), at_most(0..4));
    (scripts(), budget, troubles(), vec(shift, 0..4)).prop_map(|(script, budget, start, shifts)| {
        Schedule {
            script,
            budget,
            plan: None,
            start,
            shifts,
        }
    })
}

fn scripts() -> impl Strategy<Value = Script> {
    let act = (steps(), prop_oneof![2 => Just(true), 1 => Just(false)])
        .prop_map(|(step, swallows)| Act { step, swallows });
    let end = prop_oneof![
        4 => Just(End::Well),
        2 => Just(End::WithAnError),
        1 => Just(End::Panics),
    ];
    (vec(act, 0..7), end).prop_map(|(acts, end)| Script { acts, end })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3u8, 1..4u8).prop_map(|(table, value)| Step::Set { table, value }),
        2 => (0..3u8, 1..4u8).prop_map(|(table, value)| Step::SetIfSet { table, value }),
        8 => (0..3u8).prop_map(|index| Step::Rebuild { index }),
        2 => (0..3u8).prop_map(|table| Step::Vacuum { table }),
        1 => (0..3u8).prop_map(|session| Step::End { session }),
        1 => (0..3u8).prop_map(|index| Step::Drop { index }),
        1 => Just(Step::Forbidden),
        1 => Just(Step::Look),
        1 => (0..12u8).prop_map(|seconds| Step::Await { seconds }),
        1 => (1..5u8).prop_map(|seconds| Step::Sleep { seconds }),
        1 => Just(Step::Pass),
        1 => Just(Step::Fail),
        1 => Just(Step::Unsure),
    ]
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![
        3 => Just(Order::Resume),
        1 => Just(Order::Undo),
        1 => Just(Order::Cancel),
        1 => Just(Order::TakeBack),
    ]
}

/// Some of what goes wrong is there from the start: only together, and for some time, does it lead to where the faults are.
fn troubles() -> impl Strategy<Value = Vec<At>> {
    let at_once = |trouble| At { moment: 0, trouble };
    let breaks = (any::<bool>(), 1..4u8)
        .prop_map(move |(is_so, times)| is_so.then(|| at_once(Trouble::Breaks { times })));
    let keeps = (any::<bool>(), 1..6u8)
        .prop_map(move |(is_so, times)| is_so.then(|| at_once(Trouble::KeepsIt { times })));
    let later = (0..40u16, trouble()).prop_map(|(moment, trouble)| At { moment, trouble });
    (breaks, keeps, vec(later, 0..3)).prop_map(|(breaks, keeps, later)| {
        let at_once = breaks.into_iter().chain(keeps);
        at_once.chain(later).collect()
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::Death),
        2 => Just(Trouble::Stop),
        1 => Just(Trouble::Cancel),
        2 => (1..90u8).prop_map(|seconds| Trouble::Away { seconds }),
        1 => (1..90u8).prop_map(|seconds| Trouble::Robbed { seconds }),
        1 => (0..3u8).prop_map(|table| Trouble::OtherHand { table }),
        1 => Just(Trouble::Denies),
        2 => Just(Trouble::Fails),
        1 => (1..4u8).prop_map(|times| Trouble::Breaks { times }),
        1 => (1..6u8).prop_map(|times| Trouble::KeepsIt { times }),
        1 => Just(Trouble::DiskFull),
    ]
}
