//! The database room alone, without a gate: each promise of `wit/database.wit` against real servers of the oldest and the newest
//! supported major version.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activity;
mod beside;
mod crash;
mod drop_index;
mod in_the_way;
mod login;
mod parameters;
mod place;
mod pools;
mod powers;
mod reads;
mod reindex;
mod sessions;
pub(crate) mod tls;
mod vacuum;

/// Makes one test per end of the supported versions out of each `async fn(Place)`. Those after `quiet` run alone.
macro_rules! on_each_server {
    ($($name:ident),* $(; quiet $($quiet:ident),*)? $(,)?) => {
        mod oldest {
            use super::super::place::*;
            $(#[test] fn $name() { with_place(xtask::postgres::OLDEST, super::$name); })*
            $($(#[test] fn $quiet() { with_quiet_place(xtask::postgres::OLDEST, super::$quiet); })*)?
        }
        mod newest {
            use super::super::place::*;
            $(#[test] fn $name() { with_place(xtask::postgres::NEWEST, super::$name); })*
            $($(#[test] fn $quiet() { with_quiet_place(xtask::postgres::NEWEST, super::$quiet); })*)?
        }
    };
}
pub(crate) use on_each_server;
