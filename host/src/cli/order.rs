//! What is ordered: a procedure on a target with what the operator chooses, and the grants that allow it.

use super::context::Context;
use super::failure::Failure;
use super::parameters;
use crate::config::{Config, TargetRef};
use crate::engine::{Order, Plan};
use crate::grant::{Effective, GrantFile, Granted, Kept, Purpose, Wanted, select};
use crate::plugin::Component;
use crate::text::duration;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// A procedure, and what the operator chooses.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Choice {
    /// A built-in procedure by its name, any other by its path
    pub(super) procedure: String,
    /// Set a parameter; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) set: Vec<(String, String)>,
    /// Read parameters from a JSON object; --set wins
    #[arg(long, value_name = "FILE")]
    pub(super) parameters: Option<PathBuf>,
}

pub(super) fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

impl Choice {
    /// What is to be planned or run on the target, and the grants that allow it.
    pub(super) fn order(
        &self,
        context: &Context,
        config: &Config,
        target: &str,
        plan: Option<Plan>,
    ) -> Result<(Order, Granted), Failure> {
        config.target(target)?;
        let plugin = context.component(&self.procedure)?;
        let given = match (&plan, !self.is_given()) {
            // A plan knows what it was made with.
            // For another component it is refused as such, whatever its parameters are.
            (Some(plan), true) if plan.component != plugin.digest() => plan.parameters.clone(),
            (Some(plan), true) => {
                let given = plan.parameters.as_object().cloned().unwrap_or_default();
                plugin.manifest().parameters_check(given)?
            }
            (Some(_) | None, _) => self.complete(context, &plugin)?,
        };
        order(context, config, plugin, target, given, plan)
    }

    /// What is to be planned, and what of it is granted.
    pub(super) fn order_to_plan(
        &self,
        context: &Context,
        config: &Config,
        target: &str,
    ) -> Result<(Order, Granted), Failure> {
        config.target(target)?;
        let plugin = context.component(&self.procedure)?;
        let given = self.complete(context, &plugin)?;
        let grants = context.grants(config);
        order_for(Purpose::Plan, context, grants, plugin, target, given, None)
    }

    /// What is given, checked and complete with defaults, for one run after another.
    pub(super) fn complete(&self, context: &Context, plugin: &Component) -> Result<Value, Failure> {
        let given = self.given(context, plugin)?;
        Ok(plugin.manifest().parameters_check(given)?)
    }

    /// Whether a parameter is given at all.
    pub(super) fn is_given(&self) -> bool {
        self.parameters.is_some() || !self.set.is_empty()
    }

    fn given(&self, context: &Context, plugin: &Component) -> Result<Map<String, Value>, Failure> {
        let mut given = match &self.parameters {
            Some(file) => parameters::from_file(context, file)?,
            None => Map::new(),
        };
        given.extend(parameters::from_texts(context, plugin, &self.set)?);
        Ok(given)
    }
}

/// Fails where the procedure works on targets of another kind.
pub(super) fn fits(config: &Config, plugin: &Component, target: &str) -> Result<(), Failure> {
    let needs = plugin.manifest().written_needs();
    let (is, works_on, fits) = match config.target(target)? {
        TargetRef::Database(_) => ("a database", "clusters", !needs.database.is_empty()),
        TargetRef::Cluster(_) => ("a cluster", "databases", !needs.cluster.is_empty()),
    };
    let on_any = needs.database.is_empty() && needs.cluster.is_empty();
    if fits || on_any {
        return Ok(());
    }
    let name = plugin.name();
    Err(Failure::usage(format!(
        "`{target}` is {is}, and `{name}` works on {works_on}"
    ))
    .hint("windlass doctor lists the targets"))
}

/// The order for a component whose parameters are complete.
pub(super) fn order(
    context: &Context,
    config: &Config,
    plugin: Component,
    target: &str,
    parameters: Value,
    plan: Option<Plan>,
) -> Result<(Order, Granted), Failure> {
    let grants = context.grants(config);
    order_under(context, grants, plugin, target, parameters, plan)
}

/// The same where the grant files have been read.
pub(super) fn order_under(
    context: &Context,
    grants: Vec<GrantFile>,
    plugin: Component,
    target: &str,
    parameters: Value,
    plan: Option<Plan>,
) -> Result<(Order, Granted), Failure> {
    let purpose = match &plan {
        Some(plan) if plan.component == plugin.digest() && plan.target == target => Purpose::Bound,
        // Another plan is refused as such.
        Some(_) | None => Purpose::Run,
    };
    order_for(purpose, context, grants, plugin, target, parameters, plan)
}

fn order_for(
    purpose: Purpose,
    context: &Context,
    grants: Vec<GrantFile>,
    plugin: Component,
    target: &str,
    parameters: Value,
    plan: Option<Plan>,
) -> Result<(Order, Granted), Failure> {
    let wanted = Wanted {
        procedure: plugin.name(),
        spec: plugin.spec(),
        digest: plugin.digest(),
        target,
        purpose,
    };
    not_behind_the_record(context);
    let granted = select(grants, wanted, context.clock.now())?;
    let needs = plugin.manifest().needs(target, &parameters)?;
    if let (Some(plan), Purpose::Bound) = (&plan, purpose) {
        granted.covers(wanted, plan.needs(), &needs)?;
    }
    let effective = granted.effective(wanted, needs, &plugin.manifest().budget)?;
    let effective = Effective {
        kept: kept(context, &plugin, target, purpose)?,
        ..effective
    };
    let order = Order {
        target: target.to_owned(),
        parameters,
        effective,
        grants: granted.files.clone(),
        lineage: granted.lineage(),
        plan,
        by: context.environment.user(),
        plugin,
    };
    Ok((order, granted))
}

/// A clock that was set back must not make an expired grant valid again, so the time is at least that of the last entry. An unreadable record is
/// reported elsewhere.
fn not_behind_the_record(context: &Context) {
    let last = context.store_if_any().ok().flatten();
    let Some(last) = last.and_then(|store| store.last_at().ok().flatten()) else {
        return;
    };
    let behind = context.clock.not_before(last);
    if behind >= Duration::from_mins(1) {
        context.printer.note(format_args!(
            "the clock of this machine is {} behind the last entry of the record; that time counts",
            duration(behind)
        ));
    }
}

/// Reads the grant files again whenever it is asked: people can change them while a run works.
fn kept(
    context: &Context,
    plugin: &Component,
    target: &str,
    purpose: Purpose,
) -> Result<Kept, Failure> {
    let folder = context.config()?.grants;
    let (shown, clock) = (context.shown(&folder), context.clock.clone());
    let (plugin, target) = (plugin.clone(), target.to_owned());
    Ok(Kept::while_so(move |effect| {
        let wanted = Wanted {
            procedure: plugin.name(),
            spec: plugin.spec(),
            digest: plugin.digest(),
            target: &target,
            purpose,
        };
        let (files, _) = GrantFile::read_all(&folder, &shown);
        let granted = select(files, wanted, clock.now());
        granted.is_ok_and(|granted| granted.capabilities.allows_effect(effect))
    }))
}
