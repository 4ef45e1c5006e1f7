//! `windlass grant PROCEDURE`: writes a grant file for one target, or for each of several.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::grant::{describe, summary};
use super::many::meant;
use super::order::{Choice, fits, name_and_value};
use super::run;
use crate::config::Config;
use crate::engine::Plan;
use crate::folder::Folder;
use crate::grant::{Budget, Capabilities, Draft, GrantFile};
use crate::plugin::Component;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The longest that a grant may be drafted for: a year and a day.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 367);

#[derive(Debug, clap::Args)]
pub(super) struct Write {
    /// A built-in procedure by its name, any other by its path
    procedure: String,
    /// Grant what runs with this parameter need, instead of any; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// Read such parameters from a JSON object; --set wins
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// The target that it may work on; may be repeated, and may end with `*`
    #[arg(long, required_unless_present = "from", conflicts_with = "from")]
    target: Vec<String>,
    /// Grant what this plan has, and no more
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["set", "parameters", "schemas", "channels"])]
    from: Option<PathBuf>,
    /// Grant only this schema; may be repeated
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,
    /// Let it write to this channel only; may be repeated
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// When the grant ends: after a time such as 90d, or at a date
    #[arg(long, default_value = "90d", value_name = "WHEN")]
    expires: String,
    /// Why it is granted, instead of what the procedure is for
    #[arg(long)]
    reason: Option<String>,
    /// Who approved it. Without it a draft is written, which permits planning only
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
    /// For a target of another kind too, as `selftest` needs it
    #[arg(long, hide = true)]
    any_kind: bool,
    /// Replace the grant that is there
    #[arg(long)]
    force: bool,
}

impl Write {
    /// The procedure with the parameters that narrow its needs.
    fn choice(&self) -> Choice {
        Choice {
            procedure: self.procedure.clone(),
            set: self.set.clone(),
            parameters: self.parameters.clone(),
        }
    }
}

/// What a grant would allow.
struct Allowed {
    needs: Capabilities,
    budget: Budget,
}

/// A grant file that is to be written.
struct Page {
    target: String,
    /// Its name in the folder of grants.
    name: String,
    text: String,
    file: GrantFile,
}

pub(super) fn execute(context: &Context, args: &Write) -> Result<Exit, Failure> {
    let config = context.config()?;
    for channel in &args.channels {
        config.channel(channel)?;
    }
    let component = context.component(&args.procedure)?;
    let plan = args.from.as_ref();
    let plan = plan.map(|file| run::read(context, file)).transpose()?;
    let targets = match &plan {
        Some(plan) => BTreeSet::from([plan.target.clone()]),
        None => meant(&config, &args.target)?,
    };
    let page = |target: &String| page(context, &config, args, &component, plan.as_ref(), target);
    let pages: Vec<_> = targets.iter().map(page).collect::<Result<_, _>>()?;
    write(context, &config, &pages, args.force)?;
    tell(context, &config, &pages)?;
    context.printer.note(next(args, &component, &pages));
    Ok(Exit::Succeeded)
}

fn page(
    context: &Context,
    config: &Config,
    args: &Write,
    component: &Component,
    plan: Option<&Plan>,
    target: &str,
) -> Result<Page, Failure> {
    if !args.any_kind {
        fits(config, component, target)?;
    }
    let Allowed { needs, budget } = match plan {
        Some(plan) => planned(component, plan)?,
        None => needed(context, args, component, target)?,
    };
    let draft = Draft {
        procedure: component.name(),
        version: component.version(),
        digest: component.digest(),
        target,
        needs,
        budget: &budget,
        schemas: &args.schemas,
        channels: &args.channels,
        approved_by: args.approved_by.as_deref(),
        reason: args
            .reason
            .as_ref()
            .unwrap_or(&component.manifest().summary),
        expires: expiry(&args.expires, context.clock.now().timestamp(), &config.zone)?,
    };
    let text = draft.text()?;
    let name = format!("{}.{target}.toml", component.title());
    let shown = context.shown(&config.grants.join(&name));
    // What is written is what will be read.
    let file =
        GrantFile::parse(&shown, &text).map_err(|error| Failure::fault(error.to_string()))?;
    Ok(Page {
        target: target.to_owned(),
        name,
        text,
        file,
    })
}

/// What runs with the given parameters need; without parameters what any run can need.
fn needed(
    context: &Context,
    args: &Write,
    component: &Component,
    target: &str,
) -> Result<Allowed, Failure> {
    let manifest = component.manifest();
    let choice = args.choice();
    let needs = if choice.is_given() {
        let parameters = choice.complete(context, component)?;
        manifest.granted_needs(target, &parameters)?
    } else {
        manifest.widest_needs(target)?
    };
    Ok(Allowed {
        needs,
        budget: manifest.budget.clone(),
    })
}

/// The effects of a plan, and the looks that lead to them.
fn planned(component: &Component, plan: &Plan) -> Result<Allowed, Failure> {
    if plan.component != component.digest() {
        return Err(Failure::refused(format!(
            "the plan is for {} {}, another component than `{}`",
            plan.procedure,
            plan.version,
            component.spec()
        ))
        .hint(format!(
            "windlass plan {} --target {}",
            component.spec(),
            plan.target
        )));
    }
    let manifest = component.manifest();
    let needs = manifest.granted_needs(&plan.target, &plan.parameters)?;
    let changes = plan.effects.iter().filter(|effect| !effect.message).count();
    Ok(Allowed {
        needs: Capabilities::gathered(&[needs.looks(), plan.needs()]).as_needed_by(&needs),
        budget: Budget {
            effects: u64::try_from(changes).ok(),
            ..manifest.budget.clone()
        },
    })
}

