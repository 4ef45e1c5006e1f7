//! A relay in front of an API server: what networks do to requests, at a moment that a test chooses.
//!
//! kubectl's proxy logs in and encrypts, so that what passes here can be read.

use super::{Namespace, Running};
use serde_json::{Value, json};
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use xtask::kubernetes::User;
use xtask::until;

/// Nothing that is waited for here takes longer.
const DEADLINE: Duration = Duration::from_mins(1);

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It passes.
    Pass,
    /// Another one is sent instead: method, address and version, as in its first line.
    Instead(String),
    /// The server answers, and nobody hears of it.
    LoseAnswer,
}

/// A relay to the API server of a namespace, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    _kubectl: Running,
    _folder: TempDir,
}

/// What passed.
#[derive(Debug, Default)]
struct Seen {
    requests: Vec<String>,
    answers: Vec<u8>,
}

impl Relay {
    /// `act` is asked about the first line of each request.
    pub(crate) fn to(
        namespace: &Namespace,
        act: impl Fn(&str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("kubectl");
        let named = format!("--unix-socket={}", socket.display());
        let kubectl = namespace.start_kubectl(User::Admin, &["proxy", &named]);
        until(DEADLINE, || UnixStream::connect(&socket).ok()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
            _kubectl: kubectl,
            _folder: folder,
        };
        let (seen, act) = (Arc::clone(&relay.seen), Arc::new(act));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (seen, act, socket) = (Arc::clone(&seen), Arc::clone(&act), socket.clone());
                thread::spawn(move || pass(&client?, &socket, &*act, &seen));
            }
        });
        relay
    }

    /// A kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "c", "user": {"token": "none"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        })
    }

    /// How many requests with these words came.
    pub(crate) fn count(&self, words: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        let requests = seen.requests.iter();
        requests.filter(|line| line.contains(words)).count()
    }

    /// Waits until so many requests with these words came.
    #[track_caller]
    pub(crate) fn until(&self, count: usize, words: &str) {
        let came = until(DEADLINE, || (self.count(words) >= count).then_some(()));
        assert!(came.is_some(), "{:#?}", self.seen.lock().unwrap().requests);
    }

    /// Whether the server said this.
    pub(crate) fn was_answered(&self, words: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        String::from_utf8_lossy(&seen.answers).contains(words)
    }
}

/// One request and its answer: the connection is closed behind it.
fn pass(
    client: &TcpStream,
    socket: &Path,
    act: &(dyn Fn(&str) -> Act + Send + Sync),
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    let head = head(client)?;
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    // kubectl brings its own.
    let is_login = |header: &&str| header.to_ascii_lowercase().starts_with("authorization:");
    let headers: Vec<_> = headers
        .split("\r\n")
        .filter(|header| !is_login(header))
        .collect();
    let rest = headers.join("\r\n");
    let act = act(line);
    seen.lock().unwrap().requests.push(line.to_owned());
    let line = match &act {
        Act::Instead(line) => line,
        Act::Pass | Act::LoseAnswer => line,
    };
    let server = UnixStream::connect(PathBuf::from(socket))?;
    (&server).write_all(format!("{line}\r\nConnection: close\r\n{rest}").as_bytes())?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let answered = answer(&server, client, act != Act::LoseAnswer, seen);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    answered
}

fn answer(
    mut server: &UnixStream,
    mut client: &TcpStream,
    is_heard: bool,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    let mut chunk = [0; 4096];
    loop {
        let length = server.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        seen.lock().unwrap().answers.extend(&chunk[..length]);
        if is_heard {
            client.write_all(&chunk[..length])?;
        }
    }
}

/// The first line and the headers, up to the empty line.
fn head(mut client: &TcpStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
