//! Which certificates are due, and whether they were renewed. Pure.

use crate::parameters::Parameters;
use windlass_sdk::cluster::{CertificateFacts, CertificateState};
use windlass_sdk::{Error, Finding, Instant, text};

/// The certificates that are meant. None at all is a failure, and so is one that is named and missing.
pub(crate) fn meant(
    parameters: &Parameters,
    all: Vec<CertificateFacts>,
) -> Result<Vec<CertificateFacts>, Error> {
    let there = |name: &String| all.iter().any(|found| found.name.name == *name);
    if let Some(missing) = parameters.certificates.iter().find(|name| !there(name)) {
        return Err(Error::failed(format!(
            "there is no certificate `{missing}` in {}",
            parameters.namespace
        )));
    }
    let mut meant = all;
    if !parameters.certificates.is_empty() {
        meant.retain(|found| parameters.certificates.contains(&found.name.name));
    }
    if meant.is_empty() {
        return Err(Error::failed(format!(
            "{} has no certificates",
            parameters.namespace
        )));
    }
    Ok(meant)
}

/// Whether it has to be renewed. One that was never issued is cert-manager's to issue, not ours to renew.
pub(crate) fn is_due(parameters: &Parameters, found: &CertificateFacts, now: Instant) -> bool {
    let until = |end: Instant| end.saturating_sub(now) < parameters.min_left.as_milliseconds();
    found
        .not_after
        .is_some_and(|end| parameters.force || until(end))
}

/// Whether it is ready and valid for as long as it has to be.
pub(crate) fn validity(parameters: &Parameters, found: &CertificateFacts, now: Instant) -> Finding {
    let name = &found.name.name;
    let left = found.not_after.map(|end| end.saturating_sub(now));
    match (found.state, left) {
        (CertificateState::Ready, Some(left)) if left > 0 => {
            let told = format!("{name}: valid for {}", text::duration(left));
            if left < parameters.min_left.as_milliseconds() {
                Finding::fail(told)
            } else {
                Finding::pass(told)
            }
        }
        (CertificateState::Ready, Some(_)) => Finding::fail(format!("{name}: it has expired")),
        (CertificateState::Issuing, _) => {
            Finding::inconclusive(format!("{name}: it is being issued"))
        }
        (CertificateState::Ready | CertificateState::NotReady, _) => {
            Finding::fail(format!("{name}: {}", found.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_due, meant, validity};
    use crate::parameters::Parameters;
    use windlass_sdk::Verdict;
    use windlass_sdk::cluster::{CertificateFacts, CertificateState, namespaced};

    const DAY: u64 = 86_400_000;

    fn certificate(name: &str, days: Option<u64>) -> CertificateFacts {
        CertificateFacts {
            name: namespaced("shop", name),
            uid: name.into(),
            state: CertificateState::Ready,
            message: "the issuer says no".into(),
            revision: 1,
            not_before: Some(0),
            not_after: days.map(|days| days * DAY),
            renewal: None,
            dns_names: Vec::new(),
            secret: "tls".into(),
        }
    }

    fn parameters(more: &str) -> Parameters {
        serde_json::from_str(&format!("{{\"namespace\": \"shop\"{more}}}")).unwrap()
    }

    #[test]
    fn what_is_named_has_to_be_there() {
        let all = || vec![certificate("a", Some(1)), certificate("b", Some(2))];
        let names = |more: &str| {
            let found = meant(&parameters(more), all()).map_err(|error| error.message)?;
            Ok::<_, String>(
                found
                    .into_iter()
                    .map(|one| one.name.name)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(names("").unwrap(), ["a", "b"]);
        assert_eq!(names(", \"certificates\": [\"b\"]").unwrap(), ["b"]);
        assert_eq!(
            names(", \"certificates\": [\"b\", \"c\"]").unwrap_err(),
            "there is no certificate `c` in shop"
        );
        assert!(meant(&parameters(""), Vec::new()).is_err());
    }

    #[test]
    fn those_are_due_that_end_soon() {
        let due = |more: &str, days| is_due(&parameters(more), &certificate("a", days), 0);
        assert!(due("", Some(29)));
        assert!(!due("", Some(30)));
        assert!(due(", \"force\": true", Some(90)));
        assert!(!due(", \"force\": true", None));
    }

    #[test]
    fn one_that_is_not_valid_for_long_enough_fails() {
        let judged = |found: &CertificateFacts| validity(&parameters(""), found, DAY).verdict;
        assert_eq!(judged(&certificate("a", Some(31))), Verdict::Pass);
        assert_eq!(judged(&certificate("a", Some(30))), Verdict::Fail);
        assert_eq!(judged(&certificate("a", Some(1))), Verdict::Fail);
        assert_eq!(judged(&certificate("a", None)), Verdict::Fail);
        let issuing = CertificateFacts {
            state: CertificateState::Issuing,
            ..certificate("a", Some(90))
        };
        assert_eq!(judged(&issuing), Verdict::Inconclusive);
    }
}
