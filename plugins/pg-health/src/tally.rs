//! Counts what the checks came to.

use windlass_sdk::notify::{Level, Message};
use windlass_sdk::{Finding, Run, Verdict, text};

/// Records checks and keeps the names of those that did not pass.
pub(crate) struct Tally<'a> {
    run: &'a Run,
    passed: usize,
    failed: Vec<String>,
    inconclusive: Vec<String>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        Self {
            run,
            passed: 0,
            failed: Vec::new(),
            inconclusive: Vec::new(),
        }
    }

    pub(crate) fn check(&mut self, name: &str, finding: Finding) {
        match finding.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail => self.failed.push(name.to_owned()),
            Verdict::Inconclusive => self.inconclusive.push(name.to_owned()),
        }
        self.run.check(name, finding);
    }

    /// The outcome in one sentence, what is wrong first.
    pub(crate) fn sentence(&self) -> String {
        sentence(self.passed, &self.failed, &self.inconclusive)
    }

    /// The same for people far away: the worst check decides how loud it is.
    pub(crate) fn message(&self, database: &str) -> Message {
        let (level, title) = match (self.failed.is_empty(), self.inconclusive.is_empty()) {
            (false, _) => (Level::Failure, "is not healthy"),
            (true, false) => (Level::Warning, "may not be healthy"),
            (true, true) => (Level::Success, "is healthy"),
        };
        let message = Message::new(level, format!("{database} {title}")).text(self.sentence());
        message
            .field("passed", self.passed.to_string())
            .field("failed", self.failed.len().to_string())
            .field("inconclusive", self.inconclusive.len().to_string())
    }
}

fn sentence(passed: usize, failed: &[String], inconclusive: &[String]) -> String {
    let rest = format!("{} passed", text::count(passed, "check"));
    let named = |names: &[String], what: &str| match names {
        [] => None,
        names => Some(format!("{} {what}: {}", names.len(), names.join(", "))),
    };
    let parts = [
        named(failed, "failed"),
        named(inconclusive, "inconclusive"),
        Some(rest),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn what_is_wrong_comes_first() {
        assert_eq!(sentence(12, &[], &[]), "12 checks passed");
        let failed = ["standbys".to_owned(), "indexes".to_owned()];
        assert_eq!(
            sentence(1, &failed, &["invariants".to_owned()]),
            "2 failed: standbys, indexes; 1 inconclusive: invariants; 1 check passed"
        );
    }
}
