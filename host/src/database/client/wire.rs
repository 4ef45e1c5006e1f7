//! What one connection lets in, before the driver takes it: a server may be hostile, and the driver keeps whatever it is sent.
//!
//! Only the heads of messages are read here, and the bodies of the few that can make the driver work without end. What a statement answers
//! may be long; it is bounded where it is collected, in [`super::answers`].

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::{Arc, atomic::AtomicI32, atomic::Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};
use tokio_postgres::types::Type;

/// The largest message that is taken. All that windlass asks for is far smaller.
const LARGEST: usize = 1 << 20;
/// What a server may send before it is ready for the first statement.
const GREETING: usize = 1 << 20;
/// What a server may tell of its settings in the life of a connection; the driver keeps each name.
const SETTINGS: usize = 1 << 20;
/// What the driver needs for a message beyond its bytes.
const OVERHEAD: usize = 128;
/// How often a password may have to be hashed. Servers ask for 4096; the driver does it in one go, which nothing can interrupt.
const ITERATIONS: u64 = 1_000_000;

const HEAD: usize = 5;
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What is known of the other end.
#[derive(Debug, Default)]
pub(super) struct Peer {
    key: AtomicI32,
    refusal: OnceLock<&'static str>,
}

impl Peer {
    /// The process that a cancel request would have to name. A pool makes up its own.
    pub(super) fn key(&self) -> i32 {
        self.key.load(Ordering::Relaxed)
    }

    /// Why nothing more is taken from this server, in the words behind "the server sent"; the first reason stays.
    pub(super) fn refuse(&self, why: &'static str) {
        let _ = self.refusal.set(why);
    }

    /// Why nothing more is taken.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.refusal.get().copied()
    }
}

