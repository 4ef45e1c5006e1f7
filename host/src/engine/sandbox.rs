//! Runs a component: nothing is linked but what its manifest needs, and a store lives for one run.

use super::gate::Gate;
use super::guest::{Brief, Guest};
use super::halt::Halt;
use super::limits::{EPOCH_MS, HANDLES, HOST_COPY_BYTES, INSTANCES, Limits};
use super::turn::Overseer;
use crate::contract::{self, EverythingPre};
use crate::plugin::{self, compiled::CompiledCache};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTableError};
use wasmtime::{Config, Engine, Store, Trap, UpdateDeadline};

/// Compiles and runs components.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    /// By the component's digest.
    linked: Arc<Mutex<HashMap<String, EverythingPre<Guest>>>>,
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

/// Where procedures run.
pub(super) trait Guests: std::fmt::Debug + Send + Sync {
    /// Fails if the procedure cannot be made ready to run.
    fn ready(&self, plugin: &plugin::Component) -> Result<(), SandboxError>;

    /// Runs the procedure to its end behind the gate, and gives the gate back.
    fn run<'a>(
        &'a self,
        plugin: &'a plugin::Component,
        gate: Gate,
        brief: Brief,
    ) -> BoxFuture<'a, Result<(Ended, Gate), SandboxError>>;

    /// The sandbox, for benchmarks of its parts; absent where procedures are no components.
    #[cfg(feature = "testing")]
    fn sandboxed(&self) -> Option<&Sandboxed>;
}

/// Components of WebAssembly, compiled once.
#[derive(Debug)]
pub(super) struct Sandboxed {
    pub(super) sandbox: Sandbox,
    pub(super) cache: CompiledCache,
}

impl Sandboxed {
    pub(super) fn compiled(&self, plugin: &plugin::Component) -> Result<Component, SandboxError> {
        let compiled = self
            .cache
            .load(self.sandbox.engine(), plugin.digest(), plugin.bytes());
        compiled.map_err(|source| SandboxError::Compile {
            name: plugin.name().to_owned(),
            source,
        })
    }
}

impl Guests for Sandboxed {
    fn ready(&self, plugin: &plugin::Component) -> Result<(), SandboxError> {
        self.compiled(plugin).map(drop)
    }

    fn run<'a>(
        &'a self,
        plugin: &'a plugin::Component,
        gate: Gate,
        brief: Brief,
    ) -> BoxFuture<'a, Result<(Ended, Gate), SandboxError>> {
        Box::pin(async move {
            let compiled = self.compiled(plugin)?;
            Ok(self.sandbox.run(&compiled, plugin, gate, brief).await)
        })
    }

    #[cfg(feature = "testing")]
    fn sandboxed(&self) -> Option<&Sandboxed> {
        Some(self)
    }
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
        Ok(Self {
            engine,
            linked: Arc::default(),
        })
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
        let linked = match self.linked(component, plugin) {
            Ok(linked) => linked,
            Err(error) => return (Ended::Halted(Halt::Internal(format!("{error:#}"))), gate),
        };
        let overseer = Overseer::of(&gate);
        let mut store = self.store(Guest::new(gate, Limits::default(), brief));
        let result = tokio::select! {
            biased;
            result = call(&linked, &mut store) => result,
            (halt, _turn) = overseer.end() => Err(halt.into()),
        };
        let guest = store.into_data();
        let ended = match result {
            Ok(returned) => Ended::Returned(returned),
            Err(error) => classify(error, &guest),
        };
        (ended, guest.into_gate())
    }

    pub(super) fn store(&self, guest: Guest) -> Store<Guest> {
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(HOST_COPY_BYTES);
        store.set_max_component_handles(HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().limits.computed()?;
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }

    /// The component with its imports bound to the host. What was linked once is kept for the next run of the same component.
    pub(super) fn linked(
        &self,
        component: &Component,
        plugin: &plugin::Component,
    ) -> wasmtime::Result<EverythingPre<Guest>> {
        let mut kept = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(linked) = kept.get(plugin.digest()) {
            return Ok(linked.clone());
        }
        let linked = self.linker(plugin)?.instantiate_pre(component)?;
        let linked = EverythingPre::new(linked)?;
        kept.insert(plugin.digest().to_owned(), linked.clone());
        Ok(linked)
    }

    /// Only what the component imports, which is only what its manifest needs: the loader has compared both.
    pub(super) fn linker(&self, plugin: &plugin::Component) -> wasmtime::Result<Linker<Guest>> {
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
        if plugin.imports_interface("notify-types") {
            contract::notify_types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("notify-send") {
            contract::notify_send::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("probe-types") {
            contract::probe_types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("probe-read") {
            contract::probe_read::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-types") {
            contract::cluster_types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-read") {
            contract::cluster_read::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-workloads") {
            contract::cluster_workloads::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-nodes") {
            contract::cluster_nodes::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-manifest-jobs") {
            contract::cluster_manifest_jobs::add_to_linker::<_, HasSelf<Guest>>(
                &mut linker,
                |g| g,
            )?;
        }
        if plugin.imports_interface("cluster-jobs") {
            contract::cluster_jobs::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-routes") {
            contract::cluster_routes::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-certificates") {
            contract::cluster_certificates::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_interface("cluster-config") {
            contract::cluster_config::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |g| g)?;
        }
        if plugin.imports_wasi() {
            super::wasi::add_to_linker(&mut linker)?;
        }
        Ok(linker)
    }
}

async fn call(
    linked: &EverythingPre<Guest>,
    store: &mut Store<Guest>,
) -> wasmtime::Result<Result<String, String>> {
    let guest = linked.instantiate_async(&mut *store).await?;
    guest
        .windlass_procedure_procedure()
        .call_run(&mut *store)
        .await
}

/// Tells the host's own reasons, bounds and the guest's faults apart.
pub(super) fn classify(error: wasmtime::Error, guest: &Guest) -> Ended {
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
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Ended::Limit(too_many_handles());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Ended::Limit("recursed too deeply".into()),
        Some(trap) => Ended::Trapped(trap.to_string()),
        None => untyped(&error.root_cause().to_string()),
    }
}

/// Bounds that the runtime tells only in words. Each has its case in the hostile suite, which fails when the words change.
fn untyped(words: &str) -> Ended {
    let bounds = [
        (
            "fuel allocated for hostcalls has been exhausted",
            format!("handed over more than {} MB at once", HOST_COPY_BYTES >> 20),
        ),
        (
            "resource limit exceeded: instance count",
            format!("has more than {INSTANCES} core instances"),
        ),
        ("store handle limit exceeded", too_many_handles()),
        (
            "exceeds limit",
            "asked for too many random bytes at once".to_owned(),
        ),
    ];
    let known = bounds.into_iter().find(|(said, _)| words.contains(said));
    match known {
        Some((_, what)) => Ended::Limit(what),
        None => Ended::Trapped(words.to_owned()),
    }
}

fn too_many_handles() -> String {
    format!("wanted more than {HANDLES} handles")
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
