//! What the facts mean. Pure: facts in, findings out.

mod storage;

use crate::parameters::Parameters;
use windlass_sdk::database::{
    Expectation, InvariantResult, ReplicationSlot, ServerFacts, SessionFacts, Standby, XminHolder,
    XminHolderKind,
};
use windlass_sdk::{Finding, Instant, text};

pub(crate) use storage::{collations, indexes, tables, wraparound};

pub(crate) fn role(server: &ServerFacts) -> Finding {
    if server.is_standby {
        Finding::fail(format!("PostgreSQL {}, a standby", server.version))
    } else {
        Finding::pass(format!("PostgreSQL {}, primary", server.version))
    }
}

/// Copies of a base backup in the making look like standbys and are none.
fn real(standbys: &[Standby]) -> impl Iterator<Item = &Standby> {
    standbys.iter().filter(|standby| standby.state != "backup")
}

pub(crate) fn standbys(standbys: &[Standby], expected: Option<u32>) -> Finding {
    let connected = real(standbys).count();
    let names: Vec<&str> = real(standbys)
        .map(|standby| standby.name.as_str())
        .collect();
    let seen = match names.as_slice() {
        [] => "none is connected".to_owned(),
        names => format!("{connected} connected ({})", names.join(", ")),
    };
    match expected {
        None => Finding::inconclusive(format!(
            "{seen}; nobody said how many to expect, so a missing one cannot be noticed: declare \
             `expected-standbys` for the database in windlass.toml, 0 for none"
        )),
        Some(expected) if connected < expected as usize => {
            Finding::fail(format!("{seen}, {expected} expected"))
        }
        Some(expected) => Finding::pass(format!("{seen}, {expected} expected")),
    }
}

pub(crate) fn lag(standbys: &[Standby], expected: Option<u32>, parameters: &Parameters) -> Finding {
    let none = match expected {
        Some(0) => Finding::pass("no standby is connected, and none is expected"),
        Some(_) | None => Finding::inconclusive("no standby is connected, so none was measured"),
    };
    Finding::of_each_or(none, real(standbys), |standby| lag_of(standby, parameters))
}

fn lag_of(standby: &Standby, parameters: &Parameters) -> Finding {
    let name = &standby.name;
    if standby.state != "streaming" {
        return Finding::fail(format!("{name} is in state `{}`", standby.state));
    }
    let Some(bytes) = standby.lag_bytes else {
        return Finding::inconclusive(format!("{name} streams, but has not said how far it is"));
    };
    // The server gives no time for a standby that has nothing left to replay; the bytes then tell all.
    let time = standby.lag.unwrap_or(0);
    let behind = match (bytes, standby.lag) {
        (0, None) => format!("{name} has replayed everything"),
        (_, None) => format!("{name} is {} behind", text::bytes(bytes)),
        (_, Some(time)) => format!(
            "{name} is {} and {} behind",
            text::bytes(bytes),
            text::duration(time)
        ),
    };
    // What the server says of the time may be what it was until just now.
    let late = bytes > 0 && time > parameters.max_lag.as_milliseconds();
    if late || bytes > parameters.max_lag_bytes.as_bytes() {
        Finding::fail(format!(
            "{behind}, at most {} and {} are allowed",
            parameters.max_lag_bytes, parameters.max_lag
        ))
    } else {
        Finding::pass(behind)
    }
}

pub(crate) fn slots(slots: &[ReplicationSlot], parameters: &Parameters) -> Finding {
    Finding::of_each_or(Finding::pass("there are none"), slots, |slot| {
        slot_of(slot, parameters)
    })
}

fn slot_of(slot: &ReplicationSlot, parameters: &Parameters) -> Finding {
    let retained = slot.retained_bytes.unwrap_or(0);
    let seen = match slot.retained_bytes {
        Some(retained) => format!("{} retains {}", slot.name, text::bytes(retained)),
        None => format!("{} has never been used, and retains no log", slot.name),
    };
    if matches!(slot.wal_status.as_str(), "lost" | "unreserved") {
        Finding::fail(format!("{}: its log is `{}`", slot.name, slot.wal_status))
    } else if !slot.active {
        Finding::fail(format!("{seen}, and nobody uses it"))
    } else if retained > parameters.max_retained.as_bytes() {
        Finding::fail(format!(
            "{seen}, at most {} is allowed",
            parameters.max_retained
        ))
    } else {
        Finding::pass(seen)
    }
}