/// A stream of PostgreSQL's messages that ends where a server sends what is not taken.
pub(super) struct Metered<S> {
    stream: S,
    intake: Intake,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, peer: Arc<Peer>) -> Self {
        Self {
            stream,
            intake: Intake::new(peer),
        }
    }

    /// The stream without its meter, for what is encrypted from now on.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.intake.look(came).map_err(|why| {
            this.intake.peer.refuse(why);
            io::Error::other(why)
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // The answer is one byte that is no message.
        if bytes == SSL_REQUEST {
            self.intake.skip = 1;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Metered<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// Follows the messages of one connection.
struct Intake {
    peer: Arc<Peer>,
    skip: usize,
    head: Vec<u8>,
    /// Bytes of the body that are still to come.
    left: usize,
    /// The body, where it is looked into.
    body: Option<Vec<u8>>,
    greeting: Option<usize>,
    settings: usize,
}

impl Intake {
    fn new(peer: Arc<Peer>) -> Self {
        Self {
            peer,
            skip: 0,
            head: Vec::with_capacity(HEAD),
            left: 0,
            body: None,
            greeting: Some(0),
            settings: 0,
        }
    }

    fn look(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.head.len() < HEAD {
                let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
                self.head.extend_from_slice(head);
                bytes = rest;
                if self.head.len() < HEAD {
                    return Ok(());
                }
                self.begin()?;
            } else {
                let (body, rest) = bytes.split_at(bytes.len().min(self.left));
                if let Some(kept) = &mut self.body {
                    kept.extend_from_slice(body);
                }
                self.left -= body.len();
                bytes = rest;
            }
            if self.left == 0 {
                self.end()?;
            }
        }
        Ok(())
    }

    /// A head is complete.
    fn begin(&mut self) -> Result<(), &'static str> {
        let [tag, length @ ..] = &self.head[..] else {
            return Ok(());
        };
        let length = number(length).unwrap_or(0) as usize;
        let Some(left) = length.checked_sub(4) else {
            return Err("something that is not PostgreSQL's protocol");
        };
        if left > LARGEST {
            return Err("a message of more than a megabyte");
        }
        let cost = left + OVERHEAD;
        if *tag == b'S' {
            self.settings += cost;
        }
        if self.settings > SETTINGS {
            return Err("settings without end");
        }
        self.greeting = self.greeting.map(|sum| sum + cost);
        if self.greeting.is_some_and(|sum| sum > GREETING) {
            return Err("a greeting without end");
        }
        self.left = left;
        self.body = matches!(tag, b'K' | b'R' | b'T' | b't').then(|| Vec::with_capacity(left));
        Ok(())
    }

    /// A message is complete.
    fn end(&mut self) -> Result<(), &'static str> {
        let tag = self.head.first().copied().unwrap_or_default();
        self.head.clear();
        let body = self.body.take().unwrap_or_default();
        match tag {
            b'Z' => self.greeting = None,
            b'K' => {
                let key = body.first_chunk().copied().map(i32::from_be_bytes);
                self.peer.key.store(key.unwrap_or(0), Ordering::Relaxed);
            }
            b'R' if asks_too_much(&body) => {
                return Err("a password exchange that would take minutes");
            }
            b'T' if !columns(&body).is_some_and(|types| all_known(&types)) => return Err(UNKNOWN),
            b't' if !parameters(&body).is_some_and(|types| all_known(&types)) => {
                return Err(UNKNOWN);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Of a type that it does not know the driver asks the server, and of what that answers again.
const UNKNOWN: &str = "values of a type that was not asked for";

fn all_known(types: &[u32]) -> bool {
    types.iter().all(|oid| Type::from_oid(*oid).is_some())
}

/// The types of the columns of a row description.
fn columns(body: &[u8]) -> Option<Vec<u32>> {
    let mut rest = body.get(2..)?;
    let mut types = Vec::new();
    while !rest.is_empty() {
        let name = rest.iter().position(|byte| *byte == 0)?;
        // After the name: the table's OID and the column's number, the type's OID, size, modifier and format.
        let facts = rest.get(name + 1..name + 19)?;
        types.push(number(facts.get(6..)?)?);
        rest = rest.get(name + 19..)?;
    }
    Some(types)
}

/// The types of the parameters of a statement.
fn parameters(body: &[u8]) -> Option<Vec<u32>> {
    Some(body.get(2..)?.chunks(4).filter_map(number).collect())
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_be_bytes)
}

/// Whether a step of SCRAM asks to hash the password more often than is reasonable.
fn asks_too_much(body: &[u8]) -> bool {
    const CONTINUE: u32 = 11;
    if number(body) != Some(CONTINUE) {
        return false;
    }
    let text = String::from_utf8_lossy(body.get(4..).unwrap_or_default()).into_owned();
    let asked = text.split(',').find_map(|part| part.strip_prefix("i="));
    asked.is_some_and(|count| count.parse().map_or(true, |count: u64| count > ITERATIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, body].concat()
    }

    fn looked(messages: &[Vec<u8>]) -> Result<i32, &'static str> {
        let bytes = messages.concat();
        // In whatever pieces it comes, it is the same.
        let mut outcomes = [1, 3, 7, bytes.len().max(1)].map(|piece| {
            let peer = Arc::new(Peer::default());
            let mut intake = Intake::new(Arc::clone(&peer));
            bytes
                .chunks(piece)
                .try_for_each(|bytes| intake.look(bytes))?;
            Ok(peer.key())
        });
        outcomes.sort_unstable();
        assert_eq!(outcomes[0], outcomes[3]);
        outcomes[0]
    }

    #[test]
    fn the_key_is_read_and_the_rest_goes_by() {
        let key = message(b'K', &[0, 0, 18, 103, 9, 9, 9, 9]);
        let ready = message(b'Z', b"I");
        assert_eq!(looked(&[message(b'R', &[0; 4]), key, ready]), Ok(4711));
    }

    #[test]
    fn what_never_ends_is_refused() {
        let endless = |tag| vec![message(tag, b"name\0value\0"); 10_000];
        assert_eq!(looked(&endless(b'S')), Err("settings without end"));
        assert_eq!(looked(&endless(b'N')), Err("a greeting without end"));
        // Once the server is ready, notices go by.
        let ready = vec![message(b'Z', b"I")];
        assert_eq!(looked(&[ready.clone(), endless(b'N')].concat()), Ok(0));
        let later = [ready, endless(b'S')].concat();
        assert_eq!(looked(&later), Err("settings without end"));
    }

    #[test]
    fn a_message_is_refused_by_its_head() {
        let mut head = message(b'D', b"");
        head[1..].copy_from_slice(&(2_u32 << 20).to_be_bytes());
        assert_eq!(
            looked(&[head.clone()]),
            Err("a message of more than a megabyte")
        );
        head[1..].copy_from_slice(&3_u32.to_be_bytes());
        assert!(looked(&[head]).is_err());
    }

    #[test]
    fn types_that_the_driver_does_not_know_are_refused() {
        let column = |oid: u32| {
            let facts = [&[0; 6][..], &oid.to_be_bytes(), &[0; 8]].concat();
            message(b'T', &[b"\0\x01name\0", &facts[..]].concat())
        };
        let parameter = |oid: u32| message(b't', &[&[0, 1][..], &oid.to_be_bytes()].concat());
        assert_eq!(looked(&[column(25), parameter(20)]), Ok(0));
        assert_eq!(looked(&[column(16_400)]), Err(UNKNOWN));
        assert_eq!(looked(&[parameter(16_400)]), Err(UNKNOWN));
        assert_eq!(looked(&[message(b'T', b"\0\x01name")]), Err(UNKNOWN));
    }

    #[test]
    fn a_password_is_hashed_so_often_and_no_more() {
        let step = |count: &str| {
            let text = format!("r=nonce,s=salt,i={count}");
            message(b'R', &[&11_u32.to_be_bytes()[..], text.as_bytes()].concat())
        };
        assert_eq!(looked(&[step("4096")]), Ok(0));
        for count in ["4294967295", "1000001", "99999999999999999999999"] {
            assert!(looked(&[step(count)]).is_err(), "{count}");
        }
    }
}
