//! What the jobs of a CronJob say. Pure.

use windlass_sdk::cluster::{JobFacts, JobOutcome};
use windlass_sdk::parameters::Span;
use windlass_sdk::{Finding, Instant, text};

/// Whether one is under way. Jobs that are made by hand do not ask for the CronJob's `concurrencyPolicy`, so we do.
pub(crate) fn under_way(jobs: &[JobFacts]) -> Option<&JobFacts> {
    jobs.iter().find(|job| job.outcome == JobOutcome::Running)
}

/// Whether the newest complete one ended at most so long before now. `last` is when one succeeded last as the CronJob itself has kept it:
/// finished jobs are cleared away sooner or later.
pub(crate) fn freshness(
    jobs: &[JobFacts],
    last: Option<Instant>,
    now: Instant,
    max_age: Span,
) -> Finding {
    let complete = jobs
        .iter()
        .filter(|job| job.outcome == JobOutcome::Complete);
    let there = complete.map(|job| (job.finished.unwrap_or_default(), job.name.name.as_str()));
    let kept = last.map(|last| (last, "a job that is cleared away"));
    let Some((ended, name)) = there.chain(kept).max_by_key(|(ended, _)| *ended) else {
        return Finding::fail(format!(
            "none of {} is complete, and the CronJob has kept no success",
            text::count(jobs.len(), "job")
        ));
    };
    let age = now.saturating_sub(ended);
    let told = format!("{name}, ended {} ago", text::duration(age));
    if age <= max_age.as_milliseconds() {
        Finding::pass(told)
    } else {
        Finding::fail(format!("{told}; at most {max_age} is allowed"))
    }
}

/// How the new job ended, beside how long complete ones took before.
pub(crate) fn ended(job: &JobFacts, before: &[JobFacts]) -> Finding {
    match job.outcome {
        JobOutcome::Complete => Finding::pass(took(job, before)),
        JobOutcome::Failed => Finding::fail(job.message.clone()),
        JobOutcome::Running => Finding::fail("it still runs"),
    }
}

fn took(job: &JobFacts, before: &[JobFacts]) -> String {
    let mut earlier: Vec<_> = before.iter().filter_map(span).collect();
    earlier.sort_unstable();
    let own = span(job).map_or_else(
        || "complete".to_owned(),
        |own| format!("complete in {}", text::duration(own)),
    );
    match earlier.get(earlier.len() / 2) {
        Some(&median) => format!(
            "{own}; the median of {} before is {}",
            text::count(earlier.len(), "job"),
            text::duration(median)
        ),
        None => own,
    }
}

fn span(job: &JobFacts) -> Option<u64> {
    (job.outcome == JobOutcome::Complete)
        .then(|| Some(job.finished?.saturating_sub(job.created?)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::{ended, freshness, under_way};
    use windlass_sdk::cluster::{JobFacts, JobOutcome, namespaced};
    use windlass_sdk::parameters::Span;
    use windlass_sdk::{Finding, Verdict};

    fn job(name: &str, outcome: JobOutcome, created: u64, finished: Option<u64>) -> JobFacts {
        JobFacts {
            name: namespaced("shop", name),
            uid: name.into(),
            created: Some(created),
            finished,
            outcome,
            succeeded: 0,
            failed: 0,
            cron_job: Some("backup".into()),
            message: "BackoffLimitExceeded: too often".into(),
        }
    }

    #[test]
    fn the_newest_complete_one_counts() {
        let old = job("old", JobOutcome::Complete, 0, Some(10_000));
        let new = job("new", JobOutcome::Complete, 20_000, Some(30_000));
        let failed = job("failed", JobOutcome::Failed, 40_000, Some(50_000));
        let judged = |jobs: &[JobFacts], now| freshness(jobs, None, now, Span::seconds(60));
        let all = [failed.clone(), old, new];
        assert_eq!(judged(&all, 90_000), Finding::pass("new, ended 1 min ago"));
        assert_eq!(
            judged(&all, 91_000),
            Finding::fail("new, ended 1 min 1 s ago; at most 1 min is allowed")
        );
        assert_eq!(judged(&[failed], 0).verdict, Verdict::Fail);
        assert_eq!(
            judged(&[], 0),
            Finding::fail("none of 0 jobs is complete, and the CronJob has kept no success")
        );
        let kept = |last, now| freshness(&all, Some(last), now, Span::seconds(60)).evidence;
        assert_eq!(
            kept(60_000, 90_000),
            "a job that is cleared away, ended 30 s ago"
        );
        assert_eq!(kept(5_000, 90_000), "new, ended 1 min ago");
    }

    #[test]
    fn a_job_is_compared_with_those_before() {
        let before = [
            job("a", JobOutcome::Complete, 0, Some(2000)),
            job("b", JobOutcome::Complete, 0, Some(9000)),
            job("c", JobOutcome::Complete, 0, Some(4000)),
            job("d", JobOutcome::Failed, 0, Some(1)),
        ];
        let new = job("new", JobOutcome::Complete, 0, Some(3000));
        assert_eq!(
            ended(&new, &before),
            Finding::pass("complete in 3 s; the median of 3 jobs before is 4 s")
        );
        assert_eq!(ended(&new, &[]), Finding::pass("complete in 3 s"));
        let failed = job("new", JobOutcome::Failed, 0, Some(1));
        assert_eq!(
            ended(&failed, &before),
            Finding::fail("BackoffLimitExceeded: too often")
        );
        assert!(under_way(&before).is_none());
    }
}
