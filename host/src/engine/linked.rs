//! What a component can reach is what `wit/` names, with a row for each function, and what its manifest needs: the linker is asked.

use super::guest::Guest;
use super::sandbox::Sandbox;
use crate::call::Verb;
use crate::plugin::{Component, PACKAGE, PACKAGE_VERSION};
use wasmtime::component::Linker;
use wit_parser::Resolve;

/// The version under which the runtime links its WASI. A component asks for any 0.2.
const WASI_VERSION: &str = "0.2.12";

/// Functions of an empty WASI, as a component for a language that needs one gets it. Nothing here reaches the outside.
const WASI: &[(&str, &[&str])] = &[
    ("wasi:cli/exit", &["exit"]),
    ("wasi:cli/stderr", &["get-stderr"]),
    ("wasi:cli/stdin", &["get-stdin"]),
    ("wasi:cli/stdout", &["get-stdout"]),
    ("wasi:cli/terminal-stdin", &["get-terminal-stdin"]),
    (
        "wasi:clocks/monotonic-clock",
        &[
            "now",
            "resolution",
            "subscribe-duration",
            "subscribe-instant",
        ],
    ),
    ("wasi:clocks/wall-clock", &["now", "resolution"]),
    ("wasi:io/poll", &["poll"]),
    ("wasi:random/insecure-seed", &["insecure-seed"]),
    (
        "wasi:random/random",
        &["get-random-bytes", "get-random-u64"],
    ),
];

/// Functions that no component gets, whatever it imports.
const NEVER: &[(&str, &[&str])] = &[
    (
        "wasi:cli/environment",
        &["get-arguments", "get-environment", "initial-cwd"],
    ),
    ("wasi:cli/run", &["run"]),
    ("wasi:clocks/timezone", &["display", "utc-offset"]),
    ("wasi:filesystem/preopens", &["get-directories"]),
    (
        "wasi:filesystem/types",
        &["filesystem-error-code", "[method]descriptor.open-at"],
    ),
    ("wasi:http/outgoing-handler", &["handle"]),
    ("wasi:http/types", &["http-error-code"]),
    ("wasi:sockets/instance-network", &["instance-network"]),
    ("wasi:sockets/ip-name-lookup", &["resolve-addresses"]),
    ("wasi:sockets/tcp-create-socket", &["create-tcp-socket"]),
    ("wasi:sockets/udp-create-socket", &["create-udp-socket"]),
    ("windlass:procedure/run@0.2.0", &["target"]),
    (
        "windlass:procedure/procedure@0.1.0",
        &["parameters-schema", "run"],
    ),
];

/// Whether the linker has the function: it takes no second one of a name.
fn is_linked(linker: &Linker<Guest>, interface: &str, function: &str) -> bool {
    let mut linker = linker.clone();
    let interface = if interface.starts_with("wasi:") {
        format!("{interface}@{WASI_VERSION}")
    } else {
        interface.to_owned()
    };
    let mut instance = linker.instance(&interface).unwrap();
    instance.func_wrap(function, |_, (): ()| Ok(())).is_err()
}

/// Interfaces of the contract that a component can import, with their functions.
fn contract() -> Vec<(String, Vec<String>)> {
    let mut resolve = Resolve::default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    resolve.push_dir(folder).unwrap();
    let interfaces = resolve.interfaces.iter().map(|(_, interface)| interface);
    interfaces
        .filter(|interface| interface.name.as_deref() != Some("procedure"))
        .map(|interface| {
            let functions = interface.functions.keys().cloned().collect();
            (interface.name.clone().unwrap(), functions)
        })
        .collect()
}

fn name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{PACKAGE_VERSION}")
}

fn linker(procedure: &str) -> (Component, Linker<Guest>) {
    let component = Component::find(procedure, "/".as_ref()).unwrap();
    let linker = Sandbox::new().unwrap().linker(&component).unwrap();
    (component, linker)
}

#[test]
fn each_function_of_the_contract_is_linked_only_where_it_is_imported() {
    let contract = contract();
    assert!(contract.len() >= 5, "{contract:?}");
    for procedure in ["pg-health", "pg-optimize"] {
        let (component, linker) = linker(procedure);
        for (interface, functions) in &contract {
            let always = interface == "run" || interface == "types";
            for function in functions {
                assert_eq!(
                    is_linked(&linker, &name(interface), function),
                    always || component.imports_interface(interface),
                    "{procedure}: {interface}.{function}"
                );
            }
        }
    }
}

#[test]
fn each_function_of_the_contract_has_a_row() {
    for (interface, functions) in contract() {
        for function in functions {
            let verb = Verb::of_function(&interface, &function);
            assert_eq!(
                verb.is_some(),
                interface != "run",
                "{interface}.{function} has no row in the table of functions of its room"
            );
        }
    }
}

#[test]
fn no_component_without_wasi_gets_any_and_none_gets_what_reaches_the_outside() {
    let (_, mut linker) = linker("pg-optimize");
    for (interface, functions) in WASI.iter().chain(NEVER) {
        for function in *functions {
            assert!(
                !is_linked(&linker, interface, function),
                "{interface}.{function}"
            );
        }
    }
    super::wasi::add_to_linker(&mut linker).unwrap();
    for (interfaces, linked) in [(WASI, true), (NEVER, false)] {
        for (interface, functions) in interfaces {
            for function in *functions {
                assert_eq!(
                    is_linked(&linker, interface, function),
                    linked,
                    "{interface}.{function}"
                );
            }
        }
    }
}
