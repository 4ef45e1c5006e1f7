//! What `plan`, `run`, `resume`, `undo` and `cancel` have in common: the engine, the journal, the seat of the operator, the end.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::refusal::{self, Explained};
use super::standing::exit;
use super::unmet::unmet;
use super::watch::{WORKING, Watching, watch};
use crate::cluster;
use crate::config::{Config, TargetRef};
use crate::database;
use crate::engine::{Engine, EngineError, Finished, LockError, Rooms, Runs, Sandbox, Seat};
use crate::folder::Folder;
use crate::grant::{Capabilities, Effective, Granted};
use crate::journal::{RunId, State, Store};
use crate::notify;
use crate::plugin::compiled::CompiledCache;
use crate::probe;
use crate::report::{Report, SCHEMA, Standing};
use cap_std::fs::Dir;
use serde::Serialize;

/// An engine that reaches this target and no other, and the channels and endpoints that these capabilities cover and no others.
pub(super) fn engine(
    context: &Context,
    config: &Config,
    target: &str,
    may: &Effective,
) -> Result<Engine, Failure> {
    Workshop::new(context)?.engine(context, config, target, may)
}

/// An engine that only plans. It knows all channels that the procedure needs: what is planned for them is sent to none.
pub(super) fn planner(
    context: &Context,
    config: &Config,
    target: &str,
    may: &Effective,
) -> Result<Engine, Failure> {
    let needed = Effective {
        grant: Capabilities {
            notify: may.needs.notify.clone(),
            ..may.grant.clone()
        },
        ..may.clone()
    };
    engine(context, config, target, &needed)
}

/// What the engines of one process share: a component is compiled, or loaded, once.
pub(super) struct Workshop {
    sandbox: Sandbox,
    cache: CompiledCache,
}

impl Workshop {
    pub(super) fn new(context: &Context) -> Result<Self, Failure> {
        Ok(Self {
            sandbox: Sandbox::new().map_err(|error| Failure::of(Exit::Fault, &error))?,
            cache: cache(context).map(CompiledCache::new).unwrap_or_default(),
        })
    }

    /// An engine that reaches this target, these channels and endpoints and no others. Its connections end with it.
    pub(super) fn engine(
        &self,
        context: &Context,
        config: &Config,
        target: &str,
        may: &Effective,
    ) -> Result<Engine, Failure> {
        let (mut databases, mut clusters) = (Vec::new(), Vec::new());
        match config.target(target)? {
            TargetRef::Database(database) => {
                databases.push(database.resolve(&context.environment)?);
            }
            TargetRef::Cluster(cluster) => clusters.push(cluster.resolve(&context.environment)?),
        }
        let rooms = Rooms {
            cluster: cluster::Client::new(clusters)?,
            database: database::Client::new(databases)?,
            notify: notify::Client::new(channels(context, config, may)?)?,
            probe: probe::Client::new(endpoints(context, config, may)?)?,
        };
        Ok(Engine::new(
            self.sandbox.clone(),
            rooms,
            self.cache.clone(),
            context.clock.clone(),
            context.hooks.clone(),
        ))
    }
}

/// The channels that may be sent to, with their secrets. One that a need names in full must be there.
fn channels(
    context: &Context,
    config: &Config,
    may: &Effective,
) -> Result<Vec<notify::Channel>, Failure> {
    for need in &may.needs.notify {
        let named = need.channels.iter().filter(|p| !p.0.ends_with('*'));
        for channel in named {
            config.channel(&channel.0)?;
        }
    }
    let channels = config.channels.values();
    let reached = channels.filter(|channel| may.reaches_channel(&channel.name));
    let resolved = reached.map(|channel| Ok(channel.resolve(&context.environment)?));
    resolved.collect()
}

/// The endpoints that may be looked at, with their secrets. One that a need names in full must be there.
fn endpoints(
    context: &Context,
    config: &Config,
    may: &Effective,
) -> Result<Vec<probe::Endpoint>, Failure> {
    for need in &may.needs.probe {
        let named = need.endpoints.iter().filter(|p| !p.0.ends_with('*'));
        for endpoint in named {
            config.endpoint(&endpoint.0)?;
        }
    }
    let endpoints = config.endpoints.values();
    let reached = endpoints.filter(|endpoint| may.reaches_endpoint(&endpoint.name));
    let resolved = reached.map(|endpoint| Ok(endpoint.resolve(&context.environment)?));
    resolved.collect()
}

