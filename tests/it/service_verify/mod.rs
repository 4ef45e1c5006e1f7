//! `service-verify` on a real control plane and real endpoints: what it tells apart, and what it may not.

use crate::report::{Report, run_on, with};
use crate::room_notify::receiver::{Act, Receiver};
use crate::world::{NOT_PULLED, Namespace, Shop};
use xtask::kubernetes::User;

const GRANT: &str = "grants/service-verify.staging.toml";

/// A shop with a grant for the procedure, which users reach at this receiver.
fn shop(receiver: &Receiver) -> Shop {
    configured(Shop::open(), receiver)
}

fn configured(shop: Shop, receiver: &Receiver) -> Shop {
    let config = shop.read("windlass.toml");
    let endpoint = format!(
        "[endpoint.shop]\nurl = \"{}\"\ntimeout = \"1s\"\n",
        receiver.url()
    );
    shop.write("windlass.toml", &format!("{config}{endpoint}"));
    shop.granting("service-verify")
}

fn verify(shop: &Shop, parameters: &[&str]) -> Report {
    let namespace = format!("namespace={}", shop.namespace().name());
    let usual = [namespace.as_str(), "every=100ms", "within=5s"];
    let all = with(&usual, parameters);
    run_on(shop, "staging", &[], "service-verify", &all)
}

fn keep_baseline(shop: &Shop) {
    verify(shop, &["baseline=true", "endpoints=shop"]).expect(0);
}

fn set_image(shop: &Shop, image: &str) {
    let image = format!("app={image}");
    shop.namespace()
        .kubectl(&["set", "image", "deployment/web", &image]);
}

#[test]
fn a_change_that_went_well_passes() {
    let receiver = Receiver::start([]);
    let shop = shop(&receiver);
    let kept = verify(&shop, &["baseline=true", "endpoints=shop"]).expect(0);
    assert_eq!(
        kept.summary(),
        "kept as the baseline: 1 workload, 3 pods, 1 endpoint"
    );
    set_image(&shop, "shop:2");
    let report = verify(&shop, &["endpoints=shop", "watch=300ms"]).expect(0);
    assert!(report.not_passed().is_empty());
    assert_eq!(
        report.check("workloads"),
        "pass: 1 looked at: Deployment/web: 3 of 3 ready"
    );
    assert_eq!(
        report.check("restarts"),
        "pass: 0 restarts of 3 pods since the baseline"
    );
    assert!(report.check("endpoint shop").starts_with("pass: "));
    let stays = report.check("it stays well");
    assert_eq!(stays, "pass: well in 3 looks, every 100 ms");
    report.said("info", "Deployment/web: shop:1 → shop:2");
}

#[test]
fn without_a_baseline_nobody_can_tell_restarts() {
    let shop = shop(&Receiver::start([]));
    let report = verify(&shop, &[]).expect(4);
    assert_eq!(report.not_passed(), ["restarts"]);
    assert!(
        report
            .check("restarts")
            .starts_with("inconclusive: there is no baseline"),
    );
}

#[test]
fn a_change_that_went_wrong_fails_and_says_why() {
    for (image, why) in [("shop:crash", "CrashLoop"), ("shop:bad", "ImagePull")] {
        let shop = shop(&Receiver::start([]));
        keep_baseline(&shop);
        set_image(&shop, image);
        let report = verify(&shop, &[]).expect(1);
        assert!(report.check("workloads").starts_with("fail: "), "{image}");
        let pods = report.check("pods");
        assert!(
            pods.starts_with("fail: 1 of 4") && pods.contains(why),
            "{pods}"
        );
    }
}

