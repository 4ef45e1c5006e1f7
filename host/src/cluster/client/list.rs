//! Lists of objects, page by page: however many there are, memory and time are bounded.

use super::api::{Api, Failure, Outcome, encoded};
use crate::cluster::object::Kind;
use crate::contract::ErrorKind;
use http::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::Instant;

/// Objects that one page of a list has.
pub(super) const PAGE: usize = 500;
/// Objects that one list has at most.
pub(super) const MOST: usize = 5_000;
/// Pages that one list has at most, whatever is on them: a server may name a further one for ever.
const PAGES: usize = 200;

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageFacts,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
struct PageFacts {
    #[serde(default, rename = "continue")]
    further: Option<String>,
    #[serde(default, rename = "resourceVersion")]
    version: Option<String>,
    #[serde(default, rename = "remainingItemCount")]
    remaining: Option<usize>,
}

/// All objects of a list that count, and the version that a watch goes on from.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) version: String,
}

impl Api {
    /// All objects of a kind in a namespace (or in all) that a query means, page by page; what `keep` makes nothing of is forgotten at once.
    pub(super) async fn list<T: DeserializeOwned, K>(
        &self,
        end: Instant,
        kind: Kind,
        namespace: Option<&str>,
        query: &[(&str, &str)],
        mut keep: impl FnMut(T) -> Option<K>,
    ) -> Outcome<Listed<K>> {
        let mut items = Vec::new();
        let mut further: Option<String> = None;
        let page = PAGE.to_string();
        for _ in 0..PAGES {
            let mut pairs = query.to_vec();
            pairs.push(("limit", &page));
            if let Some(token) = &further {
                // The token says of which version.
                pairs.retain(|(name, _)| !name.starts_with("resourceVersion"));
                pairs.push(("continue", token));
            }
            let path = format!("{}?{}", kind.path(namespace), encoded(&pairs));
            let page: Page<T> = self.call(end, Method::GET, &path, None).await?;
            items.extend(page.items.into_iter().filter_map(&mut keep));
            if items.len() > MOST {
                return Err(too_many(&kind));
            }
            further = page.metadata.further.filter(|token| !token.is_empty());
            if further.is_none() {
                let version = page.metadata.version.unwrap_or_default();
                return Ok(Listed { items, version });
            }
        }
        Err(too_many(&kind))
    }

    /// The version that a namespace's objects of a kind have now, for a watch from there; none if the server does not tell.
    pub(super) async fn version(
        &self,
        end: Instant,
        kind: &Kind,
        namespace: Option<&str>,
    ) -> Outcome<Option<String>> {
        let path = format!("{}?limit=1", kind.path(namespace));
        let page: Page<IgnoredAny> = self.call(end, Method::GET, &path, None).await?;
        Ok(page.metadata.version)
    }

    /// How many objects of a kind there are in all namespaces; none if the server does not tell.
    pub(super) async fn count(&self, end: Instant, kind: &Kind) -> Outcome<Option<usize>> {
        let path = format!("{}?limit=1", kind.path(None));
        let page: Page<IgnoredAny> = self.call(end, Method::GET, &path, None).await?;
        let is_all = page.metadata.further.is_none_or(|token| token.is_empty());
        let more = if is_all {
            Some(0)
        } else {
            page.metadata.remaining
        };
        Ok(more.map(|more| more + page.items.len()))
    }
}

fn too_many(kind: &Kind) -> Failure {
    let message = format!(
        "more than {MOST} objects of kind {kind} are meant; a narrower selector shows fewer"
    );
    Failure::new(ErrorKind::Limit, message)
}
