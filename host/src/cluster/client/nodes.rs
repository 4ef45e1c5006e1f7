//! SKELETON: nodes.
use super::api::Api;
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared};
use crate::cluster::object::Object;
use crate::cluster::{Effect, Read};
use crate::contract::CallError;
use crate::engine::{ChangePermit, Permit};
use serde_json::Value;

pub(super) async fn read(
    _: &Api,
    _: &Permit,
    _: &Read,
    _: &(dyn Fn(&Object) -> bool + Sync),
) -> Result<Value, CallError> {
    Err(super::todo())
}
pub(super) async fn prepare(
    _: &Api,
    _: &Permit,
    _: &Effect,
    _: &Object,
) -> Result<Prepared, CallError> {
    Err(super::todo())
}
pub(super) async fn drain(
    _: &Api,
    _: &ChangePermit,
    _: &Effect,
    _: &Object,
    _: &Prepared,
) -> Result<Applied, ApplyFailure> {
    Err(super::change::not_done(super::todo()))
}
pub(super) async fn confirm(
    _: &Api,
    _: &Permit,
    _: &Effect,
    _: &Object,
    _: &Prepared,
) -> Result<Confirmed, CallError> {
    Err(super::todo())
}
