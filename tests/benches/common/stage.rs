//! Everything that a run passes through but its target: the engine, a state directory on this disk, an order.

use crate::guest::Call;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use windlass::clock::Clock;
use windlass::database::Client;
use windlass::engine::{
    Audience, Brake, Engine, Finished, Hooks, Order, Plan, Rooms, Runs, Sandbox, Seat, brake,
};
use windlass::grant::{Budget, Effective};
use windlass::journal::{Store, Watcher};
use windlass::plugin::Component;
use windlass::plugin::compiled::CompiledCache;

/// Where one figure is taken. The database is not there: it answers at once.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        // The journal costs what it costs where the checkout is, not in a memory file system.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let store = Store::open(&folder.path().join("state"), Clock::system(), None).unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            engine: engine(&folder),
            store,
            folder,
        }
    }

    /// An engine as another process would have it: with the same folder of compiled components, and none of them in memory.
    pub(crate) fn fresh_engine(&self) -> Engine {
        engine(&self.folder)
    }

    /// The state directory.
    pub(crate) fn state(&self) -> Dir {
        dir(&self.folder.path().join("state"))
    }

    /// The journal's file.
    pub(crate) fn journal(&self) -> std::path::PathBuf {
        self.folder.path().join("state/journal.db")
    }

    pub(crate) fn runs(&self) -> Runs<'_> {
        Runs::new(&self.engine, self.store.clone(), self.state())
    }

    /// The same journal, as a process has it whose commits are watched.
    pub(crate) fn watched_runs(&self, watcher: Watcher) -> Runs<'_> {
        let state = self.folder.path().join("state");
        let store = Store::open(&state, Clock::system(), Some(watcher)).unwrap();
        Runs::new(&self.engine, store, self.state())
    }

    pub(crate) fn run(&self, order: &Order) -> Finished {
        let run = self.runtime.block_on(self.runs().start(order, seat().1));
        run.unwrap()
    }

    pub(crate) fn plan(&self, order: &Order) -> Plan {
        let plan = self
            .runtime
            .block_on(self.engine.plan(order, None, seat().1))
            .unwrap();
        assert_eq!(plan.problems, [""; 0]);
        plan
    }
}

fn engine(folder: &TempDir) -> Engine {
    let compiled = folder.path().join("compiled");
    windlass::folder::Folder::create(&compiled).unwrap();
    let rooms = Rooms {
        cluster: windlass::cluster::Client::new(Vec::new()).unwrap(),
        database: Client::stand_in(),
        notify: windlass::notify::Client::new(Vec::new()).unwrap(),
        probe: windlass::probe::Client::new(Vec::new()).unwrap(),
    };
    Engine::new(
        Sandbox::new().unwrap(),
        rooms,
        CompiledCache::new(dir(&compiled)),
        Clock::system(),
        Hooks::default(),
    )
}

fn dir(path: &std::path::Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// A seat that nobody watches from.
pub(crate) fn seat() -> (Brake, Seat) {
    let (brake, control) = brake();
    let audience = Audience::default();
    (brake, Seat { control, audience })
}

/// A run of so many calls on the target `orders`, with all that its procedure needs granted.
pub(crate) fn order(call: Call, calls: u64) -> Order {
    order_on("orders", call, calls)
}

/// The same on another target.
pub(crate) fn order_on(target: &str, call: Call, calls: u64) -> Order {
    let plugin = Component::from_bytes(call.component()).unwrap();
    let parameters = json!({ "calls": calls });
    let needs = plugin.manifest().needs(target, &parameters).unwrap();
    Order {
        target: target.to_owned(),
        parameters,
        effective: Effective {
            grant: needs.clone(),
            needs,
            budget: Budget::default(),
            expires: None,
            ..Effective::nothing()
        },
        grants: Vec::new(),
        lineage: Vec::new(),
        plan: None,
        by: "bench".into(),
        plugin,
    }
}
