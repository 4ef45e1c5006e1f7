//! Requests counted where they arrive: in the API server's audit log.

use serde_json::Value;

/// Each request once, before anything is done about it; not those that a cluster makes of itself.
pub(super) const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
- level: None
  users: [kwok, "system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"]
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Metadata
"#;

/// One request that reached the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub user: String,
    /// As which program.
    pub agent: String,
    /// `get`, `list`, `watch`, `create`, `patch`, …
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// When it arrived, as RFC 3339 with microseconds.
    pub received: String,
}

/// The requests of an audit log, in their order.
pub(super) fn parse(log: &str) -> Vec<Request> {
    log.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Request> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Request {
        user: text(&event["user"]["username"])?,
        agent: text(&event["userAgent"]).unwrap_or_default(),
        verb: text(&event["verb"])?,
        uri: text(&event["requestURI"])?,
        received: text(&event["requestReceivedTimestamp"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_request_is_read_and_a_line_that_is_not_whole_is_not() {
        let log = r#"{"kind":"Event","verb":"get","requestURI":"/api/v1/nodes/a?x=1","user":{"username":"windlass"},"userAgent":"w/1","requestReceivedTimestamp":"2026-01-01T00:00:00.000001Z"}
{"kind":"Event","verb":"g"#;
        let found = parse(log);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].uri, "/api/v1/nodes/a?x=1");
        assert_eq!(
            (found[0].user.as_str(), found[0].agent.as_str()),
            ("windlass", "w/1")
        );
    }
}
