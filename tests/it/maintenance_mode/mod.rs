//! `maintenance-mode` on a real control plane, with a server that answers as the route leads.

mod gateway;

use crate::report::{Report, run_on, with};
use crate::world::{Namespace, Shop};
use gateway::Gateway;
use serde_json::Value;
use xtask::kubernetes::User;

/// Services, pods behind them, and routes to the shop.
pub(crate) const OBJECTS: &str = include_str!("objects.yaml");

struct Site {
    shop: Shop,
    gateway: Gateway,
    kind: &'static str,
}

impl Site {
    fn new(kind: &'static str) -> Self {
        Self::of(Shop::open(), kind)
    }

    fn of(shop: Shop, kind: &'static str) -> Self {
        shop.namespace().apply(OBJECTS);
        shop.namespace().kubectl(&[
            "wait",
            "endpointslices",
            "--selector=kubernetes.io/service-name=page",
            "--for=jsonpath={.endpoints[0].conditions.ready}=true",
            "--timeout=60s",
        ]);
        let gateway = Gateway::start(shop.namespace(), kind);
        let config = shop.read("windlass.toml");
        let endpoint = format!("[endpoint.shop]\nurl = \"{}\"\n", gateway.url());
        shop.write("windlass.toml", &format!("{config}{endpoint}"));
        Self {
            shop: shop.granting("maintenance-mode"),
            gateway,
            kind,
        }
    }

    fn turn(&self, on: &str, more: &[&str]) -> Report {
        let namespace = format!("namespace={}", self.shop.namespace().name());
        let (turned, kind) = (format!("mode={on}"), format!("kind={}", self.kind));
        let usual = [
            namespace.as_str(),
            turned.as_str(),
            &kind,
            "name=shop",
            "service=page",
            "endpoint=shop",
            "every=100ms",
            "within=20s",
        ];
        let all = with(&usual, more);
        run_on(&self.shop, "staging", &[], "maintenance-mode", &all)
    }

    /// The route but for what the server counts.
    fn route(&self) -> Value {
        let name = format!("{}/shop", self.kind.replace('-', ""));
        let mut route = self.shop.namespace().object(&name);
        let metadata = route["metadata"].as_object_mut().unwrap();
        for counted in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(counted);
        }
        route["status"] = Value::Null;
        route
    }

    fn undo_the_last(&self) -> String {
        let runs = self.shop.windlass(&["runs", "--output", "json"]).json();
        let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
        self.shop.windlass(&["undo", &run]).to_string()
    }
}

const KINDS: [&str; 2] = ["ingress", "http-route"];

/// Without what every change writes.
fn unmarked(mut route: Value) -> Value {
    let metadata = route["metadata"].as_object_mut().unwrap();
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove("windlass.dev/effect");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    route
}

#[test]
fn it_is_turned_on_and_off_and_proven_from_outside_both_times() {
    for kind in KINDS {
        let site = Site::new(kind);
        let before = site.route();
        let on = site.turn("on", &[]).expect(0);
        assert_eq!(on.summary(), "shop: front → page");
        assert_eq!(
            on.check("users see it"),
            "pass: shop answered 503 3 times in a row"
        );
        assert!(site.gateway.answered().ends_with(&[503, 503, 503]));
        let off = site.turn("off", &[]).expect(0);
        assert_eq!(off.summary(), "shop: page → what it led to before");
        assert!(site.gateway.answered().ends_with(&[200, 200, 200]));
        assert_eq!(unmarked(site.route()), unmarked(before), "{kind}");
    }
}

#[test]
fn undo_restores_it_exactly() {
    for kind in KINDS {
        let site = Site::new(kind);
        let before = site.route();
        site.turn("on", &[]).expect(0);
        site.undo_the_last();
        assert_eq!(site.route(), before, "{kind}");
    }
}

