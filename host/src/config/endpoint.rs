//! A named endpoint and how its secrets are found. Nothing secret is read before the endpoint is used.

use super::secret::{SecretSource, Sought, read_file};
use super::{ConfigError, Environment};
use crate::clock::Span;
use crate::document::{Document, DocumentError};
use crate::probe::Endpoint;
use crate::probe::client::{DEFAULT_TIMEOUT, Expected, Kind, LONGEST_TIMEOUT};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// An endpoint as the operator configured it. Holds no secret.
#[derive(Clone, Debug)]
pub struct EndpointTarget {
    /// Its logical name.
    pub name: String,
    checked: Checked,
}

impl EndpointTarget {
    pub(super) fn new(name: String, checked: Checked, folder: &Path) -> Self {
        Self {
            name,
            checked: checked.relative_to(folder),
        }
    }

    /// The endpoint with its secrets, read now from where the file says.
    pub fn resolve(&self, environment: &Environment) -> Result<Endpoint, ConfigError> {
        let whose = format!("endpoint `{}`", self.name);
        let checked = &self.checked;
        let kind = match &checked.kind {
            Source::Http {
                url,
                expected,
                header,
            } => Kind::Http {
                url: url.clone(),
                expected: expected.clone(),
                header: match header {
                    Some(header) => {
                        let value = header.value.read(&whose, Sought::Header, environment)?;
                        Some((header.name.clone(), value))
                    }
                    None => None,
                },
            },
            Source::Tls {
                server,
                server_name,
            } => Kind::Tls {
                server: server.clone(),
                server_name: server_name.clone(),
            },
        };
        let ca = checked.ca.as_deref();
        Ok(Endpoint {
            name: self.name.clone(),
            kind,
            timeout: checked.timeout,
            ca: ca.map(|path| read_file(&whose, path)).transpose()?,
            allow_address: checked.allow_address.clone(),
        })
    }
}

/// A section `[endpoint.NAME]`. Which keys belong together is checked behind, so that what is wrong is told with its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawEndpoint {
    url: Option<String>,
    expect_status: Option<Spanned<u16>>,
    expect_json: Option<Spanned<RawJson>>,
    max_latency: Option<Spanned<Span>>,
    header: Option<Spanned<RawHeader>>,
    tls: Option<Spanned<String>>,
    server_name: Option<Spanned<String>>,
    timeout: Option<Spanned<Span>>,
    ca: Option<PathBuf>,
    #[serde(default)]
    allow_address: Vec<IpAddr>,
}

/// A place in a JSON body, and what has to stand there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJson {
    pointer: String,
    value: Value,
}

/// A header that is sent along.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    name: String,
    value: SecretSource,
}

/// A section whose keys belong together.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    kind: Source,
    timeout: Duration,
    ca: Option<PathBuf>,
    allow_address: Vec<IpAddr>,
}

#[derive(Clone, Debug)]
enum Source {
    Http {
        url: String,
        expected: Expected,
        header: Option<RawHeader>,
    },
    Tls {
        server: String,
        server_name: Option<String>,
    },
}

impl Checked {
    fn relative_to(mut self, folder: &Path) -> Self {
        self.ca = self.ca.map(|path| folder.join(path));
        if let Source::Http { header, .. } = &mut self.kind {
            *header = header.take().map(|header| RawHeader {
                value: header.value.relative_to(folder),
                ..header
            });
        }
        self
    }
}

impl RawEndpoint {
    /// The section, if it has what its kind needs and nothing else.
    pub(super) fn check(
        self,
        document: &Document<'_>,
        name: &Spanned<String>,
    ) -> Result<Checked, DocumentError> {
        let fail = |at: usize, message: String| Err(document.error_at(at, message));
        self.no_other_keys(document)?;
        let timeout = match &self.timeout {
            Some(span) if span.get_ref().0 > LONGEST_TIMEOUT => {
                return fail(span.span().start, "`timeout` is at most \"1m\"".into());
            }
            Some(span) => span.get_ref().0,
            None => DEFAULT_TIMEOUT,
        };
        let kind = match (self.url, self.tls) {
            (Some(url), None) => Source::Http {
                url,
                expected: expected(
                    document,
                    self.expect_status,
                    self.expect_json,
                    self.max_latency,
                )?,
                header: self.header.map(Spanned::into_inner),
            },
            (None, Some(tls)) => Source::Tls {
                server: tls.into_inner(),
                server_name: self.server_name.map(Spanned::into_inner),
            },
            (Some(_), Some(tls)) => {
                let message = "an endpoint has a `url` or `tls`, not both; a `url` of https:// is looked at for its certificates too";
                return fail(tls.span().start, message.into());
            }
            (None, None) => {
                let message = format!("`url` or `tls` is missing in [endpoint.{}]", name.get_ref());
                return fail(name.span().start, message);
            }
        };
        Ok(Checked {
            kind,
            timeout,
            ca: self.ca,
            allow_address: self.allow_address,
        })
    }

