//! `windlass doctor`: looks at everything that a run would need, and says what is missing. Changes nothing.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::fitness::{fitness, modes};
use super::grant::targets;
use super::output::{clean, table};
use crate::clock::Millis;
use crate::cluster;
use crate::config::{
    ChannelTarget, ClusterTarget, Config, DatabaseTarget, EndpointTarget, TargetRef,
};
use crate::database::{Client, Probe};
use crate::grant::{GrantFile, short};
use crate::journal::{State, Store, StoreError};
use crate::notify;
use crate::plugin::builtin;
use crate::probe;
use crate::text::counted;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// A grant that ends within this many milliseconds is told.
const SOON: u64 = 14 * 24 * 3_600_000;
/// The longest that one database may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Look at this target only
    #[arg(long)]
    target: Option<String>,
    /// Compare grants and rights with what this procedure needs
    #[arg(long)]
    procedure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Well,
    /// It may be so on purpose.
    Notice,
    Bad,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    what: String,
    verdict: Verdict,
    detail: String,
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn new(
        what: impl Into<String>,
        verdict: Verdict,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            verdict,
            detail: detail.into(),
            hint: None,
        }
    }

    pub(super) fn bad(what: impl Into<String>, failure: Failure) -> Self {
        let causes = failure.causes.iter().map(|cause| format!("\n{cause}"));
        let detail = std::iter::once(failure.error)
            .chain(causes)
            .collect::<String>();
        Self {
            hint: failure.hint,
            ..Self::new(what, Verdict::Bad, detail)
        }
    }
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut findings = vec![procedures(), compiler(&context.here)];
    match context.config() {
        Ok(config) => {
            findings.push(Finding::new(
                "configuration",
                Verdict::Well,
                context.shown(&config.file),
            ));
            findings.push(state(context, &context.state_dir()?));
            findings.extend(grants(context, &config));
            findings.extend(modes(context, &config));
            findings.extend(databases(context, &config, args.target.as_deref()).await?);
            if let Some(procedure) = &args.procedure {
                findings
                    .extend(fitness(context, &config, procedure, args.target.as_deref()).await?);
            }
            findings.extend(channels(context, &config).await);
            findings.extend(endpoints(context, &config).await);
        }
        Err(failure) => findings.push(Finding::bad("configuration", failure)),
    }
    let bad = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Bad)
        .count();
    if context.printer.is_json() {
        context.printer.json(
            "windlass.doctor/1",
            &json!({ "well": bad == 0, "findings": findings }),
        )?;
    } else {
        context
            .printer
            .text(page(&findings, context.printer.width()))?;
        let noticed = findings
            .iter()
            .any(|finding| finding.verdict == Verdict::Notice);
        context.printer.note(match bad {
            0 if noticed => "Nothing is wrong; what is marked ! may be so on purpose.".to_owned(),
            0 => "All that a run needs is there.".to_owned(),
            1 => "One thing has to be mended.".to_owned(),
            _ => format!("{bad} things have to be mended."),
        });
    }
    Ok(if bad == 0 {
        Exit::Succeeded
    } else {
        Exit::Usage
    })
}

fn page(findings: &[Finding], width: u16) -> String {
    let row = |finding: &Finding| {
        let mark = match finding.verdict {
            Verdict::Well => "✓",
            Verdict::Notice => "!",
            Verdict::Bad => "✗",
        };
        let hint = finding
            .hint
            .as_ref()
            .map(|hint| format!("\nhint: {hint}"))
            .unwrap_or_default();
        [
            mark.to_owned(),
            finding.what.clone(),
            clean(&format!("{}{hint}", finding.detail)),
        ]
    };
    table(width, None::<[&str; 3]>, findings.iter().map(row).collect())
}

fn procedures() -> Finding {
    let names: Vec<_> = builtin::names().collect();
    if names.is_empty() {
        let mut finding = Finding::new("procedures", Verdict::Notice, "none are built in");
        finding.hint = Some("cargo xtask setup, then build windlass again".into());
        return finding;
    }
    Finding::new(
        "procedures",
        Verdict::Well,
        format!("built in: {}", names.join(", ")),
    )
}

/// Only those who build procedures need one.
fn compiler(here: &Path) -> Finding {
    match windlass_build::toolchain::find(here) {
        Ok(_) => Finding::new("compiler", Verdict::Well, "procedures can be built here"),
        Err(error) => Finding {
            hint: error.hint(),
            ..Finding::new(
                "compiler",
                Verdict::Notice,
                format!("procedures cannot be built here: {error}"),
            )
        },
    }
}

