//! Manifests of the command line: what is not read, and what is said about it.

use crate::world::{Output, Shop};

fn run(shop: &Shop, manifests: &str) -> Output {
    let namespace = format!("namespace={}", shop.namespace().name());
    let manifests = format!("manifests={manifests}");
    let words = [
        "run",
        "k8s-config",
        "--target",
        "staging",
        "--set",
        &namespace,
        "--set",
        &manifests,
    ];
    shop.windlass(&words)
}

#[test]
fn what_is_not_taken_is_told_with_its_file_its_line_and_its_field() {
    let shop = super::shop();
    let settings = super::settings("a");
    let told = |text: &str| {
        shop.write("m/a.yaml", text);
        let output = run(&shop, "@m").expect(2);
        assert!(!shop.state().exists(), "a run was recorded");
        output.stderr
    };
    for (text, line, why) in [
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n"
                .to_owned(),
            1,
            "v1/Secret is never",
        ),
        (format!("{settings}---\n{settings}"), 5, "the same object"),
        (format!("{settings}---\nkind: [\n"), 6, ""),
        (
            settings.replace("metadata:", "metadata: {name: x}\nmetadata:"),
            4,
            "duplicate",
        ),
        (
            super::api("a:1").replace("containers:", "hostNetwork: true\n      containers:"),
            1,
            "`spec.template.spec.hostNetwork`",
        ),
    ] {
        let stderr = told(&text);
        assert!(
            stderr.contains(&format!("a.yaml, line {line}: ")),
            "{stderr}"
        );
        assert!(
            stderr.contains(why) && !stderr.contains("hunter2"),
            "{stderr}"
        );
    }
}

#[test]
fn a_place_without_manifests_is_told() {
    let shop = super::shop();
    let nowhere = run(&shop, "@nowhere").expect(2);
    assert!(nowhere.stderr.contains("does not exist"), "{nowhere}");
    let text = run(&shop, "manifests").expect(2);
    assert!(text.stderr.contains("--set manifests=@PATH"), "{text}");
    shop.write("empty/readme.md", "nothing");
    let empty = run(&shop, "@empty").expect(2);
    assert!(empty.stderr.contains("has no manifests"), "{empty}");
}
