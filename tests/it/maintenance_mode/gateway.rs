//! What stands between users and services: it asks the API server at each request where the route leads, and answers for what is there.

use crate::world::Namespace;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use xtask::kubernetes::User;

/// A gateway at work. Its thread ends with the process.
pub(super) struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Words of a kubectl that prints the route.
    kubectl: Mutex<std::process::Command>,
    stuck: AtomicBool,
    answered: Mutex<Vec<u16>>,
}

impl Gateway {
    pub(super) fn start(namespace: &Namespace, kind: &str) -> Self {
        let mut kubectl = namespace.cluster().kubectl(User::Admin);
        kubectl.args(["--namespace", namespace.name(), "get"]);
        kubectl.args([&format!("{}/shop", kind.replace('-', "")), "--output=json"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                kubectl: Mutex::new(kubectl),
                stuck: AtomicBool::new(false),
                answered: Mutex::default(),
            }),
        };
        let shared = Arc::clone(&gateway.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                shared.serve(stream.unwrap());
            }
        });
        gateway
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From here on it does not see what becomes of the route.
    pub(super) fn is_stuck(&self) {
        self.shared.stuck.store(true, Ordering::SeqCst);
    }

    /// Every status that it answered with.
    pub(super) fn answered(&self) -> Vec<u16> {
        self.shared.answered.lock().unwrap().clone()
    }
}

impl Shared {
    /// The page answers 503, all else 200.
    fn serve(&self, mut stream: TcpStream) {
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let leads_to_page = !self.stuck.load(Ordering::SeqCst) && self.leads_to_page();
        let status = if leads_to_page { 503 } else { 200 };
        self.answered.lock().unwrap().push(status);
        // Whoever hangs up first is free to.
        let _ = write!(stream, "HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n");
    }

    fn leads_to_page(&self) -> bool {
        let output = self.kubectl.lock().unwrap().output().unwrap();
        let route: Value = serde_json::from_slice(&output.stdout).unwrap();
        let rule = &route["spec"]["rules"][0];
        let backend = &rule["http"]["paths"][0]["backend"]["service"]["name"];
        let name = if backend.is_string() {
            backend
        } else {
            &rule["backendRefs"][0]["name"]
        };
        name == "page"
    }
}