#[test]
fn a_proof_that_does_not_come_about_takes_it_back() {
    for kind in KINDS {
        let site = Site::new(kind);
        let before = site.route();
        site.gateway.is_stuck();
        let report = site.turn("on", &["within=1s"]).expect(1);
        assert!(
            report.summary().contains("it answered 200, not 503"),
            "{}",
            report.summary()
        );
        assert_eq!(site.route(), before, "{kind}");
    }
}

#[test]
fn what_is_so_already_is_only_proven() {
    let site = Site::new("ingress");
    let before = site.route();
    let off = site.turn("off", &[]).expect(0);
    assert_eq!(off.summary(), "shop stays at front");
    assert_eq!(site.route(), before);
    site.turn("on", &[]).expect(0);
    let on = site.route();
    let again = site.turn("on", &[]).expect(0);
    assert_eq!(again.summary(), "shop stays at page");
    assert_eq!(site.route(), on);
}

#[test]
fn what_another_hand_changed_is_left_alone_and_named() {
    let site = Site::new("ingress");
    site.turn("on", &[]).expect(0);
    let at = "/spec/rules/0/http/paths/0/backend/service/name";
    let patch = format!("[{{\"op\": \"replace\", \"path\": \"{at}\", \"value\": \"other\"}}]");
    site.shop
        .namespace()
        .kubectl(&["patch", "ingress/shop", "--type=json", "--patch", &patch]);
    let theirs = site.route();
    let told = site.undo_the_last();
    assert!(told.contains("by now") || told.contains("left"), "{told}");
    assert_eq!(site.route(), theirs);
    let off = site.turn("off", &[]).expect(1);
    assert!(
        off.summary().contains("was changed by another hand"),
        "{}",
        off.summary()
    );
    assert_eq!(site.route(), theirs);
}

/// Paths by their service, as the first rule has them.
fn leads_to(site: &Site) -> Vec<String> {
    let route = site.route();
    let rules = route["spec"]["rules"].as_array().unwrap();
    let services: Vec<&Value> = if site.kind == "ingress" {
        let paths = rules[0]["http"]["paths"].as_array().unwrap().iter();
        paths
            .map(|path| &path["backend"]["service"]["name"])
            .collect()
    } else {
        let rules = rules.iter();
        rules.map(|rule| &rule["backendRefs"][0]["name"]).collect()
    };
    let text = |service: &Value| service.as_str().unwrap().to_owned();
    services.into_iter().map(text).collect()
}

/// Adds a path that leads to a service, as another hand would.
fn add_a_path(site: &Site, path: &str, service: &str) {
    let (at, added) = if site.kind == "ingress" {
        (
            "/spec/rules/0/http/paths/-",
            serde_json::json!({"path": path, "pathType": "Exact", "backend": {"service": {"name": service, "port": {"number": 8089}}}}),
        )
    } else {
        (
            "/spec/rules/-",
            serde_json::json!({"matches": [{"path": {"type": "Exact", "value": path}}], "backendRefs": [{"name": service, "port": 8089}]}),
        )
    };
    let request = serde_json::json!([{"op": "add", "path": at, "value": added}]).to_string();
    let route = format!("{}/shop", site.kind.replace('-', ""));
    site.shop
        .namespace()
        .kubectl(&["patch", &route, "--type=json", "--patch", &request]);
}

const TOKEN: &str = "/.well-known/acme-challenge/tok";

/// Certificates go on being renewed while the page is on, and what others add meanwhile keeps users on no page.
#[test]
fn challenges_are_answered_and_what_others_add_is_kept() {
    for kind in KINDS {
        for undone in [false, true] {
            let site = Site::new(kind);
            add_a_path(&site, &format!("{TOKEN}1"), "solver");
            site.turn("on", &[]).expect(0);
            assert_eq!(leads_to(&site), ["page", "solver"], "{kind}");
            add_a_path(&site, &format!("{TOKEN}2"), "cm-acme-http-solver-x");
            add_a_path(&site, "/news", "news");
            if undone {
                site.undo_the_last();
            } else {
                let off = site.turn("off", &[]).expect(0);
                let told = off.summary();
                assert!(told.ends_with("→ what it led to before"), "{told}");
            }
            let all = ["front", "solver", "cm-acme-http-solver-x", "news"];
            assert_eq!(leads_to(&site), all, "{kind}, undone: {undone}");
            let route = site.route();
            assert!(
                route["metadata"]["annotations"]
                    .get("windlass.dev/diverted")
                    .is_none()
            );
        }
    }
}

