//! What a procedure says of itself: `plugin.toml` and the schema of its parameters, as they are embedded in the component.

use super::parameters::{ParameterError, Parameters};
use super::template::{self, TemplateError};
use crate::call::Verb;
use crate::clock::Span;
use crate::cluster;
use crate::database;
use crate::document::{Document, DocumentError};
use crate::grant::{Budget, Capabilities, Danger, Pattern};
use crate::notify;
use crate::probe;
use crate::text::{is_deceptive, printable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use thiserror::Error;
use toml::Spanned;

/// The version of the embedded format.
const FORMAT: u32 = 1;

/// A procedure's manifest, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The name that people type.
    pub name: String,
    /// Of the procedure, not of windlass.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The most dangerous verb that it needs.
    pub danger: Danger,
    /// Bounds that the author sets.
    pub budget: Budget,
    /// What the author expects.
    pub estimates: Estimates,
    /// What an operator can choose.
    pub parameters: Parameters,
    /// With `{target}` and `{params.NAME}` still in it.
    needs: Capabilities,
}

/// What the author expects of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimates {
    /// How long it takes.
    pub duration: Option<Span>,
}

/// The embedded manifest is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ManifestError {
    #[error("the embedded manifest cannot be read: {0}")]
    Section(String),
    #[error("the embedded manifest has format {found}; this windlass reads format {FORMAT}")]
    Format { found: u32 },
    #[error("the schema of the parameters is unusable: {0}")]
    Schema(String),
    #[error(transparent)]
    Document(#[from] DocumentError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Embedded {
    format: u32,
    manifest: String,
    parameters: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    procedure: RawProcedure,
    #[serde(default)]
    needs: RawNeeds,
    #[serde(default)]
    budget: Budget,
    #[serde(default)]
    estimates: Estimates,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProcedure {
    name: Spanned<String>,
    version: Spanned<String>,
    summary: Spanned<String>,
    danger: Spanned<Danger>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNeeds {
    #[serde(default)]
    cluster: Vec<Spanned<cluster::Scope>>,
    #[serde(default)]
    database: Vec<Spanned<database::Scope>>,
    #[serde(default)]
    notify: Vec<Spanned<notify::Scope>>,
    #[serde(default)]
    probe: Vec<Spanned<probe::Scope>>,
}

impl RawNeeds {
    fn capabilities(&self) -> Capabilities {
        fn plain<S: Clone>(scopes: &[Spanned<S>]) -> Vec<S> {
            scopes.iter().map(|scope| scope.get_ref().clone()).collect()
        }
        Capabilities {
            cluster: plain(&self.cluster),
            database: plain(&self.database),
            notify: plain(&self.notify),
            probe: plain(&self.probe),
        }
    }
}

impl Manifest {
    /// Reads the content of the custom section. All that is wrong with a readable manifest is told at once.
    pub fn parse(section: &[u8]) -> Result<Self, Vec<ManifestError>> {
        let embedded: Embedded = serde_json::from_slice(section)
            .map_err(|error| vec![ManifestError::Section(error.to_string())])?;
        if embedded.format != FORMAT {
            return Err(vec![ManifestError::Format {
                found: embedded.format,
            }]);
        }
        let parameters =
            Parameters::new(embedded.parameters).map_err(|why| vec![ManifestError::Schema(why)])?;
        let document = Document::new("plugin.toml", &embedded.manifest);
        let raw: Raw = document.parse().map_err(|error| vec![error.into()])?;
        let problems = check(&document, &raw, &parameters);
        if !problems.is_empty() {
            return Err(problems.into_iter().map(Into::into).collect());
        }
        let needs = raw.needs.capabilities();
        Ok(Self {
            name: raw.procedure.name.into_inner(),
            version: raw.procedure.version.into_inner(),
            summary: raw.procedure.summary.into_inner(),
            danger: raw.procedure.danger.into_inner(),
            budget: raw.budget,
            estimates: raw.estimates,
            parameters,
            needs,
        })
    }

    /// Whether the text of a `plugin.toml` has the keys that one may have, before anything is built. `name` is what people call the file.
    pub fn check_keys(name: &str, text: &str) -> Result<(), DocumentError> {
        Document::new(name, text).parse::<Raw>().map(drop)
    }

    /// What a run on the target with these (checked) parameters needs.
    pub fn needs(&self, target: &str, parameters: &Value) -> Result<Capabilities, TemplateError> {
        template::fill(&self.needs, target, parameters)
    }

    /// The needs of runs with these parameters, for a grant.
    pub fn granted_needs(
        &self,
        target: &str,
        parameters: &Value,
    ) -> Result<Capabilities, TemplateError> {
        let filled = template::fill(&self.needs, target, parameters)?;
        Ok(template::without_empty(&self.needs, filled))
    }

    /// Names of the parameters that narrow the needs.
    pub fn narrowing(&self) -> BTreeSet<String> {
        template::parameters(&self.needs)
    }

    /// The most that any run on the target can need.
    pub fn widest_needs(&self, target: &str) -> Result<Capabilities, TemplateError> {
        template::widest(&self.needs, target)
    }

    /// The needs as the author wrote them, with `{target}` and `{params.NAME}` in them.
    pub fn written_needs(&self) -> &Capabilities {
        &self.needs
    }

    /// Every verb that some need names.
    pub fn verbs(&self) -> BTreeSet<Verb> {
        self.needs.verbs()
    }

    /// Checks given parameters against the schema and fills in defaults. All that is wrong is told at once.
    pub fn parameters_check(
        &self,
        given: Map<String, Value>,
    ) -> Result<Value, Vec<ParameterError>> {
        self.parameters.check(given)
    }
}

fn check(document: &Document<'_>, raw: &Raw, parameters: &Parameters) -> Vec<DocumentError> {
    let mut problems = Vec::new();
    let procedure = &raw.procedure;
    let mut problem =
        |offset: usize, message: String| problems.push(document.error_at(offset, message));
    if !super::is_name(procedure.name.get_ref()) {
        let message = "`name` is a lower-case letter, then letters, digits and `-`, at most 63";
        problem(procedure.name.span().start, message.into());
    }
    if !is_version(procedure.version.get_ref()) {
        let message = "`version` is three numbers, such as \"0.1.0\"";
        problem(procedure.version.span().start, message.into());
    }
    if let Some(what) = sentence_problem("summary", procedure.summary.get_ref()) {
        problem(procedure.summary.span().start, what);
    }
    let verbs = raw.needs.capabilities().verbs();
    let most = verbs.iter().max_by_key(|verb| verb.danger());
    let danger = *procedure.danger.get_ref();
    match most {
        Some(verb) if verb.danger() != danger => {
            let message = format!(
                "`danger` is \"{danger}\", but the need to {verb} makes it \"{}\"",
                verb.danger()
            );
            problem(procedure.danger.span().start, message);
        }
        None if danger != Danger::Read => {
            problem(
                procedure.danger.span().start,
                "`danger` is \"read\": nothing is needed".into(),
            );
        }
        Some(_) | None => {}
    }
    problems.extend(need_problems(document, raw, parameters));
    problems
}

/// What is wrong with a need, at its place.
fn need_problems(
    document: &Document<'_>,
    raw: &Raw,
    parameters: &Parameters,
) -> Vec<DocumentError> {
    let needs = &raw.needs;
    let databases = needs.database.iter();
    let databases = databases.map(|s| (s.span(), scope_problems(s.get_ref(), parameters)));
    let clusters = needs.cluster.iter();
    let clusters = clusters.map(|s| (s.span(), cluster_problems(s.get_ref(), parameters)));
    let channels = needs.notify.iter();
    let channels = channels.map(|s| (s.span(), channel_problems(s.get_ref(), parameters)));
    let endpoints = needs.probe.iter();
    let endpoints = endpoints.map(|s| (s.span(), endpoint_problems(s.get_ref(), parameters)));
    let all = databases.chain(clusters).chain(channels).chain(endpoints);
    all.flat_map(|(span, messages)| {
        let told = messages.into_iter();
        told.map(move |message| document.error_at(span.start, message))
    })
    .collect()
}

fn cluster_problems(scope: &cluster::Scope, parameters: &Parameters) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(sentence_problem("reason", &scope.reason));
    if scope.clusters.is_empty() || scope.verbs.is_empty() {
        problems.push("`clusters` or `verbs` is empty, so this need is for nothing".into());
    }
    problems.extend(pattern_problems(&scope.lists(), parameters));
    problems
}

fn channel_problems(scope: &notify::Scope, parameters: &Parameters) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(sentence_problem("reason", &scope.reason));
    for (key, patterns) in [("channels", &scope.channels), ("events", &scope.events)] {
        if patterns.is_empty() {
            problems.push(format!("`{key}` is empty, so this need is for nothing"));
        }
    }
    let patterns: [&[Pattern]; 2] = [&scope.channels, &scope.events];
    problems.extend(pattern_problems(&patterns, parameters));
    problems
}

