//! A PostgreSQL that is one in name only: whatever it sends, what windlass keeps of it is bounded, and so is the time that it takes.

use crate::world::{Project, Running};
use std::io::{self, BufWriter, Read as _, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What may be used beyond what an honest server takes, in bytes.
const MOST: u64 = 256 << 20;
/// Well below the time that a run has, and above that of one statement.
const LONGEST: Duration = Duration::from_mins(1);
const PID: i32 = 4711;

/// What the server does instead of serving.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Says that it cannot do what is asked: what an honest server costs.
    Honest,
    /// Does not answer when it is greeted.
    Silent,
    GreetsWithNoticesForEver,
    GreetsWithSettingsForEver,
    /// Has the password hashed four thousand million times.
    Hashes,
    /// These answer a look.
    RowsForEver,
    NoticesForEver,
    SettingsForEver,
    /// A row of a gigabyte.
    HugeRow,
    /// Values of a type that has to be asked for, and so for ever.
    UnknownTypes,
    NoAnswer,
}

const ACTS: [(Act, &str); 10] = [
    (Act::Silent, "did not answer in time"),
    (Act::GreetsWithNoticesForEver, "a greeting without end"),
    (Act::GreetsWithSettingsForEver, "settings without end"),
    (Act::Hashes, "a password exchange that would take minutes"),
    (Act::RowsForEver, "rows without end"),
    (Act::NoticesForEver, "no answer in time"),
    (Act::SettingsForEver, "settings without end"),
    (Act::HugeRow, "a message of more than a megabyte"),
    (Act::UnknownTypes, "values of a type that was not asked for"),
    (Act::NoAnswer, "no answer in time"),
];

#[test]
fn whatever_a_database_sends_memory_and_time_are_bounded() {
    let (honest, _) = ends(Act::Honest);
    let mut wrong = Vec::new();
    for (act, words) in ACTS {
        let begun = Instant::now();
        let (peak, said) = ends(act);
        let beyond = peak.saturating_sub(honest);
        let took = begun.elapsed();
        if beyond > MOST || took > LONGEST || !said.contains(words) {
            wrong.push(format!("{act:?}: {beyond} bytes more, {took:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_interrupts_leave_a_database_that_never_ends() {
    for act in [Act::NoticesForEver, Act::NoAnswer] {
        let (server, acting) = serve(act);
        let project = project(&server, "10min");
        let running = project.start(&[], &["run", "pg-health", "--target", "orders"]);
        acting.recv().unwrap();
        let begun = Instant::now();
        running.interrupt();
        running.until_said("Once more stops now");
        running.interrupt();
        let output = running.wait();
        assert!(begun.elapsed() < LONGEST, "{act:?}: {output}");
        assert!(output.stderr.contains("stopped"), "{act:?}: {output}");
    }
}

/// The most memory that a run had, and what it said.
fn ends(act: Act) -> (u64, String) {
    let (server, _acting) = serve(act);
    let project = project(&server, "1s");
    let mut running: Running = project.start(&[], &["run", "pg-health", "--target", "orders"]);
    let mut peak = 0;
    while running.is_at_work() {
        peak = peak.max(running.high_water().unwrap_or(0));
        thread::sleep(Duration::from_millis(2));
        if peak > MOST * 8 {
            return (peak, running.kill().all());
        }
    }
    let output = running.wait().expect(1);
    let said = output.all();
    let words: Vec<_> = said.split_whitespace().collect();
    (peak, words.join(" "))
}

fn project(url: &str, timeout: &str) -> Project {
    let text = format!(
        "[database.orders]\nconnection = {{ env = \"ORDERS\" }}\nstatement-timeout = \"{timeout}\"\n"
    );
    let project = Project::new(&text, &[("ORDERS", url)]);
    project.grant("pg-health", "orders");
    project
}

/// A server, and word of each time that it begins to act.
fn serve(act: Act) -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            thread::spawn(move || Session::new(&stream, act, sender).serve());
        }
    });
    (
        format!("postgres://someone:secret@127.0.0.1:{port}/orders"),
        receiver,
    )
}

struct Session<'a> {
    from: &'a TcpStream,
    to: BufWriter<&'a TcpStream>,
    act: Act,
    acting: mpsc::Sender<()>,
    asked: String,
}

impl<'a> Session<'a> {
    fn new(stream: &'a TcpStream, act: Act, acting: mpsc::Sender<()>) -> Self {
        Self {
            from: stream,
            to: BufWriter::new(stream),
            act,
            acting,
            asked: String::new(),
        }
    }

    fn serve(mut self) -> io::Result<()> {
        const ENCRYPT: [u8; 4] = 80_877_103_u32.to_be_bytes();
        while self.body()?.starts_with(&ENCRYPT) {
            self.to.write_all(b"N")?;
            self.to.flush()?;
        }
        self.greet()?;
        loop {
            let (tag, body) = self.message()?;
            self.answer(tag, &body)?;
        }
    }

    fn greet(&mut self) -> io::Result<()> {
        const WELCOME: [u8; 4] = [0; 4];
        match self.act {
            Act::Silent => self.wait(),
            Act::Hashes => self.ask_to_hash(),
            Act::GreetsWithNoticesForEver => {
                self.send(b'R', &WELCOME)?;
                self.notices()
            }
            Act::GreetsWithSettingsForEver => {
                self.send(b'R', &WELCOME)?;
                self.settings()
            }
            Act::Honest
            | Act::RowsForEver
            | Act::NoticesForEver
            | Act::SettingsForEver
            | Act::HugeRow
            | Act::UnknownTypes
            | Act::NoAnswer => {
                self.send(b'R', &WELCOME)?;
                self.send(b'S', b"server_version\x0018.4\0")?;
                self.send(b'K', &[PID.to_be_bytes(), [7; 4]].concat())?;
                self.ready()
            }
        }
    }

