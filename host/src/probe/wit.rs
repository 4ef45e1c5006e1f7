//! Implements `wit/probe.wit`: each function becomes a call, goes through the gate, and its answer goes back to the guest.

use super::call::{Look, Read};
use crate::call;
use crate::contract::CallError;
use crate::contract::probe_read;
use crate::contract::probe_types::{self, Chain, Sample};
use crate::engine::Guest;
use serde::de::DeserializeOwned;

type Answer<T> = wasmtime::Result<Result<T, CallError>>;

async fn read<T: DeserializeOwned>(guest: &mut Guest, endpoint: String, look: Look) -> Answer<T> {
    let read = Read { endpoint, look };
    guest.gate().read(call::Read::Probe(read)).await
}

impl probe_types::Host for Guest {}

impl probe_read::Host for Guest {
    async fn http(&mut self, endpoint: String) -> Answer<Sample> {
        read(self, endpoint, Look::Http).await
    }

    async fn tls(&mut self, endpoint: String) -> Answer<Chain> {
        read(self, endpoint, Look::Tls).await
    }

    async fn await_passes(
        &mut self,
        endpoint: String,
        times: u32,
        every: u64,
        within: u64,
    ) -> Answer<Sample> {
        let look = Look::AwaitPasses {
            times,
            every,
            within,
        };
        read(self, endpoint, look).await
    }

    async fn await_status(
        &mut self,
        endpoint: String,
        status: u16,
        times: u32,
        every: u64,
        within: u64,
    ) -> Answer<Sample> {
        let look = Look::AwaitStatus {
            status,
            times,
            every,
            within,
        };
        read(self, endpoint, look).await
    }

    async fn await_serial(
        &mut self,
        endpoint: String,
        serial: String,
        times: u32,
        every: u64,
        within: u64,
    ) -> Answer<Chain> {
        let look = Look::AwaitSerial {
            serial,
            times,
            every,
            within,
        };
        read(self, endpoint, look).await
    }

    async fn watch(&mut self, endpoint: String, every: u64) -> Answer<()> {
        read(self, endpoint, Look::Watch { every }).await
    }
}
