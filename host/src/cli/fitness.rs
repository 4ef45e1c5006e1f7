//! What `windlass doctor` looks at beside targets: whether a procedure could run on them, and whether others can read secrets.

use super::context::Context;
use super::doctor::{Finding, Verdict, probe};
use super::failure::Failure;
use super::order::fits;
use crate::config::{Config, TargetRef};
use crate::grant::{Danger, Purpose, Wanted, select};
use crate::plugin::Component;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Whether a run of the procedure could begin, target by target: its grant, and the rights of the role.
pub(super) async fn fitness(
    context: &Context,
    config: &Config,
    procedure: &str,
    only: Option<&str>,
) -> Result<Vec<Finding>, Failure> {
    let component = context.component(procedure)?;
    let is_meant = |name: &&String| only.is_none_or(|only| only == name.as_str());
    let fitting = |name: &&String| fits(config, &component, name).is_ok();
    let mut findings = Vec::new();
    for target in config.targets().filter(is_meant).filter(fitting) {
        let what = format!("{} on {target}", component.title());
        findings.push(match granted(context, config, &component, target) {
            Ok(until) => Finding::new(&what, Verdict::Well, until),
            Err(failure) => Finding::bad(&what, failure),
        });
        findings.extend(rights(context, config, &component, target, &what).await);
    }
    if findings.is_empty() {
        let detail = format!("{} works on no target here", component.title());
        findings.push(Finding::new("procedure", Verdict::Bad, detail));
    }
    Ok(findings)
}

fn granted(
    context: &Context,
    config: &Config,
    component: &Component,
    target: &str,
) -> Result<String, Failure> {
    let wanted = Wanted {
        procedure: component.name(),
        spec: component.spec(),
        digest: component.digest(),
        target,
        purpose: Purpose::Run,
    };
    let granted = select(context.grants(config), wanted, context.clock.now())?;
    let manifest = component.manifest();
    let needs = manifest.widest_needs(target)?;
    granted.effective(wanted, needs, &manifest.budget)?;
    let files: Vec<_> = granted.names().collect();
    Ok(format!("granted by {}", files.join(", ")))
}

/// A role that may maintain no table lets no maintenance run.
async fn rights(
    context: &Context,
    config: &Config,
    component: &Component,
    target: &str,
    what: &str,
) -> Option<Finding> {
    let maintains = component
        .manifest()
        .verbs()
        .iter()
        .any(|verb| verb.danger() == Danger::Maintain);
    let TargetRef::Database(database) = config.target(target).ok()? else {
        return None;
    };
    // That it does not answer is told where all targets are.
    let seen = probe(context, database).await.ok()?;
    if !maintains || seen.maintainable > 0 || seen.tables == 0 {
        return None;
    }
    let detail = format!("{} may maintain none of {} tables", seen.role, seen.tables);
    let mut finding = Finding::new(what, Verdict::Bad, detail);
    finding.hint = Some(if seen.version_number >= 170_000 {
        format!("GRANT pg_maintain TO {}", seen.role)
    } else {
        "log in as the owner of the tables, or set `role`".to_owned()
    });
    Some(finding)
}

/// Files with secrets that other users of this machine can read.
pub(super) fn modes(context: &Context, config: &Config) -> Vec<Finding> {
    let folder = config.file.parent().unwrap_or(&context.here);
    let mut files = BTreeSet::new();
    if let Ok(bytes) = crate::folder::read(&config.file, 1 << 20)
        && let Ok(table) = String::from_utf8_lossy(&bytes).parse::<toml::Table>()
    {
        collect(&toml::Value::Table(table), &mut files);
    }
    let finding = |file: &PathBuf| {
        let path = folder.join(file);
        let mode = crate::folder::mode(&path)?;
        let others = mode & 0o077;
        if others == 0 {
            return None;
        }
        let shown = context.shown(&path);
        let detail = format!("{shown} can be read by others: mode {mode:04o}");
        let mut finding = Finding::new("secrets", Verdict::Notice, detail);
        finding.hint = Some(format!("chmod go= {shown}"));
        Some(finding)
    };
    files.iter().filter_map(finding).collect()
}

/// Each `{ file = "…" }` of a configuration is where a secret is.
fn collect(value: &toml::Value, files: &mut BTreeSet<PathBuf>) {
    match value {
        toml::Value::Table(table) => {
            if let (1, Some(file)) = (table.len(), table.get("file").and_then(toml::Value::as_str))
            {
                files.insert(PathBuf::from(file));
            }
            table.values().for_each(|value| collect(value, files));
        }
        toml::Value::Array(values) => values.iter().for_each(|value| collect(value, files)),
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => {}
    }
}