fn state(context: &Context, dir: &Path) -> Finding {
    let what = "state";
    let shown = context.shown(dir);
    let can_be_written = |dir: &Path| rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok();
    let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    if !can_be_written(existing) {
        let failure = Failure::usage(format!("{shown} cannot be written"));
        return Finding::bad(
            what,
            failure.hint("give this user write access, or name another with --state or `state`"),
        );
    }
    match Store::open_read_only(dir).and_then(|store| store.runs()) {
        Ok(runs) => {
            if let Some((_, Err(error))) = runs.iter().find(|(_, state)| state.is_err()) {
                return Finding::bad(what, error.clone().into());
            }
            let is_open = |state: &&State| state.is_live();
            let open = runs.iter().flat_map(|(_, state)| state).filter(is_open);
            let open = open.count();
            let mut finding = Finding::new(
                what,
                Verdict::Well,
                format!(
                    "{shown}: {}, {open} of them open",
                    counted(runs.len(), "run")
                ),
            );
            if open > 0 {
                finding.hint = Some("windlass runs --open".into());
            }
            finding
        }
        Err(StoreError::Missing { .. }) => {
            Finding::new(what, Verdict::Well, format!("{shown}: no runs yet"))
        }
        Err(error) => Finding::bad(what, error.into()),
    }
}

fn grants(context: &Context, config: &Config) -> Vec<Finding> {
    let shown = context.shown(&config.grants);
    let (files, errors) = GrantFile::read_all(&config.grants, &shown);
    if files.is_empty() && errors.is_empty() {
        let mut finding = Finding::new("grants", Verdict::Notice, format!("{shown}: none yet"));
        finding.hint = Some("windlass grant PROCEDURE --target TARGET".into());
        return vec![finding];
    }
    let now = context.clock.now();
    let bad = errors
        .into_iter()
        .map(|error| Finding::bad("grants", error.into()));
    bad.chain(files.iter().map(|file| grant(file, config, now)))
        .collect()
}

fn grant(file: &GrantFile, config: &Config, now: Millis) -> Finding {
    let until = file.expires.timestamp().to_zoned(config.zone.clone());
    let until = until.strftime("%Y-%m-%d %H:%M %Z");
    if file.expires <= now {
        return Finding::new(
            "grants",
            Verdict::Notice,
            format!("{} expired at {until}", file.name),
        );
    }
    if let Some(finding) = unfit(file) {
        return finding;
    }
    let targets = targets(file, Some(config));
    let unknown = match &targets[..] {
        [] => "targets that match no configured one".to_owned(),
        names if names.iter().any(|name| config.target(name).is_ok()) => {
            let well = format!("{} until {until}", file.name);
            if file.expires.since(now) > SOON {
                return Finding::new("grants", Verdict::Well, well);
            }
            let mut finding =
                Finding::new("grants", Verdict::Notice, format!("{well}, which is soon"));
            finding.hint = Some(format!(
                "set a later `expires` in {}, once its reviewer agrees",
                file.name
            ));
            return finding;
        }
        names => format!("`{}`, which is not configured", names.join("`, `")),
    };
    Finding::new(
        "grants",
        Verdict::Notice,
        format!("{} is for {unknown}", file.name),
    )
}

/// A grant that lets nothing run, whatever the target: of another version, or not approved yet. Of a component that is not built in,
/// the version is known only when it is run.
fn unfit(file: &GrantFile) -> Option<Finding> {
    if builtin::borrows(&file.procedure, &file.digest) {
        let detail = format!(
            "{} is for another version of {}, {}",
            file.name,
            file.procedure,
            short(&file.digest)
        );
        let mut finding = Finding::new("grants", Verdict::Bad, detail);
        finding.hint = Some(format!("windlass grant renew {}", file.name));
        return Some(finding);
    }
    if file.is_draft() {
        let detail = format!("{} is a draft, which permits planning only", file.name);
        return Some(Finding::new("grants", Verdict::Notice, detail));
    }
    None
}

