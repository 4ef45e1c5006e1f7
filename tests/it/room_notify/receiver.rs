//! An HTTP server that does to each request what a test tells it to.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A status with these headers and this body.
    Say(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, for as long as the test lasts.
    Silence,
    /// The end of the connection.
    Hangup,
    /// The beginning of an answer, then the end of the connection.
    Half,
    /// A header that never ends, a byte at a time.
    Drip,
}

impl Act {
    pub(crate) fn status(status: u16) -> Self {
        Self::Say(status, Vec::new(), Vec::new())
    }

    pub(crate) fn with(status: u16, header: &'static str, value: impl Into<String>) -> Self {
        Self::Say(status, vec![(header, value.into())], Vec::new())
    }

    pub(crate) fn saying(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Say(status, Vec::new(), body.into())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    /// Method and path.
    pub(crate) line: String,
    /// By name in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver at work. Its thread ends with the process.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    script: VecDeque<Act>,
    /// After the script; 200 unless a test says otherwise.
    then: Option<Act>,
    requests: Vec<Request>,
    connections: usize,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Receiver {
    /// Does these things one request after the other, then answers 200 for ever.
    pub(crate) fn start(script: impl IntoIterator<Item = Act>) -> Self {
        Self::listen(script, None)
    }

    /// The same with TLS: certificate and key in PEM.
    pub(crate) fn encrypted(
        script: impl IntoIterator<Item = Act>,
        certificate: &str,
        key: &str,
    ) -> Self {
        Self::listen(script, Some(server_config(certificate, key)))
    }

    fn listen(script: impl IntoIterator<Item = Act>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            script: script.into_iter().collect(),
            ..Shared::default()
        };
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Mutex::new(shared)),
        };
        let serving = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (receiver, tls) = (serving.clone(), tls.clone());
                thread::spawn(move || receiver.serve(stream.unwrap(), tls));
            }
        });
        receiver
    }

    /// From here on it does this to every request.
    pub(crate) fn always(&self, act: Act) {
        let mut shared = self.shared.lock().unwrap();
        shared.script.clear();
        shared.then = Some(act);
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// How often somebody connected at all.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    fn serve(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        self.shared.lock().unwrap().connections += 1;
        let mut stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let connection = ServerConnection::new(config).unwrap();
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        let Some(request) = read(&mut *stream) else {
            return;
        };
        let act = {
            let mut shared = self.shared.lock().unwrap();
            shared.requests.push(request);
            shared.script.pop_front().or_else(|| shared.then.clone())
        };
        // Whoever hangs up first is free to.
        let _ = act.unwrap_or(Act::status(200)).perform(&mut *stream);
    }
}

pub(crate) fn server_config(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

impl Act {
    fn perform(self, stream: &mut dyn Stream) -> std::io::Result<()> {
        match self {
            Self::Say(status, headers, body) => {
                write!(stream, "HTTP/1.1 {status} -\r\n")?;
                for (name, value) in headers {
                    write!(stream, "{name}: {value}\r\n")?;
                }
                write!(stream, "content-length: {}\r\n\r\n", body.len())?;
                stream.write_all(&body)?;
                stream.flush()
            }
            Self::Silence => {
                // Until the other side goes.
                let _ = stream.read(&mut [0]);
                Ok(())
            }
            Self::Hangup => Ok(()),
            Self::Half => {
                stream.write_all(b"HTTP/1.1 200 -\r\ncontent-le")?;
                stream.flush()
            }
            Self::Drip => {
                stream.write_all(b"HTTP/1.1 200 -\r\nx: ")?;
                loop {
                    stream.write_all(b"x")?;
                    stream.flush()?;
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

/// None if what comes is no request: a client that goes again.
fn read(stream: &mut dyn Stream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        at: Instant::now(),
        line: line.trim_end().to_owned(),
        headers,
        body,
    })
}
