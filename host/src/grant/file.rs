//! Grant files: what an operator's team allows one component to do, as they wrote, reviewed and signed it.

use super::{Budget, Capabilities, Pattern};
use crate::clock::Millis;
use crate::cluster;
use crate::database::Scope;
use crate::document::{Document, DocumentError};
use crate::folder::{FileError, Folder};
use crate::notify;
use crate::plugin::is_name;
use crate::probe;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;
use thiserror::Error;
use toml::Spanned;
use toml::value::Datetime;

/// The version of the file's format.
pub(super) const FORMAT: u32 = 1;

const NO_REASON: &str = "a scope has no `reason` in a grant; the grant's own `reason` says why";

/// One grant file, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantFile {
    /// What people call it, such as `grants/pg-optimize.orders.toml`.
    pub name: String,
    /// The procedure's name.
    pub procedure: String,
    /// The procedure's version, for people.
    pub version: Option<String>,
    /// `sha256:…` of the one component that it is for.
    pub digest: String,
    /// Digests of earlier versions that it was for, before it was renewed.
    pub formerly: Vec<String>,
    /// The one target that it is for, or any that its scopes name.
    pub target: Option<String>,
    /// Who allowed it. Without it the file is a draft.
    pub approved_by: Option<String>,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub expires: Millis,
    /// What it allows in databases, each with its line in the file.
    pub scopes: Vec<(usize, Scope)>,
    /// What it allows in clusters, each with its line in the file.
    pub clusters: Vec<(usize, cluster::Scope)>,
    /// What it allows on channels, each with its line in the file.
    pub channels: Vec<(usize, notify::Scope)>,
    /// What it allows on endpoints, each with its line in the file.
    pub endpoints: Vec<(usize, probe::Scope)>,
    /// How much it allows.
    pub budget: Budget,
    /// `sha256:…` of the file's text.
    pub text_digest: String,
}