fn endpoint_problems(scope: &probe::Scope, parameters: &Parameters) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(sentence_problem("reason", &scope.reason));
    if scope.endpoints.is_empty() || scope.verbs.is_empty() {
        problems.push("`endpoints` or `verbs` is empty, so this need is for nothing".into());
    }
    problems.extend(pattern_problems(&[&scope.endpoints], parameters));
    problems
}

fn pattern_problems(lists: &[&[Pattern]], parameters: &Parameters) -> Vec<String> {
    let problem = |pattern: &Pattern| {
        if pattern.0.contains(is_deceptive) {
            return Some(format!("`{}` {DECEPTIVE}", printable(&pattern.0)));
        }
        template::check(pattern, parameters)
            .err()
            .map(|error| error.to_string())
    };
    let patterns = lists.iter().copied().flatten();
    patterns.filter_map(problem).collect()
}

fn scope_problems(scope: &database::Scope, parameters: &Parameters) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(sentence_problem("reason", &scope.reason));
    if scope.databases.is_empty() {
        problems.push("`databases` is empty, so this need is for nothing".into());
    }
    if scope.verbs.is_empty() {
        problems.push("`verbs` is empty, so this need is for nothing".into());
    }
    let patterns: [&[Pattern]; 3] = [&scope.databases, &scope.schemas, &scope.tables];
    problems.extend(pattern_problems(&patterns, parameters));
    problems
}

