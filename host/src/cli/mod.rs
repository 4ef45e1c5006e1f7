//! The command line: one file per subcommand. It alone knows clap.

mod audit;
mod build;
mod cancel;
mod completions;
mod context;
mod decision;
mod doctor;
mod draft;
mod failure;
mod fitness;
mod grant;
mod init;
mod inspect;
mod manifests;
mod many;
mod narrate;
mod order;
mod output;
mod parameters;
mod plan;
mod planned;
mod procedures;
mod refusal;
mod renew;
mod resume;
mod run;
mod runs;
mod selftest;
mod show;
mod standing;
mod tell;
mod trace;
mod undo;
mod unmet;
mod wait;
mod watch;
mod work;

pub use failure::{Exit, Failure};

use crate::config::Environment;
use crate::engine::Hooks;
use clap::{Parser, Subcommand};
use context::Context;
use output::{Format, Printer};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0   succeeded
  1   failed, and what was done is taken back
  2   usage or configuration
  3   refused: by grant, manifest, budget or plan
  4   a person is needed: in doubt, stuck, taken back in part, or inconclusive
  5   stopped; can be resumed
  6   busy: another run is at work on the target
  7   planned, and the plan shows that its run would not succeed
  70  a fault of windlass";

/// Maintenance on production, as sandboxed procedures.
#[derive(Debug, Parser)]
#[command(
    name = "windlass",
    bin_name = "windlass",
    version,
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    max_term_width = 80
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// What stdout carries: text, or json, one document with a `schema`
    #[arg(long, global = true, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    output: Format,
    /// The configuration, instead of `$WINDLASS_CONFIG` or the nearest windlass.toml here or above
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where runs are recorded, instead of what the configuration says
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Say nothing but the result
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Draw no live progress, even on a terminal
    #[arg(long, global = true)]
    no_progress: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented windlass.toml into this folder
    Init(init::Args),
    /// Compile a procedure, embed its manifest, print its digest
    Build(build::Args),
    /// List what can be run, and with which parameters
    Procedures(procedures::Args),
    /// Tell from the binary alone what a procedure can and cannot do
    Inspect(inspect::Args),
    /// Write a grant for a procedure, or check one
    Grant(grant::Args),
    /// Show what a run would do, and how it would be undone
    Plan(plan::Args),
    /// Run a procedure
    Run(run::Args),
    /// Go on with a run that broke off or was stopped
    Resume(resume::Args),
    /// Take back what a run did
    Undo(undo::Args),
    /// End a run and take it back
    Cancel(cancel::Args),
    /// List the runs and what can be done about each
    Runs(runs::Args),
    /// Show the report of a run
    Show(show::Args),
    /// Tell channels about runs that need a person
    Tell(tell::Args),
    /// Prove that the record is whole
    Audit(audit::Args),
    /// Look at all that a run needs, and say what is missing
    Doctor(doctor::Args),
    /// Let hostile components try, and say whether each is held
    Selftest(selftest::Args),
    /// Print the completions for a shell
    Completions(completions::Args),
}

/// A hostile component that `windlass selftest` tries, by the name of its case.
#[cfg(feature = "testing")]
pub fn hostile_component(case: &str) -> Option<&'static [u8]> {
    selftest::component(case)
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    main_with(Hooks::default())
}

/// Runs the command line of this process with faults to inject.
pub fn main_with(hooks: Hooks) -> ExitCode {
    run(std::env::args_os(), hooks).into()
}

fn run(arguments: impl IntoIterator<Item = OsString>, hooks: Hooks) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error, &arguments),
    };
    let printer = Printer::new(cli.global.output, cli.global.quiet, cli.global.no_progress);
    let printer = printer.of_columns(Environment::process().columns());
    let context = match Context::new(printer, cli.global.config, cli.global.state, hooks) {
        Ok(context) => context,
        Err(failure) => return printer.failure(&failure),
    };
    trace::start(&context.environment, printer);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return printer.failure(&Failure::fault(format!("no threads: {error}"))),
    };
    let execution =
        std::panic::AssertUnwindSafe(|| runtime.block_on(execute(&context, cli.command)));
    match std::panic::catch_unwind(execution) {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => printer.failure(&failure),
        Err(_) => printer.failure(&Failure::fault(
            "a part of windlass broke off; what it said is above",
        )),
    }
}

async fn execute(context: &Context, command: Command) -> Result<Exit, Failure> {
    tracing::trace!(?context, ?command, "started");
    match command {
        Command::Init(args) => init::execute(context, &args),
        Command::Build(args) => build::execute(context, &args),
        Command::Procedures(args) => procedures::execute(context, &args),
        Command::Inspect(args) => inspect::execute(context, &args),
        Command::Grant(args) => grant::execute(context, args),
        Command::Plan(args) => plan::execute(context, &args).await,
        // Large, so they do not lie on the stack.
        Command::Run(args) => telling(context, Box::pin(run::execute(context, &args))).await,
        Command::Resume(args) => telling(context, Box::pin(resume::execute(context, &args))).await,
        Command::Undo(args) => telling(context, Box::pin(undo::execute(context, &args))).await,
        Command::Cancel(args) => telling(context, Box::pin(cancel::execute(context, &args))).await,
        Command::Tell(args) => tell::execute(context, &args).await,
        Command::Runs(args) => runs::execute(context, &args),
        Command::Show(args) => show::execute(context, &args).await,
        Command::Audit(args) => audit::execute(context, &args),
        Command::Doctor(args) => doctor::execute(context, &args).await,
        Command::Selftest(args) => selftest::execute(context, &args).await,
        Command::Completions(args) => completions::execute(context, &args),
    }
}

/// Runs the command, then tells channels about runs that need a person: this run, and runs whose process is gone.
async fn telling(
    context: &Context,
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let ended = work.await;
    Box::pin(tell::after(context)).await;
    ended
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