/// A grant file cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum GrantFileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl GrantFileError {
    /// What to write instead, where that can be guessed.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::File(error) => error.hint(),
            Self::Document(error) => error.hint(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Raw {
    format: Spanned<u32>,
    procedure: Spanned<String>,
    pub(super) version: Option<Spanned<String>>,
    pub(super) digest: Spanned<String>,
    pub(super) formerly: Option<Spanned<Vec<Spanned<String>>>>,
    target: Option<Spanned<String>>,
    approved_by: Option<Spanned<String>>,
    reason: Spanned<String>,
    expires: Spanned<Datetime>,
    #[serde(default)]
    cluster: Vec<Spanned<cluster::Scope>>,
    #[serde(default)]
    database: Vec<Spanned<Scope>>,
    #[serde(default)]
    notify: Vec<Spanned<notify::Scope>>,
    #[serde(default)]
    probe: Vec<Spanned<probe::Scope>>,
    #[serde(default)]
    budget: Budget,
}

impl GrantFile {
    /// Reads one file's text. `name` is what its errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let document = Document::new(name, text);
        let raw: Raw = document.parse()?;
        check(&document, &raw)?;
        let expires = instant(&document, &raw.expires)?;
        let scope = |scope: Spanned<Scope>| (document.line(scope.span().start), scope.into_inner());
        let channel =
            |scope: Spanned<notify::Scope>| (document.line(scope.span().start), scope.into_inner());
        let endpoint =
            |scope: Spanned<probe::Scope>| (document.line(scope.span().start), scope.into_inner());
        let cluster = |scope: Spanned<cluster::Scope>| {
            (document.line(scope.span().start), scope.into_inner())
        };
        Ok(Self {
            name: name.to_owned(),
            procedure: raw.procedure.into_inner(),
            version: raw.version.map(Spanned::into_inner),
            digest: raw.digest.into_inner(),
            formerly: raw.formerly.map(formerly).unwrap_or_default(),
            target: raw.target.map(Spanned::into_inner),
            approved_by: raw.approved_by.map(Spanned::into_inner),
            reason: raw.reason.into_inner(),
            expires,
            scopes: raw.database.into_iter().map(scope).collect(),
            clusters: raw.cluster.into_iter().map(cluster).collect(),
            channels: raw.notify.into_iter().map(channel).collect(),
            endpoints: raw.probe.into_iter().map(endpoint).collect(),
            budget: raw.budget,
            text_digest: format!("sha256:{}", hex::encode(Sha256::digest(text))),
        })
    }

    /// Reads the file at a path.
    pub fn read(path: &Path) -> Result<Self, GrantFileError> {
        let (folder, name) = Folder::of_file(path)?;
        Self::of_folder(&folder, &name, &path.display().to_string())
    }

    /// Reads every `.toml` in the folder of grants; `shown` is what people call the folder. A folder that is not there holds none. A file that
    /// cannot be used grants nothing and stops no other; why, is told beside those that can.
    pub fn read_all(path: &Path, shown: &str) -> (Vec<Self>, Vec<GrantFileError>) {
        let folder = match Folder::open(path) {
            Ok(folder) => folder,
            Err(error) if error.is_missing() => return (Vec::new(), Vec::new()),
            Err(error) => return (Vec::new(), vec![error.into()]),
        };
        let names = match folder.is_guarded().and_then(|()| folder.names("toml")) {
            Ok(names) => names,
            Err(error) => return (Vec::new(), vec![error.into()]),
        };
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        for name in names {
            match Self::of_folder(&folder, &name, &format!("{shown}/{name}")) {
                Ok(file) => files.push(file),
                Err(error) => errors.push(error),
            }
        }
        (files, errors)
    }

    /// Reads a file that only its owner and root could have written.
    fn of_folder(folder: &Folder, name: &str, shown: &str) -> Result<Self, GrantFileError> {
        Ok(Self::parse(shown, &folder.read_guarded(name)?)?)
    }

    /// Whether it permits planning only, because it was not approved yet.
    pub fn is_draft(&self) -> bool {
        self.approved_by.is_none()
    }

    /// What it allows.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            cluster: self
                .clusters
                .iter()
                .map(|(_, scope)| scope.clone())
                .collect(),
            database: self.scopes.iter().map(|(_, scope)| scope.clone()).collect(),
            notify: self
                .channels
                .iter()
                .map(|(_, scope)| scope.clone())
                .collect(),
            probe: self
                .endpoints
                .iter()
                .map(|(_, scope)| scope.clone())
                .collect(),
        }
    }

    /// Whether it may be used on the target, as far as its `target` says.
    pub fn is_for(&self, target: &str) -> bool {
        self.target.as_deref().is_none_or(|only| only == target)
    }
}

pub(super) fn formerly(digests: Spanned<Vec<Spanned<String>>>) -> Vec<String> {
    let digests = digests.into_inner().into_iter();
    digests.map(Spanned::into_inner).collect()
}

fn check(document: &Document<'_>, raw: &Raw) -> Result<(), DocumentError> {
    let fail = |offset: usize, message: String| Err(document.error_at(offset, message));
    if *raw.format.get_ref() != FORMAT {
        let message = format!(
            "format {} is unknown; this windlass reads format {FORMAT}",
            raw.format.get_ref()
        );
        return fail(raw.format.span().start, message);
    }
    let names = [
        ("procedure", Some(&raw.procedure)),
        ("target", raw.target.as_ref()),
    ];
    for (key, name) in names {
        if let Some(name) = name.filter(|name| !is_name(name.get_ref())) {
            let message = format!(
                "`{key}` is no name: a lower-case letter, then letters, digits and `-`, at most 63"
            );
            return fail(name.span().start, message);
        }
    }
    let digests = std::iter::once(("digest", &raw.digest));
    let former = raw.formerly.iter().flat_map(Spanned::get_ref);
    let digests = digests.chain(former.map(|digest| ("formerly", digest)));
    for (key, digest) in digests {
        if !is_digest(digest.get_ref()) {
            let message = format!("`{key}` is `sha256:` and 64 hexadecimal digits");
            return fail(digest.span().start, message);
        }
    }
    let texts = [
        ("approved-by", raw.approved_by.as_ref()),
        ("reason", Some(&raw.reason)),
    ];
    for (name, text) in texts {
        if let Some(text) = text.filter(|text| text.get_ref().trim().is_empty()) {
            return fail(text.span().start, format!("`{name}` is empty"));
        }
    }
    check_scopes(document, raw)
}