const DECEPTIVE: &str = "has a character that cannot be seen or that moves others";

/// What is wrong with an author's sentence. It stands on the page by which people decide, so it can look like nothing else there.
fn sentence_problem(key: &str, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        Some(format!(
            "`{key}` is empty: say what it is for, in a sentence"
        ))
    } else if text.contains(is_deceptive) {
        Some(format!("`{key}` {DECEPTIVE}: write one plain line"))
    } else {
        None
    }
}

/// Three numbers, and after them what semantic versioning allows.
fn is_version(text: &str) -> bool {
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(end);
    let numbers: Vec<_> = numbers.split('.').collect();
    let is_number =
        |n: &&str| !n.is_empty() && n.len() < 10 && n.bytes().all(|b| b.is_ascii_digit());
    numbers.len() == 3
        && numbers.iter().all(is_number)
        && suffix.len() <= 64
        && suffix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b))
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Manifest, is_version};
    use serde_json::{Value, json};

    pub(in crate::plugin) const TEXT: &str = r#"[procedure]
name = "pg-tidy"
version = "0.1.0"
summary = "Vacuums."
danger = "maintain"

[[needs.database]]
reason = "to find what to vacuum"
databases = ["{target}"]
verbs = ["server", "tables"]
schemas = ["{params.schemas}"]
tables = ["*"]

[[needs.database]]
reason = "to vacuum it"
databases = ["{target}"]
verbs = ["vacuum"]
schemas = ["{params.schemas}"]
tables = ["*"]

