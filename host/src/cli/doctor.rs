//! stub
use super::context::Context;
use super::failure::{Exit, Failure};
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) async fn execute(_context: &Context, _args: &Args) -> Result<Exit, Failure> {
    Ok(Exit::Succeeded)
}
