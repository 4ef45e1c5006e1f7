//! What nobody else has: free ports, secrets.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};

const FIRST_PORT: u16 = 15_000;
const PORTS: u16 = 15_000;

/// Every port that was tried is taken.
#[derive(Debug, thiserror::Error)]
#[error("no port between {FIRST_PORT} and {} is free", FIRST_PORT + PORTS - 1)]
pub struct NoPort;

/// A port below those that the system gives to outgoing connections, so that a server that restarts finds its own one free.
pub(crate) fn free_port() -> Result<u16, NoPort> {
    let ports = (0..PORTS).map(|_| {
        let offset = u16::try_from(random() % u64::from(PORTS)).unwrap_or(0);
        FIRST_PORT + offset
    });
    let mut free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    free.next().ok_or(NoPort)
}

/// The standard library seeds its hashes from the system's random numbers.
fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A password, or a part of a name that nobody else has: 32 digits.
pub fn secret() -> String {
    format!("{:016x}{:016x}", random(), random())
}
