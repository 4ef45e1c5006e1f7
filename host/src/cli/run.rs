//! `windlass run`: does what a grant allows, or exactly what a plan says.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::work::{self, Choice};
use crate::engine::{Plan, PlanError};
use crate::journal::State;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,
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
    let (order, granted) = args.choice.order(context, &config, plan)?;
    let engine = work::engine(context, &config, &order.target)?;
    let store = work::store(context)?;
    let runs = work::runs(context, &engine, store.clone())?;
    let (seat, watching) = work::seat(context, &State::default());
    let finished = runs.start(&order, seat).await;
    watching.finish().await;
    work::finish(context, &store, finished, Some(&granted))
}

/// How to come by a plan.
const MAKE_ONE: &str = "windlass plan PROCEDURE --target TARGET makes one";

fn read(context: &Context, file: &std::path::Path) -> Result<Plan, Failure> {
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
