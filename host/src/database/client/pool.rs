//! A pool between windlass and the server: one that keeps a session to one client is as good as none; any other mixes up sessions.

use super::answers::{Driven, drive, first_row};
use super::connect::{Connected, connect};
use super::failure::ConnectFailure;
use super::room::Room;
use crate::contract::ErrorKind;

/// How often two sessions are let go and taken again. A pool that gives out the session that was returned first, or last, shows at once;
/// one that draws lots shows in each round with one half at least.
const ROUNDS: usize = 8;

/// Nothing is set before it is known whose session it is. A standby takes no transaction that is to be serializable by default.
const ASK: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SELECT pg_catalog.pg_backend_pid(); ROLLBACK";
const HOLD: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SELECT pg_catalog.pg_backend_pid()";
const LET_GO: &str = "ROLLBACK";

/// Refuses a pool that gives the transactions of one client to several sessions, or one session to several clients.
///
/// It is asked where the server process is another than the one that the connection was said to be: only a pool makes that up.
pub(super) async fn refuse_shared(room: &Room, application: &str) -> Result<(), ConnectFailure> {
    let one = Client::open(room, application).await?;
    let other = Client::open(room, application).await?;
    if keeps_sessions(&one, &other).await? {
        return Ok(());
    }
    Err(ConnectFailure::new(ErrorKind::Invalid, SHARED))
}

const SHARED: &str = "a pool in the way gives its sessions to several clients in turn (transaction or statement pooling), \
     where settings and locks of one reach another; connect to the server itself, or through a pool in session mode";

async fn keeps_sessions(one: &Client, other: &Client) -> Result<bool, ConnectFailure> {
    let (first, second) = (one.ask(ASK).await?, other.ask(ASK).await?);
    let still = |found: Option<i32>, before: Option<i32>| found.is_some() && found == before;
    if first.is_none() || first == second {
        return Ok(false);
    }
    for round in 0..ROUNDS {
        let held = one.ask(HOLD).await?;
        let also = other.ask(HOLD).await?;
        let (earlier, later) = if round % 2 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        earlier.ask(LET_GO).await?;
        later.ask(LET_GO).await?;
        let again = one.ask(ASK).await?;
        if !still(held, first) || !still(also, second) || !still(again, first) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A connection that only asks.
struct Client {
    connected: tokio_postgres::Client,
    _driven: Driven,
}

impl Client {
    async fn open(room: &Room, application: &str) -> Result<Self, ConnectFailure> {
        let Connected { client, driver, .. } = connect(room, application).await?;
        Ok(Self {
            connected: client,
            _driven: Driven::spawn(drive(driver, std::sync::Arc::default())),
        })
    }

    /// The process that answered. None where a transaction is not allowed, as in statement pooling, or where what was begun is not there.
    async fn ask(&self, sql: &str) -> Result<Option<i32>, ConnectFailure> {
        match first_row(&self.connected, sql).await {
            Ok(row) => Ok(row.and_then(|row| row.get(0)?.parse().ok())),
            Err(error) if error.is_closed() || is_of_the_protocol(&error) => Ok(None),
            Err(error) => Err(ConnectFailure::from_driver(&error)),
        }
    }
}

/// What a pool says of a transaction that it does not allow.
fn is_of_the_protocol(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| code.code().starts_with("08"))
}
