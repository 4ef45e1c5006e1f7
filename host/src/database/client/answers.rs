//! What a server answers, as far as it is kept and waited for.

use super::connect::{Driver, sent};
use super::failure::{Failure, Outcome};
use super::session::Session;
use crate::contract::{CallError, ErrorKind};
use futures_util::TryStreamExt as _;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Row, SimpleQueryMessage, SimpleQueryRow};

const MOST_WARNINGS: usize = 100;
const CODE_LENGTH: usize = 5;
/// How much of one answer is kept, and what a row and each of its columns take beyond their bytes.
const MOST_BYTES: usize = 48 << 20;
const ROW_BYTES: usize = 200;
const COLUMN_BYTES: usize = 24;
/// How many rows of one answer are looked at where none is kept.
const MOST_ROWS: usize = 10_000_000;

/// Codes: the texts may be in any language, and of any length.
pub(super) type Warnings = Arc<Mutex<Vec<SqlState>>>;

impl Session {
    /// All rows of an answer, as long as they are of a size that can be kept.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Vec<Row>> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        self.each(sql, parameters, |row| {
            bytes += row.raw_size_bytes() + row.len() * COLUMN_BYTES + ROW_BYTES;
            rows.push(row);
            Ok(bytes <= MOST_BYTES)
        })
        .await?;
        Ok(rows)
    }

    /// Hands over the rows of an answer one by one, until it is told that this is too much.
    pub(super) async fn each(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        mut take: impl FnMut(Row) -> Outcome<bool>,
    ) -> Outcome<()> {
        let work = async {
            let parameters = parameters.iter().map(|parameter| *parameter as &dyn ToSql);
            let mut rows = pin!(self.client.query_raw(sql, parameters).await?);
            let mut count = 0_usize;
            while let Some(row) = rows.try_next().await? {
                count += 1;
                if !take(row)? || count > MOST_ROWS {
                    return Err(self.give_up("rows without end"));
                }
            }
            Ok(())
        };
        self.in_time(work).await
    }

    /// The one row of an answer.
    pub(super) async fn query_one(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Row> {
        self.in_time(async { Ok(self.client.query_one(sql, parameters).await?) })
            .await
    }

    /// The one row of an answer, if there is one.
    pub(super) async fn query_opt(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Option<Row>> {
        self.in_time(async { Ok(self.client.query_opt(sql, parameters).await?) })
            .await
    }

    /// Statements without an answer.
    pub(super) async fn batch_execute(&self, sql: &str) -> Outcome<()> {
        self.in_time(async { Ok(self.client.batch_execute(sql).await?) })
            .await
    }

    /// A server that keeps its own timeouts answers before this one; from any other nothing is waited for.
    async fn in_time<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let answered = tokio::time::timeout(self.limit, work).await;
        match answered {
            Ok(Err(failure)) if failure.is_lost() => Err(match self.peer.refusal() {
                Some(why) => refusal(why),
                None => failure,
            }),
            Ok(outcome) => outcome,
            Err(_) => Err(self.give_up("no answer in time")),
        }
    }

    /// Takes nothing more from this server.
    fn give_up(&self, why: &'static str) -> Failure {
        self.peer.refuse(why);
        self.driven.end();
        refusal(why)
    }
}

/// The first row that statements answer, as texts. Any other is let go: who knows how many there are.
pub(super) async fn first_row(
    client: &tokio_postgres::Client,
    sql: &str,
) -> Result<Option<SimpleQueryRow>, tokio_postgres::Error> {
    let mut messages = pin!(client.simple_query_raw(sql).await?);
    let mut first = None;
    while let Some(message) = messages.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message {
            first.get_or_insert(row);
        }
    }
    Ok(first)
}

fn refusal(why: &str) -> Failure {
    Failure::Call(CallError::new(ErrorKind::Unavailable, sent(why)))
}

/// What moves the bytes of a connection, until that ends by itself or is ended.
pub(super) struct Driven(JoinHandle<()>);

impl Driven {
    pub(super) fn spawn(driving: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(driving))
    }

    pub(super) fn end(&self) {
        self.0.abort();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

/// Moves bytes until the connection ends, and keeps the codes of warnings.
pub(super) async fn drive(mut driver: Driver, warnings: Warnings) {
    while let Some(Ok(message)) = poll_fn(|context| driver.poll_message(context)).await {
        if let AsyncMessage::Notice(notice) = message {
            let mut warnings = warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if warnings.len() < MOST_WARNINGS && notice.code().code().len() == CODE_LENGTH {
                warnings.push(notice.code().clone());
            }
        }
    }
}
