//! Runs a component: nothing is linked but what its manifest needs, and a store lives for one run.

use super::gate::Gate;
use super::guest::{Brief, Guest};
use super::halt::Halt;
use super::limits::{EPOCH_MS, HOST_COPY_BYTES, Limits};
use crate::contract::{self, Everything};
use crate::plugin;
use std::time::Duration;
use thiserror::Error;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, Store, Trap, UpdateDeadline};

/// Compiles and runs components.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

/// Why a component could not be made ready.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The machine cannot run WebAssembly as configured.
    #[error("the sandbox could not be set up")]
    Setup(#[source] wasmtime::Error),
    /// The component does not compile.
    #[error("`{name}` could not be compiled")]
    Compile {
        /// Name of the procedure.
        name: String,
        /// What the compiler says.
        #[source]
        source: wasmtime::Error,
    },
}

/// How a guest ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself, well or not.
    Returned(Result<String, String>),
    /// By the host.
    Halted(Halt),
    /// By a bound.
    Limit(String),
    /// By its own fault: a panic, an illegal instruction.
    Trapped(String),
}

impl Sandbox {
    /// A compiler and runtime with every bound switched on.
    pub fn new() -> Result<Self, SandboxError> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true)
            .wasm_component_model(true)
            .max_wasm_stack(512 << 10)
            .async_stack_size(2 << 20);
        let engine = Engine::new(&config).map_err(SandboxError::Setup)?;
        tick(&engine);
        Ok(Self { engine })
    }

    /// The engine, for the cache of compiled components.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs the component to its end behind the gate, and gives the gate back.
    pub(super) async fn run(
        &self,
        component: &Component,
        plugin: &plugin::Component,
        gate: Gate,
        brief: Brief,
    ) -> (Ended, Gate) {
        let linker = match self.linker(plugin) {
            Ok(linker) => linker,
            Err(error) => return (Ended::Halted(Halt::Internal(format!("{error:#}"))), gate),
        };
        let wasi = super::wasi::context(&brief.procedure, brief.began);
        let mut store = self.store(Guest::new(gate, Limits::default(), brief, wasi));
        let result = call(&linker, &mut store, component).await;
        let guest = store.into_data();
        let ended = match result {
            Ok(returned) => Ended::Returned(returned),
            Err(error) => classify(error, &guest),
        };
        (ended, guest.into_gate())
    }

    fn store(&self, guest: Guest) -> Store<Guest> {
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(HOST_COPY_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().limits.computed()?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// Only what the component imports, which is only what its manifest needs: the loader has compared both.
    fn linker(&self, plugin: &plugin::Component) -> wasmtime::Result<Linker<Guest>> {
        let mut linker = Linker::new(&self.engine);
        contract::types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        contract::run::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        if plugin.imports_interface("database-types") {
            contract::database_types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("database-read") {
            contract::database_read::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("database-maintain") {
            contract::database_maintain::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_wasi() {
            super::wasi::add_to_linker(&mut linker)?;
        }
        Ok(linker)
    }
}

async fn call(
    linker: &Linker<Guest>,
    store: &mut Store<Guest>,
    component: &Component,
) -> wasmtime::Result<Result<String, String>> {
    let guest = Everything::instantiate_async(&mut *store, component, linker).await?;
    guest
        .windlass_procedure_procedure()
        .call_run(&mut *store)
        .await
}

/// Tells the host's own reasons, bounds and the guest's faults apart.
fn classify(error: wasmtime::Error, guest: &Guest) -> Ended {
    if let Some(hit) = guest.limits.hit() {
        return Ended::Limit(hit.to_owned());
    }
    let error = match error.downcast::<Halt>() {
        Ok(halt) => return Ended::Halted(halt),
        Err(error) => error,
    };
    if let Some(message) = &guest.panic {
        return Ended::Trapped(format!("panicked: {message}"));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Ended::Limit("recursed too deeply".into()),
        Some(trap) => Ended::Trapped(trap.to_string()),
        None => {
            let text = error.root_cause().to_string();
            if text.contains("fuel")
                || text.contains("resource limit")
                || text.contains("limit exceeded")
            {
                Ended::Limit(text)
            } else {
                Ended::Trapped(text)
            }
        }
    }
}

/// Moves the epoch on for as long as the engine is in use.
fn tick(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(Duration::from_millis(EPOCH_MS));
        }
    });
}
