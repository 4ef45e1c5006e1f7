//! `{target}` and `{params.NAME}` in the patterns of a manifest's needs. Pure.

use super::parameters::Parameters;
use crate::database;
use crate::grant::{Capabilities, Pattern};
use crate::notify;
use crate::probe;
use serde_json::Value;
use std::collections::BTreeSet;
use thiserror::Error;

/// The most patterns that one list may come to.
const MOST: usize = 1_000;

/// A pattern cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TemplateError {
    #[error("`{0}` has an open `{{`, or `}}` without one")]
    Braces(String),
    #[error("`{{{0}}}` means nothing; `{{target}}` and `{{params.NAME}}` do")]
    Unknown(String),
    #[error("`{{params.{0}}}` names no parameter of the procedure")]
    NoParameter(String),
    #[error("`{{params.{0}}}` is neither a text nor a list of texts")]
    NotText(String),
    #[error("`{0}` has a `*` that is not at its end")]
    Star(String),
    #[error("the patterns of one list come to more than {MOST}; give its parameters fewer texts")]
    Many,
}

/// A stretch of a pattern.
enum Piece<'a> {
    Text(&'a str),
    Target,
    Parameter(&'a str),
}

fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let braces = || TemplateError::Braces(pattern.to_owned());
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(braces)?;
        if text.contains('}') {
            return Err(braces());
        }
        pieces.push(Piece::Text(text));
        pieces.push(match name.strip_prefix("params.") {
            _ if name == "target" => Piece::Target,
            Some(parameter) => Piece::Parameter(parameter),
            None => return Err(TemplateError::Unknown(name.to_owned())),
        });
        rest = after;
    }
    if rest.contains('}') {
        return Err(braces());
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Checks a pattern before any run: its braces, its parameters, its `*`.
pub(super) fn check(pattern: &Pattern, parameters: &Parameters) -> Result<(), TemplateError> {
    for piece in pieces(&pattern.0)? {
        if let Piece::Parameter(name) = piece {
            if !parameters.has(name) {
                return Err(TemplateError::NoParameter(name.to_owned()));
            }
            if !parameters.is_text(name) {
                return Err(TemplateError::NotText(name.to_owned()));
            }
        }
    }
    star_is_last(&pattern.0)
}

fn star_is_last(pattern: &str) -> Result<(), TemplateError> {
    // In a field it stands for each element of a list.
    let plain = pattern.replace("[*]", "");
    let start = plain.strip_suffix('*').unwrap_or(&plain);
    if start.contains('*') {
        return Err(TemplateError::Star(pattern.to_owned()));
    }
    Ok(())
}

/// The needs for one run. A list parameter gives one pattern for each of its texts, an absent one gives none.
pub(super) fn fill(
    needs: &Capabilities,
    target: &str,
    given: &Value,
) -> Result<Capabilities, TemplateError> {
    let fill = |pattern: &Pattern| fill_pattern(&pattern.0, target, given);
    map(needs, fill)
}

/// The most that any run on the target can need: each parameter could be anything.
pub(super) fn widest(needs: &Capabilities, target: &str) -> Result<Capabilities, TemplateError> {
    map(needs, |pattern| {
        let mut text = String::new();
        for piece in pieces(&pattern.0)? {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Target => text.push_str(target),
                Piece::Parameter(_) => {
                    text.push('*');
                    break;
                }
            }
        }
        Ok(vec![Pattern(text)])
    })
}

/// Without scopes of which a list that the author wrote came to nothing, as where the parameter that names a channel is absent.
pub(super) fn without_empty(written: &Capabilities, mut filled: Capabilities) -> Capabilities {
    let notify = written.notify.iter().zip(&filled.notify);
    let kept = |lists: &[(&Vec<Pattern>, &Vec<Pattern>)]| {
        let mut lists = lists.iter();
        lists.all(|(written, filled)| written.is_empty() || !filled.is_empty())
    };
    let notify: Vec<_> = notify
        .filter(|(w, f)| kept(&[(&w.channels, &f.channels), (&w.events, &f.events)]))
        .map(|(_, filled)| filled.clone())
        .collect();
    let probe = written.probe.iter().zip(&filled.probe);
    let probe: Vec<_> = probe
        .filter(|(w, f)| kept(&[(&w.endpoints, &f.endpoints)]))
        .map(|(_, filled)| filled.clone())
        .collect();
    filled.notify = notify;
    filled.probe = probe;
    filled
}

/// Names of the parameters that the needs have in them.
pub(super) fn parameters(needs: &Capabilities) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // What cannot be read was refused when the component was.
    let _ = map(needs, |pattern| {
        for piece in pieces(&pattern.0)? {
            if let Piece::Parameter(name) = piece {
                names.insert(name.to_owned());
            }
        }
        Ok(Vec::new())
    });
    names
}

