//! A new grant file, written from what a procedure needs. Pure.

use super::file::FORMAT;
use super::{Budget, Capabilities, Pattern};
use crate::call::Verb;
use crate::cluster;
use crate::database::Scope;
use crate::notify;
use crate::probe;
use crate::text::{is_deceptive, printable};
use jiff::Timestamp;
use std::fmt::Write as _;
use thiserror::Error;

/// What stands in the place of the name in a file that was not approved yet.
const UNAPPROVED: &str = "# A draft permits planning only. It holds when it says who approved it:\n# approved-by = \"\"\n";

/// What goes into a new grant file.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The procedure's name.
    pub procedure: &'a str,
    /// Its version.
    pub version: &'a str,
    /// `sha256:…` of the component.
    pub digest: &'a str,
    /// Logical name.
    pub target: &'a str,
    /// What the procedure needs on the target, at most.
    pub needs: Capabilities,
    /// The procedure's own budget.
    pub budget: &'a Budget,
    /// The only schemas to grant; none means all that are needed.
    pub schemas: &'a [String],
    /// The only channels to grant; none means all that are needed.
    pub channels: &'a [String],
    /// Who allows it; without a name it is a draft, which permits planning only.
    pub approved_by: Option<&'a str>,
    /// Why.
    pub reason: &'a str,
    /// When it ends.
    pub expires: Timestamp,
}

/// The grant cannot be narrowed so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DraftError {
    #[error("`{procedure}` does not need schema `{schema}`")]
    Schema { procedure: String, schema: String },
    #[error("`{procedure}` does not need channel `{channel}`")]
    Channel { procedure: String, channel: String },
}

impl Draft<'_> {
    /// The file's text.
    pub fn text(&self) -> Result<String, DraftError> {
        let scopes = self.scopes()?;
        let channels = self.channel_scopes()?;
        let mut text = format!(
            "# What {} may do on {}. Review it like code.\n",
            self.procedure, self.target
        );
        let mut pair = |key: &str, value: String| text.extend([key, " = ", &value, "\n"]);
        pair("format", FORMAT.to_string());
        pair("procedure", quote(self.procedure));
        pair("version", quote(self.version));
        pair("digest", quote(self.digest));
        pair("target", quote(self.target));
        match self.approved_by {
            Some(name) => pair("approved-by", quote(name)),
            None => text.push_str(UNAPPROVED),
        }
        let mut pair = |key: &str, value: String| text.extend([key, " = ", &value, "\n"]);
        pair("reason", quote(self.reason));
        pair(
            "expires",
            self.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        );
        for scope in &scopes {
            text.push_str(&section(scope));
        }
        for scope in &self.needs.cluster {
            text.push_str(&cluster_section(scope));
        }
        for scope in &channels {
            text.push_str(&channel_section(scope));
        }
        for scope in &self.needs.probe {
            text.push_str(&endpoint_section(scope));
        }
        text.push_str(&budget(self.budget));
        Ok(text)
    }

    fn scopes(&self) -> Result<Vec<Scope>, DraftError> {
        let narrow = |scope: &Scope| {
            let covers = |schema: &&String| {
                scope
                    .schemas
                    .iter()
                    .any(|p| p.covers_schema(&Pattern((*schema).clone())))
            };
            let schemas: Vec<_> = self
                .schemas
                .iter()
                .filter(covers)
                .map(|s| Pattern(s.clone()))
                .collect();
            let is_narrowed = !self.schemas.is_empty() && !scope.schemas.is_empty();
            Scope {
                schemas: if is_narrowed {
                    schemas
                } else {
                    scope.schemas.clone()
                },
                ..scope.clone()
            }
        };
        let scopes: Vec<_> = self.needs.database.iter().map(narrow).collect();
        for schema in self.schemas {
            let is_granted =
                |scope: &Scope| scope.schemas.iter().any(|pattern| pattern.0 == *schema);
            if !scopes.iter().any(is_granted) {
                return Err(DraftError::Schema {
                    procedure: self.procedure.to_owned(),
                    schema: schema.clone(),
                });
            }
        }
        Ok(scopes)
    }
}

