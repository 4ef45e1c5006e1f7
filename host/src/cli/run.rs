//! `windlass run`: does what a grant allows, or exactly what a plan says.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::many;
use super::order::Choice;
use super::wait::Wait;
use super::work;
use crate::engine::{Plan, PlanError};
use crate::journal::State;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The target to work on. For a procedure that only looks: may be repeated, and may end with `*`
    #[arg(long, required = true)]
    target: Vec<String>,
    #[command(flatten)]
    choice: Choice,
    /// How many targets are worked on at once, where there are several
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    at_once: u16,
    #[command(flatten)]
    wait: Wait,
    /// Do only what this plan contains
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    let plan = args
        .plan
        .as_ref()
        .map(|file| read(context, file))
        .transpose()?;
    let target = match &args.target[..] {
        [target] if !target.ends_with('*') => target,
        targets => {
            if args.plan.is_some() {
                return Err(Failure::usage("a plan is for one target"));
            }
            return many::execute(context, &config, &args.choice, targets, args.at_once).await;
        }
    };
    let (order, granted) = args.choice.order(context, &config, target, plan)?;
    let engine = work::engine(context, &config, &order.target, &order.effective)?;
    let store = work::store(context)?;
    let runs = work::runs(context, &engine, store.clone())?;
    let (seat, watching) = work::seat(context, &State::default());
    let start = async || runs.start(&order, seat.clone()).await;
    let finished = args.wait.for_target(context, &seat.control, start).await;
    drop(seat);
    watching.finish().await;
    work::finish(context, &store, finished, Some(&granted))
}

/// How to come by a plan.
const MAKE_ONE: &str = "windlass plan PROCEDURE --target TARGET makes one";

pub(super) fn read(context: &Context, file: &std::path::Path) -> Result<Plan, Failure> {
    let bytes = crate::folder::read(&context.here.join(file), 64 << 20)
        .map_err(|error| Failure::from(error).hint(MAKE_ONE))?;
    Plan::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| unusable(file, &error))
}

fn unusable(file: &std::path::Path, error: &PlanError) -> Failure {
    let code = match error {
        PlanError::Malformed(_) | PlanError::Schema(_) => Exit::Usage,
        PlanError::Changed
        | PlanError::Incomplete(_)
        | PlanError::Lost(_)
        | PlanError::Parameters(_)
        | PlanError::Other(_) => Exit::Refused,
    };
    let inner = Failure::of(code, error);
    let mut failure = Failure::new(
        code,
        format!("`{}` cannot be used as a plan", file.display()),
    )
    .cause(inner.error);
    failure.causes.extend(inner.causes);
    failure.note("nothing was changed").hint(MAKE_ONE)
}
