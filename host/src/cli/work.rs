//! What `plan`, `run`, `resume`, `undo` and `cancel` have in common: the order, the engine, the seat of the operator.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::standing::Standing;
use super::watch::{Watching, watch};
use crate::config::Config;
use crate::database;
use crate::engine::{
    Engine, EngineError, Finished, LockError, Order, Plan, Rooms, Runs, Sandbox, Seat,
};
use crate::folder::Folder;
use crate::grant::{Granted, Wanted, select};
use crate::journal::{RunId, State, Store};
use crate::plugin::Component;
use crate::plugin::compiled::CompiledCache;
use crate::report::Report;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// A procedure, a target, and what the operator chooses.
#[derive(Debug, clap::Args)]
pub(super) struct Choice {
    /// A built-in procedure by its name, any other by its path
    pub(super) procedure: String,
    /// The target to work on
    #[arg(long)]
    pub(super) target: String,
    /// Set a parameter; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// Read parameters from a JSON object; --set wins
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

impl Choice {
    /// What is to be planned or run, and the grants that allow it.
    pub(super) fn order(
        &self,
        context: &Context,
        config: &Config,
        plan: Option<Plan>,
    ) -> Result<(Order, Granted), Failure> {
        config.database(&self.target)?;
        let plugin = context.component(&self.procedure)?;
        let given = match (&plan, self.parameters.is_none() && self.set.is_empty()) {
            // A plan knows what it was made with.
            (Some(plan), true) => plan.parameters.clone(),
            (Some(_) | None, _) => plugin
                .manifest()
                .parameters_check(self.given(context, &plugin)?)?,
        };
        order(context, config, plugin, &self.target, given, plan)
    }

    fn given(&self, context: &Context, plugin: &Component) -> Result<Map<String, Value>, Failure> {
        let mut given = match &self.parameters {
            Some(file) => from_file(context, file)?,
            None => Map::new(),
        };
        given.extend(plugin.manifest().parameters.from_texts(&self.set)?);
        Ok(given)
    }
}

fn from_file(context: &Context, file: &std::path::Path) -> Result<Map<String, Value>, Failure> {
    let bytes = crate::folder::read(&context.here.join(file), 1 << 20)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage(format!(
            "`{}` is no JSON object of parameters",
            file.display()
        ))
        .cause(error.to_string())
    })
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
    let wanted = Wanted {
        procedure: plugin.name(),
        digest: plugin.digest(),
        target,
    };
    let granted = select(context.grants(config)?, wanted, context.clock.now())?;
    let needs = plugin.manifest().needs(target, &parameters)?;
    let effective = granted.effective(wanted, needs, &plugin.manifest().budget)?;
    let order = Order {
        target: target.to_owned(),
        parameters,
        effective,
        grants: granted.files.clone(),
        plan,
        by: context.environment.user(),
        plugin,
    };
    Ok((order, granted))
}

/// An engine that reaches this target and no other.
pub(super) fn engine(context: &Context, config: &Config, target: &str) -> Result<Engine, Failure> {
    let database = config.database(target)?.resolve(&context.environment)?;
    let client = database::Client::new(vec![database])?;
    let sandbox = Sandbox::new().map_err(|error| Failure::of(Exit::Fault, &error))?;
    let cache = cache(context).map(CompiledCache::new).unwrap_or_default();
    Ok(Engine::new(
        sandbox,
        Rooms { database: client },
        cache,
        context.clock.clone(),
        context.hooks.clone(),
    ))
}

/// The folder of compiled components; none where the machine offers no place or it cannot be made.
fn cache(context: &Context) -> Option<cap_std::fs::Dir> {
    let path = context
        .environment
        .cache()?
        .join("windlass")
        .join("compiled");
    Folder::create(&path).ok()?.dir().try_clone().ok()
}

/// The runs of the state directory.
pub(super) fn runs<'a>(
    context: &Context,
    engine: &'a Engine,
    store: Store,
) -> Result<Runs<'a>, Failure> {
    let folder = Folder::create(&context.state_dir()?)?;
    let dir = folder.dir().try_clone().map_err(|error| {
        Failure::usage(format!("`{}` cannot be used", folder.path().display()))
            .cause(crate::folder::reason(&error))
    })?;
    Ok(Runs::new(engine, store, dir))
}

/// The journal, open for recording, with the suite's hooks in it.
pub(super) fn store(context: &Context) -> Result<Store, Failure> {
    context.store(context.hooks.on_commit.clone())
}

/// Someone who watches and can stop what happens next.
pub(super) fn seat(context: &Context, past: &State) -> (Seat, Watching) {
    watch(context.printer, past.clone())
}

/// Where a run stands that nobody works on.
pub(super) fn standing(run: &RunId, state: &State) -> Finished {
    Finished {
        run: run.clone(),
        phase: state.phase(),
    }
}

/// Says how a run stands, and how the process ends.
pub(super) fn finish(
    context: &Context,
    store: &Store,
    finished: Result<Finished, EngineError>,
    granted: Option<&Granted>,
) -> Result<Exit, Failure> {
    let finished = finished?;
    let entries = store.entries(&finished.run)?;
    let report = Report::from(&finished.run, &entries);
    if context.printer.is_json() {
        context.printer.json("windlass.report/1", &report)?;
    } else {
        context.printer.text(report.text())?;
    }
    if let Some(granted) = granted {
        explain_refusals(context, granted, &entries);
    }
    let state = store.state(&finished.run)?;
    Ok(Standing::of(&state, false).exit())
}

/// Which line would allow what was refused.
fn explain_refusals(context: &Context, granted: &Granted, entries: &[crate::journal::Stamped]) {
    for (call, explanation) in super::refusal::explanations(granted, entries) {
        let mut failure = Failure::refused(call).cause(explanation.cause);
        if let Some(hint) = explanation.hint {
            failure = failure.hint(hint);
        }
        context.printer.note(failure.to_string().trim_end());
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::Lock(lock) => not_locked(lock),
            EngineError::OutOfReach { run, .. } => Self::of(Exit::NeedsPerson, &error)
                .note("nothing was changed")
                .hint(format!(
                    "windlass resume {run}, when the target answers again"
                )),
            EngineError::Plan(_) => Self::of(Exit::Refused, &error)
                .note("nothing was changed")
                .hint("look at what would happen now with a new plan: windlass plan"),
            EngineError::Sandbox(_) => Self::of(Exit::Usage, &error),
            EngineError::Empty(_) => Self::of(Exit::Usage, &error).hint("windlass runs"),
            EngineError::Internal(_) => Self::of(Exit::Fault, &error),
            EngineError::Journal(store) => Self::of(Exit::NeedsPerson, &error)
                .note("nothing further was done after the journal failed")
                .hint("mend the cause, then: windlass runs")
                .hint_if(store.hint()),
        }
    }
}

fn not_locked(error: &LockError) -> Failure {
    let failure = match error {
        LockError::Taken { .. } => Failure::of(Exit::Refused, error).hint("windlass runs"),
        LockError::File { .. } => Failure::of(Exit::Usage, error).hint("windlass doctor"),
        LockError::Target { source, .. } => {
            let code = match source {
                database::LockError::Held { .. } => Exit::Refused,
                // As after any other failure everything is as it was.
                database::LockError::Unavailable { .. } => Exit::Failed,
            };
            Failure::of(code, error).hint_if(source.hint())
        }
    };
    failure.note("nothing was changed")
}
