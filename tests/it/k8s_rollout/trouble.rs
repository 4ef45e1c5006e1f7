//! What is in the way: other controllers, missing rights, servers that are gone, narrow grants.

use super::{roll_out, shop};
use crate::world::{Namespace, Output, Shop};
use xtask::kubernetes::User;

/// Has the pods of `web` replaced, as an operator types it; both streams as they come.
fn restart(shop: &Shop, variables: &[(&str, &str)]) -> Output {
    let namespace = format!("namespace={}", shop.namespace().name());
    let words = [
        "run",
        "k8s-rollout",
        "--target",
        "staging",
        "--set",
        &namespace,
        "--set",
        "name=web",
        "--set",
        "restart=true",
    ];
    shop.windlass_with(variables, &words)
}

#[test]
fn what_another_controller_would_put_back_is_refused() {
    let shop = shop();
    shop.namespace().kubectl(&[
        "label",
        "deployment/web",
        "argocd.argoproj.io/instance=shop",
    ]);
    let report = roll_out(&shop, &["images=app=shop:2"]).expect(1);
    assert!(
        report.summary().contains("which would put it back"),
        "{}",
        report.summary()
    );
    assert_eq!(shop.image(), "shop:1");
}

#[test]
fn an_autoscaler_is_not_fought() {
    let shop = shop();
    shop.namespace()
        .kubectl(&["autoscale", "deployment/web", "--min=1", "--max=2"]);
    // Above its maximum it scales down at once, without any metric.
    shop.namespace()
        .until("deployment/web", "jsonpath={.spec.replicas}=2");
    let report = roll_out(&shop, &["replicas=3"]).expect(1);
    assert!(
        report.summary().contains("autoscaler"),
        "{}",
        report.summary()
    );
    roll_out(&shop, &["images=app=shop:2"]).expect(0);
    // Nor is one that has not been at work yet.
    shop.namespace().kubectl(&["delete", "hpa/web"]);
    roll_out(&shop, &["replicas=3"]).expect(0);
    shop.namespace()
        .kubectl(&["autoscale", "deployment/web", "--min=1", "--max=9"]);
    let report = roll_out(&shop, &["replicas=2"]).expect(1);
    assert!(
        report.summary().contains("autoscaler `web`"),
        "{}",
        report.summary()
    );
}

#[test]
fn a_paused_deployment_is_not_restarted() {
    let shop = shop();
    shop.namespace()
        .kubectl(&["rollout", "pause", "deployment/web"]);
    let report = roll_out(&shop, &["restart=true"]).expect(1);
    assert!(
        report.summary().contains("is paused"),
        "{}",
        report.summary()
    );
}

#[test]
fn a_container_that_is_not_there_is_named() {
    let shop = shop();
    let report = roll_out(&shop, &["images=ap=shop:2"]).expect(1);
    assert!(
        report.summary().contains("has no container `ap`"),
        "{}",
        report.summary()
    );
}

#[test]
fn who_has_no_rights_is_told_the_servers_own_words() {
    let shop = Shop::on(Namespace::new(), User::Windlass).granting("k8s-rollout");
    let output = restart(&shop, &[]).expect(1);
    assert!(
        output.stderr.contains("leases.coordination.k8s.io"),
        "{output}"
    );
    assert!(output.stderr.contains("nothing was changed"), "{output}");
}

/// The Role that the README lists, and nothing else.
#[test]
fn the_role_of_its_readme_is_enough() {
    let readme = include_str!("../../../plugins/k8s-rollout/README.md");
    let shop = Shop::with_the_role_of(readme).granting("k8s-rollout");
    roll_out(&shop, &["images=app=shop:2"]).expect(0);
    roll_out(&shop, &["undo=true"]).expect(0);
    roll_out(&shop, &["replicas=1"]).expect(0);
    super::migrate::job(&shop, "expand", "migrate:1");
    roll_out(&shop, &["images=app=shop:3", "expand=@expand.yaml"]).expect(0);
    shop.undo_the_last().expect(0);
}

