//! Reaching servers that the operator named: at the addresses that were looked at, through no proxy, along no redirect. Channels and
//! endpoints share it.

mod address;
mod web;

pub(crate) use address::{Door, NoWay};
pub(crate) use web::{BadUrl, Web};