    fn no_other_keys(&self, document: &Document<'_>) -> Result<(), DocumentError> {
        let url_only = [
            (
                "expect-status",
                self.expect_status.as_ref().map(Spanned::span),
            ),
            ("expect-json", self.expect_json.as_ref().map(Spanned::span)),
            ("max-latency", self.max_latency.as_ref().map(Spanned::span)),
            ("header", self.header.as_ref().map(Spanned::span)),
        ];
        let tls_only = [("server-name", self.server_name.as_ref().map(Spanned::span))];
        let (kind, others) = match self.url {
            Some(_) => ("url", &tls_only[..]),
            None => ("tls", &url_only[..]),
        };
        let mut others = others
            .iter()
            .filter_map(|(key, at)| Some((key, at.clone()?)));
        match others.next() {
            Some((key, at)) => {
                let message = format!("an endpoint with `{kind}` has no `{key}`");
                Err(document.error_at(at.start, message))
            }
            None => Ok(()),
        }
    }
}

fn expected(
    document: &Document<'_>,
    status: Option<Spanned<u16>>,
    json: Option<Spanned<RawJson>>,
    latency: Option<Spanned<Span>>,
) -> Result<Expected, DocumentError> {
    if let Some(status) = &status
        && !(100..600).contains(status.get_ref())
    {
        let message = "no server answers with such a status";
        return Err(document.error_at(status.span().start, message));
    }
    if let Some(json) = &json
        && !(json.get_ref().pointer.is_empty() || json.get_ref().pointer.starts_with('/'))
    {
        let message = "`pointer` is a JSON pointer, such as \"/checks/0/status\"";
        return Err(document.error_at(json.span().start, message));
    }
    Ok(Expected {
        status: status.map_or(200, Spanned::into_inner),
        json: json
            .map(Spanned::into_inner)
            .map(|json| (json.pointer, json.value)),
        latency: latency.map(|span| span.into_inner().0),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::file::parse;
    use crate::document::Document;

    const SHOP: &str = "[endpoint.shop]\nurl = \"https://shop.example.com/healthz\"\n";
    const MAIL: &str = "[endpoint.mail]\ntls = \"mail.example.com:465\"\n";

    #[test]
    fn which_keys_belong_together() {
        for more in [
            "",
            "expect-status = 204\nmax-latency = \"1s\"\ntimeout = \"1m\"\nallow-address = [\"169.254.1.1\"]\n",
            "expect-json = { pointer = \"/status\", value = \"ok\" }\n",
            "header = { name = \"authorization\", value = { env = \"SHOP_TOKEN\" } }\n",
        ] {
            let text = format!("{SHOP}{more}");
            assert!(
                parse(&Document::new("windlass.toml", &text)).is_ok(),
                "{text}"
            );
        }
        let text = format!("{MAIL}server-name = \"mail\"\nca = \"ca.pem\"\n");
        assert!(parse(&Document::new("windlass.toml", &text)).is_ok());
        for (text, message) in [
            (
                format!("{SHOP}tls = \"a:1\"\n"),
                "windlass.toml:3:7: an endpoint has a `url` or `tls`, not both; a `url` of https:// is looked at for its certificates too",
            ),
            (
                "[endpoint.shop]\ntimeout = \"1s\"\n".into(),
                "windlass.toml:1:11: `url` or `tls` is missing in [endpoint.shop]",
            ),
            (
                format!("{SHOP}server-name = \"a\"\n"),
                "windlass.toml:3:15: an endpoint with `url` has no `server-name`",
            ),
            (
                format!("{MAIL}expect-status = 200\n"),
                "windlass.toml:3:17: an endpoint with `tls` has no `expect-status`",
            ),
            (
                format!("{SHOP}expect-status = 20\n"),
                "windlass.toml:3:17: no server answers with such a status",
            ),
            (
                format!("{SHOP}expect-json = {{ pointer = \"status\", value = 1 }}\n"),
                "windlass.toml:3:15: `pointer` is a JSON pointer, such as \"/checks/0/status\"",
            ),
            (
                format!("{SHOP}timeout = \"2m\"\n"),
                "windlass.toml:3:11: `timeout` is at most \"1m\"",
            ),
            (
                SHOP.replace("url", "urll"),
                "windlass.toml:2:1: unknown key `urll` in [endpoint.shop]",
            ),
        ] {
            let error = parse(&Document::new("windlass.toml", &text)).err().unwrap();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        let text = format!("{SHOP}header = {{ name = \"authorization\", value = \"canary\" }}\n");
        let error = parse(&Document::new("windlass.toml", &text)).err().unwrap();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