fn check_scopes(document: &Document<'_>, raw: &Raw) -> Result<(), DocumentError> {
    for scope in &raw.database {
        let (start, scope) = (scope.span().start, scope.get_ref());
        let nothing = scope.verbs.is_empty() || scope.databases.is_empty();
        check_scope(
            document,
            start,
            &scope.reason,
            nothing.then_some("databases` or `verbs"),
        )?;
        let lists: [&[Pattern]; 3] = [&scope.databases, &scope.schemas, &scope.tables];
        check_patterns(document, start, &lists)?;
    }
    for scope in &raw.cluster {
        let (start, scope) = (scope.span().start, scope.get_ref());
        let nothing = scope.verbs.is_empty() || scope.clusters.is_empty();
        check_scope(
            document,
            start,
            &scope.reason,
            nothing.then_some("clusters` or `verbs"),
        )?;
        check_patterns(document, start, &scope.lists())?;
    }
    for scope in &raw.notify {
        let (start, scope) = (scope.span().start, scope.get_ref());
        let nothing = scope.channels.is_empty() || scope.events.is_empty();
        check_scope(
            document,
            start,
            &scope.reason,
            nothing.then_some("channels` or `events"),
        )?;
        check_patterns(document, start, &[&scope.channels, &scope.events])?;
    }
    for scope in &raw.probe {
        let (start, scope) = (scope.span().start, scope.get_ref());
        let nothing = scope.verbs.is_empty() || scope.endpoints.is_empty();
        check_scope(
            document,
            start,
            &scope.reason,
            nothing.then_some("endpoints` or `verbs"),
        )?;
        check_patterns(document, start, &[&scope.endpoints])?;
    }
    Ok(())
}

fn check_scope(
    document: &Document<'_>,
    start: usize,
    reason: &str,
    empty: Option<&str>,
) -> Result<(), DocumentError> {
    if !reason.is_empty() {
        return Err(document.error_at(start, NO_REASON));
    }
    match empty {
        Some(keys) => {
            let message = format!("this scope grants nothing: `{keys}` is empty");
            Err(document.error_at(start, message))
        }
        None => Ok(()),
    }
}

fn check_patterns(
    document: &Document<'_>,
    start: usize,
    lists: &[&[Pattern]],
) -> Result<(), DocumentError> {
    let mut patterns = lists.iter().copied().flatten();
    match patterns.find(|pattern| !is_pattern(&pattern.0)) {
        Some(pattern) => {
            let message = format!("`{}` is no pattern: a `*` can only be its end", pattern.0);
            Err(document.error_at(start, message))
        }
        None => Ok(()),
    }
}

