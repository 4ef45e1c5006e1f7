//! A named channel and how its secrets are found. Nothing secret is read before the channel is used.

use super::quantity::Pace;
use super::secret::{SecretSource, Sought, read_file};
use super::{ConfigError, Environment};
use crate::clock::Span;
use crate::document::{Document, DocumentError};
use crate::notify::client::{
    Channel, DEFAULT_EVERY_SLACK, DEFAULT_GIVE_UP_AFTER, Kind, LONGEST_GIVE_UP_AFTER, Smtp, SmtpTls,
};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// A channel as the operator configured it. Holds no secret.
#[derive(Clone, Debug)]
pub struct ChannelTarget {
    /// Its logical name.
    pub name: String,
    checked: Checked,
}

impl ChannelTarget {
    pub(super) fn new(name: String, checked: Checked, folder: &Path) -> Self {
        Self {
            name,
            checked: checked.relative_to(folder),
        }
    }

    /// The channel with its secrets, read now from where the file says.
    pub fn resolve(&self, environment: &Environment) -> Result<Channel, ConfigError> {
        let whose = format!("channel `{}`", self.name);
        let secret = |source: &SecretSource, what| source.read(&whose, what, environment);
        let kind = match &self.checked.kind {
            Source::Slack { url } => Kind::Slack {
                url: secret(url, Sought::Url)?,
            },
            Source::Webhook {
                url,
                key,
                idempotent,
            } => Kind::Webhook {
                url: secret(url, Sought::Url)?,
                key: secret(key, Sought::Key)?,
                idempotent: *idempotent,
            },
            Source::Smtp { server, password } => {
                let login = match password {
                    Some((user, source)) => Some((user.clone(), secret(source, Sought::Password)?)),
                    None => None,
                };
                Kind::Smtp(Smtp {
                    login,
                    ..server.clone()
                })
            }
        };
        let ca = self.checked.ca.as_deref();
        Ok(Channel {
            name: self.name.clone(),
            kind,
            give_up_after: self.checked.give_up_after,
            every: self.checked.every,
            ca: ca.map(|path| read_file(&whose, path)).transpose()?,
            allow_address: self.checked.allow_address.clone(),
        })
    }
}

/// A section `[channel.NAME]`. Which keys belong to which kind is checked behind, so that what is wrong is told with its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawChannel {
    kind: RawKind,
    url: Option<Spanned<SecretSource>>,
    key: Option<Spanned<SecretSource>>,
    idempotent: Option<Spanned<bool>>,
    host: Option<Spanned<String>>,
    port: Option<Spanned<u16>>,
    tls: Option<Spanned<RawTls>>,
    username: Option<Spanned<String>>,
    password: Option<Spanned<SecretSource>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<Vec<String>>>,
    give_up_after: Option<Spanned<Span>>,
    every: Option<Pace>,
    ca: Option<PathBuf>,
    #[serde(default)]
    allow_address: Vec<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    Slack,
    Webhook,
    Smtp,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawTls {
    Starttls,
    Implicit,
    None,
}

/// A section whose keys belong together.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    kind: Source,
    give_up_after: Duration,
    every: Duration,
    ca: Option<PathBuf>,
    allow_address: Vec<IpAddr>,
}

/// What receives messages, and where its secrets are found.
#[derive(Clone, Debug)]
enum Source {
    Slack {
        url: SecretSource,
    },
    Webhook {
        url: SecretSource,
        key: SecretSource,
        idempotent: bool,
    },
    Smtp {
        /// Without its login.
        server: Smtp,
        /// User name, and where the password is found.
        password: Option<(String, SecretSource)>,
    },
}

impl Checked {
    fn relative_to(mut self, folder: &Path) -> Self {
        self.ca = self.ca.map(|path| folder.join(path));
        self.kind = match self.kind {
            Source::Slack { url } => Source::Slack {
                url: url.relative_to(folder),
            },
            Source::Webhook {
                url,
                key,
                idempotent,
            } => Source::Webhook {
                url: url.relative_to(folder),
                key: key.relative_to(folder),
                idempotent,
            },
            Source::Smtp { server, password } => Source::Smtp {
                server,
                password: password.map(|(user, source)| (user, source.relative_to(folder))),
            },
        };
        self
    }
}

