//! SKELETON: routes.
use super::api::Api;
use crate::call::Prepared;
use crate::cluster::Effect;
use crate::cluster::object::Object;
use crate::contract::CallError;
use crate::engine::Permit;
use serde_json::Value;

pub(super) async fn read(_: &Api, _: &Permit, _: &Object) -> Result<Value, CallError> {
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
