//! A server that has more to tell than anybody wants. It is one of ours that speaks HTTP: no real one does so on purpose.

use super::{CLUSTER, LONG, everything, refused};
use crate::room_notify::receiver::{Act, Receiver};
use serde_json::{Value, json};
use std::sync::Arc;
use windlass::clock::{Clock, Millis};
use windlass::cluster::call::Look;
use windlass::cluster::{Client, Read, Target};
use windlass::contract::{CallError, ErrorKind};
use windlass::database::client::Secret;
use windlass::engine::Permit;
use windlass::grant::{Budget, Capabilities, Effective};
use windlass::journal::RunId;

/// What asking such a server for pods comes to.
fn pods_of(server: &Receiver) -> Result<Value, CallError> {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{}", server.port())}}],
        "users": [{"name": "c", "user": {"token": "none"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    let target = Target {
        name: CLUSTER.into(),
        kubeconfig: Secret::new(kubeconfig.to_string()),
        folder: None,
        context: None,
        namespace: Some("shop".into()),
    };
    let room = Client::new(vec![target]).unwrap();
    let capabilities: Capabilities =
        serde_json::from_value(json!({ "cluster": everything() })).unwrap();
    let effective = Effective {
        needs: capabilities.clone(),
        grant: capabilities,
        budget: Budget::default(),
        expires: Some(Millis(u64::MAX)),
        ..Effective::nothing()
    };
    let stop = tokio::sync::watch::Sender::new(false);
    let permit = Permit::for_test(
        RunId("run".into()),
        Arc::new(effective),
        Clock::system().instant() + LONG,
        stop.subscribe(),
        None,
    );
    let read = Read {
        cluster: CLUSTER.into(),
        look: Look::Pods {
            namespace: "shop".into(),
            selector: String::new(),
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(room.read(&permit, &read))
}

/// One page of a list, and a token for the next.
fn page(number: usize, pods: usize) -> Act {
    let pod =
        |pod| json!({"metadata": {"name": format!("pod-{number}-{pod}"), "namespace": "shop"}});
    let items: Vec<_> = (0..pods).map(pod).collect();
    let metadata = json!({"continue": format!("after-{number}"), "resourceVersion": "1"});
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items});
    Act::saying(200, list.to_string())
}

#[test]
fn a_list_of_a_hundred_thousand_objects_is_not_read_on() {
    let server = Receiver::start((0..200).map(|number| page(number, 500)));
    let message = refused(pods_of(&server), ErrorKind::Limit);
    assert!(
        message.contains("more than 5000 objects of kind Pod"),
        "{message}"
    );
    let lines = server.requests();
    assert_eq!(lines.len(), 11);
    assert!(
        lines[10].line.contains("limit=500&continue=after-9"),
        "{}",
        lines[10].line
    );
}

#[test]
fn pages_without_end_are_not_followed() {
    let server = Receiver::start((0..300).map(|number| page(number, 0)));
    refused(pods_of(&server), ErrorKind::Limit);
    assert_eq!(server.requests().len(), 200);
}

#[test]
fn an_answer_without_end_is_broken_off() {
    let server = Receiver::start([Act::saying(200, vec![b' '; 65 << 20])]);
    let message = refused(pods_of(&server), ErrorKind::Limit);
    assert!(
        message.contains("answers with more than 64 MB"),
        "{message}"
    );
    assert_eq!(server.requests().len(), 1);
}
