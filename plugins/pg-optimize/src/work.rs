//! Doing it: one object at a time, with the guards before each.

use crate::choose::{self, Left, holder_text};
use crate::done::{Done, Ended, left_alone};
use crate::guard;
use crate::memory::{self, Memory};
use crate::parameters::Parameters;
use crate::seen::Seen;
use crate::tune;
use crate::unknown::{self, Unknown};
use std::rc::Rc;
use std::time::Duration;
use windlass_sdk::database::{IndexFacts, OwnStatement, TableFacts, XminHolder};
use windlass_sdk::{Database, Error, Finding, Kind, Run, Verdict, text};

/// How often a standby that is behind is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What a run has done so far, and what it does next.
pub(crate) struct Work<'a> {
    run: &'a Run,
    database: &'a Database,
    parameters: &'a Parameters,
    seen: &'a Seen,
    /// As seen, or as they were after what changed them.
    indexes: Rc<Vec<IndexFacts>>,
    memory: Memory,
    done: Done,
    /// The worst of the checks so far.
    verdict: Verdict,
}

impl<'a> Work<'a> {
    pub(crate) fn begin(
        run: &'a Run,
        database: &'a Database,
        parameters: &'a Parameters,
        seen: &'a Seen,
    ) -> Result<Self, Error> {
        let mut memory: Memory = run.recall(memory::KEY)?.unwrap_or_default();
        memory.keep_only(&seen.tables, &seen.indexes);
        Ok(Self {
            run,
            database,
            parameters,
            seen,
            indexes: Rc::new(seen.indexes.clone()),
            memory,
            done: Done::default(),
            verdict: Verdict::Pass,
        })
    }

