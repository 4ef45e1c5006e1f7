//! What may stand in `windlass.toml`, key by key.

use super::channel::{self, RawChannel};
use super::cluster::RawCluster;
use super::endpoint::{self, RawEndpoint};
use super::quantity::Size;
use super::secret::SecretSource;
use crate::clock::Span;
use crate::database::client::{DEFAULT_MAX_ROWS, Expectation, Invariant};
use crate::document::{Document, DocumentError};
use crate::suggest::did_you_mean;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

/// The file, checked.
pub(super) struct Parsed {
    pub(super) state: PathBuf,
    pub(super) grants: PathBuf,
    pub(super) zone: TimeZone,
    pub(super) clusters: BTreeMap<String, RawCluster>,
    pub(super) databases: BTreeMap<String, RawDatabase>,
    pub(super) channels: BTreeMap<String, channel::Checked>,
    pub(super) endpoints: BTreeMap<String, endpoint::Checked>,
    /// Channels that hear when a run needs someone, by target.
    pub(super) tell: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    windlass: RawWindlass,
    #[serde(default)]
    cluster: BTreeMap<Spanned<String>, RawCluster>,
    #[serde(default)]
    database: BTreeMap<Spanned<String>, RawDatabase>,
    #[serde(default)]
    channel: BTreeMap<Spanned<String>, RawChannel>,
    #[serde(default)]
    endpoint: BTreeMap<Spanned<String>, RawEndpoint>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindlass {
    state: Option<PathBuf>,
    grants: Option<PathBuf>,
    zone: Option<Spanned<String>>,
    #[serde(default)]
    tell: Vec<Spanned<String>>,
}

/// A section `[database.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawDatabase {
    pub(super) connection: SecretSource,
    pub(super) role: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) disk_size: Option<Size>,
    pub(super) expected_standbys: Option<u32>,
    pub(super) lock_timeout: Option<Span>,
    pub(super) transaction_wait: Option<Span>,
    pub(super) statement_timeout: Option<Span>,
    pub(super) tell: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) invariants: BTreeMap<Spanned<String>, RawInvariant>,
}

/// A section `[database.NAME.invariants.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawInvariant {
    sql: String,
    expect: RawExpectation,
    max_rows: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawExpectation {
    NoRows,
    SomeRows,
}

impl From<RawInvariant> for Invariant {
    fn from(raw: RawInvariant) -> Self {
        Self {
            sql: raw.sql,
            expect: match raw.expect {
                RawExpectation::NoRows => Expectation::NoRows,
                RawExpectation::SomeRows => Expectation::SomeRows,
            },
            max_rows: raw.max_rows.unwrap_or(DEFAULT_MAX_ROWS),
        }
    }
}

/// Reads the file's text.
pub(super) fn parse(document: &Document<'_>) -> Result<Parsed, DocumentError> {
    let raw: Raw = document.parse()?;
    let zone = match raw.windlass.zone {
        Some(name) => TimeZone::get(name.get_ref()).map_err(|_| {
            let message = format!("there is no time zone `{}`", name.get_ref());
            document
                .error_at(name.span().start, message)
                .with_hint("zones are written like `Europe/Berlin` or `UTC`")
        })?,
        None => TimeZone::UTC,
    };
    let mut tell = BTreeMap::new();
    let mut databases = BTreeMap::new();
    for (name, mut database) in raw.database {
        check_name(document, &name)?;
        tell.insert(name.get_ref().clone(), database.tell.take());
        for name in database.invariants.keys() {
            check_name(document, name)?;
        }
        databases.insert(name.into_inner(), database);
    }
    let mut clusters = BTreeMap::new();
    for (name, mut cluster) in raw.cluster {
        check_name(document, &name)?;
        if databases.contains_key(name.get_ref()) {
            let message = format!(
                "`{}` is a database already; a target has one name",
                name.get_ref()
            );
            return Err(document.error_at(name.span().start, message));
        }
        tell.insert(name.get_ref().clone(), cluster.tell.take());
        clusters.insert(name.into_inner(), cluster);
    }
    let mut channels = BTreeMap::new();
    for (name, channel) in raw.channel {
        check_name(document, &name)?;
        let checked = channel.check(document, &name)?;
        channels.insert(name.into_inner(), checked);
    }
    let mut endpoints = BTreeMap::new();
    for (name, endpoint) in raw.endpoint {
        check_name(document, &name)?;
        let checked = endpoint.check(document, &name)?;
        endpoints.insert(name.into_inner(), checked);
    }
    let tell = told(document, &raw.windlass.tell, tell, &channels)?;
    Ok(Parsed {
        state: raw.windlass.state.unwrap_or_else(|| ".windlass".into()),
        grants: raw.windlass.grants.unwrap_or_else(|| "grants".into()),
        zone,
        clusters,
        databases,
        channels,
        endpoints,
        tell,
    })
}

