//! Statements counted on their way to a server that keeps its log to itself: a relay on a free port that reads along.

use postgres::Config;
use postgres::config::Host;
use std::collections::HashMap;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use xtask::postgres::Statement;

/// What a client may ask before it says who it is: to encrypt, in either way. The answer is no.
const REQUESTS: [u32; 2] = [80_877_103, 80_877_104];
const VERSION_3: u32 = 196_608;

/// A relay to one server, for as long as this process lives.
#[derive(Debug)]
pub(super) struct Wire {
    port: u16,
    seen: Arc<Mutex<Vec<Statement>>>,
}

impl Wire {
    /// Relays to the server of this URL.
    pub(super) fn to(url: &str) -> Self {
        let config: Config = url.parse().unwrap();
        let Some(Host::Tcp(host)) = config.get_hosts().first().cloned() else {
            panic!("DATABASE_URL must name a host, not a socket: the suite reads along");
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&wire.seen);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (host, seen) = (host.clone(), Arc::clone(&seen));
                thread::spawn(move || relay(&client?, &TcpStream::connect((host, port))?, seen));
            }
        });
        wire
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many statements were seen until now.
    pub(super) fn length(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Those after a mark.
    pub(super) fn statements(&self, mark: usize) -> Vec<Statement> {
        self.seen.lock().unwrap()[mark..].to_vec()
    }
}

/// Both ways, until either side ends.
fn relay(
    client: &TcpStream,
    server: &TcpStream,
    seen: Arc<Mutex<Vec<Statement>>>,
) -> io::Result<()> {
    let application = Arc::default();
    let (from, to, named) = (
        server.try_clone()?,
        client.try_clone()?,
        Arc::clone(&application),
    );
    thread::spawn(move || {
        let _ = answers(&from, &to, &named);
        let _ = to.shutdown(Shutdown::Both);
    });
    let read = Session::new(seen, application).read_along(client, server);
    let _ = server.shutdown(Shutdown::Both);
    read
}

/// The server tells each client its application's name, at first and whenever it changes, before anything later is answered.
fn answers(
    mut server: &TcpStream,
    mut client: &TcpStream,
    named: &Mutex<String>,
) -> io::Result<()> {
    loop {
        let (kind, length, body) = typed_message(&mut server)?;
        if kind == b'S'
            && let [name, value, ..] = &texts(&body)[..]
            && name == "application_name"
        {
            named.lock().unwrap().clone_from(value);
        }
        client.write_all(&[&[kind][..], &length, &body].concat())?;
    }
}

/// One connection, as its client tells.
struct Session {
    seen: Arc<Mutex<Vec<Statement>>>,
    database: String,
    application: Arc<Mutex<String>>,
    /// Texts of prepared statements.
    prepared: HashMap<String, String>,
    /// Texts of what was bound.
    bound: HashMap<String, String>,
}

impl Session {
    fn new(seen: Arc<Mutex<Vec<Statement>>>, application: Arc<Mutex<String>>) -> Self {
        Self {
            seen,
            database: String::new(),
            application,
            prepared: HashMap::new(),
            bound: HashMap::new(),
        }
    }

    fn read_along(mut self, mut client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        loop {
            let (length, body) = message(client)?;
            match number(&body) {
                code if REQUESTS.contains(&code) => client.write_all(b"N")?,
                code => {
                    if code == VERSION_3 {
                        self.greet(&body[4..]);
                    }
                    server.write_all(&[&length[..], &body].concat())?;
                    break;
                }
            }
        }
        loop {
            let (kind, length, body) = typed_message(&mut client)?;
            self.look(kind, &body);
            server.write_all(&[&[kind][..], &length, &body].concat())?;
        }
    }

    fn greet(&mut self, parameters: &[u8]) {
        let words = texts(parameters);
        let mut pairs = words.chunks(2);
        if let Some([_, value]) = pairs.find(|pair| pair[0] == "database") {
            self.database.clone_from(value);
        }
    }

    fn look(&mut self, kind: u8, body: &[u8]) {
        let words = texts(body);
        let word = |place: usize| words.get(place).cloned().unwrap_or_default();
        match kind {
            b'Q' => self.saw(word(0)),
            b'P' => drop(self.prepared.insert(word(0), word(1))),
            b'B' => {
                let text = self.prepared.get(&word(1)).cloned().unwrap_or_default();
                self.bound.insert(word(0), text);
            }
            b'E' => self.saw(self.bound.get(&word(0)).cloned().unwrap_or_default()),
            _ => {}
        }
    }

    fn saw(&self, text: String) {
        self.seen.lock().unwrap().push(Statement {
            pid: 0,
            database: self.database.clone(),
            application: self.application.lock().unwrap().clone(),
            text,
        });
    }
}

fn typed_message(from: &mut &TcpStream) -> io::Result<(u8, [u8; 4], Vec<u8>)> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    let (length, body) = message(from)?;
    Ok((kind[0], length, body))
}

/// The length of a message, which counts itself, and what follows it.
fn message(mut from: &TcpStream) -> io::Result<([u8; 4], Vec<u8>)> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0);
    let mut body = vec![0; rest.saturating_sub(4)];
    from.read_exact(&mut body)?;
    Ok((length, body))
}

fn number(body: &[u8]) -> u32 {
    let first = body.first_chunk().copied().unwrap_or_default();
    u32::from_be_bytes(first)
}

fn texts(body: &[u8]) -> Vec<String> {
    let parts = body.split(|byte| *byte == 0);
    parts
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}