/// All of them or none, as far as it can be known before.
fn write(context: &Context, config: &Config, pages: &[Page], force: bool) -> Result<(), Failure> {
    let folder = Folder::create(&config.grants)?;
    let in_the_way = |page: &&Page| folder.dir().exists(&page.name);
    if let Some(page) = pages.iter().filter(|_| !force).find(in_the_way) {
        let shown = context.shown(&config.grants.join(&page.name));
        return Err(
            Failure::usage(format!("`{shown}` is already there; it was left as it is"))
                .hint(format!("windlass grant renew {shown}, or --force")),
        );
    }
    for page in pages {
        folder.write(&page.name, page.text.as_bytes(), force)?;
    }
    Ok(())
}

fn tell(context: &Context, config: &Config, pages: &[Page]) -> Result<(), Failure> {
    let path = |page: &Page| config.grants.join(&page.name);
    let document = |page: &Page| {
        let file = path(page);
        json!({ "file": file.to_string_lossy(), "grant": summary(&page.file) })
    };
    if context.printer.is_json() {
        let document = match pages {
            [page] => document(page),
            pages => json!({ "grants": pages.iter().map(document).collect::<Vec<_>>() }),
        };
        return context.printer.json("windlass.grant/1", &document);
    }
    if let Some(page) = pages.first() {
        let described = describe(&page.file, config, context);
        context.printer.text(format_args!("{described}\n"))?;
    }
    for page in pages {
        let shown = context.shown(&path(page));
        context.printer.text(format_args!("Wrote {shown}."))?;
    }
    Ok(())
}

fn next(args: &Write, component: &Component, pages: &[Page]) -> String {
    let spec = &args.procedure;
    let mut lines = Vec::new();
    if args.approved_by.is_some() {
        lines.push("It holds from now on.".to_owned());
    } else {
        lines.push(
            "It is a draft, which permits planning only. Have it reviewed; it holds when it\nsays who approved it: approved-by = \"…\""
                .to_owned(),
        );
    }
    let open = component.manifest().narrowing();
    if args.from.is_none() && !args.choice().is_given() && !open.is_empty() {
        let names: Vec<_> = open.iter().map(|name| format!("--set {name}=…")).collect();
        lines.push(format!("Narrower: {}", names.join(" ")));
    }
    let bound = args.from.as_ref().filter(|_| args.approved_by.is_some());
    for Page { target, .. } in pages {
        lines.push(match bound {
            Some(plan) => {
                let plan = plan.display();
                format!("windlass run {spec} --target {target} --plan {plan}")
            }
            None => format!("windlass plan {spec} --target {target}"),
        });
    }
    lines.join("\n")
}

/// After a time span, at a date (its midnight in the zone), or at an instant.
fn expiry(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let instant = || text.parse::<Timestamp>().ok();
    let after = || {
        now.to_zoned(zone.clone())
            .checked_add(text.parse::<Span>().ok()?)
            .ok()
    };
    let at_date = || text.parse::<Date>().ok()?.to_zoned(zone.clone()).ok();
    let zoned = || after().or_else(at_date).map(|at| at.timestamp());
    match instant().or_else(zoned) {
        Some(at) if at > now + LONGEST => Err(Failure::usage(format!(
            "`--expires {text}` is more than a year away"
        ))
        .hint("a grant is looked at again each year; set a later `expires` then")),
        Some(at) if at > now => Ok(at),
        Some(_) => Err(Failure::usage(format!("`--expires {text}` is in the past"))),
        None => Err(Failure::usage(format!("`--expires {text}` is no time")).hint(
            "write a span such as 90d, a date such as 2027-02-01, or an instant such as 2027-02-01T00:00:00Z",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::expiry;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn expires(text: &str) -> Result<String, String> {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        expiry(text, now, &zone)
            .map(|at| at.to_string())
            .map_err(|failure| failure.error)
    }

    #[test]
    fn a_grant_ends_after_a_span_at_a_date_or_at_an_instant() {
        assert_eq!(expires("90d").unwrap(), "2027-03-01T12:00:00Z");
        assert_eq!(expires("2 weeks").unwrap(), "2026-12-15T12:00:00Z");
        assert_eq!(expires("2027-02-01").unwrap(), "2027-01-31T23:00:00Z");
        assert_eq!(
            expires("2027-02-01T00:00:00Z").unwrap(),
            "2027-02-01T00:00:00Z"
        );
        assert_eq!(
            expires("2020-01-01").unwrap_err(),
            "`--expires 2020-01-01` is in the past"
        );
        assert_eq!(
            expires("-1d").unwrap_err(),
            "`--expires -1d` is in the past"
        );
        assert_eq!(
            expires("5y").unwrap_err(),
            "`--expires 5y` is more than a year away"
        );
        assert_eq!(expires("1y").unwrap(), "2027-12-01T12:00:00Z");
        assert_eq!(expires("soon").unwrap_err(), "`--expires soon` is no time");
    }
}
