//! Passwords and connection strings are for the server alone: a canary in them is looked for wherever windlass says or writes something.

use crate::room_notify::mail_server::{Act as MailAct, MailServer, Security};
use crate::room_notify::receiver::{Act, Receiver};
use crate::world::{Output, VARIABLE, World};
use std::fs;
use std::path::{Path, PathBuf};
use xtask::postgres::NEWEST;

/// With characters that have a meaning in URLs, in JSON and in shells.
const PASSWORD: &str = "CaNaRy/p@ss:w%rd&\"x'";
const ENCODED: &str = "CaNaRy%2Fp%40ss%3Aw%25rd%26%22x%27";

/// A world whose login has the canary as its password, and everything that was said in it.
struct Watched {
    world: World,
    /// What windlass is given, unless a file has it.
    url: String,
    /// What must not be told.
    /// Every connection string that was used.
    secrets: Vec<String>,
    user: String,
    cache: PathBuf,
    said: Vec<(String, String)>,
}

impl Watched {
    fn new() -> Self {
        let world = World::bloated_on(NEWEST);
        let stranger = world.stranger();
        let (scheme, rest) = stranger.split_once("://").unwrap();
        let (login, place) = rest.split_once('@').unwrap();
        let user = login.split(':').next().unwrap().to_owned();
        let url = format!("{scheme}://{user}:{ENCODED}@{place}");
        let owner = world.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'accounts'");
        let quoted = PASSWORD.replace('\'', "''");
        world
            .session()
            .batch_execute(&format!(
                "ALTER ROLE {user} PASSWORD '{quoted}'; GRANT {}, pg_monitor TO {user}",
                owner[0]
            ))
            .unwrap();
        let cache = world.path().join("cache");
        Self {
            world,
            secrets: vec![url.clone()],
            url,
            user,
            cache,
            said: Vec::new(),
        }
    }

    /// Runs windlass as talkative as it can be, once for people and once for programs where it may be done twice.
    fn say(&mut self, variables: &[(&str, &str)], words: &[&str]) -> Output {
        let cache = self.cache.to_str().unwrap().to_owned();
        let mut all = vec![
            (VARIABLE, self.url.as_str()),
            ("RUST_LOG", "trace"),
            ("XDG_CACHE_HOME", &cache),
        ];
        all.extend(variables);
        let output = self.world.windlass_with(&all, words);
        self.said.push((words.join(" "), output.all()));
        output
    }

    fn say_twice(&mut self, variables: &[(&str, &str)], words: &[&str], code: i32) {
        self.say(variables, words).expect(code);
        let json = [words, &["--output", "json"]].concat();
        self.say(variables, &json).expect(code).json();
    }

    /// From here on another connection string is used, and this one must still be nowhere.
    fn use_instead(&mut self, url: String) {
        self.secrets.push(url.clone());
        self.url = url;
    }

    /// What must be nowhere: the password in each spelling, the connection string, its beginning with the login.
    fn canaries(&self) -> Vec<Vec<u8>> {
        let in_json = serde_json::to_string(PASSWORD).unwrap();
        let mut canaries: Vec<Vec<u8>> = vec![
            "CaNaRy".into(),
            in_json.trim_matches('"').into(),
            ENCODED.into(),
            format!("{}:", self.user).into_bytes(),
        ];
        canaries.extend(self.secrets.iter().map(|url| url.clone().into_bytes()));
        canaries
    }

    /// Looks through everything that was said, and through every file of the project but those named.
    fn assert_kept(&self, but: &[&str]) {
        let canaries = self.canaries();
        assert!(
            self.said.iter().any(|(_, text)| text.contains("TRACE")),
            "nothing was traced"
        );
        let mut files = 0;
        for (words, text) in &self.said {
            assert_clean(words, text.as_bytes(), &canaries);
        }
        for path in below(self.world.path()) {
            let name = path.strip_prefix(self.world.path()).unwrap();
            if but.iter().any(|known| Path::new(known) == name) {
                continue;
            }
            files += 1;
            let bytes = fs::read(&path).unwrap();
            assert_clean(&name.to_string_lossy(), &bytes, &canaries);
        }
        assert!(files >= 3, "{files} files were looked at");
    }
}