impl Draft<'_> {
    fn channel_scopes(&self) -> Result<Vec<notify::Scope>, DraftError> {
        let needed = &self.needs.notify;
        let covers = |scope: &notify::Scope, channel: &String| {
            let channel = Pattern(channel.clone());
            scope.channels.iter().any(|p| p.covers(&channel))
        };
        for channel in self.channels {
            if !needed.iter().any(|scope| covers(scope, channel)) {
                return Err(DraftError::Channel {
                    procedure: self.procedure.to_owned(),
                    channel: channel.clone(),
                });
            }
        }
        if self.channels.is_empty() {
            return Ok(needed.clone());
        }
        let narrow = |scope: &notify::Scope| {
            let channels = self.channels.iter().filter(|name| covers(scope, name));
            notify::Scope {
                channels: channels.map(|name| Pattern(name.clone())).collect(),
                ..scope.clone()
            }
        };
        let narrowed = needed.iter().map(narrow);
        Ok(narrowed.filter(|s| !s.channels.is_empty()).collect())
    }
}

fn cluster_section(scope: &cluster::Scope) -> String {
    let verbs = scope.verbs.iter();
    let verbs = verbs.map(|verb| crate::plugin::verb_name(Verb::Cluster(*verb)));
    let names = |patterns: &[Pattern]| list(patterns.iter().map(|pattern| pattern.0.clone()));
    let mut lines = vec![format!("\n# {}\n[[cluster]]", printable(&scope.reason))];
    for ((key, _), patterns) in cluster::scope::LISTS.iter().zip(scope.lists()) {
        if !patterns.is_empty() {
            lines.push(format!("{key} = {}", names(patterns)));
        }
    }
    lines.insert(2, format!("verbs = {}", list(verbs)));
    let bounds = [
        ("keep-replicas", scope.keep_replicas),
        ("nodes-at-once", scope.nodes_at_once),
    ];
    for (key, bound) in bounds {
        lines.extend(bound.map(|bound| format!("{key} = {bound}")));
    }
    lines.join("\n") + "\n"
}

fn channel_section(scope: &notify::Scope) -> String {
    let names = |patterns: &[Pattern]| list(patterns.iter().map(|pattern| pattern.0.clone()));
    format!(
        "\n# {}\n[[notify]]\nchannels = {}\nevents = {}\n",
        printable(&scope.reason),
        names(&scope.channels),
        names(&scope.events)
    )
}

fn endpoint_section(scope: &probe::Scope) -> String {
    let verbs = scope.verbs.iter();
    let verbs = verbs.map(|verb| crate::plugin::verb_name(Verb::Probe(*verb)));
    format!(
        "\n# {}\n[[probe]]\nendpoints = {}\nverbs = {}\n",
        printable(&scope.reason),
        list(scope.endpoints.iter().map(|pattern| pattern.0.clone())),
        list(verbs)
    )
}

fn section(scope: &Scope) -> String {
    let verbs = scope
        .verbs
        .iter()
        .map(|verb| crate::plugin::verb_name(Verb::Database(*verb)));
    let names = |patterns: &[Pattern]| list(patterns.iter().map(|pattern| pattern.0.clone()));
    let mut lines = vec![
        format!("\n# {}\n[[database]]", printable(&scope.reason)),
        format!("databases = {}", names(&scope.databases)),
        format!("verbs = {}", list(verbs)),
    ];
    for (key, patterns) in [("schemas", &scope.schemas), ("tables", &scope.tables)] {
        if !patterns.is_empty() {
            lines.push(format!("{key} = {}", names(patterns)));
        }
    }
    lines.join("\n") + "\n"
}

fn list(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.map(|text| quote(&text)).collect();
    format!("[{}]", texts.join(", "))
}

fn budget(budget: &Budget) -> String {
    let lines = [
        budget
            .effects
            .map(|effects| format!("effects = {effects}\n")),
        budget.calls.map(|calls| format!("calls = {calls}\n")),
        budget
            .duration
            .map(|duration| format!("duration = \"{duration}\"\n")),
    ];
    let lines: String = lines.into_iter().flatten().collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n[budget]\n{lines}")
    }
}