    fn ask_to_hash(&mut self) -> io::Result<()> {
        self.send(
            b'R',
            &[&10_u32.to_be_bytes()[..], b"SCRAM-SHA-256\0\0"].concat(),
        )?;
        self.to.flush()?;
        let (_, first) = self.message()?;
        let first = String::from_utf8_lossy(&first).into_owned();
        let nonce = first.rsplit("r=").next().unwrap_or_default();
        let text = format!("r={nonce}more,s=c2FsdA==,i=4294967295");
        self.send(b'R', &[&11_u32.to_be_bytes()[..], text.as_bytes()].concat())?;
        self.wait()
    }

    fn answer(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match tag {
            b'Q' => {
                if text(body).contains("pg_stat_get_activity") {
                    self.columns(&[25, 25, 25])?;
                    self.row(&[b"4711", b"1700000000000000", b"f"])?;
                }
                self.send(b'C', b"SELECT 1\0")?;
                self.ready()
            }
            b'P' => {
                self.asked = text(body);
                self.send(b'1', b"")
            }
            b'D' => self.describe(),
            b'B' => self.send(b'2', b""),
            b'E' => self.execute(),
            b'C' => self.send(b'3', b""),
            b'S' => self.ready(),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn describe(&mut self) -> io::Result<()> {
        let (parameters, columns): (&[u32], &[u32]) = if self.asked.contains("set_config('role'") {
            (&[25, 16], &[25])
        } else if self.asked.contains("pg_postmaster_start_time") {
            (&[], &[25, 23, 16, 20, 20, 23, 23])
        } else if self.act == Act::UnknownTypes {
            let _ = self.acting.send(());
            (&[26], &[70_000])
        } else {
            (&[], &[25, 25])
        };
        let parameters = if self.asked.contains("$1") {
            parameters
        } else {
            &[]
        };
        let count = u16::try_from(parameters.len()).unwrap();
        let types: Vec<u8> = parameters
            .iter()
            .flat_map(|oid| oid.to_be_bytes())
            .collect();
        self.send(b't', &[&count.to_be_bytes()[..], &types].concat())?;
        self.columns(columns)
    }

    fn execute(&mut self) -> io::Result<()> {
        if self.asked.contains("set_config('role'") {
            self.row(&[b"none"])?;
        } else if self.asked.contains("pg_postmaster_start_time") {
            let (small, large) = (180_004_i32.to_be_bytes(), 1_000_i64.to_be_bytes());
            self.row(&[b"18.4", &small, &[0], &large, &large, &small, &small])?;
        } else {
            let _ = self.acting.send(());
            self.act()?;
        }
        self.send(b'C', b"SELECT 1\0")
    }

    fn act(&mut self) -> io::Result<()> {
        match self.act {
            Act::RowsForEver => loop {
                self.row(&[b"autovacuum", b"on"])?;
            },
            Act::NoticesForEver => self.notices(),
            Act::SettingsForEver => self.settings(),
            Act::HugeRow => {
                self.to.write_all(b"D")?;
                self.to.write_all(&(1_u32 << 30).to_be_bytes())?;
                loop {
                    self.to.write_all(&[0; 1 << 12])?;
                }
            }
            Act::NoAnswer => self.wait(),
            Act::Honest
            | Act::Silent
            | Act::GreetsWithNoticesForEver
            | Act::GreetsWithSettingsForEver
            | Act::Hashes
            | Act::UnknownTypes => self.send(b'E', b"SERROR\0VERROR\0C0A000\0Mnot here\0\0"),
        }
    }

    fn notices(&mut self) -> io::Result<()> {
        let long = "x".repeat(100_000);
        let notice = format!("SWARNING\0VWARNING\0C01000\0M{long}\0\0");
        loop {
            self.send(b'N', notice.as_bytes())?;
        }
    }

    fn settings(&mut self) -> io::Result<()> {
        for number in 0_u64.. {
            let setting = format!("a.name_that_is_not_short_{number}\0{}\0", "x".repeat(1_000));
            self.send(b'S', setting.as_bytes())?;
        }
        Ok(())
    }

    /// Until the client goes.
    fn wait(&mut self) -> io::Result<()> {
        self.to.flush()?;
        io::copy(&mut self.from, &mut io::sink())?;
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn ready(&mut self) -> io::Result<()> {
        self.send(b'Z', b"I")?;
        self.to.flush()
    }

    fn columns(&mut self, types: &[u32]) -> io::Result<()> {
        let count = u16::try_from(types.len()).unwrap();
        let mut body = count.to_be_bytes().to_vec();
        for oid in types {
            body.extend(b"name\0");
            body.extend([0; 6]);
            body.extend(oid.to_be_bytes());
            body.extend([0; 8]);
        }
        self.send(b'T', &body)
    }

    fn row(&mut self, values: &[&[u8]]) -> io::Result<()> {
        let count = u16::try_from(values.len()).unwrap();
        let mut body = count.to_be_bytes().to_vec();
        for value in values {
            body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(*value);
        }
        self.send(b'D', &body)
    }

    fn send(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).unwrap();
        self.to.write_all(&[tag])?;
        self.to.write_all(&length.to_be_bytes())?;
        self.to.write_all(body)
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut tag = [0];
        self.from.read_exact(&mut tag)?;
        Ok((tag[0], self.body()?))
    }

    fn body(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.from.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
        let mut body = vec![0; length - 4];
        self.from.read_exact(&mut body)?;
        Ok(body)
    }
}
