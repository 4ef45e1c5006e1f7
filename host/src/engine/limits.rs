//! What one guest may use of this machine. Reaching a bound ends that guest alone, as a *limit*.

use wasmtime::ResourceLimiter;

/// Bytes of linear memory, all memories of a guest together.
const MEMORY_BYTES: usize = 512 << 20;
/// Elements of all tables together.
const TABLE_ELEMENTS: usize = 200_000;
/// Core instances; a Python component has about 40.
pub(super) const INSTANCES: usize = 100;
/// Handles to host resources.
pub(super) const HANDLES: usize = 1000;
/// Bytes that a guest can make the host copy in one call.
pub(super) const HOST_COPY_BYTES: usize = 8 << 20;
/// Length of an epoch in milliseconds.
pub(super) const EPOCH_MS: u64 = 10;
/// How long a guest may compute without a call that is recorded, in epochs: five seconds.
const SILENT_EPOCHS: u64 = 500;

/// How much there is of something that grows, and what the latest growth added: it is taken off again if the growth fails.
#[derive(Debug, Default)]
struct Growth {
    total: usize,
    latest: usize,
}

impl Growth {
    /// Whether growing from `current` to `desired` stays within `most`; if so it counts.
    fn fits(&mut self, current: usize, desired: usize, most: usize) -> bool {
        let more = desired.saturating_sub(current);
        let total = self.total.saturating_add(more);
        if total > most {
            return false;
        }
        (self.total, self.latest) = (total, more);
        true
    }

    fn failed(&mut self) {
        self.total -= std::mem::take(&mut self.latest);
    }
}

/// Counts what a guest uses and remembers the bound it ran into.
#[derive(Debug, Default)]
pub(super) struct Limits {
    memory: Growth,
    table: Growth,
    silent: u64,
    hit: Option<String>,
}

impl Limits {
    /// The guest made a call that is recorded, so it is not lost in a loop.
    pub(super) fn called(&mut self) {
        self.silent = 0;
    }

    /// Another epoch of pure computing; an error if it was one too many.
    pub(super) fn computed(&mut self) -> wasmtime::Result<()> {
        self.silent += 1;
        if self.silent > SILENT_EPOCHS {
            let seconds = SILENT_EPOCHS * EPOCH_MS / 1000;
            return Err(self.reached(format!(
                "computed {seconds} s without a call that is recorded"
            )));
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
        if self.memory.fits(current, desired, MEMORY_BYTES) {
            return Ok(true);
        }
        let most = MEMORY_BYTES >> 20;
        Err(self.reached(format!("wanted more than {most} MB of memory")))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if self.table.fits(current, desired, TABLE_ELEMENTS) {
            return Ok(true);
        }
        Err(self.reached(format!("wanted more than {TABLE_ELEMENTS} table elements")))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.failed();
        Ok(())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.failed();
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::{Limits, MEMORY_BYTES};
    use wasmtime::ResourceLimiter as _;

    #[test]
    fn all_memories_count_together_and_what_was_not_had_does_not() {
        let mut limits = Limits::default();
        let half = MEMORY_BYTES / 2;
        assert!(limits.memory_growing(0, half, None).unwrap());
        for _ in 0..3 {
            assert!(limits.memory_growing(0, half, None).unwrap());
            limits
                .memory_grow_failed(wasmtime::Error::msg("its own maximum"))
                .unwrap();
        }
        assert!(limits.memory_growing(0, half, None).unwrap());
        assert!(limits.memory_growing(0, 1, None).is_err());
        assert_eq!(limits.hit(), Some("wanted more than 512 MB of memory"));
    }
}
