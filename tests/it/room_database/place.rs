//! A database of its own for one test, and the room that looks at it.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_postgres::NoTls;
use windlass::call::{self, Applied, ApplyFailure, Confirmed, Prepared, Reverted};
use windlass::clock::{Clock, Millis};
use windlass::contract::database_types::ObjectName;
use windlass::contract::{CallError, ErrorKind};
use windlass::database::client::Secret;
use windlass::database::{Client, Effect, Read, Revert, Target};
use windlass::engine::{ChangePermit, Permit, Progress};
use windlass::grant::{Budget, Capabilities, Effective};
use windlass::journal::{Begin, Entry, RunId, Store};
use xtask::postgres::{NEWEST, OLDEST, Options, Server, required, url_on_loopback};

pub(super) const LONG: Duration = Duration::from_mins(1);

static PLACES: AtomicU64 = AtomicU64::new(0);

/// A fresh database on a server that tests of one version share.
pub(super) struct Place {
    pub(super) major: u32,
    pub(super) url: String,
    pub(super) database: String,
    pub(super) admin: Arc<tokio_postgres::Client>,
    pub(super) room: Arc<Client>,
    pub(super) server: Endpoint,
    stop: watch::Sender<bool>,
}

/// Where a server is, for as long as it is there.
pub(super) struct Endpoint {
    pub(super) port: u16,
    pub(super) password: String,
}

impl Endpoint {
    pub(super) fn url(&self, user: &str, database: &str) -> String {
        url_on_loopback(self.port, user, &self.password, database)
    }
}

pub(super) fn server(major: u32) -> &'static Server {
    static SERVERS: [OnceLock<Server>; 2] = [OnceLock::new(), OnceLock::new()];
    let slot = match major {
        OLDEST => &SERVERS[0],
        NEWEST => &SERVERS[1],
        other => panic!("no shared server of version {other}"),
    };
    slot.get_or_init(|| {
        let options = Options::default().set("max_connections", "200");
        Server::start(&required(major).unwrap(), &options).unwrap()
    })
}

/// Runs a test on a server of the version.
pub(super) fn with_place<F: Future<Output = ()>>(major: u32, test: fn(Place) -> F) {
    let server = server(major);
    let _shared = QUIET.read().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async { test(Place::new(server).await).await });
}

/// A session that begins, in any database, keeps a vacuum from removing the newest dead rows. Tests that count them exactly run alone.
static QUIET: RwLock<()> = RwLock::new(());

/// Runs a test while no other test uses a shared server.
pub(super) fn with_quiet_place<F: Future<Output = ()>>(major: u32, test: fn(Place) -> F) {
    let server = server(major);
    let _alone = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async { test(Place::new(server).await).await });
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A session of the suite itself.
pub(super) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(super) fn target(url: &str) -> Target {
    let mut target = Target::new("orders", Secret::new(url));
    target.lock_timeout = Duration::from_secs(2);
    target.transaction_wait = Duration::from_secs(2);
    target
}

impl Place {
    pub(super) async fn new(server: &Server) -> Self {
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let database = format!("place_{number}");
        let postgres = connect(&server.admin_url()).await;
        postgres
            .batch_execute(&format!("CREATE DATABASE {database}"))
            .await
            .unwrap();
        let url = server.url("postgres", &database);
        Self {
            major: server.version().major,
            room: Arc::new(Client::new(vec![target(&url)]).unwrap()),
            admin: Arc::new(connect(&url).await),
            url,
            database,
            server: Endpoint {
                port: server.port(),
                password: server.password().to_owned(),
            },
            stop: watch::Sender::new(false),
        }
    }

    /// The same place, looked at as another role, with another patience.
    pub(super) fn with(&mut self, change: impl FnOnce(&mut Target)) {
        let mut target = target(&self.url);
        change(&mut target);
        self.room = Arc::new(Client::new(vec![target]).unwrap());
    }

    /// Makes a login role of its own and looks through it. Answers its name.
    pub(super) async fn as_role(&mut self, grants: &str) -> String {
        let role = format!("role_of_{}", self.database);
        let password = &self.server.password;
        self.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'"))
            .await;
        self.sql(&grants.replace("{role}", &role)).await;
        let url = self.server.url(&role, &self.database);
        self.room = Arc::new(Client::new(vec![target(&url)]).unwrap());
        role
    }

    pub(super) async fn sql(&self, sql: &str) {
        self.admin.batch_execute(sql).await.unwrap();
    }