const UNREADY: &str = "
apiVersion: v1
kind: Service
metadata: {name: unready}
spec: {selector: {app: unready}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: unready, labels: {app: unready}}
spec: {containers: [{name: app, image: 'page:unready'}]}
";

#[test]
fn nobody_is_led_to_nothing() {
    let site = Site::new("ingress");
    let before = site.route();
    // There, and not ready.
    let namespace = site.shop.namespace();
    namespace.apply(UNREADY);
    namespace.kubectl(&[
        "wait",
        "endpointslices",
        "--selector=kubernetes.io/service-name=unready",
        "--for=jsonpath={.endpoints[0].conditions.ready}=false",
        "--timeout=60s",
    ]);
    for (service, code, why) in [
        ("service=empty", 1, "has no endpoint that is ready"),
        ("service=unready", 1, "has no endpoint that is ready"),
        ("service=missing", 1, "there is no"),
        // Malformed: refused before anything is asked.
        ("service=", 3, "no object can be called"),
    ] {
        let report = site.turn("on", &[service]);
        assert_eq!(report.code, code, "{service}");
        assert!(report.summary().contains(why), "{}", report.summary());
    }
    let report = site.turn("on", &["port=81"]).expect(1);
    assert!(
        report.summary().contains("has no port 81"),
        "{}",
        report.summary()
    );
    assert_eq!(site.route(), before);
}

#[test]
fn a_crash_leaves_it_on_and_runs_say_so() {
    let site = Site::new("ingress");
    let before = site.route();
    let namespace = format!("namespace={}", site.shop.namespace().name());
    let sets = [&namespace, "mode=on", "name=shop", "service=page"];
    let mut words = vec!["run", "maintenance-mode", "--target", "staging"];
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    let running = site
        .shop
        .start(&[("WINDLASS_TEST_PAUSE_AT", "done")], &words);
    running.until_paused();
    running.kill();
    assert_ne!(site.route(), before);
    let runs = site.shop.windlass(&["runs", "--open"]);
    assert!(runs.stdout.contains("windlass resume"), "{runs}");
    let told = site.undo_the_last();
    assert_eq!(site.route(), before, "{told}");
}

#[test]
fn a_route_that_is_not_granted_is_not_touched() {
    let site = Site::new("ingress");
    let before = site.route();
    let file = "grants/maintenance-mode.staging.toml";
    let text = site.shop.read(file);
    let narrowed = text.replace("names = [\"*\"]", "names = [\"blog\"]");
    assert_ne!(text, narrowed);
    site.shop.write(file, &narrowed);
    let namespace = format!("namespace={}", site.shop.namespace().name());
    let sets = [&namespace, "mode=on", "name=shop", "service=page"];
    let mut words = vec!["run", "maintenance-mode", "--target", "staging"];
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    let output = site.shop.windlass(&words).expect(3);
    assert!(
        output.stderr.contains("covers none of the names"),
        "{output}"
    );
    assert_eq!(site.route(), before);
}

/// The Role that the README lists, and nothing else.
#[test]
fn the_role_of_its_readme_is_enough() {
    let readme = include_str!("../../../plugins/maintenance-mode/README.md");
    let role = readme.split("```yaml\n").nth(1).unwrap();
    let role = role.split("```").next().unwrap();
    let site = Site::of(Shop::on(Namespace::new(), User::Windlass), "http-route");
    let namespace = site.shop.namespace();
    let own = format!("namespace: {}", namespace.name());
    namespace.apply(&role.replace("namespace: shop", &own));
    site.turn("on", &[]).expect(0);
    site.turn("off", &[]).expect(0);
}