impl RawChannel {
    /// The section, if it has what its kind needs and nothing else.
    pub(super) fn check(
        self,
        document: &Document<'_>,
        name: &Spanned<String>,
    ) -> Result<Checked, DocumentError> {
        self.no_other_keys(document)?;
        let give_up_after = give_up_after(document, self.give_up_after.as_ref())?;
        let every = match (&self.every, self.kind) {
            (Some(pace), _) => pace.0,
            (None, RawKind::Slack) => DEFAULT_EVERY_SLACK,
            (None, RawKind::Webhook | RawKind::Smtp) => Duration::ZERO,
        };
        let (ca, allow_address) = (self.ca.clone(), self.allow_address.clone());
        let place = Place { document, name };
        let kind = match self.kind {
            RawKind::Slack => Source::Slack {
                url: place.needs("url", self.url)?,
            },
            RawKind::Webhook => Source::Webhook {
                url: place.needs("url", self.url)?,
                key: place.needs("key", self.key)?,
                idempotent: self.idempotent.is_some_and(Spanned::into_inner),
            },
            RawKind::Smtp => self.smtp(&place)?,
        };
        Ok(Checked {
            kind,
            give_up_after,
            every,
            ca,
            allow_address,
        })
    }

    fn no_other_keys(&self, document: &Document<'_>) -> Result<(), DocumentError> {
        let at = |place: Option<usize>, key: &'static str| Some((key, place?));
        let start =
            |secret: &Option<Spanned<SecretSource>>| secret.as_ref().map(|s| s.span().start);
        let url = at(start(&self.url), "url");
        let key = at(start(&self.key), "key");
        let idempotent = self.idempotent.as_ref().map(|s| s.span().start);
        let idempotent = at(idempotent, "idempotent");
        let mail = [
            at(self.host.as_ref().map(|s| s.span().start), "host"),
            at(self.port.as_ref().map(|s| s.span().start), "port"),
            at(self.tls.as_ref().map(|s| s.span().start), "tls"),
            at(self.username.as_ref().map(|s| s.span().start), "username"),
            at(start(&self.password), "password"),
            at(self.from.as_ref().map(|s| s.span().start), "from"),
            at(self.to.as_ref().map(|s| s.span().start), "to"),
        ];
        let mail = mail.into_iter().flatten();
        let (kind, mut others): (_, Vec<_>) = match self.kind {
            RawKind::Slack => {
                let all = key.into_iter().chain(idempotent).chain(mail);
                ("slack", all.collect())
            }
            RawKind::Webhook => ("webhook", mail.collect()),
            RawKind::Smtp => {
                let all = url.into_iter().chain(key).chain(idempotent);
                ("smtp", all.collect())
            }
        };
        others.sort_by_key(|(_, place)| *place);
        match others.first() {
            Some((key, place)) => {
                let message = format!("a channel of kind \"{kind}\" has no `{key}`");
                Err(document.error_at(*place, message))
            }
            None => Ok(()),
        }
    }

    fn smtp(self, place: &Place<'_>) -> Result<Source, DocumentError> {
        let password = match (self.username, self.password) {
            (Some(user), Some(password)) => Some((user.into_inner(), password.into_inner())),
            (None, None) => None,
            (Some(user), None) => {
                let message = "`username` needs a `password`";
                return Err(place.document.error_at(user.span().start, message));
            }
            (None, Some(password)) => {
                let message = "`password` needs a `username`";
                return Err(place.document.error_at(password.span().start, message));
            }
        };
        let tls = match place.needs("tls", self.tls)? {
            RawTls::Starttls => SmtpTls::Starttls,
            RawTls::Implicit => SmtpTls::Implicit,
            RawTls::None => SmtpTls::None,
        };
        let usual = match tls {
            SmtpTls::Starttls => 587,
            SmtpTls::Implicit => 465,
            SmtpTls::None => 25,
        };
        let at = self.to.as_ref().map_or(0, |to| to.span().start);
        let to = place.needs("to", self.to)?;
        if to.is_empty() {
            return Err(place.document.error_at(at, "`to` is empty"));
        }
        let server = Smtp {
            host: place.needs("host", self.host)?,
            port: self.port.map_or(usual, Spanned::into_inner),
            tls,
            login: None,
            from: place.needs("from", self.from)?,
            to,
        };
        Ok(Source::Smtp { server, password })
    }
}