/// By target, its own channels or else those for all.
fn told<T>(
    document: &Document<'_>,
    everywhere: &[Spanned<String>],
    targets: BTreeMap<String, Option<Vec<Spanned<String>>>>,
    channels: &BTreeMap<String, T>,
) -> Result<BTreeMap<String, Vec<String>>, DocumentError> {
    let everywhere = known(document, everywhere, channels)?;
    let told = |(target, named): (String, Option<Vec<_>>)| {
        let own = named.map(|named| known(document, &named, channels));
        Ok((target, own.unwrap_or_else(|| Ok(everywhere.clone()))?))
    };
    targets.into_iter().map(told).collect()
}

/// The names of channels that there are.
fn known<T>(
    document: &Document<'_>,
    named: &[Spanned<String>],
    channels: &BTreeMap<String, T>,
) -> Result<Vec<String>, DocumentError> {
    let name = |named: &Spanned<String>| {
        let name = named.get_ref();
        if channels.contains_key(name) {
            return Ok(name.clone());
        }
        let message = format!("there is no channel `{}`", name.escape_default());
        let error = document.error_at(named.span().start, message);
        let nearest = did_you_mean(name, channels.keys().map(String::as_str));
        Err(error.with_hint(nearest.unwrap_or_else(|| "add a section [channel.NAME]".into())))
    };
    named.iter().map(name).collect()
}

fn check_name(document: &Document<'_>, name: &Spanned<String>) -> Result<(), DocumentError> {
    if crate::plugin::is_name(name.get_ref()) {
        return Ok(());
    }
    let message = format!(
        "`{}` is no name: a letter, then letters, digits and `-`, all lower case, at most 63",
        name.get_ref().escape_default()
    );
    Err(document.error_at(name.span().start, message))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::document::Document;

    fn error(text: &str) -> (String, Option<String>) {
        let error = parse(&Document::new("windlass.toml", text)).err().unwrap();
        (error.to_string(), error.hint().map(str::to_owned))
    }

    #[test]
    fn a_connection_string_in_the_file_is_refused_and_not_repeated() {
        let (message, _) = error("[database.orders]\nconnection = \"postgres://u:canary@h/d\"\n");
        assert!(
            message.starts_with("windlass.toml:2:14: a connection string, a URL of a channel, a key or a password does not belong"),
            "{message}"
        );
        assert!(!message.contains("canary"));
        let (message, _) =
            error("[database.orders]\nconnection = { url = \"postgres://u:canary@h/d\" }\n");
        assert_eq!(
            message,
            "windlass.toml:2:16: unknown key `url` in [database.orders.connection]"
        );
        for key in ["env", "file"] {
            let (message, hint) = error(&format!(
                "[database.orders]\nconnection = {{ {key} = \"postgres://u:canary@h/d\" }}\n"
            ));
            assert!(
                message.starts_with(&format!("windlass.toml:2:14: `{key}` is ")),
                "{message}"
            );
            assert!(!message.contains("canary") && hint.is_none(), "{message}");
        }
        let (message, _) = error("[database.orders]\nconnection = { env = \"A\", file = \"b\" }\n");
        assert!(
            message.starts_with("windlass.toml:2:14: either `env` or `file`"),
            "{message}"
        );
    }

    #[test]
    fn misspelt_keys_are_located() {
        let (message, hint) =
            error("[database.orders]\nconnection = { env = \"A\" }\n\n  rolle = \"x\"\n");
        assert_eq!(
            message,
            "windlass.toml:4:3: unknown key `rolle` in [database.orders]"
        );
        assert_eq!(hint.as_deref(), Some("did you mean `role`?"));
    }

    #[test]
    fn wrong_values_are_located() {
        let (message, _) = error("[windlass]\nzone = \"Berlin\"\n");
        assert_eq!(message, "windlass.toml:2:8: there is no time zone `Berlin`");
        let (message, _) =
            error("[database.orders]\nconnection = { env = \"A\" }\ndisk-size = \"big\"\n");
        assert_eq!(
            message,
            "windlass.toml:3:13: a size is written like \"40 GB\"; units are B, kB, MB, GB, TB for `disk-size` in [database.orders]"
        );
        let (message, _) = error("[database.\"Or ders\"]\nconnection = { env = \"A\" }\n");
        assert!(
            message.starts_with("windlass.toml:1:11: `Or ders` is no name"),
            "{message}"
        );
    }
}