#[test]
fn who_may_not_list_autoscalers_is_told_that_there_may_be_one() {
    let readme = include_str!("../../../plugins/k8s-rollout/README.md");
    let right =
        "- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list]}\n";
    assert!(readme.contains(right));
    let shop = Shop::with_the_role_of(&readme.replace(right, "")).granting("k8s-rollout");
    let namespace = format!("namespace={}", shop.namespace().name());
    let sets = [namespace.as_str(), "name=web", "replicas=2"];
    let mut words = vec!["plan", "k8s-rollout", "--target", "staging"];
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    let plan = shop.windlass(&words).expect(0);
    let told = "whether an autoscaler sets its replicas is not known";
    assert!(plan.stdout.contains(told), "{plan}");
    roll_out(&shop, &["replicas=2"]).expect(0);
    // One that has been at work is known by what it wrote.
    shop.namespace()
        .kubectl(&["autoscale", "deployment/web", "--min=3", "--max=4"]);
    shop.namespace()
        .until("deployment/web", "jsonpath={.spec.replicas}=3");
    let report = roll_out(&shop, &["replicas=2"]).expect(1);
    assert!(
        report.summary().contains("autoscaler"),
        "{}",
        report.summary()
    );
}

#[test]
fn a_grant_for_another_namespace_is_none() {
    let shop = shop();
    let file = "grants/k8s-rollout.staging.toml";
    let narrowed = shop
        .read(file)
        .replace("namespaces = [\"*\"]", "namespaces = [\"other\"]");
    shop.write(file, &narrowed);
    let output = restart(&shop, &[]).expect(3);
    assert!(
        output.stderr.contains("covers none of the namespaces"),
        "{output}"
    );
}

#[test]
fn a_name_that_would_be_another_address_is_refused() {
    let shop = shop();
    for name in ["web/scale", "web?dryRun=All", "..", "WEB"] {
        let report = roll_out(&shop, &["restart=true", &format!("name={name}")]);
        assert_ne!(report.code, 0, "{name}");
    }
    assert_eq!(shop.image(), "shop:1");
}

#[test]
fn a_server_that_is_killed_in_a_rollout_is_waited_for() {
    let mut shop = Shop::alone().granting("k8s-rollout");
    let namespace = format!("namespace={}", shop.namespace().name());
    let words = [
        "run",
        "k8s-rollout",
        "--target",
        "staging",
        "--set",
        &namespace,
        "--set",
        "name=web",
        "--set",
        "images=app=shop:2",
    ];
    let paused = shop.start(&[("WINDLASS_TEST_PAUSE_AT", "done")], &words);
    paused.until_paused();
    shop.namespace_mut()
        .cluster_mut()
        .stop_api_server()
        .unwrap();
    paused.go_on();
    shop.namespace_mut()
        .cluster_mut()
        .start_api_server()
        .unwrap();
    paused.wait().expect(0);
    assert_eq!(shop.image(), "shop:2");
}

#[test]
fn the_token_of_a_kubeconfig_is_nowhere() {
    let shop = shop();
    let kubeconfig = shop.namespace().cluster().kubeconfig(User::Admin);
    let kubeconfig: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
    assert!(token.len() >= 16, "{token}");
    let run = restart(&shop, &[("RUST_LOG", "trace")]).expect(0);
    assert!(run.stderr.contains("kube_client"), "nothing was traced");
    let looked = [("RUST_LOG", "trace")];
    let doctor = shop.windlass_with(&looked, &["doctor", "--target", "staging"]);
    for told in [run.to_string(), doctor.to_string()] {
        assert!(!told.contains(token));
    }
    for entry in std::fs::read_dir(shop.state()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(token.len())
                .any(|part| part == token.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn replicas_below_what_a_grant_keeps_are_refused() {
    let shop = shop();
    let file = "grants/k8s-rollout.staging.toml";
    let bounded = shop.read(file).replace(
        "verbs = [\"set-image\"",
        "keep-replicas = 2\nverbs = [\"set-image\"",
    );
    assert!(bounded.contains("keep-replicas"), "{bounded}");
    shop.write(file, &bounded);
    roll_out(&shop, &["replicas=1"]).expect(3);
    assert_eq!(
        shop.namespace().object("deployment/web")["spec"]["replicas"],
        3
    );
    roll_out(&shop, &["replicas=2"]).expect(0);
}
