//! What an operator can choose.

use windlass_sdk::Error;
use windlass_sdk::cluster::{RouteKind, RouteName};
use windlass_sdk::parameters::Span;

/// One route, and whether people are to see the maintenance page there.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Whether the maintenance page is to be on or off.
    pub mode: Mode,
    /// The namespace of the route.
    pub namespace: String,
    /// The kind of the route.
    #[serde(default)]
    pub kind: Kind,
    /// The name of the route.
    pub name: String,
    /// The service that serves the maintenance page, in the same namespace. Needed to turn it on.
    #[serde(default)]
    pub service: Option<String>,
    /// The port of that service.
    #[serde(default = "eighty")]
    pub port: u16,
    /// An endpoint that proves it from outside: what users see. Absent: nothing is proven.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The status that the maintenance page answers with.
    #[serde(default = "unavailable")]
    pub status: u16,
    /// How often in a row the endpoint has to show it.
    #[serde(default = "three")]
    pub passes: u32,
    /// From one look at the endpoint to the next.
    #[serde(default = "two_seconds")]
    pub every: Span,
    /// How long the endpoint may take to show it.
    #[serde(default = "two_minutes")]
    pub within: Span,
    /// A channel that is told when it is on or off. Absent: nobody is.
    #[serde(default)]
    pub notify: Option<String>,
}

/// Whether people are to see the maintenance page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// What leads people to a service.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// An Ingress.
    #[default]
    Ingress,
    /// An HTTPRoute of the Gateway API.
    HttpRoute,
}

fn eighty() -> u16 {
    80
}

fn unavailable() -> u16 {
    503
}

fn three() -> u32 {
    3
}

fn two_seconds() -> Span {
    Span::seconds(2)
}

fn two_minutes() -> Span {
    Span::minutes(2)
}

impl Parameters {
    pub(crate) fn route(&self) -> RouteName {
        RouteName {
            kind: match self.kind {
                Kind::Ingress => RouteKind::Ingress,
                Kind::HttpRoute => RouteKind::HttpRoute,
            },
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// The service with the page.
    pub(crate) fn page(&self) -> Result<&str, Error> {
        let service = self.service.as_deref();
        service.ok_or_else(|| "which service has the maintenance page? set service".into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Parameters};

    #[test]
    fn a_page_is_needed_to_turn_it_on() {
        let text = r#"{"mode": "on", "namespace": "shop", "name": "shop"}"#;
        let parameters: Parameters = serde_json::from_str(text).unwrap();
        assert_eq!(parameters.mode, Mode::On);
        assert_eq!((parameters.port, parameters.status), (80, 503));
        assert!(parameters.page().is_err());
        let text = text.replace("\"on\"", "\"on\", \"service\": \"page\"");
        let parameters: Parameters = serde_json::from_str(&text).unwrap();
        assert_eq!(parameters.page().unwrap(), "page");
    }
}
