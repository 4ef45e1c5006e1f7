//! `windlass tell`: tells channels about runs that need a person. Each command that works on a run does the same at its end, so a message does
//! not depend on the procedure, nor on a process that died.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::order::order_under;
use super::standing::{is_at_work, next};
use super::work;
use crate::call::Effect;
use crate::clock::Millis;
use crate::config::Config;
use crate::contract::notify_types::{Delivery, Level, Message};
use crate::engine::component_of;
use crate::grant::GrantFile;
use crate::journal::{Begin, EffectState, RunId, State, Status, Store};
use crate::notify::{self, client::Notice};
use crate::plugin::Component;
use crate::report::Standing;
use crate::text::printable;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Older runs are not reported.
const SINCE: Duration = Duration::from_hours(7 * 24);
/// Time limit for one channel. The command waits for it.
const WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// One channel, and what came of telling it.
#[derive(Serialize)]
struct Told {
    run: RunId,
    state: &'static str,
    channel: String,
    #[serde(rename = "told")]
    knows: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A run that needs a person, and the channels that were not told yet.
struct Concern {
    run: RunId,
    state: State,
    standing: Standing,
    channels: BTreeSet<String>,
}

pub(super) async fn execute(context: &Context, _args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let told = match context.store_if_any()? {
        Some(_) => tell_all(context, &config, &work::store(context)?).await?,
        None => Vec::new(),
    };
    if context.printer.is_json() {
        context
            .printer
            .json("windlass.told/1", &json!({ "told": told }))?;
    } else {
        for told in &told {
            context.printer.text(line(told))?;
        }
        if told.is_empty() {
            context.printer.note("no run needs to be reported");
        }
    }
    let all = told.iter().all(|told| told.knows);
    Ok(if all { Exit::Succeeded } else { Exit::Failed })
}

/// The same at the end of a command that worked on a run. An error here does not change the command's exit code.
pub(super) async fn after(context: &Context) {
    let Ok(config) = context.config() else {
        return;
    };
    if config.channels.is_empty() || !matches!(context.store_if_any(), Ok(Some(_))) {
        return;
    }
    let told = match work::store(context) {
        Ok(store) => tell_all(context, &config, &store).await,
        Err(failure) => Err(failure),
    };
    match told {
        Ok(told) => {
            for told in &told {
                context.printer.note(line(told));
            }
            if told.iter().any(|told| !told.knows) {
                context.printer.note("hint: windlass tell, to try again");
            }
        }
        Err(failure) => context.printer.note(failure.to_string().trim_end()),
    }
}

fn line(told: &Told) -> String {
    let Told {
        run,
        state,
        channel,
        ..
    } = told;
    match &told.why {
        None => format!("told {channel} that run {run} is {state}"),
        Some(why) => format!(
            "could not tell {channel} that run {run} is {state}: {}",
            printable(why)
        ),
    }
}

async fn tell_all(context: &Context, config: &Config, store: &Store) -> Result<Vec<Told>, Failure> {
    let now = context.clock.now();
    let millis = u64::try_from(SINCE.as_millis()).unwrap_or(u64::MAX);
    let mut concerns = Vec::new();
    for run in store.untold(Millis(now.0.saturating_sub(millis)))? {
        // `windlass runs` reports a record that cannot be read. It must not hide other runs here.
        let Ok(state) = store.state(&run) else {
            continue;
        };
        concerns.extend(concern(context, config, store, (run, state))?);
    }
    let all = concerns.iter().flat_map(|concern| {
        let channels = concern.channels.iter();
        channels.map(move |channel| tell(context, config, store, concern, channel))
    });
    let told = futures_util::future::join_all(all).await;
    for Concern { run, state, .. } in &concerns {
        let missed = told.iter().any(|told| told.run == *run && !told.knows);
        if !missed {
            store.tell(run, "", state.entries())?;
        }
    }
    Ok(told)
}

/// Returns nothing while a process works on the run: that process reports it.
fn concern(
    context: &Context,
    config: &Config,
    store: &Store,
    (run, state): (RunId, State),
) -> Result<Option<Concern>, Failure> {
    let Some(begin) = state.begin() else {
        return Ok(None);
    };
    if state.is_live() && is_at_work(&context.state_dir()?, &run, &state) {
        return Ok(None);
    }
    let standing = Standing::of(&state, false);
    let mut channels = BTreeSet::new();
    if needs_someone(standing) {
        channels.extend(
            config
                .tell
                .get(&begin.target)
                .into_iter()
                .flatten()
                .cloned(),
        );
        channels.extend(chosen(context, config, store, begin));
    }
    let mut left = BTreeSet::new();
    for channel in channels {
        let knows = store.told(&run, &channel)? == Some(state.entries())
            || (standing == Standing::Failed && heard_of_failure(&state, &channel));
        if !knows {
            left.insert(channel);
        }
    }
    Ok(Some(Concern {
        run,
        state,
        standing,
        channels: left,
    }))
}

/// A person who stopped, canceled or undid a run knows about it.
fn needs_someone(standing: Standing) -> bool {
    match standing {
        Standing::Interrupted
        | Standing::InDoubt
        | Standing::Diverged
        | Standing::Inconclusive
        | Standing::Failed
        | Standing::Refused
        | Standing::Stuck
        | Standing::TakenBackInPart => true,
        Standing::Empty
        | Standing::Running
        | Standing::Unwinding
        | Standing::Stopped
        | Standing::Succeeded
        | Standing::Cancelled
        | Standing::Undone => false,
    }
}

/// Channels that the operator chose for this run: its procedure needs them by name, and a grant lets it.
fn chosen(context: &Context, config: &Config, store: &Store, begin: &Begin) -> Vec<String> {
    let find = || -> Option<Vec<String>> {
        let plugin = Component::from_bytes(component_of(store, begin).ok()??).ok()?;
        let shown = context.shown(&config.grants);
        let (grants, _) = GrantFile::read_all(&config.grants, &shown);
        let parameters = begin.parameters.clone();
        let order = order_under(context, grants, plugin, &begin.target, parameters, None);
        let effective = order.ok()?.0.effective;
        let named = effective
            .needs
            .notify
            .iter()
            .flat_map(|need| &need.channels);
        let named = named.map(|channel| channel.0.clone());
        let there = named.filter(|channel| config.channels.contains_key(channel));
        Some(
            there
                .filter(|channel| effective.reaches_channel(channel))
                .collect(),
        )
    };
    find().unwrap_or_default()
}

/// Whether the procedure itself told the channel of a failure.
fn heard_of_failure(state: &State, channel: &str) -> bool {
    let told = |effect: &EffectState| {
        let Effect::Notify(notify::Effect::Send {
            channel: to,
            message,
            ..
        }) = &effect.call
        else {
            return false;
        };
        let Status::Done { applied, .. } = &effect.status else {
            return false;
        };
        let delivered = notify::call::delivery_of(&applied.answer) == Some(Delivery::Delivered);
        to == channel && message.level == Level::Failure && delivered
    };
    state.effects().iter().any(told)
}

async fn tell(
    context: &Context,
    config: &Config,
    store: &Store,
    concern: &Concern,
    channel: &str,
) -> Told {
    let Concern {
        run,
        state,
        standing,
        ..
    } = concern;
    let why = match send(context, config, store, concern, channel).await {
        Ok(()) => store
            .tell(run, channel, state.entries())
            .err()
            .map(|error| error.to_string()),
        Err(why) => Some(why),
    };
    Told {
        run: run.clone(),
        state: standing.label(),
        channel: channel.to_owned(),
        knows: why.is_none(),
        why,
    }
}

async fn send(
    context: &Context,
    config: &Config,
    store: &Store,
    concern: &Concern,
    channel: &str,
) -> Result<(), String> {
    let target = config.channel(channel).map_err(|error| error.to_string())?;
    let resolved = target.resolve(&context.environment);
    let resolved = resolved.map_err(|error| error.to_string())?;
    let client = notify::Client::new(vec![resolved]).map_err(|error| error.to_string())?;
    let about = (&concern.run, &concern.state);
    let by = (store, &context.clock);
    client
        .tell(channel, notice(concern), about, by, WITHIN)
        .await
}

fn notice(concern: &Concern) -> Notice {
    let Concern {
        run,
        state,
        standing,
        ..
    } = concern;
    let label = standing.label();
    let begin = state.begin();
    let what = begin.map_or_else(Default::default, |begin| {
        format!("{} on {}", begin.procedure, begin.target)
    });
    let mut lines = Vec::new();
    if let Some(open) = state.open_effect() {
        lines.push(format!(
            "The end of effect {} ({}) is not known.",
            open.number, open.call
        ));
    }
    lines.extend(state.summary().map(str::to_owned));
    lines.push(format!("Next: {}", next(*standing, run)));
    Notice {
        event: format!("run-{}", label.replace(' ', "-")),
        message: Message {
            level: if *standing == Standing::Inconclusive {
                Level::Warning
            } else {
                Level::Failure
            },
            title: format!("{what}: {label}"),
            text: lines.join("\n"),
            fields: Vec::new(),
        },
    }
}