/// The folder of compiled components; none where the machine offers no place or it cannot be made.
fn cache(context: &Context) -> Option<cap_std::fs::Dir> {
    let path = context.environment.cache()?.join("windlass");
    Folder::create(&path).ok()?.private("compiled").ok()
}

/// The runs of the state directory.
pub(super) fn runs<'a>(
    context: &Context,
    engine: &'a Engine,
    store: Store,
) -> Result<Runs<'a>, Failure> {
    Ok(Runs::new(engine, store, state_dir(context)?))
}

/// The state directory, open.
pub(super) fn state_dir(context: &Context) -> Result<Dir, Failure> {
    let folder = Folder::create(&context.state_dir()?)?;
    folder.dir().try_clone().map_err(|error| {
        Failure::usage(format!("`{}` cannot be used", folder.path().display()))
            .cause(crate::folder::reason(&error))
    })
}

/// The journal, open for recording, with the suite's hooks in it.
pub(super) fn store(context: &Context) -> Result<Store, Failure> {
    context.store(context.hooks.on_commit.clone())
}

/// Someone who watches a procedure at work and can stop what happens next.
pub(super) fn seat(context: &Context, past: &State) -> (Seat, Watching) {
    seat_for(context, past, WORKING)
}

/// The same for other work; `stopping` is what the first Ctrl-C is answered with.
pub(super) fn seat_for(
    context: &Context,
    past: &State,
    stopping: &'static str,
) -> (Seat, Watching) {
    watch(context.printer, past.clone(), stopping)
}

/// Where a run stands that nobody works on.
pub(super) fn standing(run: &RunId, state: &State) -> Finished {
    Finished {
        run: run.clone(),
        phase: state.phase(),
        left: None,
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
    let report = Report::from(&finished.run, &entries, false);
    let report = report
        .anchored(store.head_of(&finished.run)?)
        .in_zone(context.zone());
    let explanations = granted.map(|granted| refusal::explanations(granted, &entries));
    let state = store.state(&finished.run)?;
    let unmet = unmet(store, &state)?;
    if context.printer.is_json() {
        let document = Document {
            report: &report,
            not_done: unmet.as_ref().map_or(&[], |unmet| &unmet.not_done),
            explanations: explanations.as_deref().unwrap_or_default(),
        };
        context.printer.json(SCHEMA, &document)?;
    } else {
        context.printer.text(report.text())?;
        if let Some(unmet) = &unmet {
            context.printer.text(format_args!("\n{unmet}"))?;
        }
        for explained in explanations.into_iter().flatten() {
            let failure = Failure::from(explained).to_string();
            context.printer.note(failure.trim_end());
        }
    }
    if let Some(why) = &finished.left {
        context.printer.note(why);
    }
    Ok(exit(Standing::of(&state, false)))
}

/// A report, and which line would allow what was refused.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Planned effects that the run, which is over, did not do.
    #[serde(rename = "not-done", skip_serializing_if = "<[_]>::is_empty")]
    not_done: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    explanations: &'a [Explained],
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::Lock(lock) => not_locked(lock),
            EngineError::OutOfReach { run, .. } | EngineError::NotAsked { run, .. } => {
                Self::of(Exit::NeedsPerson, &error)
                    .note("nothing was changed")
                    .hint(format!(
                        "windlass resume {run}, when the target answers again"
                    ))
            }
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
        LockError::AtWork(_) | LockError::Taken { .. } => {
            Failure::of(Exit::Busy, error).hint("windlass runs; --wait waits for its end")
        }
        LockError::Reserved { holder, .. } => Failure::of(Exit::Refused, error).hint(format!(
            "windlass resume {holder}, or: windlass undo {holder}"
        )),
        LockError::GivenUp(_) => Failure::of(Exit::Failed, error),
        LockError::File { .. } => Failure::of(Exit::Usage, error).hint("windlass doctor"),
        LockError::Target { source, .. } => {
            // As after any other failure everything is as it was.
            let failure = if source.is_held() {
                Failure::of(Exit::Busy, error)
            } else {
                Failure::of(Exit::Failed, source)
            };
            failure.hint_if(source.hint())
        }
    };
    failure.note("nothing was changed")
}