fn is_pattern(text: &str) -> bool {
    // In a field it stands for each element of a list.
    let plain = text.replace("[*]", "");
    let start = plain.strip_suffix('*').unwrap_or(&plain);
    !start.contains(['*', '{', '}'])
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn instant(document: &Document<'_>, when: &Spanned<Datetime>) -> Result<Millis, DocumentError> {
    when.get_ref()
        .to_string()
        .parse::<Timestamp>()
        .map(Into::into)
        .map_err(|_| {
            document.error_at(
                when.span().start,
                "`expires` is a date, a time and an offset, such as 2027-02-01T00:00:00Z",
            )
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::GrantFile;

    pub(in crate::grant) fn text(digest: char, expires: &str) -> String {
        format!(
            r#"format = 1
procedure = "pg-tidy"
version = "0.1.0"
digest = "sha256:{}"
target = "orders"
approved-by = "ana"
reason = "weekly"
expires = {expires}

[[database]]
databases = ["orders"]
verbs = ["server", "tables"]
schemas = ["*"]
tables = ["*"]

[[database]]
databases = ["orders"]
verbs = ["vacuum"]
schemas = ["sales"]
tables = ["*"]

[[notify]]
channels = ["ops", "team-*"]
events = ["start", "end"]

[budget]
effects = 5
"#,
            digest.to_string().repeat(64)
        )
    }

    fn error(text: &str) -> String {
        GrantFile::parse("grants/a.toml", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_file_is_read_with_the_lines_of_its_scopes() {
        let file =
            GrantFile::parse("grants/a.toml", &text('a', "2027-02-01T01:00:00+01:00")).unwrap();
        assert_eq!(file.expires.timestamp().to_string(), "2027-02-01T00:00:00Z");
        assert_eq!(
            file.scopes
                .iter()
                .map(|(line, _)| *line)
                .collect::<Vec<_>>(),
            [10, 16]
        );
        assert_eq!(file.channels[0].0, 22);
        assert!(file.is_for("orders") && !file.is_for("ledger"));
        assert!(!file.is_draft());
        let draft = text('a', "2027-02-01T00:00:00Z").replace("approved-by = \"ana\"\n", "");
        assert!(
            GrantFile::parse("grants/a.toml", &draft)
                .unwrap()
                .is_draft()
        );
    }

    #[test]
    fn what_is_wrong_is_located() {
        let good = text('a', "2027-02-01T00:00:00Z");
        assert_eq!(
            error(&good.replace("schemas = [\"sales\"]", "shemas = [\"sales\"]")),
            "grants/a.toml:19:1: unknown key `shemas` in [database]"
        );
        assert_eq!(
            error(&good.replace("2027-02-01T00:00:00Z", "2027-02-01")),
            "grants/a.toml:8:11: `expires` is a date, a time and an offset, such as 2027-02-01T00:00:00Z"
        );
        assert_eq!(
            error(&good.replace("sha256:aa", "sha256:a")),
            "grants/a.toml:4:10: `digest` is `sha256:` and 64 hexadecimal digits"
        );
        assert_eq!(
            error(&good.replace("target = \"orders\"", "target = \"../orders\"")),
            "grants/a.toml:5:10: `target` is no name: a lower-case letter, then letters, digits and `-`, at most 63"
        );
        assert!(
            error(&good.replace("\"pg-tidy\"", "\"Tidy\\n\"")).contains("`procedure` is no name")
        );
        assert_eq!(
            error(&good.replace("\"ana\"", "\" \"")),
            "grants/a.toml:6:15: `approved-by` is empty"
        );
        assert_eq!(
            error(&good.replace("format = 1", "format = 2")),
            "grants/a.toml:1:10: format 2 is unknown; this windlass reads format 1"
        );
        assert_eq!(
            error(&good.replace("\"sales\"", "\"s*s\"")),
            "grants/a.toml:16:1: `s*s` is no pattern: a `*` can only be its end"
        );
        assert_eq!(
            error(&good.replace("\"team-*\"", "\"t*m\"")),
            "grants/a.toml:22:1: `t*m` is no pattern: a `*` can only be its end"
        );
        assert_eq!(
            error(&good.replace("[\"start\", \"end\"]", "[]")),
            "grants/a.toml:22:1: this scope grants nothing: `channels` or `events` is empty"
        );
        assert_eq!(
            error(&good.replace("events =", "event =")),
            "grants/a.toml:24:1: unknown key `event` in [notify]"
        );
        assert_eq!(
            error(&good.replace("reason = \"weekly\"\n", "")),
            "grants/a.toml:1:1: `reason` is missing"
        );
    }
}