fn assert_clean(place: &str, bytes: &[u8], canaries: &[Vec<u8>]) {
    for canary in canaries {
        let found = bytes
            .windows(canary.len())
            .position(|part| part == canary.as_slice());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())];
            panic!("{place}: {}", String::from_utf8_lossy(around));
        }
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn typed(verb: &'static str) -> Vec<&'static str> {
    let mut words = vec![verb, "pg-optimize", "--target", "orders"];
    for parameter in ["min-size=8kB", "min-dead-rows=100", "tune-autovacuum=true"] {
        words.extend(["--set", parameter]);
    }
    words
}

/// Everything that is done with a run from its plan to its undo, a kill included.
fn whole_life(watched: &mut Watched) {
    watched.say_twice(&[], &["doctor"], 0);
    watched
        .say(
            &[],
            &[
                "grant",
                "pg-optimize",
                "--target",
                "orders",
                "--approved-by",
                "tester",
            ],
        )
        .expect(0);
    watched
        .say(
            &[],
            &[
                "grant",
                "pg-health",
                "--target",
                "orders",
                "--approved-by",
                "tester",
            ],
        )
        .expect(0);
    watched.say_twice(&[], &typed("plan"), 0);
    let killed = watched.say(&[("WINDLASS_TEST_KILL_AT", "done:2")], &typed("run"));
    assert_eq!(killed.code, 128 + 9, "{killed}");
    // The log of what was not yet moved into the journal is there now.
    let state = watched.world.state();
    assert!(state.join("journal.db-wal").exists(), "{:?}", below(&state));
    watched.assert_kept(&["orders.url"]);
    let runs = watched
        .say(&[], &["runs", "--output", "json"])
        .expect(0)
        .json();
    let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
    watched.say(&[], &["resume", &run]).expect(0);
    watched.say(
        &[],
        &[
            "run",
            "pg-health",
            "--target",
            "orders",
            "--set",
            "expected-standbys=0",
        ],
    );
    for format in ["text", "markdown", "json"] {
        watched
            .say(&[], &["show", &run, "--format", format])
            .expect(0);
    }
    watched
        .say(&[], &["show", &run, "--follow", "--output", "json"])
        .expect(0);
    watched.say_twice(&[], &["undo", &run], 0);
    watched.say_twice(&[], &["audit", "verify"], 0);
}

#[test]
fn a_password_from_the_environment_is_nowhere() {
    let mut watched = Watched::new();
    whole_life(&mut watched);
    watched.assert_kept(&[]);
}

#[test]
fn a_password_from_a_file_is_nowhere_else() {
    let mut watched = Watched::new();
    let text = "[database.orders]\nconnection = { file = \"orders.url\" }\n";
    watched.world.write("windlass.toml", text);
    watched
        .world
        .write("orders.url", &format!("{}\n", watched.url));
    watched.url = "unused".into();
    whole_life(&mut watched);
    watched.assert_kept(&["orders.url"]);
}

#[test]
fn a_connection_that_fails_does_not_tell_how_it_was_tried() {
    let mut watched = Watched::new();
    watched
        .say(
            &[],
            &[
                "grant",
                "pg-optimize",
                "--target",
                "orders",
                "--approved-by",
                "tester",
            ],
        )
        .expect(0);
    let (_, place) = watched.url.split_once('@').unwrap();
    let place = place.to_owned();
    let user = watched.user.clone();
    let database = place.split('/').nth(1).unwrap().to_owned();
    let spoken = [
        format!("postgres://{user}:{ENCODED}WRONG@{place}"),
        format!("postgres://{user}:{ENCODED}@127.0.0.1:1/{database}"),
        format!("postgres://{user}:{ENCODED}@host.invalid/{database}"),
        format!("postgres://{user}:{ENCODED}@host:notaport/{database}"),
        format!("postgres://{user}:CaNaRy%zz@{place}"),
        format!("postgres://{user}:CaNaRy/{place}"),
        format!("host=127.0.0.1 user={user} password='CaNaRy dbname={database}"),
        format!("host=127.0.0.1 user={user} pasword=CaNaRy"),
        format!("host=127.0.0.1 user={user} password=CaNaRy port=CaNaRy"),
        format!("postgres://{user}:{ENCODED}@{place}?CaNaRy=CaNaRy"),
        format!("postgres://{user}:{ENCODED}@{place}?sslmode=CaNaRy"),
        "CaNaRy".to_owned(),
    ];
    for url in spoken {
        watched.use_instead(url);
        for words in [vec!["doctor"], typed("plan"), typed("run")] {
            let said = watched.say(&[], &words);
            assert!((1..=3).contains(&said.code), "{said}");
            let json = [&words[..], &["--output", "json"]].concat();
            watched.say(&[], &json).json();
        }
    }
    watched.assert_kept(&[]);
}

#[test]
fn a_connection_string_in_a_file_that_is_reviewed_is_not_repeated() {
    let mut watched = Watched::new();
    let text = format!(
        "[database.orders]\nconnection = \"{}\"\n",
        watched.url.replace('"', "")
    );
    watched.world.write("windlass.toml", &text);
    for words in [&["doctor"][..], &["runs"], &typed("plan")] {
        watched.say_twice(&[], words, 2);
    }
    watched.said.iter().for_each(|(words, said)| {
        assert!(!said.contains("CaNaRy"), "{words}: {said}");
    });
}

/// Long enough for a key, and of base64's own letters.
const KEY: &str = "whsec_CaNaRyCaNaRyCaNaRyCaNaRyCaNaRyCa";

/// Everything that is done with a channel that may or may not take what it is sent.
fn tell(watched: &mut Watched, variables: &[(&str, &str)], channel: &str) {
    let notify = format!("notify={channel}");
    let words = ["pg-health", "--target", "orders"];
    let set = ["--set", "expected-standbys=0", "--set", &notify];
    watched.say(variables, &["doctor"]);
    watched
        .say(variables, &[&["plan"][..], &words, &set].concat())
        .expect(0);
    let killed = [&[("WINDLASS_TEST_KILL_AT", "step")], variables].concat();
    watched
        .say(&killed, &[&["run"][..], &words, &set].concat())
        .expect(128 + 9);
    let runs = watched.say(&[], &["runs", "--output", "json"]).json();
    let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
    watched.say(variables, &["resume", &run]).expect(0);
    watched
        .say(&[], &["show", &run, "--format", "markdown"])
        .expect(0);
}

fn telling() -> Watched {
    let mut watched = Watched::new();
    watched
        .world
        .session()
        .batch_execute("DROP INDEX accounts_abalance_ccnew")
        .unwrap();
    watched.world.configure(
        "
[channel.slack]
kind = \"slack\"
url = { env = \"OPS_URL\" }
every = \"0\"
give-up-after = \"1s\"

[channel.hook]
kind = \"webhook\"
url = { env = \"OPS_URL\" }
key = { env = \"OPS_KEY\" }
give-up-after = \"1s\"
",
    );
    watched
        .say(
            &[],
            &[
                "grant",
                "pg-health",
                "--target",
                "orders",
                "--approved-by",
                "tester",
            ],
        )
        .expect(0);
    watched
}

#[test]
fn the_url_and_the_key_of_a_channel_are_nowhere() {
    let mut watched = telling();
    let echo = |status| Act::with(status, "location", "http://127.0.0.1:1/CaNaRy");
    let scripts = [
        vec![],
        vec![echo(302); 9],
        vec![Act::saying(404, "/CaNaRy no such hook"); 9],
        vec![Act::status(500); 30],
        vec![Act::Hangup; 9],
    ];
    for script in scripts {
        let receiver = Receiver::start(script);
        let url = format!("{}/CaNaRy?token=CaNaRy", receiver.url());
        let variables = [("OPS_URL", url.as_str()), ("OPS_KEY", KEY)];
        for channel in ["slack", "hook"] {
            tell(&mut watched, &variables, channel);
        }
        assert!(
            receiver
                .requests()
                .iter()
                .all(|r| r.line.contains("CaNaRy"))
        );
        assert!(receiver.requests().len() >= 4);
    }
    watched.assert_kept(&[]);
}

#[test]
fn the_url_of_a_channel_that_cannot_be_used_is_not_told() {
    let mut watched = telling();
    for url in [
        "http://127.0.0.1:1/CaNaRy",
        "https://127.0.0.1:1/CaNaRy",
        "https://CaNaRy.invalid/CaNaRy",
        "https://[::ffff:169.254.169.254]/CaNaRy",
    ] {
        let variables = [("OPS_URL", url), ("OPS_KEY", KEY)];
        tell(&mut watched, &variables, "hook");
    }
    let run = [
        "run",
        "pg-health",
        "--target",
        "orders",
        "--set",
        "notify=hook",
    ];
    for (url, key) in [
        ("CaNaRy", KEY),
        ("https://user:CaNaRy@example.com/", KEY),
        ("https://CaNaRy.example.com:CaNaRy/", KEY),
        ("ftp://CaNaRy/", KEY),
        ("https://example.com/", "CaNaRy"),
        ("https://example.com/", "whsec_CaNaRy=="),
    ] {
        let variables = [("OPS_URL", url), ("OPS_KEY", key)];
        watched.say(&variables, &["doctor"]).expect(2);
        watched.say_twice(&variables, &run, 2);
    }
    watched.assert_kept(&[]);
}

#[test]
fn the_password_of_a_mail_server_is_nowhere() {
    let mut watched = telling();
    let scripts = [
        vec![],
        vec![MailAct::Answer("AUTH", 535); 9],
        vec![MailAct::Answer("AUTH", 454); 30],
        vec![MailAct::Hangup; 9],
    ];
    let text = watched.world.read("windlass.toml");
    for script in scripts {
        let server = MailServer::start(script, Security::None, None);
        let section = format!(
            "
[channel.mail]
kind = \"smtp\"
host = \"127.0.0.1\"
port = {}
tls = \"none\"
username = \"windlass\"
password = {{ env = \"MAIL_PASSWORD\" }}
from = \"windlass@example.com\"
to = [\"ops@example.com\"]
give-up-after = \"1s\"
",
            server.port()
        );
        watched
            .world
            .write("windlass.toml", &format!("{text}{section}"));
        tell(&mut watched, &[("MAIL_PASSWORD", PASSWORD)], "mail");
        let logins = server.commands();
        assert!(logins.iter().any(|command| command.starts_with("AUTH")));
    }
    watched.assert_kept(&[]);
}
