//! Where a process is killed, and kills that depend on nothing before them.

use super::last_run;
use super::world::{LawWorld, same, since, windlass};
use crate::world::Project;
use std::time::{SystemTime, UNIX_EPOCH};
use windlass::journal::{Outcome, Stamped, State};

/// Names the seed of an earlier run, to repeat it.
const SEED: &str = "WINDLASS_TEST_SEED";
/// How many kills each case gets.
const TRIES: usize = 3;

#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    Before,
    After,
}

impl Moment {
    /// The variable for one kill: see `src/main.rs`.
    fn of_one(self) -> &'static str {
        match self {
            Self::Before => "WINDLASS_TEST_KILL_BEFORE",
            Self::After => "WINDLASS_TEST_KILL_AT",
        }
    }

    /// The variable for a chain of them.
    pub(super) fn of_a_chain(self) -> &'static str {
        match self {
            Self::Before => "WINDLASS_TEST_KILL_EACH_BEFORE",
            Self::After => "WINDLASS_TEST_KILL_EACH_AFTER",
        }
    }

    /// Whether this is another moment than the one after the entry before: the target has changed since.
    pub(super) fn is_tried(self, kind: &str) -> bool {
        match self {
            Self::After => true,
            Self::Before => matches!(kind, "done" | "failed" | "undone" | "undo-failed"),
        }
    }
}

/// One kill, around the n-th entry of a kind that a process commits.
#[derive(Clone, Debug)]
pub(super) struct Kill {
    moment: Moment,
    place: String,
}

impl Kill {
    /// Around the last entry of this kind.
    pub(super) fn last(entries: &[Stamped], kind: &str, moment: Moment) -> Self {
        let is_it = |stamped: &Stamped| stamped.entry.kind() == kind;
        let last = entries.iter().rposition(is_it).unwrap();
        Self::around(entries, last, moment)
    }

    fn around(entries: &[Stamped], at: usize, moment: Moment) -> Self {
        let kind = entries[at].entry.kind();
        let same = |stamped: &&Stamped| stamped.entry.kind() == kind;
        let occurrence = entries[..=at].iter().filter(same).count();
        let place = format!("{kind}:{occurrence}");
        Self { moment, place }
    }

    /// Runs these words, and sees the process killed.
    pub(super) fn happens(&self, project: &Project, words: &[String]) {
        let killed = windlass(project, &[(self.moment.of_one(), &self.place)], words);
        assert_eq!(killed.code, 128 + 9, "{self:?}: {killed}");
    }
}

/// What goes on with a run.
pub(super) fn resume_of(_: &State, run: &str) -> Vec<String> {
    vec!["resume".to_owned(), run.to_owned()]
}

/// A chain may hide what shows from a clean start only.
pub(crate) fn crashes_at_random_and_resumes<W: LawWorld>(case: W::Case) {
    let mut dice = Dice::new();
    let mut world = W::fresh(case);
    let (before, work) = (world.wanted(), world.work());
    windlass(&world, &[], &world.typed("run")).expect(0);
    let (end, done) = (world.end(), since(&work, world.work()));
    let entries = last_run(&world).2;
    for _ in 0..TRIES {
        world = world.again(case, &before);
        let kill = dice.kill(&entries);
        let work = world.work();
        kill.happens(&world, &world.typed("run"));
        let (run, state, _) = last_run(&world);
        windlass(&world, &[], &resume_of(&state, &run.0)).expect(0);
        let context = format!("{kill:?}, {SEED}={}", dice.seed);
        let (_, state, _) = last_run(&world);
        assert_eq!(state.outcome(), Some(Outcome::Succeeded), "{context}");
        same(&world.end(), &end, &context);
        assert_eq!(since(&work, world.work()), done, "{context}");
        world.assert_nothing_twice(&context);
    }
}

/// Numbers that a seed tells (`SplitMix64`).
struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    #[expect(
        clippy::print_stderr,
        reason = "what is drawn can be drawn again only if the seed is told"
    )]
    fn new() -> Self {
        let given = std::env::var(SEED).ok().map(|seed| seed.parse().unwrap());
        let now = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        };
        let seed = given.unwrap_or_else(now);
        eprintln!("{SEED}={seed}");
        Self { seed, state: seed }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn kill(&mut self, entries: &[Stamped]) -> Kill {
        let at = self.below(entries.len());
        let changes = Moment::Before.is_tried(entries[at].entry.kind());
        let moment = if changes && self.below(2) == 0 {
            Moment::Before
        } else {
            Moment::After
        };
        Kill::around(entries, at, moment)
    }
}