#[test]
fn an_old_fault_is_not_blamed_on_the_change() {
    let shop = shop(&Receiver::start([Act::status(500), Act::status(500)]));
    set_image(&shop, "shop:bad");
    let pods = || {
        let words = [
            "get",
            "pods",
            "--output=jsonpath={.items[?(@.spec.containers[0].image=='shop:bad')].metadata.name}",
        ];
        shop.namespace().kubectl(&words)
    };
    shop.namespace()
        .until("deployment/web", "jsonpath={.status.updatedReplicas}=1");
    shop.namespace()
        .until(&format!("pod/{}", pods()), NOT_PULLED);
    let kept = verify(&shop, &["baseline=true", "endpoints=shop"]).expect(0);
    kept.said("warning", "Deployment/web is not well already");
    kept.said("warning", "shop does not pass already: it answered 500");
    let report = verify(&shop, &["within=1s"]).expect(4);
    assert_eq!(report.not_passed(), ["workloads", "pods"]);
    assert!(report.check("pods").contains("it was not before either"));
}

#[test]
fn nothing_where_something_was_expected_fails() {
    let shop = shop(&Receiver::start([]));
    let report = verify(&shop, &["selector=app=other"]).expect(1);
    assert_eq!(report.not_passed(), ["workloads", "restarts"]);
    verify(&shop, &["selector=app=other", "baseline=true"]).expect(1);
    // A baseline of nothing is none.
    let report = verify(&shop, &["selector=app=other"]).expect(1);
    assert!(report.check("restarts").contains("there is no baseline"));
    // Another selector has a baseline of its own.
    verify(&shop, &["selector=app=web", "baseline=true"]).expect(0);
    verify(&shop, &["selector=app=web"]).expect(0);
}

#[test]
fn an_endpoint_that_is_down_or_goes_down_fails() {
    let (up, down) = (Act::status(200), Act::status(503));
    // The baseline; then three that do not pass.
    let script = [&up].into_iter().chain([&down; 200]).cloned();
    let shop = shop(&Receiver::start(script));
    keep_baseline(&shop);
    let report = verify(&shop, &["endpoints=shop", "within=3s"]).expect(1);
    assert_eq!(report.not_passed(), ["endpoint shop"]);
    let told = report.check("endpoint shop");
    assert!(told.contains("it answered 503, not 200"), "{told}");

    // The baseline, one that passes, the start of the watch, three looks.
    let script = [&up, &up, &up, &up, &down, &up];
    let shop = configured(Shop::open(), &Receiver::start(script.into_iter().cloned()));
    keep_baseline(&shop);
    let report = verify(&shop, &["endpoints=shop", "passes=1", "watch=300ms"]).expect(1);
    assert_eq!(
        report.check("it stays well"),
        "fail: shop: it answered 503, not 200 (in 1 of 3 looks)"
    );
}

#[test]
fn an_endpoint_that_is_not_granted_is_not_looked_at() {
    let receiver = Receiver::start([]);
    let shop = shop(&receiver);
    let narrowed = shop
        .read(GRANT)
        .replace("endpoints = [\"*\"]", "endpoints = [\"bank\"]");
    shop.write(GRANT, &narrowed);
    let namespace = format!("namespace={}", shop.namespace().name());
    let run = |more: &[&str]| {
        let words = [
            "run",
            "service-verify",
            "--target",
            "staging",
            "--set",
            &namespace,
        ];
        shop.windlass(&[&words[..], more].concat())
    };
    let output = run(&["--set", "endpoints=shop"]).expect(3);
    let said = output
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(said.contains("has nothing for that endpoint"), "{output}");
    assert!(
        said.contains("add a [[probe]] with endpoints = [\"shop\"] and verbs = [\"http\"]"),
        "{output}"
    );
    assert_eq!(receiver.connections(), 0);
    // One that is granted and that nobody configured.
    let output = run(&["--set", "endpoints=bank"]).expect(2);
    assert!(
        output.stderr.contains("there is no endpoint `bank`"),
        "{output}"
    );
}

#[test]
fn a_plan_really_looks_and_waits_for_nothing() {
    let receiver = Receiver::start([Act::status(503)]);
    let shop = shop(&receiver);
    let namespace = format!("namespace={}", shop.namespace().name());
    let words = [
        "plan",
        "service-verify",
        "--target",
        "staging",
        "--set",
        &namespace,
    ];
    let more = ["--set", "endpoints=shop", "--set", "watch=1min"];
    let output = shop.windlass(&[&words[..], &more].concat());
    assert!(
        output.to_string().contains("wait for 3 passes in a row"),
        "{output}"
    );
}

