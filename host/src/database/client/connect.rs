//! A connection to a configured server, with a meter on what comes in: what the driver's own way of connecting does not allow.

use super::answers::first_row;
use super::failure::ConnectFailure;
use super::room::Room;
use super::wire::{Metered, Peer};
use crate::contract::ErrorKind;
use rustix::net::sockopt;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

const PORT: u16 = 5432;

/// Bytes to and from a server.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

type Connector = <MakeRustlsConnect as MakeTlsConnect<Stream>>::TlsConnect;
type Encrypted = Metered<<MakeRustlsConnect as MakeTlsConnect<Stream>>::Stream>;

/// What moves the bytes; it is driven by the session.
pub(super) type Driver = Connection<Metered<Stream>, Encrypted>;

/// A connection that was made.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) driver: Driver,
    pub(super) peer: Arc<Peer>,
    pub(super) way: Way,
}

/// Where the server of a session is: a request to cancel must go to the same.
#[derive(Clone)]
pub(super) struct Way {
    place: Place,
    hostname: Option<String>,
    tls: MakeRustlsConnect,
    config: Arc<Config>,
}

#[derive(Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Connects to the first host that answers, and that takes changes where that is asked for.
pub(super) async fn connect(room: &Room, application: &str) -> Result<Connected, ConnectFailure> {
    let tls = room.tls.connector().map_err(|error| ConnectFailure {
        kind: ErrorKind::Unavailable,
        reason: "TLS cannot be used on this machine".into(),
        detail: Some(error.to_string()),
    })?;
    let mut config = room.config.clone();
    config.application_name(application);
    let config = Arc::new(config);
    let mut failure = ConnectFailure::new(ErrorKind::Unavailable, "the host has no address");
    for (host, hostname, port) in hosts(&config)? {
        let places = match places(&host, port).await {
            Ok(places) => places,
            Err(error) => {
                failure = ConnectFailure::from_io(&error);
                continue;
            }
        };
        for place in places {
            let way = Way {
                place,
                hostname: hostname.clone(),
                tls: tls.clone(),
                config: Arc::clone(&config),
            };
            match way.connect().await {
                Ok(connected) => return Ok(connected),
                Err(error) => failure = error,
            }
        }
    }
    Err(failure)
}

type Named = (Host, Option<String>, u16);

/// Hosts, their names for TLS, and ports.
fn hosts(config: &Config) -> Result<Vec<Named>, ConnectFailure> {
    let (names, addresses, ports) = (
        config.get_hosts(),
        config.get_hostaddrs(),
        config.get_ports(),
    );
    let count = names.len().max(addresses.len());
    let fits = |length: usize| length <= 1 || length == count;
    if !fits(ports.len()) || (!names.is_empty() && !addresses.is_empty() && names.len() != count) {
        return Err(ConnectFailure::new(
            ErrorKind::Invalid,
            "the connection string has not as many ports or addresses as hosts",
        ));
    }
    let one = |at: usize| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT);
        let hostname = match names.get(at) {
            Some(Host::Tcp(name)) => Some(name.clone()),
            Some(Host::Unix(_)) | None => None,
        };
        let address = addresses
            .get(at)
            .map(|address| Host::Tcp(address.to_string()));
        let host = address.or_else(|| names.get(at).cloned())?;
        Some((host, hostname, port))
    };
    Ok((0..count).filter_map(one).collect())
}

async fn places(host: &Host, port: u16) -> io::Result<Vec<Place>> {
    match host {
        Host::Tcp(name) => Ok(lookup_host((name.as_str(), port))
            .await?
            .map(Place::Tcp)
            .collect()),
        Host::Unix(folder) => Ok(vec![Place::Unix(folder.join(format!(".s.PGSQL.{port}")))]),
    }
}

impl Way {
    async fn connect(self) -> Result<Connected, ConnectFailure> {
        let stream = self
            .stream()
            .await
            .map_err(|error| ConnectFailure::from_io(&error))?;
        let peer = Arc::new(Peer::default());
        let metered = Metered::new(stream, Arc::clone(&peer));
        let tls = self.connector(&peer);
        let connected = self.config.connect_raw(metered, tls).await;
        let (client, driver) = connected.map_err(|error| failed(&peer, &error))?;
        let connected = Connected {
            client,
            driver,
            peer,
            way: self,
        };
        connected.takes_changes_if_asked().await
    }