pub(crate) fn headroom(sessions: &SessionFacts, parameters: &Parameters) -> Finding {
    if sessions.limit == 0 {
        return Finding::inconclusive("the server did not say how many connections it allows");
    }
    let free = sessions.limit.saturating_sub(sessions.used);
    let percent = u64::from(free) * 100 / u64::from(sessions.limit);
    let seen = format!(
        "{} of {} used, {percent} % free",
        sessions.used, sessions.limit
    );
    if percent >= u64::from(parameters.min_headroom) {
        return Finding::pass(seen);
    }
    let mut pools: Vec<_> = sessions.pools.iter().collect();
    pools.sort_by_key(|pool| std::cmp::Reverse(pool.sessions));
    let largest: Vec<String> = pools
        .iter()
        .take(3)
        .map(|pool| {
            format!(
                "{} {} {} ({})",
                pool.sessions, pool.user, pool.application, pool.state
            )
        })
        .collect();
    Finding::fail(format!(
        "{seen}, {} % required; most: {}",
        parameters.min_headroom,
        largest.join(", ")
    ))
}

pub(crate) fn idle(sessions: &SessionFacts, parameters: &Parameters) -> Finding {
    let limit = parameters.max_idle_in_transaction.as_milliseconds();
    longest(
        sessions.oldest_idle_in_transaction,
        limit,
        "no session of the server is",
    )
}

/// A prepared transaction is open too, and belongs to no session any more. Those of other databases are not shown.
pub(crate) fn transactions(
    sessions: &SessionFacts,
    holders: &[XminHolder],
    now: Instant,
    parameters: &Parameters,
) -> Finding {
    let limit = parameters.max_transaction_age.as_milliseconds();
    let prepared = holders
        .iter()
        .filter(|holder| holder.kind == XminHolderKind::PreparedTransaction);
    let age = |holder: &XminHolder| now.saturating_sub(holder.since.unwrap_or(now));
    let old: Vec<String> = prepared
        .filter(|holder| age(holder) > limit)
        .map(|holder| {
            format!(
                "transaction {} has been prepared for {}",
                holder.name,
                text::duration(age(holder))
            )
        })
        .collect();
    let open = longest(
        sessions.oldest_transaction,
        limit,
        "no session of the server has one open",
    );
    if old.is_empty() {
        return open;
    }
    Finding::fail(format!(
        "{}; in sessions: {}",
        old.join(", "),
        open.evidence
    ))
}

fn longest(seen: Option<u64>, limit: u64, none: &str) -> Finding {
    match seen {
        None => Finding::pass(none),
        Some(age) => Finding::at_most(age, limit, |age| format!("for {}", text::duration(age))),
    }
}

pub(crate) fn lock_waits(sessions: &SessionFacts, parameters: &Parameters) -> Finding {
    Finding::at_most(
        sessions.waiting_for_locks,
        parameters.max_lock_waits,
        |count| text::count(count, "session"),
    )
}

pub(crate) fn horizon(holders: &[XminHolder], parameters: &Parameters) -> Finding {
    let limit = parameters.max_horizon_age;
    let too_old: Vec<&XminHolder> = holders.iter().filter(|holder| holder.age > limit).collect();
    let oldest = holders.iter().map(|holder| holder.age).max();
    if too_old.is_empty() {
        return Finding::pass(match oldest {
            None => "nothing keeps dead rows".to_owned(),
            Some(age) => format!("held for at most {}", transactions_text(age)),
        });
    }
    Finding::of_each(too_old, |holder| Finding::fail(holder_text(holder)))
}

fn holder_text(holder: &XminHolder) -> String {
    let kind = match holder.kind {
        XminHolderKind::Session => "session",
        XminHolderKind::PreparedTransaction => "prepared transaction",
        XminHolderKind::ReplicationSlot => "replication slot",
        XminHolderKind::Standby => "standby",
    };
    let pid = holder.pid.map(|pid| format!(" {pid}")).unwrap_or_default();
    format!(
        "{kind}{pid} {} ({}) has held it for {}",
        holder.name,
        holder.state,
        transactions_text(holder.age)
    )
}

fn transactions_text(age: u32) -> String {
    text::count(age, "transaction")
}

pub(crate) fn invariant(result: &InvariantResult) -> Finding {
    let expected = match result.expected {
        Expectation::NoRows => "none expected",
        Expectation::SomeRows => "some expected",
    };
    let more = if result.capped { " or more" } else { "" };
    let rows = text::count(result.rows, "row");
    let took = text::duration(result.took);
    let seen = format!("{rows}{more}, {expected} ({took})");
    if result.holds {
        Finding::pass(seen)
    } else {
        Finding::fail(seen)
    }
}

#[cfg(test)]
mod tests;
