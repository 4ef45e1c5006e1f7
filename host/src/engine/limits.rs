//! What one guest may use of this machine. Reaching a bound ends that guest alone, as a *limit*.

use wasmtime::ResourceLimiter;

/// Bytes of linear memory, all memories of a guest together.
const MEMORY_BYTES: usize = 512 << 20;
/// Elements of all tables together.
const TABLE_ELEMENTS: usize = 200_000;
/// Core instances; a Python component has about 40.
const INSTANCES: usize = 100;
/// Handles to host resources.
pub(super) const HANDLES: usize = 1000;
/// Bytes that a guest can make the host copy in one call.
pub(super) const HOST_COPY_BYTES: usize = 8 << 20;
/// Length of an epoch in milliseconds.
pub(super) const EPOCH_MS: u64 = 10;
/// How long a guest may compute without calling the host, in epochs: five seconds.
const SILENT_EPOCHS: u64 = 500;

/// Counts what a guest uses and remembers the bound it ran into.
#[derive(Debug, Default)]
pub(super) struct Limits {
    memory: usize,
    table: usize,
    silent: u64,
    hit: Option<String>,
}

impl Limits {
    /// The guest called the host, so it is not lost in a loop.
    pub(super) fn called(&mut self) {
        self.silent = 0;
    }

    /// Another epoch of pure computing; an error if it was one too many.
    pub(super) fn computed(&mut self) -> wasmtime::Result<()> {
        self.silent += 1;
        if self.silent > SILENT_EPOCHS {
            let seconds = SILENT_EPOCHS * EPOCH_MS / 1000;
            return Err(self.reached(format!("computed {seconds} s without calling the host")));
        }
        Ok(())
    }

    /// The bound that the guest ran into, if it did.
    pub(super) fn hit(&self) -> Option<&str> {
        self.hit.as_deref()
    }

    fn reached(&mut self, what: String) -> wasmtime::Error {
        let error = wasmtime::Error::msg(what.clone());
        self.hit = Some(what);
        error
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > MEMORY_BYTES {
            return Err(self.reached(format!(
                "wanted more than {} MB of memory",
                MEMORY_BYTES >> 20
            )));
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table.saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS {
            return Err(self.reached(format!("wanted more than {TABLE_ELEMENTS} table elements")));
        }
        self.table = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        INSTANCES
    }
}
