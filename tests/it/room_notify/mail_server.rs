//! A mail server that does at each step what a test tells it to.

use super::receiver::server_config;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The mail is taken.
    Take,
    /// The command that begins so, or the mail itself (`.`), is answered with this.
    Answer(&'static str, u16),
    /// The mail is taken, and nothing is said.
    Silence,
    /// The mail is taken, and the connection ends.
    Hangup,
}

/// How connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    None,
    Starttls,
    Implicit,
    /// STARTTLS is not offered: someone in between took it out, or the server has none.
    Stripped,
    /// Someone in between says after the answer to STARTTLS, and before encryption, what is to be taken for the server's own.
    Injected,
}

/// A server at work. Its thread ends with the process.
#[derive(Clone)]
pub(crate) struct MailServer {
    port: u16,
    security: Security,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Act>,
    mails: Vec<String>,
    /// Every line before a mail, of all connections.
    commands: Vec<String>,
}

/// Answers to all that a mail takes, from EHLO to its end.
const INJECTED: &str = "250-hello\r\n250 AUTH PLAIN LOGIN\r\n235 welcome\r\n250 fine\r\n250 fine\r\n250 fine\r\n354 go\r\n250 taken";

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl MailServer {
    /// Does these things one connection after the other, then takes every mail.
    pub(crate) fn start(
        script: impl IntoIterator<Item = Act>,
        security: Security,
        certificate: Option<(&str, &str)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Shared {
            script: script.into_iter().collect(),
            ..Shared::default()
        };
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            security,
            tls: certificate.map(|(own, key)| server_config(own, key)),
            shared: Arc::new(Mutex::new(shared)),
        };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = serving.clone();
                // Whoever hangs up first is free to.
                thread::spawn(move || drop(server.serve(stream.unwrap())));
            }
        });
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.shared.lock().unwrap().mails.clone()
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.lock().unwrap().commands.clone()
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let act = self.shared.lock().unwrap().script.pop_front();
        let act = act.unwrap_or(Act::Take);
        if self.security == Security::Implicit {
            let mut stream = self.encrypt(stream);
            say(&mut stream, "220 hello")?;
            self.talk(&mut stream, &act).map(drop)
        } else {
            let mut plain = stream;
            say(&mut plain, "220 hello")?;
            if self.talk(&mut plain, &act)? == Next::Encrypt {
                let mut stream = self.encrypt(plain);
                self.talk(&mut stream, &act)?;
            }
            Ok(())
        }
    }

    fn encrypt(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        let config = self.tls.clone().unwrap();
        StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
    }

    fn talk(&self, stream: &mut dyn Stream, act: &Act) -> std::io::Result<Next> {
        loop {
            let Some(line) = line(stream)? else {
                return Ok(Next::End);
            };
            self.shared.lock().unwrap().commands.push(line.clone());
            let answer = match act {
                Act::Answer(command, code) if line.starts_with(command) => Some(*code),
                Act::Take | Act::Answer(..) | Act::Silence | Act::Hangup => None,
            };
            match (answer, line.split(' ').next().unwrap_or_default()) {
                (Some(code), _) => say(stream, &format!("{code} canary {line}"))?,
                (None, "EHLO")
                    if matches!(self.security, Security::Starttls | Security::Injected) =>
                {
                    say(stream, "250-hello\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS")?;
                }
                (None, "EHLO") => say(stream, "250-hello\r\n250 AUTH PLAIN LOGIN")?,
                (None, "STARTTLS") if self.security == Security::Injected => {
                    say(stream, &format!("220 go\r\n{INJECTED}"))?;
                    return Ok(Next::Encrypt);
                }
                (None, "STARTTLS") => {
                    say(stream, "220 go")?;
                    return Ok(Next::Encrypt);
                }
                (None, "AUTH") => say(stream, "235 welcome")?,
                (None, "DATA") => {
                    say(stream, "354 go")?;
                    if !self.take(stream, act)? {
                        return Ok(Next::End);
                    }
                }
                (None, "QUIT") => {
                    say(stream, "221 bye")?;
                    return Ok(Next::End);
                }
                (None, _) => say(stream, "250 fine")?,
            }
        }
    }

    /// Reads a mail; false if that is the end.
    fn take(&self, stream: &mut dyn Stream, act: &Act) -> std::io::Result<bool> {
        let mut mail = String::new();
        while let Some(line) = line(stream)? {
            if line == "." {
                break;
            }
            mail.push_str(&line);
            mail.push('\n');
        }
        if let Act::Answer(".", code) = act {
            say(stream, &format!("{code} canary"))?;
            return Ok(true);
        }
        self.shared.lock().unwrap().mails.push(mail);
        match act {
            Act::Silence => {
                // Until the other side goes.
                let _ = stream.read(&mut [0]);
                Ok(false)
            }
            Act::Hangup => Ok(false),
            Act::Take | Act::Answer(..) => {
                say(stream, "250 taken")?;
                Ok(true)
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Encrypt,
    End,
}

fn say(stream: &mut dyn Stream, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}

/// A byte at a time: what comes after a line may be for someone else.
fn line(stream: &mut dyn Stream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 {
        if byte[0] == b'\n' {
            let text = String::from_utf8_lossy(&bytes);
            return Ok(Some(text.trim_end_matches('\r').to_owned()));
        }
        bytes.push(byte[0]);
    }
    Ok(None)
}