[budget]
effects = 10
duration = "4h"
"#;

    pub(in crate::plugin) fn embed(text: &str) -> Vec<u8> {
        let schema = json!({
            "type": "object",
            "properties": {
                "schemas": { "type": "array", "items": { "type": "string" }, "default": ["public"] }
            }
        });
        section(&json!({ "format": 1, "manifest": text, "parameters": schema }))
    }

    fn section(value: &Value) -> Vec<u8> {
        serde_json::to_vec(value).unwrap()
    }

    fn errors(text: &str) -> Vec<String> {
        let errors = Manifest::parse(&embed(text)).unwrap_err();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_manifest_is_read_and_filled_in() {
        let manifest = Manifest::parse(&embed(TEXT)).unwrap();
        let parameters = manifest.parameters_check(serde_json::Map::new()).unwrap();
        let needs = manifest.needs("orders", &parameters).unwrap();
        assert_eq!(needs.database[1].databases[0].0, "orders");
        assert_eq!(needs.database[1].schemas[0].0, "public");
        let widest = manifest.widest_needs("orders").unwrap();
        assert_eq!(widest.database[1].schemas[0].0, "*");
        assert_eq!(manifest.budget.effects, Some(10));
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_place() {
        let text = TEXT
            .replace("\"pg-tidy\"", "\"Tidy\"")
            .replace("\"0.1.0\"", "\"new\"")
            .replace("\"maintain\"", "\"read\"")
            .replace("to vacuum it", " ")
            .replace("[\"*\"]", "[\"a*b\"]");
        let errors = errors(&text);
        assert_eq!(
            errors[0],
            "plugin.toml:2:8: `name` is a lower-case letter, then letters, digits and `-`, at most 63"
        );
        assert_eq!(
            errors[1],
            "plugin.toml:3:11: `version` is three numbers, such as \"0.1.0\""
        );
        assert_eq!(
            errors[2],
            "plugin.toml:5:10: `danger` is \"read\", but the need to vacuum makes it \"maintain\""
        );
        assert_eq!(
            errors[3],
            "plugin.toml:7:1: `a*b` has a `*` that is not at its end"
        );
        assert_eq!(
            errors[4],
            "plugin.toml:14:1: `reason` is empty: say what it is for, in a sentence"
        );
        assert_eq!(errors.len(), 6);
    }

    #[test]
    fn what_an_author_says_can_look_like_nothing_else() {
        for trick in ["a\\ncannot  change a thing", "a\\u202Eb", "a\\u001B[2J"] {
            for said in ["Vacuums.", "to vacuum it"] {
                let errors = errors(&TEXT.replace(said, trick));
                assert_eq!(errors.len(), 1, "{errors:?}");
                assert!(errors[0].ends_with("moves others: write one plain line"));
            }
            let errors = errors(&TEXT.replace("[\"*\"]", &format!("[\"{trick}\"]")));
            assert!(errors[0].contains("cannot be seen"), "{errors:?}");
        }
    }

    #[test]
    fn misspelt_keys_and_verbs_are_located() {
        assert_eq!(
            errors(&TEXT.replace("tables = [\"*\"]\n\n[budget]", "tabels = []\n[budget]")),
            ["plugin.toml:19:1: unknown key `tabels` in [needs.database]"]
        );
        assert_eq!(
            errors(&TEXT.replace("\"vacuum\"", "\"vaccum\"")),
            ["plugin.toml:17:10: unknown value `vaccum` for `verbs` in [needs.database]"]
        );
        assert_eq!(
            errors(&TEXT.replace("[budget]", "[bugdet]")),
            ["plugin.toml:21:2: unknown key `bugdet`"]
        );
    }

    #[test]
    fn another_format_is_refused() {
        let other = section(&json!({ "format": 2, "manifest": "", "parameters": {} }));
        let errors = Manifest::parse(&other).unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            "the embedded manifest has format 2; this windlass reads format 1"
        );
        let other = section(&json!({ "format": 1, "manifest": "", "parameters": {}, "grant": {} }));
        assert!(
            Manifest::parse(&other).unwrap_err()[0]
                .to_string()
                .contains("unknown field `grant`")
        );
        assert!(Manifest::parse(b"\0").is_err());
    }

    #[test]
    fn versions() {
        assert!(is_version("0.1.0") && is_version("1.2.3-rc.1+b"));
        assert!(!is_version("1.2") && !is_version("1.2.x") && !is_version("1.2.3-\u{202e}"));
    }
}
