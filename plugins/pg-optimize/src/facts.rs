//! Facts as a server might tell them, for tests.

use windlass_sdk::database::{IndexFacts, Leftover, Standby, TableFacts, XminHolder};
use windlass_sdk::sample;

pub(crate) fn index(named: &str, bytes: u64, bloat: u64) -> IndexFacts {
    IndexFacts {
        bytes,
        bloat_bytes: Some(bloat),
        ..sample::index(named)
    }
}

pub(crate) fn invalid(named: &str, leftover: Option<Leftover>) -> IndexFacts {
    IndexFacts {
        valid: false,
        leftover,
        ..index(named, 1 << 20, 0)
    }
}

pub(crate) fn table(named: &str, live_rows: u64, dead_rows: u64) -> TableFacts {
    TableFacts {
        live_rows,
        dead_rows,
        ..sample::table(named)
    }
}

pub(crate) fn holder(pid: u32, age: u32) -> XminHolder {
    XminHolder {
        age,
        ..sample::holder(pid)
    }
}

pub(crate) fn standby(lag_bytes: Option<u64>, lag: Option<u64>) -> Standby {
    Standby {
        lag_bytes,
        lag,
        ..sample::standby("b")
    }
}
