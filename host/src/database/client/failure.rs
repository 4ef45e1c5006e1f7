//! What can go wrong at a database, and what a guest is told of it.
//!
//! A guest learns what it can act on. It learns nothing of where the server is, and no values of rows, which the server likes to quote.

use crate::contract::{CallError, ErrorKind};
use std::io;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// Why a step did not end well. It becomes a [`CallError`] at the edge of the room, where the database's name is known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The driver or the server says so.
    #[error("the server answered with an error")]
    Driver(#[from] tokio_postgres::Error),
    /// This room says so.
    #[error("{}", .0.message)]
    Call(CallError),
}

/// What a step of this room answers.
pub(super) type Outcome<T> = Result<T, Failure>;

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// This room's own refusal.
pub(super) fn refuse<T>(kind: ErrorKind, message: impl Into<String>) -> Outcome<T> {
    Err(Failure::Call(CallError::new(kind, message)))
}

impl Failure {
    /// What the guest is told.
    pub(super) fn into_call(self, database: &str) -> CallError {
        match self {
            Self::Call(error) => error,
            Self::Driver(error) => match error.as_db_error() {
                Some(answer) => CallError::new(kind_of(answer.code()), said(database, answer)),
                None if is_lost(&error) => CallError::new(
                    ErrorKind::Unavailable,
                    format!("database `{database}` broke off the connection"),
                ),
                None => CallError::new(
                    ErrorKind::Unavailable,
                    format!("database `{database}` gave an answer that is not understood: {error}"),
                ),
            },
        }
    }

    /// What the guest is told of a statement of ours that maintains an object. Its text is sound, so an error about text or values is
    /// raised by what the object itself has: the expression of an index, a function that it calls, a cap on temporary files that it needs too
    /// much of. Other objects may do better.
    pub(super) fn of_maintenance(self, database: &str) -> CallError {
        let raised = match &self {
            Self::Driver(error) => error.as_db_error().map(raised_by_object),
            Self::Call(_) => None,
        };
        let mut error = self.into_call(database);
        match raised {
            Some(Raised::Missing) => {
                error.kind = ErrorKind::Conflict;
                error.message.push_str(HINT);
            }
            Some(Raised::Otherwise) => error.kind = ErrorKind::Conflict,
            Some(Raised::No) | None => {}
        }
        error
    }

    /// The server's code, where the server answered.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Driver(error) => error.code(),
            Self::Call(_) => None,
        }
    }

    /// Whether the server is gone, or is going, so that a statement's end is unknown.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Driver(error) => is_lost(error),
            Self::Call(_) => false,
        }
    }
}

/// Where the session ends with the statement, as by a shutdown or a crash, the server does not say how the statement ended: only an error
/// that leaves the session says that nothing happened.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(answer) => {
            let ends_session = matches!(
                answer.parsed_severity(),
                Some(Severity::Fatal | Severity::Panic)
            );
            ends_session
                || [
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    SqlState::IDLE_SESSION_TIMEOUT,
                ]
                .contains(answer.code())
                || answer.code().code().starts_with("08")
        }
        None => {
            error.is_closed()
                || std::error::Error::source(error)
                    .is_some_and(<dyn std::error::Error>::is::<io::Error>)
        }
    }
}

/// A function that names others without their schema works for the application, and not while the server maintains.
const HINT: &str = "; hint: while it maintains, the server looks for names in pg_catalog only: alter function … set search_path = …";

/// Whether an error was raised by what the maintained object has.
enum Raised {
    /// A function of it names something that is not found.
    Missing,
    /// In another way.
    Otherwise,
    /// No: by the server, or by the object's state.
    No,
}

fn raised_by_object(answer: &DbError) -> Raised {
    // The server tells in which function an error was raised.
    let in_function = answer.where_().is_some();
    match answer.code().code() {
        "42883" => Raised::Missing,
        "42P01" | "42703" | "42704" | "3F000" if in_function => Raised::Missing,
        "42P01" | "42704" | "3F000" => Raised::No,
        "42501" if !in_function => Raised::No,
        // `data corrupted` and `index corrupted` are in another class, and damage.
        code => match code.get(..2).unwrap_or_default() {
            "0A" | "22" | "42" => Raised::Otherwise,
            _ => Raised::No,
        },
    }
}

fn kind_of(code: &SqlState) -> ErrorKind {
    match code.code() {
        "42501" | "25006" => ErrorKind::Denied,
        "42P01" | "42704" | "3D000" | "3F000" | "42883" => ErrorKind::NotFound,
        "57014" => ErrorKind::Limit,
        // `temp_file_limit`: the server has enough, and lets one session have no more.
        "53400" => ErrorKind::Conflict,
        // A file of one object is gone or cannot be read.
        "58P01" | "58030" => ErrorKind::Damaged,
        other => match other.get(..2).unwrap_or_default() {
            "28" => ErrorKind::Denied,
            "22" | "42" | "0A" => ErrorKind::Invalid,
            "08" | "53" | "57" | "58" => ErrorKind::Unavailable,
            "23" | "XX" => ErrorKind::Damaged,
            _ => ErrorKind::Conflict,
        },
    }
}