    fn check(&mut self, name: impl AsRef<str>, finding: Finding) {
        self.verdict = match (self.verdict, finding.verdict) {
            (Verdict::Fail, _) | (_, Verdict::Fail) => Verdict::Fail,
            (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
            (Verdict::Pass, Verdict::Pass) => Verdict::Pass,
        };
        self.run.check(name, finding);
    }

    /// Tells what could not be judged because it was not seen.
    pub(crate) fn report_unknown(&mut self) {
        let (seen, coverage) = (self.seen, &self.seen.coverage);
        let bloat = unknown::bloat(&seen.indexes, &coverage.role, &self.memory, self.parameters);
        for (name, unknown) in [
            ("something is seen", unknown::tables(coverage)),
            (
                "all is looked at",
                unknown::beyond(coverage, seen.tables.len(), seen.indexes.len()),
            ),
            ("bloat is known", bloat),
            (
                "dead rows are counted",
                unknown::dead_rows(coverage, &seen.tables),
            ),
        ] {
            match unknown {
                Unknown::Nothing => {}
                Unknown::Part(short, long) => {
                    self.run.warning(long);
                    self.done.unknown.push(short);
                }
                Unknown::All(finding) => {
                    self.done.blind = true;
                    self.check(name, finding);
                }
            }
        }
    }

    /// Warns of old transactions and the like. The oldest holder is told in any case: it explains what vacuum leaves.
    pub(crate) fn report_holders(&self) {
        let old = self.seen.old_holders(self.parameters);
        for (holder, open) in &old {
            let open = open.map(|age| format!(", open for {}", text::duration(age)));
            self.run.warning(format!(
                "look first: {}{} keeps younger dead rows from being removed",
                holder_text(holder),
                open.unwrap_or_default()
            ));
        }
        if let (true, Some(holder)) = (old.is_empty(), self.seen.oldest_holder()) {
            let holder = holder_text(holder);
            self.run
                .info(format!("the oldest that keeps dead rows is {holder}"));
        }
    }

    /// Statements that an earlier run left running are reported, and cancelled only if so asked.
    pub(crate) fn deal_with_abandoned(&mut self) -> Result<(), Error> {
        let abandoned: Vec<&OwnStatement> = self.seen.abandoned.iter().collect();
        if !self.parameters.cancel_abandoned {
            for statement in abandoned {
                self.run.warning(format!(
                    "an earlier run of windlass left a statement running: {}; cancel-abandoned=true cancels it",
                    statement_name(statement)
                ));
            }
            return Ok(());
        }
        self.each(
            "cancel abandoned statements",
            &abandoned,
            statement_name,
            |work, statement, _| {
                let (pid, start) = (statement.pid, statement.backend_start);
                if work.database.cancel_backend(pid, start)? {
                    work.done.cancelled += 1;
                }
                Ok(None)
            },
        )?;
        if self.done.cancelled > 0 {
            // A cancelled rebuild leaves an invalid index.
            self.indexes = Rc::new(self.database.indexes()?);
        }
        Ok(())
    }

    /// Drops what broken-off rebuilds left: it costs writes and answers no query.
    pub(crate) fn drop_leftovers(&mut self) -> Result<(), Error> {
        let indexes = Rc::clone(&self.indexes);
        let choice = choose::leftovers(&indexes, self.parameters);
        self.leave(&choice.left);
        let vain = self.done.vain;
        self.each(
            "drop leftovers",
            &choice.chosen,
            index_name,
            |work, index, _| {
                let freed = work.database.drop_invalid_index(&index.name)?;
                work.done.dropped.push(freed);
                Ok(None)
            },
        )?;
        let vain = self.done.vain - vain;
        if let Some(finding) = self.done.leftovers_finding(vain) {
            self.check("leftovers are gone", finding);
        }
        Ok(())
    }

    /// Rebuilds what is bloated, the worst first.
    pub(crate) fn rebuild_indexes(&mut self) -> Result<(), Error> {
        let indexes = Rc::clone(&self.indexes);
        let choice = choose::rebuilds(&indexes, &self.memory, self.parameters);
        self.leave(&choice.left);
        self.each(
            "rebuild indexes",
            &choice.chosen,
            index_name,
            |work, index, name| {
                // Each rebuild, and everyone else, changes what is free.
                let free = work.database.server()?.free_bytes;
                if let Some(why) = guard::no_room(index, free, work.parameters) {
                    return Ok(Some(why));
                }
                let rebuilt = work.database.reindex(&index.name)?;
                work.done.rebuilt.push((name.to_owned(), rebuilt));
                Ok(None)
            },
        )
    }

    /// Vacuums by dead rows, and says so where they could not be removed.
    pub(crate) fn vacuum_tables(&mut self) -> Result<(), Error> {
        let choice = choose::vacuums(
            &self.seen.tables,
            &self.seen.holders,
            &self.memory,
            self.parameters,
        );
        self.leave(&choice.left);
        self.each(
            "vacuum tables",
            &choice.chosen,
            table_name,
            |work, table, _| {
                let vacuumed = work.database.vacuum(&table.name, true)?;
                work.learn(table, vacuumed.dead_rows_after)?;
                work.done.vacuumed.push((table.oid, vacuumed));
                Ok(None)
            },
        )
    }

    /// Remembers whether something keeps the table's dead rows, so that the next run does not read it all in vain.
    fn learn(&mut self, table: &TableFacts, dead_rows_after: u64) -> Result<(), Error> {
        let many = dead_rows_after >= self.parameters.min_dead_rows.max(1);
        let seen = self.seen;
        match seen.oldest_holder() {
            Some(holder) if many && self.is_still_there(holder)? => {
                self.run.warning(format!(
                    "{} dead rows of {} could not be removed; what keeps them is probably {}",
                    text::number(dead_rows_after),
                    text::name(&table.name),
                    holder_text(holder)
                ));
                self.memory.held(table, holder);
            }
            Some(_) | None => self.memory.released(table),
        }
        Ok(())
    }

    /// Who is gone by now kept nothing: what is dead then died while the table was vacuumed.
    fn is_still_there(&self, holder: &XminHolder) -> Result<bool, Error> {
        let now = self.database.xmin_holders()?;
        Ok(now.iter().any(|other| memory::is_same(holder, other)))
    }

    /// Renews statistics where vacuum did not.
    pub(crate) fn analyze_tables(&mut self) -> Result<(), Error> {
        let vacuumed: Vec<u32> = self.done.vacuumed.iter().map(|(oid, _)| *oid).collect();
        let choice = choose::analyzes(&self.seen.tables, &vacuumed, self.seen.at, self.parameters);
        self.leave(&choice.left);
        self.each(
            "analyze tables",
            &choice.chosen,
            table_name,
            |work, table, _| {
                work.database.analyze(&table.name)?;
                work.done.analyzed += 1;
                Ok(None)
            },
        )
    }

    /// Makes autovacuum start earlier where it came too late, if so asked.
    pub(crate) fn tune_autovacuum(&mut self) -> Result<(), Error> {
        if !self.parameters.tune_autovacuum {
            return Ok(());
        }
        let choice = tune::tunings(&self.seen.tables, &self.seen.server, self.parameters);
        self.leave(&choice.left);
        let factor = tune::scale_factor(self.parameters.tune_to);
        let set = [(tune::SCALE_FACTOR.to_owned(), Some(factor))];
        self.each(
            "tune autovacuum",
            &choice.chosen,
            table_name,
            |work, table, _| {
                work.database.set_parameters(&table.name, &set)?;
                work.done.tuned += 1;
                Ok(None)
            },
        )
    }

    /// Checks what the effects answered, keeps what the next run has to know, and tells what was done.
    pub(crate) fn finish(mut self) -> Result<Ended, Error> {
        if !self.done.rebuilt.is_empty() {
            self.run.step("check");
            let finding = self.done.sizes_finding();
            self.check("rebuilt indexes are not larger", finding);
            let indexes = self.database.indexes()?;
            for index in &indexes {
                let name = text::name(&index.name);
                if self
                    .done
                    .rebuilt
                    .iter()
                    .any(|(rebuilt, _)| *rebuilt == name)
                {
                    self.memory.rebuilt(index);
                }
            }
        }
        if let Some(finding) = self.done.chosen_finding() {
            self.check("what was chosen was done", finding);
        }
        if let Some(finding) = self.done.barred_finding() {
            self.check("what needs work may be maintained", finding);
        }
        self.run.remember(memory::KEY, &self.memory)?;
        Ok(Ended {
            sentence: self.done.sentence(),
            verdict: self.verdict,
            objects: self.done.objects(),
            left: self.done.left,
        })
    }

    /// Acts on one object after the other, unless the guards before each are against it. `act` answers why the object is left alone, if
    /// it is. One that is locked, changed, gone or not in the plan is passed over.
    fn each<T>(
        &mut self,
        step: &str,
        chosen: &[&T],
        name: impl Fn(&T) -> String,
        mut act: impl FnMut(&mut Self, &T, &str) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        if !chosen.is_empty() {
            self.run.step(step);
        }
        for (at, object) in chosen.iter().enumerate() {
            if let Some(why) = self.must_stop()? {
                let rest = chosen.iter().skip(at);
                let rest = rest.map(|object| Left::alone(name(object), &why));
                self.leave(&rest.collect::<Vec<_>>());
                return Ok(());
            }
            let object_name = name(object);
            self.run
                .progress(at as u64, chosen.len() as u64, &object_name);
            match act(self, object, &object_name) {
                Ok(None) => self.done.tried += 1,
                Ok(Some(why)) => self.leave(&[Left::alone(object_name, why)]),
                Err(error) => self.failed(object_name, error)?,
            }
        }
        Ok(())
    }

    /// The rest may do better, unless the error is about more than the object.
    fn failed(&mut self, name: String, error: Error) -> Result<(), Error> {
        if error.is_budget() {
            self.leave(&[Left::alone(name, "the budget is used up")]);
            self.done.stopped = Some(error.message);
            return Ok(());
        }
        if error.is_outside_the_plan() {
            self.run.warning(format!("not done {name}: {error}"));
            self.done.unplanned += 1;
            return Ok(());
        }
        if error.kind == Kind::NotFound {
            self.leave(&[Left::alone(name, error.message)]);
            return Ok(());
        }
        if error.kind == Kind::Damaged {
            self.check(format!("{name} is sound"), Finding::fail(error.message));
        } else if error.kind == Kind::Limit {
            self.run.warning(format!("tried in vain {name}: {error}"));
            self.done.stopped = Some(error.message);
        } else if error.is_about_the_object() {
            self.run.warning(format!("tried in vain {name}: {error}"));
        } else {
            return Err(error);
        }
        self.done.tried += 1;
        self.done.vain += 1;
        Ok(())
    }

    /// Why nothing may be started any more, if so. Once it is so it stays so: what needed work first was not done.
    fn must_stop(&mut self) -> Result<Option<String>, Error> {
        if self.done.stopped.is_none() {
            self.done.stopped = self.reason_to_stop()?;
        }
        Ok(self.done.stopped.clone())
    }

    /// The time comes last: to wait for a standby takes some.
    fn reason_to_stop(&self) -> Result<Option<String>, Error> {
        let maximum = self.parameters.max_objects as usize;
        if self.done.tried >= maximum {
            let objects = text::count(maximum, "object");
            return Ok(Some(format!(
                "{objects} worked on, as many as max-objects allows"
            )));
        }
        if let Some(why) = self.standby_behind()? {
            return Ok(Some(why));
        }
        let took = self.run.now().saturating_sub(self.seen.at);
        let over = took >= self.parameters.stop_after.as_milliseconds();
        Ok(over.then(|| {
            format!(
                "the time of stop-after, {}, is over",
                self.parameters.stop_after
            )
        }))
    }

    /// Why the standbys cannot take more, even after some patience.
    fn standby_behind(&self) -> Result<Option<String>, Error> {
        let mut waited = Duration::ZERO;
        loop {
            let replication = self.database.replication()?;
            let expected = self.seen.server.expected_standbys;
            let Some(why) = guard::behind(&replication, expected, self.parameters) else {
                return Ok(None);
            };
            if waited >= self.parameters.lag_patience.as_duration() {
                return Ok(Some(why));
            }
            if waited.is_zero() {
                self.run.info(format!(
                    "waiting, at most {}: {why}",
                    self.parameters.lag_patience
                ));
            }
            self.run.sleep(LOOK_AGAIN)?;
            waited += LOOK_AGAIN;
        }
    }

    fn leave(&mut self, left: &[Left]) {
        self.done.leave(left);
        for line in left_alone(left) {
            self.run.info(line);
        }
    }
}

fn index_name(index: &IndexFacts) -> String {
    text::name(&index.name)
}

fn statement_name(statement: &OwnStatement) -> String {
    format!(
        "{} of run {} in session {}",
        statement.verb, statement.run, statement.pid
    )
}

fn table_name(table: &TableFacts) -> String {
    text::name(&table.name)
}
