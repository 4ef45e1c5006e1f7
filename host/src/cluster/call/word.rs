//! What images, labels and annotations can be called. Pure.

use crate::cluster::object::check_name;
use crate::contract::{CallError, ErrorKind};

pub(super) fn invalid(message: impl Into<String>) -> CallError {
    CallError::new(ErrorKind::Invalid, message)
}

/// What a container image can look like, as far as it can be told without its registry.
pub(super) fn check_image(image: &str) -> Result<(), CallError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if !image.is_empty() && image.len() <= 500 && image.chars().all(fits) {
        return Ok(());
    }
    Err(invalid(format!("{image:.80?} is no image")))
}

/// Refuses what no label or annotation can be called. Answers the domain that it belongs to; empty if to none.
fn check_key<'a>(what: &str, name: &'a str) -> Result<&'a str, CallError> {
    let (prefix, rest) = name.split_once('/').unwrap_or(("", name));
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if rest.is_empty() || rest.len() > 63 || !rest.chars().all(fits) {
        return Err(invalid(format!("{name:.80?} is no name of {what}")));
    }
    if !prefix.is_empty() {
        check_name(prefix)?;
    }
    Ok(prefix)
}

/// Whether the domain is one of these, or within one.
fn is_within(prefix: &str, domains: &[&str]) -> bool {
    let within = |domain: &&str| {
        let before = prefix.strip_suffix(*domain);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    domains.iter().any(within)
}

/// Whether a label or an annotation is one that Kubernetes gives a meaning to.
pub(crate) fn is_of_kubernetes(name: &str) -> bool {
    let prefix = name.split_once('/').map_or("", |(prefix, _)| prefix);
    is_within(prefix, &["kubernetes.io", "k8s.io"])
}

fn not_for_procedures(name: &str) -> CallError {
    invalid(format!("`{name}` is not for procedures to set"))
}

pub(super) fn check_annotation(name: &str, value: Option<&str>) -> Result<(), CallError> {
    let prefix = check_key("an annotation", name)?;
    if is_within(prefix, &["windlass.dev"]) || is_of_kubernetes(name) {
        return Err(not_for_procedures(name));
    }
    match value {
        Some(value) if value.len() > 4_096 => Err(invalid(format!(
            "the value of `{name}` has more than 4,096 bytes"
        ))),
        _ => Ok(()),
    }
}

/// Those of Kubernetes are refused where it is known whether a grant names them.
pub(super) fn check_label(name: &str, value: Option<&str>) -> Result<(), CallError> {
    let prefix = check_key("a label", name)?;
    if is_within(prefix, &["windlass.dev"]) {
        return Err(not_for_procedures(name));
    }
    let value = value.unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let (first, last) = (value.chars().next(), value.chars().next_back());
    if value.len() <= 63 && value.chars().all(fits) && edge(first) && edge(last) {
        return Ok(());
    }
    Err(invalid(format!("{value:.80?} is no value of a label")))
}

#[cfg(test)]
mod tests {
    use super::is_of_kubernetes;

    #[test]
    fn a_domain_is_one_of_kubernetes_or_only_ends_like_one() {
        assert!(is_of_kubernetes("kubernetes.io/os") && is_of_kubernetes("a.k8s.io/b"));
        assert!(!is_of_kubernetes("mykubernetes.io/os") && !is_of_kubernetes("os"));
    }
}
