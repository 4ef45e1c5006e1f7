//! What a check found.

use crate::Verdict;

/// A verdict with its evidence, as recorded by [`Run::check`](crate::Run::check).
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// A failed check fails the run; an inconclusive one waits for a person.
    pub verdict: Verdict,
    /// What was seen, in figures: the reader has nothing else.
    pub evidence: String,
}

impl Finding {
    /// It is as it should be.
    pub fn pass(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, evidence)
    }

    /// It is not.
    pub fn fail(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, evidence)
    }

    /// It cannot be told; a person has to look. Say what is missing.
    pub fn inconclusive(evidence: impl Into<String>) -> Self {
        Self::new(Verdict::Inconclusive, evidence)
    }

    fn new(verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self {
            verdict,
            evidence: evidence.into(),
        }
    }

    /// Passes if `value` is at most `limit`, with both in the evidence.
    pub fn at_most<T: PartialOrd>(value: T, limit: T, show: impl Fn(T) -> String) -> Self {
        let ok = value <= limit;
        let evidence = format!("{}, at most {} allowed", show(value), show(limit));
        if ok {
            Self::pass(evidence)
        } else {
            Self::fail(evidence)
        }
    }

    /// Judges each item and folds the findings: the worst verdict counts, and its evidence is what is kept.
    ///
    /// No items at all is a failure: a check that looked at nothing has shown nothing. Where nothing is a good answer, say so with
    /// [`Finding::of_each_or`].
    ///
    /// ```
    /// use windlass_sdk::{Finding, Verdict};
    ///
    /// let nothing: [u32; 0] = [];
    /// let judge = |n: u32| if n < 3 { Finding::pass("small") } else { Finding::fail(format!("{n} is large")) };
    /// assert_eq!(Finding::of_each(nothing, judge).verdict, Verdict::Fail);
    /// assert_eq!(Finding::of_each([1, 2], judge), Finding::pass("2 looked at: small · small"));
    /// assert_eq!(Finding::of_each([1, 5], judge), Finding::fail("1 of 2: 5 is large"));
    /// ```
    pub fn of_each<T>(items: impl IntoIterator<Item = T>, judge: impl FnMut(T) -> Self) -> Self {
        let none = Self::fail("nothing was found to look at, and a check of nothing shows nothing");
        Self::of_each_or(none, items, judge)
    }

    /// Like [`Finding::of_each`], but answers `none` if there are no items.
    pub fn of_each_or<T>(
        none: Self,
        items: impl IntoIterator<Item = T>,
        judge: impl FnMut(T) -> Self,
    ) -> Self {
        let findings: Vec<Self> = items.into_iter().map(judge).collect();
        let all = findings.len();
        for verdict in [Verdict::Fail, Verdict::Inconclusive] {
            let matching: Vec<&Self> = findings.iter().filter(|f| f.verdict == verdict).collect();
            if !matching.is_empty() {
                return Self::new(
                    verdict,
                    format!("{} of {all}: {}", matching.len(), listed(&matching)),
                );
            }
        }
        if findings.is_empty() {
            return none;
        }
        let evidence = listed(&findings.iter().collect::<Vec<_>>());
        Self::pass(format!("{all} looked at: {evidence}"))
    }
}

/// Evidence is for people: after ten lines it tells how many more there are.
fn listed(findings: &[&Finding]) -> String {
    const SHOWN: usize = 10;
    let mut lines: Vec<&str> = findings
        .iter()
        .take(SHOWN)
        .map(|finding| finding.evidence.as_str())
        .collect();
    let rest = format!("and {} more", findings.len().saturating_sub(SHOWN));
    if findings.len() > SHOWN {
        lines.push(&rest);
    }
    lines.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::{Finding, Verdict};

    #[test]
    fn the_worst_verdict_counts() {
        let judge = |verdict: Verdict| Finding {
            verdict,
            evidence: format!("{verdict:?}").to_lowercase(),
        };
        let found = Finding::of_each([Verdict::Pass, Verdict::Inconclusive, Verdict::Fail], judge);
        assert_eq!(found.verdict, Verdict::Fail);
        let found = Finding::of_each([Verdict::Pass, Verdict::Inconclusive], judge);
        assert_eq!(found.verdict, Verdict::Inconclusive);
    }

    #[test]
    fn nothing_fails_unless_nothing_is_good() {
        assert_eq!(
            Finding::of_each([], |(): ()| Finding::pass("")).verdict,
            Verdict::Fail
        );
        let none = Finding::pass("none, as declared");
        assert_eq!(
            Finding::of_each_or(none.clone(), [], |(): ()| Finding::fail("")),
            none
        );
    }

    #[test]
    fn long_evidence_is_cut() {
        let found = Finding::of_each(0..13, |n: u32| Finding::fail(n.to_string()));
        assert!(
            found.evidence.ends_with("9 · and 3 more"),
            "{}",
            found.evidence
        );
    }
}
