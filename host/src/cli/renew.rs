//! `windlass grant renew`: carries a reviewed grant over to another version of its component. What people narrowed stays as it is.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::grant::{component_of, describe, summary, targets};
use super::inspect::need;
use crate::config::Config;
use crate::folder::Folder;
use crate::grant::{GrantFile, Missing, missing, short};
use crate::journal::RunId;
use crate::plugin::{Component, verb_name};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn execute(
    context: &Context,
    path: &Path,
    procedure: Option<&str>,
) -> Result<Exit, Failure> {
    let file = GrantFile::read(path)?;
    let component = component_of(context, &file, procedure, "renew")?;
    if component.name() != file.procedure {
        return Err(Failure::refused(format!(
            "{} is for {}, and this is {}",
            file.name,
            file.procedure,
            component.name()
        )));
    }
    if component.borrows_its_name() {
        return Err(Failure::refused(format!(
            "`{}` calls itself {} and is not the built-in procedure",
            component.spec(),
            component.name()
        ))
        .note("the file was left as it is")
        .hint(format!(
            "windlass grant {} --target TARGET writes a grant of its own",
            component.spec()
        )));
    }
    let config = context.config()?;
    let changes = changes(context, &file, &component)?;
    if file.digest == component.digest() {
        let note = format!("{} is for this component already.", file.name);
        context.printer.note(note);
        return told(context, &config, &file, &changes);
    }
    let lacking = lacking(&file, &component, &config);
    if !lacking.is_empty() {
        return Err(more(&file, &component, &lacking, &changes));
    }
    let (folder, name) = Folder::of_file(path)?;
    let text = folder.read_guarded(&name)?;
    let digest = component.digest();
    let text = GrantFile::renewed(&file.name, &text, component.version(), digest)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let renewed =
        GrantFile::parse(&file.name, &text).map_err(|error| Failure::fault(error.to_string()))?;
    if renewed.capabilities() != file.capabilities() || renewed.digest != digest {
        return Err(Failure::fault("the renewed grant would say something else"));
    }
    folder.write(&name, text.as_bytes(), true)?;
    let code = told(context, &config, &renewed, &changes)?;
    let old = file.version.as_deref().unwrap_or("another version");
    if let Some(name) = &file.approved_by {
        context.printer.note(format_args!(
            "It was approved for {old}, {}, by {name}.\nHave the new digest reviewed.",
            short(&file.digest)
        ));
    }
    for run in open_runs(context, &file.digest)? {
        context.printer.note(format_args!(
            "Run {run} is of {old} and not over. Without a grant for that it can be taken back\nonly: windlass undo {run}"
        ));
    }
    Ok(code)
}

fn told(
    context: &Context,
    config: &Config,
    file: &GrantFile,
    changes: &[String],
) -> Result<Exit, Failure> {
    if context.printer.is_json() {
        let document = json!({ "file": file.name, "changes": changes, "grant": summary(file) });
        context.printer.json("windlass.grant-renew/1", &document)?;
        return Ok(Exit::Succeeded);
    }
    let described = describe(file, config, context);
    context.printer.text(described)?;
    if !changes.is_empty() {
        context
            .printer
            .text(format_args!("\n{}", changes.join("\n")))?;
    }
    Ok(Exit::Succeeded)
}

/// What the new version needs and the file does not allow, not even in part.
fn lacking(file: &GrantFile, component: &Component, config: &Config) -> Vec<Missing> {
    let targets = targets(file, Some(config));
    let of = |target: &String| {
        // A pattern that cannot be filled in was refused when the component was read.
        let needs = component
            .manifest()
            .widest_needs(target)
            .unwrap_or_default();
        missing(&needs, std::slice::from_ref(file))
    };
    targets.iter().flat_map(of).collect()
}

fn more(
    file: &GrantFile,
    component: &Component,
    lacking: &[Missing],
    changes: &[String],
) -> Failure {
    let mut failure = Failure::refused(format!(
        "{} {} needs more than {} allows",
        component.name(),
        component.version(),
        file.name
    ));
    failure.causes = lacking.iter().map(ToString::to_string).collect();
    for change in changes {
        failure = failure.note(change.clone());
    }
    failure
        .note("the file was left as it is")
        .hint("add what its reviewer agrees to, then renew it again")
}

/// How the needs differ from those of the version that the file is for, where that is still kept.
fn changes(
    context: &Context,
    file: &GrantFile,
    component: &Component,
) -> Result<Vec<String>, Failure> {
    let kept = match context.store_if_any()? {
        Some(store) => store.kept(&file.digest)?,
        None => None,
    };
    let lines = |component: &Component| -> BTreeSet<String> {
        let needs = component.facts().needs;
        needs.iter().map(need).collect()
    };
    let now = lines(component);
    let Some(old) = kept.and_then(|bytes| Component::from_bytes(bytes).ok()) else {
        return Ok(unneeded(file, component));
    };
    let before = lines(&old);
    let gone = before.difference(&now).map(|line| format!("- {line}"));
    let new = now.difference(&before).map(|line| format!("+ {line}"));
    Ok(gone.chain(new).collect())
}

/// Verbs that the file allows and the component does not need.
fn unneeded(file: &GrantFile, component: &Component) -> Vec<String> {
    let needed = component.manifest().verbs();
    let allowed = file.capabilities().verbs();
    let rest = allowed.difference(&needed);
    rest.map(|verb| format!("- {}: allowed, and not needed any more", verb_name(*verb)))
        .collect()
}

/// Runs of the old version that are not over.
fn open_runs(context: &Context, digest: &str) -> Result<Vec<RunId>, Failure> {
    let Some(store) = context.store_if_any()? else {
        return Ok(Vec::new());
    };
    let runs = store.runs()?.into_iter();
    let open = runs.filter(|(_, state)| {
        let state = state.as_ref().ok().filter(|state| state.is_live());
        let begin = state.and_then(|state| state.begin());
        begin.is_some_and(|begin| begin.digest == digest)
    });
    Ok(open.map(|(run, _)| run).collect())
}
