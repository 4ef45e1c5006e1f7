//! Implements `wit/notify.wit`: the function becomes a call, goes through the gate, and its answer goes back to the guest.

use super::call::Effect;
use crate::call;
use crate::contract::notify_types::{self, Delivery, Message};
use crate::contract::{CallError, notify_send};
use crate::engine::Guest;

impl notify_types::Host for Guest {}

impl notify_send::Host for Guest {
    async fn send(
        &mut self,
        channel: String,
        event: String,
        message: Message,
    ) -> wasmtime::Result<Result<Delivery, CallError>> {
        let effect = Effect::send(channel, event, message);
        self.gate().effect(call::Effect::Notify(effect)).await
    }
}