fn map(
    needs: &Capabilities,
    mut fill: impl FnMut(&Pattern) -> Result<Vec<Pattern>, TemplateError>,
) -> Result<Capabilities, TemplateError> {
    let mut all = |patterns: &[Pattern]| -> Result<Vec<Pattern>, TemplateError> {
        let mut filled = Vec::new();
        for pattern in patterns {
            filled.extend(fill(pattern)?);
            bounded(filled.len())?;
        }
        Ok(filled)
    };
    let mut scope = |scope: &database::Scope| {
        Ok(database::Scope {
            databases: all(&scope.databases)?,
            schemas: all(&scope.schemas)?,
            tables: all(&scope.tables)?,
            ..scope.clone()
        })
    };
    let database: Result<_, TemplateError> = needs.database.iter().map(&mut scope).collect();
    let mut channels = |scope: &notify::Scope| {
        Ok(notify::Scope {
            channels: all(&scope.channels)?,
            events: all(&scope.events)?,
            ..scope.clone()
        })
    };
    let notify: Result<_, TemplateError> = needs.notify.iter().map(&mut channels).collect();
    let mut endpoints = |scope: &probe::Scope| {
        Ok(probe::Scope {
            endpoints: all(&scope.endpoints)?,
            ..scope.clone()
        })
    };
    let probe: Result<_, TemplateError> = needs.probe.iter().map(&mut endpoints).collect();
    let cluster: Result<_, TemplateError> = needs
        .cluster
        .iter()
        .map(|scope| scope.with(&mut all))
        .collect();
    Ok(Capabilities {
        cluster: cluster?,
        database: database?,
        notify: notify?,
        probe: probe?,
    })
}

fn fill_pattern(pattern: &str, target: &str, given: &Value) -> Result<Vec<Pattern>, TemplateError> {
    let mut filled = vec![String::new()];
    for piece in pieces(pattern)? {
        let texts = match piece {
            Piece::Text(text) => vec![text],
            Piece::Target => vec![target],
            Piece::Parameter(name) => texts(name, given)?,
        };
        bounded(filled.len().saturating_mul(texts.len()))?;
        filled = filled
            .iter()
            .flat_map(|start| texts.iter().map(move |text| format!("{start}{text}")))
            .collect();
    }
    for pattern in &filled {
        star_is_last(pattern)?;
    }
    Ok(filled.into_iter().map(Pattern).collect())
}

fn bounded(count: usize) -> Result<(), TemplateError> {
    if count > MOST {
        return Err(TemplateError::Many);
    }
    Ok(())
}

fn texts<'a>(name: &str, given: &'a Value) -> Result<Vec<&'a str>, TemplateError> {
    let not_text = || TemplateError::NotText(name.to_owned());
    match given.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().ok_or_else(not_text))
            .collect(),
        Some(_) => Err(not_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::{TemplateError, check, fill_pattern};
    use crate::grant::Pattern;
    use crate::plugin::Parameters;
    use serde_json::json;

    fn filled(pattern: &str) -> Result<Vec<String>, TemplateError> {
        let given = json!({ "schema": "sales", "schemas": ["a", "b*"], "count": 3, "none": null });
        let patterns = fill_pattern(pattern, "orders", &given)?;
        Ok(patterns.into_iter().map(|pattern| pattern.0).collect())
    }

    #[test]
    fn patterns_are_filled_in() {
        assert_eq!(filled("{target}").unwrap(), ["orders"]);
        assert_eq!(filled("x_{params.schema}*").unwrap(), ["x_sales*"]);
        assert_eq!(filled("{params.schemas}").unwrap(), ["a", "b*"]);
        assert!(filled("{params.none}").unwrap().is_empty());
        assert!(filled("{params.absent}").unwrap().is_empty());
        assert_eq!(
            filled("{params.count}"),
            Err(TemplateError::NotText("count".into()))
        );
        assert_eq!(
            filled("{params.schemas}_x"),
            Err(TemplateError::Star("b*_x".into()))
        );
    }

    #[test]
    fn lists_do_not_multiply_without_end() {
        let given = json!({ "q": vec!["a"; 60] });
        let filled = |pattern: &str| fill_pattern(pattern, "orders", &given);
        assert_eq!(filled("{params.q}").unwrap().len(), 60);
        assert_eq!(filled(&"{params.q}".repeat(6)), Err(TemplateError::Many));
    }

    #[test]
    fn patterns_are_checked_before_any_run() {
        let parameters = Parameters::new(json!({
            "type": "object",
            "properties": { "schemas": { "type": "array", "items": { "type": "string" } }, "count": { "type": "integer" } }
        }))
        .unwrap();
        let check = |text: &str| check(&Pattern(text.into()), &parameters);
        assert_eq!(check("{target}"), Ok(()));
        assert_eq!(check("{params.schemas}"), Ok(()));
        assert_eq!(
            check("{params.count}"),
            Err(TemplateError::NotText("count".into()))
        );
        assert_eq!(
            check("{params.x}"),
            Err(TemplateError::NoParameter("x".into()))
        );
        assert_eq!(check("{host}"), Err(TemplateError::Unknown("host".into())));
        assert_eq!(
            check("{target"),
            Err(TemplateError::Braces("{target".into()))
        );
        assert_eq!(check("a}"), Err(TemplateError::Braces("a}".into())));
        assert_eq!(check("a*b"), Err(TemplateError::Star("a*b".into())));
    }
}