/// Where a section is.
struct Place<'a> {
    document: &'a Document<'a>,
    name: &'a Spanned<String>,
}

impl Place<'_> {
    fn needs<T>(&self, key: &str, value: Option<Spanned<T>>) -> Result<T, DocumentError> {
        value.map(Spanned::into_inner).ok_or_else(|| {
            let message = format!("`{key}` is missing in [channel.{}]", self.name.get_ref());
            self.document.error_at(self.name.span().start, message)
        })
    }
}

fn give_up_after(
    document: &Document<'_>,
    span: Option<&Spanned<Span>>,
) -> Result<Duration, DocumentError> {
    match span {
        Some(span) if span.get_ref().0 > LONGEST_GIVE_UP_AFTER => {
            Err(document.error_at(span.span().start, "`give-up-after` is at most \"1h\""))
        }
        Some(span) => Ok(span.get_ref().0),
        None => Ok(DEFAULT_GIVE_UP_AFTER),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::file::parse;
    use crate::document::Document;

    fn error(text: &str) -> (String, Option<String>) {
        let error = parse(&Document::new("windlass.toml", text)).err().unwrap();
        (error.to_string(), error.hint().map(str::to_owned))
    }

    const SLACK: &str = "[channel.ops]\nkind = \"slack\"\nurl = { env = \"OPS_URL\" }\n";
    const MAIL: &str = "[channel.ops]\nkind = \"smtp\"\nhost = \"mail\"\ntls = \"starttls\"\nfrom = \"a@b.c\"\nto = [\"d@e.f\"]\n";

    #[test]
    fn what_a_kind_needs_and_what_it_has_not() {
        for text in [SLACK, MAIL] {
            assert!(parse(&Document::new("windlass.toml", text)).is_ok());
        }
        for (text, message) in [
            (
                SLACK.replace(
                    "env = \"OPS_URL\"",
                    "env = \"OPS_URL\" }\nkey = { env = \"K\"",
                ),
                "windlass.toml:4:7: a channel of kind \"slack\" has no `key`",
            ),
            (
                SLACK.replace("slack", "webhook"),
                "windlass.toml:1:10: `key` is missing in [channel.ops]",
            ),
            (
                SLACK.replace("slack", "pager"),
                "windlass.toml:2:8: unknown value `pager` for `kind` in [channel.ops]",
            ),
            (
                SLACK.replace("url", "urll"),
                "windlass.toml:3:1: unknown key `urll` in [channel.ops]",
            ),
            (
                format!("{SLACK}give-up-after = \"2h\"\n"),
                "windlass.toml:4:17: `give-up-after` is at most \"1h\"",
            ),
            (
                format!("{SLACK}allow-address = [\"metadata\"]\n"),
                "windlass.toml:4:18: invalid IP address syntax for `allow-address` in [channel.ops]",
            ),
            (
                SLACK.replace("channel.ops", "channel.Ops"),
                "windlass.toml:1:10: `Ops` is no name: a letter, then letters, digits and `-`, all lower case, at most 63",
            ),
            (
                format!("{MAIL}username = \"u\"\n"),
                "windlass.toml:7:12: `username` needs a `password`",
            ),
            (
                MAIL.replace("tls = \"starttls\"\n", ""),
                "windlass.toml:1:10: `tls` is missing in [channel.ops]",
            ),
            (
                MAIL.replace("[\"d@e.f\"]", "[]"),
                "windlass.toml:6:6: `to` is empty",
            ),
        ] {
            assert_eq!(error(&text).0, message, "{text}");
        }
        let (_, hint) = error(&SLACK.replace("url", "urll"));
        assert_eq!(hint.as_deref(), Some("did you mean `url`?"));
    }

    #[test]
    fn a_url_in_the_file_is_refused_and_not_repeated() {
        let (message, _) = error("[channel.ops]\nkind = \"slack\"\nurl = \"https://canary\"\n");
        assert!(message.starts_with("windlass.toml:3:7: "), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
}