/// The Role that the README lists, and nothing else.
#[test]
fn the_role_of_its_readme_is_enough() {
    let readme = include_str!("../../../plugins/service-verify/README.md");
    let role = readme.split("```yaml\n").nth(1).unwrap();
    let role = role.split("```").next().unwrap();
    let shop = Shop::on(Namespace::new(), User::Windlass);
    let shop = configured(shop, &Receiver::start([]));
    verify(&shop, &["baseline=true"]).expect(1);
    let namespace = shop.namespace();
    let own = format!("namespace: {}", namespace.name());
    namespace.apply(&role.replace("namespace: shop", &own));
    keep_baseline(&shop);
    verify(&shop, &["endpoints=shop"]).expect(0);
}

#[test]
fn no_proxy_of_the_environment_is_asked() {
    let (receiver, trap) = (Receiver::start([]), Receiver::start([]));
    let shop = shop(&receiver);
    let proxy = format!("http://127.0.0.1:{}", trap.port());
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let variables = names.map(|name| (name, proxy.as_str()));
    shop.windlass_with(&variables, &["doctor"]).expect(0);
    assert_eq!((receiver.connections(), trap.connections()), (1, 0));
}

#[test]
fn the_header_of_an_endpoint_is_nowhere() {
    const CANARY: &str = "Bearer hunter2canary";
    let receiver = Receiver::start([]);
    let shop = shop(&receiver);
    shop.write("shop.header", CANARY);
    let header = "header = { name = \"authorization\", value = { file = \"shop.header\" } }\n";
    let config = shop.read("windlass.toml");
    shop.write("windlass.toml", &format!("{config}{header}"));
    let traced = [("RUST_LOG", "trace")];
    let namespace = format!("namespace={}", shop.namespace().name());
    let words = [
        "run",
        "service-verify",
        "--target",
        "staging",
        "--set",
        &namespace,
    ];
    let more = ["--set", "baseline=true", "--set", "endpoints=shop"];
    let run = shop
        .windlass_with(&traced, &[&words[..], &more].concat())
        .expect(0);
    let doctor = shop.windlass_with(&traced, &["doctor"]);
    assert_eq!(receiver.requests()[0].headers["authorization"], CANARY);
    for told in [run.to_string(), doctor.to_string()] {
        assert!(!told.contains("hunter2canary"), "{told}");
    }
    for entry in std::fs::read_dir(shop.state()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let mut parts = bytes.windows(13);
            assert!(
                !parts.any(|part| part == b"hunter2canary"),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn doctor_looks_at_endpoints() {
    let receiver = Receiver::start([Act::status(200), Act::status(503)]);
    let shop = shop(&receiver);
    let found = |verdict: &str| {
        let output = shop.windlass(&["doctor", "--output", "json"]);
        let findings = output.json()["findings"].as_array().unwrap().clone();
        let finding = findings.into_iter().find(|one| one["what"] == "shop");
        let finding = finding.unwrap();
        assert_eq!(finding["verdict"], verdict, "{output}");
        finding["detail"].as_str().unwrap().to_owned()
    };
    assert!(found("well").starts_with("endpoint; 200 in "));
    assert_eq!(found("notice"), "endpoint; it answered 503, not 200");
}

#[test]
fn a_pod_that_came_to_its_end_is_no_trouble_where_its_owner_has_all() {
    let shop = shop(&Receiver::start([]));
    keep_baseline(&shop);
    let pod = shop.namespace().pods_of("web").into_iter().next().unwrap();
    shop.namespace().evicted(&pod);
    shop.namespace().until_rolled_out("deployment/web");
    let report = verify(&shop, &[]).expect(0);
    assert_eq!(
        report.check("workloads"),
        "pass: 1 looked at: Deployment/web: 3 of 3 ready"
    );
    let note = format!("{pod} has come to its end and does not count: Evicted");
    report.said("info", &note);
}