    /// Statements that insist on a transaction each, such as VACUUM.
    pub(super) async fn each(&self, sql: &str) {
        for statement in sql.split(';') {
            self.sql(statement).await;
        }
    }

    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.admin.query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| row.get::<_, Option<String>>(0).unwrap_or_default())
            .collect()
    }

    pub(super) async fn text(&self, sql: &str) -> String {
        self.texts(sql).await.pop().unwrap_or_default()
    }

    /// A session of the suite beside the administrator's.
    pub(super) async fn session(&self) -> tokio_postgres::Client {
        connect(&self.url).await
    }

    pub(super) fn permit(&self) -> Permit {
        self.permit_with(LONG, &everything(), None)
    }

    pub(super) fn permit_with(
        &self,
        span: Duration,
        capabilities: &Value,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Permit {
        Permit::for_test(
            RunId(format!("test-{}", self.database)),
            Arc::new(effective(capabilities)),
            Clock::system().instant() + span,
            self.stop.subscribe(),
            progress,
        )
    }

    /// A permit of another run than the place's own.
    pub(super) fn permit_of(&self, run: RunId) -> Permit {
        Permit::for_test(
            run,
            Arc::new(effective(&everything())),
            Clock::system().instant() + LONG,
            self.stop.subscribe(),
            None,
        )
    }

    /// As when the operator presses Ctrl-C twice.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) async fn read(&self, read: Read) -> Result<Value, CallError> {
        self.room.read(&self.permit(), &read).await
    }

    pub(super) async fn facts<T: DeserializeOwned>(&self, read: Read) -> T {
        serde_json::from_value(self.read(read).await.unwrap()).unwrap()
    }

    pub(super) async fn prepare(&self, effect: &Effect) -> Result<Prepared, CallError> {
        self.room.prepare(&self.permit(), effect).await
    }

    /// Prepares and announces an effect, as the gate does.
    pub(super) async fn announce(&self, effect: Effect) -> Announced {
        let prepared = self.prepare(&effect).await.unwrap();
        self.announce_prepared(effect, prepared).await
    }

    pub(super) async fn announce_prepared(&self, effect: Effect, prepared: Prepared) -> Announced {
        let store = Store::in_memory(Clock::system()).unwrap();
        let run = RunId(format!("test-{}", self.database));
        store.append(&run, Entry::Begin(begin())).await.unwrap();
        let intended = Entry::Intended {
            effect: 1,
            call: call::Effect::Database(effect.clone()),
            prepared: prepared.clone(),
        };
        store.append(&run, intended).await.unwrap();
        Announced {
            room: Arc::clone(&self.room),
            store,
            run,
            effect,
            prepared,
        }
    }

    /// Prepares, announces and applies.
    pub(super) async fn apply(&self, effect: Effect) -> Result<Applied, ApplyFailure> {
        let announced = self.announce(effect).await;
        announced.apply(&self.permit()).await
    }

    /// Takes back, as the engine does.
    pub(super) async fn revert(&self, revert: &call::Revert) -> Result<Reverted, CallError> {
        let call::Revert::Database(revert) = revert else {
            panic!("a database was asked");
        };
        self.revert_in(revert).await
    }

    pub(super) async fn revert_in(&self, revert: &Revert) -> Result<Reverted, CallError> {
        let store = Store::in_memory(Clock::system()).unwrap();
        let permit = ChangePermit::for_test(self.permit(), store, 1);
        self.room.revert(&permit, revert).await
    }

    /// Waits until a query answers `true`. It must within a minute.
    pub(super) async fn until(&self, sql: &str) {
        let end = Clock::system().instant() + LONG;
        while !self
            .admin
            .query_one(sql, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
        {
            assert!(Clock::system().instant() < end, "never true: {sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes an index whose building waits for as long as `session` holds the advisory lock 7.
    pub(super) async fn slow_index(&self) {
        self.sql(
            "CREATE FUNCTION public.waits(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM pg_catalog.pg_advisory_lock_shared(7);
                 PERFORM pg_catalog.pg_advisory_unlock_shared(7);
                 RETURN n;
             END $$;
             CREATE TABLE public.slow (n int);
             INSERT INTO public.slow SELECT generate_series(1, 50);
             CREATE INDEX slow_i ON public.slow (public.waits(n));",
        )
        .await;
    }

    /// Waits until windlass's own session waits for the advisory lock 7.
    pub(super) async fn until_it_waits(&self) {
        self.until(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'advisory'
             AND application_name LIKE 'windlass/%')",
            self.database
        ))
        .await;
    }

    /// Indexes that are not valid.
    pub(super) async fn invalid(&self) -> Vec<String> {
        self.texts(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1",
        )
        .await
    }
}

/// An effect whose announcement is recorded.
pub(super) struct Announced {
    room: Arc<Client>,
    pub(super) store: Store,
    pub(super) run: RunId,
    pub(super) effect: Effect,
    pub(super) prepared: Prepared,
}

impl Announced {
    pub(super) async fn apply(&self, permit: &Permit) -> Result<Applied, ApplyFailure> {
        let permit = ChangePermit::for_test(permit.clone(), self.store.clone(), 1);
        self.room.apply(&permit, &self.effect, &self.prepared).await
    }

    /// What was recorded before the statement was sent.
    pub(super) fn note(&self) -> Option<Value> {
        self.store
            .entries(&self.run)
            .unwrap()
            .into_iter()
            .find_map(|stamped| {
                let Entry::Noted { note, .. } = stamped.entry else {
                    return None;
                };
                Some(note)
            })
    }

    pub(super) async fn confirm(&self, permit: &Permit) -> Result<Confirmed, CallError> {
        self.room
            .confirm(permit, &self.effect, &self.prepared, self.note().as_ref())
            .await
    }

    /// Applies in a process-like world of its own, which ends as by SIGKILL when `when` is over: its sockets close, nothing more is said.
    pub(super) async fn crash_while(&self, permit: &Permit, when: impl Future<Output = ()>) {
        let doomed = runtime();
        let permit = ChangePermit::for_test(permit.clone(), self.store.clone(), 1);
        let (room, effect, prepared) = (
            Arc::clone(&self.room),
            self.effect.clone(),
            self.prepared.clone(),
        );
        doomed.spawn(async move {
            room.apply(&permit, &effect, &prepared)
                .await
                .map(drop)
                .unwrap();
        });
        when.await;
        doomed.shutdown_background();
    }
}

fn begin() -> Begin {
    serde_json::from_value(json!({
        "format": windlass::journal::entry::FORMAT, "procedure": "p", "version": "1", "digest": "sha256:0", "target": "orders",
        "parameters": {}, "grants": [], "plan": null, "by": "suite", "host": "0",
    }))
    .unwrap()
}

pub(super) fn everything() -> Value {
    json!([{
        "databases": ["*"], "schemas": ["*"], "tables": ["*"],
        "verbs": ["server", "tables", "indexes", "sessions", "replication", "statements", "invariants", "vacuum",
                  "analyze", "reindex", "drop-invalid-index", "cancel-backend", "set-parameters"],
    }])
}

fn effective(scopes: &Value) -> Effective {
    let capabilities: Capabilities = serde_json::from_value(json!({ "database": scopes })).unwrap();
    Effective {
        needs: capabilities.clone(),
        grant: capabilities,
        budget: Budget::default(),
        expires: Some(Millis(u64::MAX)),
        ..Effective::nothing()
    }
}

pub(super) fn database() -> String {
    "orders".into()
}

/// An object in the schema `public`.
pub(super) fn object(name: &str) -> ObjectName {
    ObjectName {
        schema: "public".into(),
        name: name.into(),
    }
}

pub(super) fn vacuum(table: &str) -> Effect {
    Effect::Vacuum {
        database: database(),
        table: object(table),
        analyze: true,
    }
}

pub(super) fn analyze(table: &str) -> Effect {
    Effect::Analyze {
        database: database(),
        table: object(table),
    }
}

pub(super) fn reindex(index: &str) -> Effect {
    Effect::Reindex {
        database: database(),
        index: object(index),
    }
}

pub(super) fn drop_index(index: &str) -> Effect {
    Effect::DropInvalidIndex {
        database: database(),
        index: object(index),
    }
}

pub(super) fn set(table: &str, parameters: &[(&str, Option<&str>)]) -> Effect {
    let own = |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
    Effect::SetParameters {
        database: database(),
        table: object(table),
        parameters: parameters.iter().map(own).collect(),
    }
}

/// The kind and the message of what must be a refusal.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, CallError>, kind: ErrorKind) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, kind, "{}", error.message);
    error.message
}

/// A failure that certainly changed nothing and left nothing.
#[track_caller]
pub(super) fn failed(result: Result<Applied, ApplyFailure>, kind: ErrorKind) -> String {
    let failure = result.unwrap_err();
    assert!(!failure.in_doubt, "{failure:?}");
    assert_eq!(failure.sweep, None);
    assert_eq!(failure.error.kind, kind, "{}", failure.error.message);
    failure.error.message
}
