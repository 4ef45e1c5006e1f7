//! SKELETON: certificates.
use super::api::Api;
use crate::call::{Applied, ApplyFailure, Confirmed, Prepared};
use crate::cluster::object::Object;
use crate::cluster::{Effect, Read};
use crate::contract::CallError;
use crate::engine::{ChangePermit, Permit};
use serde_json::Value;

pub(super) async fn read(_: &Api, _: &Permit, _: &Read) -> Result<Value, CallError> {
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
pub(super) async fn apply(
    _: &Api,
    _: &ChangePermit,
    _: &Object,
    _: &Prepared,
) -> Result<Applied, ApplyFailure> {
    Err(super::change::not_done(super::todo()))
}
pub(super) async fn confirm(
    _: &Api,
    _: &Permit,
    _: &Object,
    _: &Prepared,
) -> Result<Confirmed, CallError> {
    Err(super::todo())
}