async fn databases(
    context: &Context,
    config: &Config,
    only: Option<&str>,
) -> Result<Vec<Finding>, Failure> {
    let targets: Vec<_> = match only {
        Some(name) => vec![config.target(name)?],
        None => config
            .targets()
            .filter_map(|name| config.target(name).ok())
            .collect(),
    };
    if targets.is_empty() {
        let mut finding = Finding::new("targets", Verdict::Notice, "none are configured");
        finding.hint = Some("add [database.NAME] or [cluster.NAME] to windlass.toml".into());
        return Ok(vec![finding]);
    }
    let mut findings = Vec::new();
    for target in targets {
        findings.push(match target {
            TargetRef::Database(target) => match probe(context, target).await {
                Ok(probe) => described(target.name.clone(), &probe),
                Err(failure) => Finding::bad(target.name.clone(), failure),
            },
            TargetRef::Cluster(target) => match cluster_probe(context, target).await {
                Ok(probe) => in_cluster(target.name.clone(), &probe),
                Err(failure) => Finding::bad(target.name.clone(), failure),
            },
        });
    }
    Ok(findings)
}

async fn cluster_probe(
    context: &Context,
    target: &ClusterTarget,
) -> Result<cluster::client::Probe, Failure> {
    let resolved = target.resolve(&context.environment)?;
    let client = cluster::Client::new(vec![resolved])?;
    let end = context.clock.instant() + PATIENCE;
    let probe = client.probe(&target.name, end).await;
    probe.map_err(|error| Failure::usage(error.message))
}

fn in_cluster(what: String, probe: &cluster::client::Probe) -> Finding {
    let detail = format!(
        "Kubernetes {}, as {}; namespace {}",
        probe.version, probe.user, probe.namespace
    );
    if probe.lacking.is_empty() {
        return Finding::new(what, Verdict::Well, detail);
    }
    let lacking = probe.lacking.join(", ");
    let note =
        format!("{detail}\nit may not {lacking} leases there, so no run can lock the target");
    Finding::new(what, Verdict::Bad, note)
}

/// Whether each channel has its secrets and may be dialled. Sends nothing.
async fn channels(context: &Context, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for channel in config.channels.values() {
        let what = channel.name.clone();
        findings.push(match channel_probe(context, channel).await {
            Ok(kind) => Finding::new(
                what,
                Verdict::Well,
                format!("channel, {kind}; it can be sent to, nothing was"),
            ),
            Err(failure) => Finding::bad(what, failure),
        });
    }
    findings
}

async fn channel_probe(
    context: &Context,
    channel: &ChannelTarget,
) -> Result<&'static str, Failure> {
    let resolved = channel.resolve(&context.environment)?;
    let client = notify::Client::new(vec![resolved])?;
    let probe = client.probe(&channel.name).await;
    probe.map_err(|error| Failure::usage(error.message))
}

/// Looks at each endpoint once.
async fn endpoints(context: &Context, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for endpoint in config.endpoints.values() {
        let what = endpoint.name.clone();
        findings.push(match endpoint_probe(context, endpoint).await {
            Ok((well, said)) => {
                let verdict = if well { Verdict::Well } else { Verdict::Notice };
                Finding::new(what, verdict, format!("endpoint; {said}"))
            }
            Err(failure) => Finding::bad(what, failure),
        });
    }
    findings
}

async fn endpoint_probe(
    context: &Context,
    endpoint: &EndpointTarget,
) -> Result<(bool, String), Failure> {
    let resolved = endpoint.resolve(&context.environment)?;
    let client = probe::Client::new(vec![resolved])?;
    let probe = client.probe(&endpoint.name, &context.clock).await;
    probe.map_err(|error| Failure::usage(error.message))
}

pub(super) async fn probe(context: &Context, target: &DatabaseTarget) -> Result<Probe, Failure> {
    let resolved = target.resolve(&context.environment)?;
    let client = Client::new(vec![resolved])?;
    match tokio::time::timeout(PATIENCE, client.probe(&target.name)).await {
        Ok(Ok(probe)) => Ok(probe),
        Ok(Err(error)) => Err(Failure::usage(error.message)),
        Err(_) => Err(Failure::usage(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

fn described(what: String, probe: &Probe) -> Finding {
    let role = if probe.login == probe.role {
        probe.role.clone()
    } else {
        format!("{}, as {}", probe.login, probe.role)
    };
    let kind = if probe.standby { "standby" } else { "primary" };
    let tls = probe.tls.as_deref().unwrap_or("not encrypted");
    let mut detail = format!(
        "PostgreSQL {}, {kind}; {role}; {tls}; {} of {} tables can be maintained, {} are owned",
        probe.version, probe.maintainable, probe.tables, probe.owned
    );
    for note in &probe.notes {
        detail.push('\n');
        detail.push_str(note);
    }
    let verdict = if probe.notes.is_empty() {
        Verdict::Well
    } else {
        Verdict::Notice
    };
    Finding::new(what, verdict, detail)
}
