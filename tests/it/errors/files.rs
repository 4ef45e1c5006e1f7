//! Files that people write, with a mistake in them, and names that do not exist.

use super::{error_of, granted, objects, typed};
use crate::world::{Running, VARIABLE, World};
use insta::assert_snapshot;
use std::ffi::OsStr;
use std::fs;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use xtask::postgres::NEWEST;

#[test]
fn a_misspelt_key_in_the_configuration() {
    let world = World::on(NEWEST);
    world.write(
        "windlass.toml",
        &format!("[database.orders]\nconection = {{ env = \"{VARIABLE}\" }}\n"),
    );
    assert_snapshot!(world.snapshot(&["doctor"]), @"
    $ windlass doctor
    exit code: 2
    ----- stdout -----
    ✓  procedures  built in: backup-job, cert-renewal, k8s-config, k8s-rollout,
      maintenance-mode, node-maintenance, pg-health, pg-optimize,
      service-verify
    ✓  compiler  procedures can be built here
    ✗  configuration  windlass.toml:2:1: unknown key `conection` in
      [database.orders]
      hint: did you mean `connection`?
    ----- stderr -----
    One thing has to be mended.
    ");
    assert_snapshot!(world.snapshot(&["runs"]), @"
    $ windlass runs
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: windlass.toml:2:1: unknown key `conection` in [database.orders]
      hint:  did you mean `connection`?
    ");
    world.write(
        "windlass.toml",
        &format!(
            "[database.orders]\nconnection = {{ env = \"{VARIABLE}\" }}\ndisk-size = \"much\"\n"
        ),
    );
    assert_snapshot!(world.snapshot(&["runs"]), @r#"
    $ windlass runs
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: windlass.toml:3:13: a size is written like "[size]"; units are B, kB, MB, GB, TB for `disk-size` in [database.orders]
    "#);
}

#[test]
fn a_misspelt_key_in_a_grant() {
    let world = granted();
    let file = "grants/pg-optimize.orders.toml";
    world.write(file, &world.read(file).replace("expires =", "expire ="));
    let refused = world.windlass(&typed("run")).expect(3);
    assert_snapshot!(error_of(&world, &refused.stderr), @"
    error: grants/pg-optimize.orders.toml:9:1: unknown key `expire`
      this file grants nothing
      hint:  did you mean `expires`?
    error: `pg-optimize` has no grant for `orders`
      hint:  windlass grant pg-optimize --target orders
    ");
    world.write(
        file,
        &world
            .read(file)
            .replace("expire =", "expires =")
            .replacen("\"vacuum\"", "\"vacum\"", 1),
    );
    assert_snapshot!(world.windlass(&["grant", "check", file]).expect(2).stderr, @"
    error: grants/pg-optimize.orders.toml:21:10: unknown value `vacum` for `verbs` in [database]
      hint:  did you mean `vacuum`?
    ");
    assert!(!world.state().exists());
}

/// What a file allows that cannot be read, or that others could have written, is allowed by nobody; all else goes on.
#[test]
fn a_grant_file_that_cannot_be_used_stops_nobody_else() {
    let world = granted();
    let path = |name: &str| world.path().join("grants").join(name);
    let good = world.read("grants/pg-optimize.orders.toml");
    world.write("grants/misspelt.toml", "expire = 1\n");
    for (name, mode) in [("group", 0o660), ("open", 0o666)] {
        let file = format!("{name}.toml");
        world.write(&format!("grants/{file}"), &good);
        fs::set_permissions(path(&file), Permissions::from_mode(mode)).unwrap();
    }
    let pipe = path("pipe.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let said = world.windlass(&["plan", "pg-optimize", "--target", "orders"]);
    let said = said.expect(0).stderr;
    for words in [
        "grants/misspelt.toml:1:1",
        "group.toml`: others could have written it: owner uid ",
        "mode 0660",
        "mode 0666",
        "chmod go-w",
        "pipe.toml`: it is no regular file",
        "this file grants nothing",
    ] {
        assert!(said.contains(words), "{said}");
    }
    // Who can write to the folder can put any file there.
    let folder = world.path().join("grants");
    fs::set_permissions(&folder, Permissions::from_mode(0o775)).unwrap();
    let refused = world.windlass(&typed("run")).expect(3);
    assert!(refused.stderr.contains("mode 0775"), "{refused}");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    // With nothing else there is no grant.
    fs::remove_file(path("pg-optimize.orders.toml")).unwrap();
    world.windlass(&typed("run")).expect(3);
}

#[test]
fn a_misspelt_key_in_a_manifest() {
    let world = World::on(NEWEST);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/pg-health/");
    let manifest = fs::read_to_string(format!("{folder}plugin.toml")).unwrap();
    world.write(
        "mine/plugin.toml",
        &manifest.replace("summary =", "sumary ="),
    );
    world.write("mine/src/lib.rs", "");
    world.write(
        "mine/Cargo.toml",
        "[package]\nname = \"pg-health\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n",
    );
    assert_snapshot!(world.snapshot(&["build", "mine", "--offline"]), @"
    $ windlass build mine --offline
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: mine/plugin.toml:4:1: unknown key `sumary` in [procedure]
      hint:  did you mean `summary`?
    ");
    assert_snapshot!(world.snapshot(&["build", "nowhere"]), @"
    $ windlass build nowhere
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: cannot open `[project]/nowhere/plugin.toml`: it does not exist
    ");
}

#[test]
fn a_plan_that_was_edited_is_no_plan() {
    let world = granted();
    let before = objects(&world);
    world.windlass(&typed("plan")).expect(0);
    let plan = world.read("plan.json");
    let bound = [&typed("run")[..], &["--plan", "plan.json"]].concat();
    world.write(
        "plan.json",
        &plan.replace("public.accounts_pkey", "public.accounts_bid"),
    );
    assert_snapshot!(world.snapshot(&bound), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --plan plan.json
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    error: `plan.json` cannot be used as a plan
      cause: its content does not match its digest: it was changed after it was made
      nothing was changed
      hint:  windlass plan PROCEDURE --target TARGET makes one
    ");
    world.write("plan.json", &plan.replace("\"summary\"", "\"sumary\""));
    assert_snapshot!(world.snapshot(&bound), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --plan plan.json
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `plan.json` cannot be used as a plan
      cause: not a plan
      cause: unknown field `sumary`, expected one of `schema`, `digest`, `at`, `procedure`, `version`, `component`, `target`, `parameters`, `effects`, `checks`, `remarks`, `assumed`, `problems`, `refused`, `declined`, `summary` at line 222 column 10
      nothing was changed
      hint:  windlass plan PROCEDURE --target TARGET makes one
    ");
    world.write("plan.json", "not json");
    assert_snapshot!(world.snapshot(&bound), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --plan plan.json
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `plan.json` cannot be used as a plan
      cause: not a plan
      cause: expected ident at line 1 column 2
      nothing was changed
      hint:  windlass plan PROCEDURE --target TARGET makes one
    ");
    fs::remove_file(world.path().join("plan.json")).unwrap();
    assert_snapshot!(world.snapshot(&bound), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100 --plan plan.json
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: cannot open `[project]/plan.json`: it does not exist
      hint:  windlass plan PROCEDURE --target TARGET makes one
    ");
    assert_eq!(objects(&world), before);
    assert!(!world.state().exists());
}

#[test]
fn parameters_that_do_not_fit() {
    let world = granted();
    let set = |value: &str| {
        let words = ["plan", "pg-optimize", "--target", "orders", "--set", value];
        world.snapshot(&words)
    };
    assert_snapshot!(set("min-sise=1MB"), @"
    $ windlass plan pg-optimize --target orders --set min-sise=[size]
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no parameter `min-sise`
      hint:  did you mean `min-size`?
    ");
    assert_snapshot!(set("max-objects=many"), @"
    $ windlass plan pg-optimize --target orders --set max-objects=many
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: parameter `max-objects` is a text, not whole number
    ");
    assert_snapshot!(set("min-size=large"), @"
    $ windlass plan pg-optimize --target orders --set min-size=large
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: parameter `min-size` is `large`; it is written like `[size]`
    ");
    assert_snapshot!(set("min-size"), @"
    $ windlass plan pg-optimize --target orders --set min-size
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: invalid value 'min-size' for '--set <NAME=VALUE>': write NAME=VALUE

    For more information, try '--help'.
    ");
    world.write("parameters.json", "{ \"max-objects\": \"many\" }");
    let words = [
        "plan",
        "pg-optimize",
        "--target",
        "orders",
        "--parameters",
        "parameters.json",
    ];
    assert_snapshot!(world.snapshot(&words), @"
    $ windlass plan pg-optimize --target orders --parameters parameters.json
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: parameter `max-objects` is a text, not whole number
    ");
    world.write("parameters.json", "[1]");
    assert_snapshot!(world.snapshot(&words), @"
    $ windlass plan pg-optimize --target orders --parameters parameters.json
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: `parameters.json` is no JSON object of parameters
      cause: invalid type: sequence, expected an object at line 1 column 0
    ");
}

#[test]
fn names_that_do_not_exist() {
    let world = granted();
    assert_snapshot!(world.snapshot(&["plan", "pg-optimize", "--target", "order"]), @"
    $ windlass plan pg-optimize --target order
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no target `order`
      hint:  did you mean `orders`?
    ");
    assert_snapshot!(world.snapshot(&["plan", "pg-optimise", "--target", "orders"]), @"
    $ windlass plan pg-optimise --target orders
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no built-in procedure `pg-optimise`
      hint:  did you mean `pg-optimize`?
    ");
    assert_snapshot!(world.snapshot(&["show", "251121"]), @"
    $ windlass show 251121
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no journal at `[project]/.windlass/journal.db`
      hint:  it is made by the first `windlass run`
    ");
    assert_snapshot!(world.snapshot(&["resume", "251121"]), @"
    $ windlass resume 251121
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no journal at `[project]/.windlass/journal.db`
      hint:  it is made by the first `windlass run`
    ");
    assert_snapshot!(world.snapshot(&["frobnicate"]), @"
    $ windlass frobnicate
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: unrecognized subcommand 'frobnicate'

    Usage: windlass [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(world.snapshot(&["run", "pg-optimize"]), @"
    $ windlass run pg-optimize
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: the following required arguments were not provided:
      --target <TARGET>

    Usage: windlass run --target <TARGET> <PROCEDURE>

    For more information, try '--help'.
    ");
}

#[test]
fn without_a_configuration_the_next_command_is_told() {
    let world = World::on(NEWEST);
    fs::remove_file(world.path().join("windlass.toml")).unwrap();
    assert_snapshot!(world.snapshot(&["runs"]), @"
    $ windlass runs
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: there is no `windlass.toml` in [project] or above it
      hint:  windlass init
    ");
    world.windlass(&["doctor"]).expect(2);
    assert_snapshot!(world.snapshot(&["--config", "other.toml", "runs"]), @"
    $ windlass --config other.toml runs
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: cannot open `[project]/other.toml`: it does not exist
    ");
}

#[test]
fn a_secret_that_is_not_there() {
    let world = granted();
    assert_snapshot!(world.snapshot_with(&[(VARIABLE, "")], &typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: target `orders` takes its connection from the environment variable `ORDERS_DATABASE_URL`, which is not set
      hint:  export ORDERS_DATABASE_URL=postgresql://…
    ");
    world.write(
        "windlass.toml",
        "[database.orders]\nconnection = { file = \"orders.url\" }\n",
    );
    assert_snapshot!(world.snapshot(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: target `orders` cannot be used
      cause: cannot open `[project]/orders.url`: it does not exist
    ");
    world.write("orders.url", "\n");
    assert_snapshot!(world.snapshot(&typed("run")), @"
    $ windlass run pg-optimize --target orders --set min-size=[size] --set min-dead-rows=100
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    error: target `orders` takes its connection from `[project]/orders.url`, which is empty
    ");
}

#[test]
fn a_parameter_that_is_given_twice_is_not_guessed() {
    let world = granted();
    let words = [&typed("plan")[..], &["--set", "min-size=1GB"]].concat();
    let refused = world.windlass(&words).expect(2);
    assert!(
        refused.stderr.contains("`--set min-size` is given twice"),
        "{refused}"
    );
    world.write("twice.json", r#"{ "min-size": "1GB", "min-size": "8kB" }"#);
    let words = [
        "plan",
        "pg-optimize",
        "--target",
        "orders",
        "--parameters",
        "twice.json",
    ];
    let refused = world.windlass(&words).expect(2);
    assert!(
        refused
            .stderr
            .contains("has the parameter `min-size` twice"),
        "{refused}"
    );
}

#[test]
fn a_folder_whose_name_is_no_text_breaks_nothing() {
    let world = World::on(NEWEST);
    let odd = world.path().join(OsStr::from_bytes(b"odd-\xff"));
    fs::create_dir(&odd).unwrap();
    let mut command = world.command(env!("CARGO_BIN_EXE_windlass-under-test"));
    command.args(["init", "--output", "json"]).current_dir(odd);
    let written = Running::start(command).wait().expect(0).json();
    assert!(
        written["file"].as_str().unwrap().ends_with("windlass.toml"),
        "{written}"
    );
}

#[test]
fn compiled_components_are_kept_whatever_the_mask() {
    let world = granted();
    let mut command = world.command("sh");
    let script = "umask 002; exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_windlass-under-test")]);
    command
        .args(typed("plan"))
        .env("XDG_CACHE_HOME", world.path().join("cache"));
    Running::start(command).wait().expect(0);
    let kept = fs::read_dir(world.path().join("cache/windlass/compiled")).unwrap();
    assert_eq!(kept.count(), 1);
}