/// The server's own words, unless they may quote a row: data errors, broken constraints, errors raised by functions.
fn said(database: &str, answer: &DbError) -> String {
    let code = answer.code().code();
    match code {
        "55P03" => format!(
            "another session of `{database}` holds a lock that is needed; waiting for it was given up"
        ),
        "57014" => format!(
            "the statement on `{database}` was cancelled: {}",
            answer.message()
        ),
        _ if ["22", "23", "P0"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            format!(
                "`{database}` answered with SQLSTATE {code}; its message may quote rows and is not shown"
            )
        }
        _ => format!("`{database}` answered: {}", answer.message()),
    }
}

/// Why no session could be opened: `reason` can be shown to anyone, `detail` only to the operator.
#[derive(Debug)]
pub(super) struct ConnectFailure {
    pub(super) kind: ErrorKind,
    pub(super) reason: String,
    pub(super) detail: Option<String>,
}

impl ConnectFailure {
    pub(super) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            detail: None,
        }
    }

    /// From the driver's error while the session was opened.
    pub(super) fn from_driver(error: &tokio_postgres::Error) -> Self {
        let (kind, reason) = match error.as_db_error() {
            Some(answer) => refused_login(answer),
            None => (ErrorKind::Unavailable, unreachable_because(error)),
        };
        Self {
            kind,
            reason,
            detail: detail(error),
        }
    }

    /// From the system's error while the server was looked for.
    pub(super) fn from_io(error: &io::Error) -> Self {
        let detail = error.raw_os_error().is_none().then(|| error.to_string());
        Self {
            detail,
            ..Self::new(ErrorKind::Unavailable, why_not_reached(error))
        }
    }

    /// From the driver's error when the configured role was to be taken.
    pub(super) fn from_role(error: &tokio_postgres::Error) -> Self {
        let (kind, reason) = match error.as_db_error().map(|answer| answer.code().code()) {
            Some("42501") => (
                ErrorKind::Denied,
                "the login may not SET ROLE to the configured role",
            ),
            Some("22023" | "42704") => (ErrorKind::NotFound, "the configured role does not exist"),
            Some(_) | None => return Self::from_driver(error),
        };
        Self {
            detail: detail(error),
            ..Self::new(kind, reason)
        }
    }

    /// For a guest: says which database, not where it is.
    pub(super) fn for_guest(self, database: &str) -> CallError {
        CallError::new(self.kind, format!("database `{database}`: {}", self.reason))
    }

    /// For the operator, who may know the server's own words.
    pub(super) fn for_operator(self, database: &str) -> CallError {
        let reason = match self.detail {
            Some(detail) => format!("{} ({detail})", self.reason),
            None => self.reason,
        };
        CallError::new(self.kind, format!("database `{database}`: {reason}"))
    }
}

/// The words behind the driver's error, unless they say no more than the reason does: an error of the operating system is one of few.
pub(super) fn detail(error: &tokio_postgres::Error) -> Option<String> {
    let source = std::error::Error::source(error)?;
    let system = source
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.raw_os_error().is_some());
    (!system).then(|| source.to_string())
}

fn refused_login(answer: &DbError) -> (ErrorKind, String) {
    match answer.code().code() {
        "28P01" => (ErrorKind::Denied, "the server refused the password".into()),
        "28000" => (
            ErrorKind::Denied,
            "the server refuses this login: the role does not exist, may not log in, or pg_hba.conf has no line for it".into(),
        ),
        "3D000" => (
            ErrorKind::NotFound,
            "the server has no database of the name in the connection string".into(),
        ),
        "42501" => (ErrorKind::Denied, "the role may not connect".into()),
        "53300" => (ErrorKind::Unavailable, "the server has no connection left".into()),
        "57P03" => (
            ErrorKind::Unavailable,
            "the server is starting, stopping or recovering".into(),
        ),
        code => (
            ErrorKind::Unavailable,
            format!("the server refused the connection with SQLSTATE {code}"),
        ),
    }
}

fn unreachable_because(error: &tokio_postgres::Error) -> String {
    let Some(cause) = std::error::Error::source(error) else {
        return error.to_string();
    };
    let Some(io) = cause.downcast_ref::<io::Error>() else {
        return match cause.to_string().as_str() {
            text @ ("server does not support TLS"
            | "no hostname provided for TLS handshake"
            | "password missing"
            | "invalid database name") => text.to_owned(),
            _ => error.to_string(),
        };
    };
    if let Some(tls) = io
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        return tls_text(tls);
    }
    why_not_reached(io)
}

fn why_not_reached(io: &io::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open")]
    match io.kind() {
        io::ErrorKind::ConnectionRefused => "nothing answers at the configured address".into(),
        io::ErrorKind::TimedOut => "the server did not answer in time".into(),
        io::ErrorKind::NotFound => "the configured socket does not exist".into(),
        io::ErrorKind::PermissionDenied => "the configured socket may not be used".into(),
        _ if io.to_string().starts_with("failed to lookup address") => {
            "the configured host name is not known".into()
        }
        _ => "the connection could not be made".into(),
    }
}

/// Names in the certificate would tell a guest where the server is.
fn tls_text(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(why) = error else {
        return "the TLS handshake failed".into();
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open")]
    match why {
        Certificate::UnknownIssuer | Certificate::BadSignature => {
            "its certificate is signed by nobody who is trusted here; name the authority's certificate as `ca`"
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "its certificate is for another host name than the configured one"
        }
        Certificate::Expired | Certificate::ExpiredContext { .. } => "its certificate has expired",
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        _ => "its certificate cannot be trusted",
    }
    .into()
}