/// A TOML string on one line, in which nothing plays tricks on who reviews it.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            // Writing to a string does not fail.
            char if is_deceptive(char) => drop(write!(quoted, "\\U{:08X}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::{Draft, DraftError};
    use crate::clock::Span;
    use crate::database::{Scope, Verb};
    use crate::grant::{Budget, Capabilities, GrantFile, Pattern};
    use crate::text::is_deceptive;
    use std::time::Duration;

    fn draft(schemas: &[String]) -> Result<String, DraftError> {
        draft_for(schemas, &[])
    }

    fn draft_for(schemas: &[String], channels: &[String]) -> Result<String, DraftError> {
        let digest = format!("sha256:{}", "0".repeat(64));
        Draft {
            procedure: "pg-tidy",
            version: "0.1.0",
            digest: &digest,
            target: "orders",
            needs: Capabilities {
                cluster: Vec::new(),
                database: vec![Scope {
                    reason: "to tidy\nformat = 9".into(),
                    databases: vec![Pattern("orders".into())],
                    verbs: [Verb::Vacuum, Verb::DropInvalidIndex].into(),
                    schemas: vec![Pattern("app_*".into())],
                    tables: vec![Pattern("*".into())],
                }],
                notify: vec![crate::notify::Scope {
                    reason: "to tell".into(),
                    channels: vec![Pattern("team-*".into())],
                    events: vec![Pattern("end".into())],
                }],
                probe: vec![crate::probe::Scope {
                    reason: "to look".into(),
                    endpoints: vec![Pattern("shop".into())],
                    verbs: [crate::probe::Verb::Http].into(),
                }],
            },
            budget: &Budget {
                effects: Some(10),
                duration: Some(Span(Duration::from_hours(4))),
                ..Budget::default()
            },
            schemas,
            channels,
            approved_by: Some("ana \"the\" dba\n"),
            reason: "weekly\u{202e}\u{1b}[2J \\",
            expires: "2027-02-01T00:00:00.5Z".parse().unwrap(),
        }
        .text()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let file = GrantFile::parse("a", &draft(&[]).unwrap()).unwrap();
        assert_eq!(file.approved_by.as_deref(), Some("ana \"the\" dba\n"));
        assert_eq!(file.reason, "weekly\u{202e}\u{1b}[2J \\");
        assert!(
            draft(&[])
                .unwrap()
                .lines()
                .all(|line| !line.contains(is_deceptive))
        );
        assert_eq!(file.scopes[0].1.verbs.len(), 2);
        assert_eq!(file.scopes[0].1.schemas, [Pattern("app_*".into())]);
        assert_eq!(file.endpoints[0].1.endpoints, [Pattern("shop".into())]);
        assert_eq!(file.budget.duration, Some(Span(Duration::from_hours(4))));
        assert_eq!(file.expires.timestamp().to_string(), "2027-02-01T00:00:00Z");
    }

    #[test]
    fn a_grant_is_narrowed_to_channels_that_are_needed() {
        let channels = |text: String| GrantFile::parse("a", &text).unwrap().channels;
        let all = channels(draft(&[]).unwrap());
        assert_eq!(all[0].1.channels, [Pattern("team-*".into())]);
        let one = channels(draft_for(&[], &["team-a".into()]).unwrap());
        assert_eq!(one[0].1.channels, [Pattern("team-a".into())]);
        let error = draft_for(&[], &["ops".into()]).unwrap_err();
        assert_eq!(error.to_string(), "`pg-tidy` does not need channel `ops`");
    }

    #[test]
    fn a_grant_is_narrowed_to_schemas_that_are_needed() {
        let file = GrantFile::parse("a", &draft(&["app_eu".into()]).unwrap()).unwrap();
        assert_eq!(file.scopes[0].1.schemas, [Pattern("app_eu".into())]);
        let error = draft(&["app_eu".into(), "other".into()]).unwrap_err();
        assert_eq!(error.to_string(), "`pg-tidy` does not need schema `other`");
    }
}