    fn connector(&self, peer: &Arc<Peer>) -> MeteredTls {
        MeteredTls {
            tls: self.tls.clone(),
            hostname: self.hostname.clone(),
            peer: Arc::clone(peer),
        }
    }

    async fn stream(&self) -> io::Result<Stream> {
        let limit = self.config.get_connect_timeout().copied();
        match &self.place {
            Place::Tcp(address) => {
                let stream = in_time(limit, TcpStream::connect(address)).await?;
                self.tune(&stream)?;
                Ok(Stream::Tcp(stream))
            }
            Place::Unix(path) => Ok(Stream::Unix(
                in_time(limit, UnixStream::connect(path)).await?,
            )),
        }
    }

    /// So that a peer that is silent is noticed.
    fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        if let Some(silence) = self.config.get_tcp_user_timeout() {
            let silence = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(stream, silence)?;
        }
        if self.config.get_keepalives() {
            sockopt::set_socket_keepalive(stream, true)?;
            sockopt::set_tcp_keepidle(stream, self.config.get_keepalives_idle())?;
            if let Some(interval) = self.config.get_keepalives_interval() {
                sockopt::set_tcp_keepintvl(stream, interval)?;
            }
            if let Some(count) = self.config.get_keepalives_retries() {
                sockopt::set_tcp_keepcnt(stream, count)?;
            }
        }
        Ok(())
    }

    /// Asks the server to cancel what the token's session does. A request that does not arrive is no error of its own.
    pub(super) async fn cancel(&self, token: CancelToken) {
        if let Ok(stream) = self.stream().await {
            let peer = Arc::new(Peer::default());
            let metered = Metered::new(stream, Arc::clone(&peer));
            let _ = token.cancel_query_raw(metered, self.connector(&peer)).await;
        }
    }
}

async fn in_time<T>(
    limit: Option<Duration>,
    connecting: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => connecting.await,
    }
}

/// The driver knows only that the stream ended; why it did is better.
fn failed(peer: &Peer, error: &tokio_postgres::Error) -> ConnectFailure {
    match peer.refusal() {
        Some(why) => ConnectFailure::new(ErrorKind::Unavailable, sent(why)),
        None => ConnectFailure::from_driver(error),
    }
}

/// What is said of a server from which nothing more is taken.
pub(super) fn sent(why: &str) -> String {
    format!("the server sent {why}; the connection was given up")
}

impl Connected {
    async fn takes_changes_if_asked(mut self) -> Result<Self, ConnectFailure> {
        let asked = self.way.config.get_target_session_attrs();
        let wanted = if asked == TargetSessionAttrs::ReadWrite {
            "off"
        } else if asked == TargetSessionAttrs::ReadOnly {
            "on"
        } else {
            return Ok(self);
        };
        let asking = first_row(&self.client, "SHOW transaction_read_only");
        let answered = tokio::select! {
            answered = asking => answered,
            _ = &mut self.driver => return Err(ConnectFailure::new(
                ErrorKind::Unavailable,
                "the server broke off the connection",
            )),
        };
        let row = answered.map_err(|error| failed(&self.peer, &error))?;
        if row.is_some_and(|row| row.get(0) == Some(wanted)) {
            return Ok(self);
        }
        Err(ConnectFailure::new(
            ErrorKind::Unavailable,
            "no host that the connection string names is what its `target_session_attrs` asks for",
        ))
    }
}

/// TLS with the meter inside of it.
struct MeteredTls {
    tls: MakeRustlsConnect,
    hostname: Option<String>,
    peer: Arc<Peer>,
}

type Failed = Box<dyn Error + Send + Sync>;

impl TlsConnect<Metered<Stream>> for MeteredTls {
    type Stream = Encrypted;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, Failed>> + Send>>;

    fn connect(mut self, stream: Metered<Stream>) -> Self::Future {
        Box::pin(async move {
            let Some(hostname) = &self.hostname else {
                return Err("no hostname provided for TLS handshake".into());
            };
            let tls: Connector =
                MakeTlsConnect::<Stream>::make_tls_connect(&mut self.tls, hostname)?;
            let encrypted = tls.connect(stream.into_inner()).await?;
            Ok(Metered::new(encrypted, self.peer))
        })
    }
}
