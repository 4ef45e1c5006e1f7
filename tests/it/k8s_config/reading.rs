//! Manifests of the command line: what is not read, and what is said about it.

use crate::world::{Output, Shop};
use serde_json::Value;
use windlass::cluster::manifest::yaml;
use xtask::kubernetes::User;

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

/// Spellings that YAML 1.1, YAML 1.2 and kubectl do not agree about.
const SPELLINGS: &str = "no off y Y yes N n on oN yEs tRue True TRUE NO ~ null Null NULL nULL 012 -012 +012 08 09.5 08_1 1_000 1__0 1_0.5 1_ _1 \
    0_10 0o17 0O17 0o8 0b11 0B11 -0b11 0b12 0x1F 0X1f 0x 0x_F +0x1F +1 -0 1e3 1E3 1e 1.e3 .5 5. +.5 -.5 .5_0 .1_0e3 .e3 1.0 100.50 0.0 -0.0 1e-7 \
    18446744073709551616 1e21 1:30 2001-01-01 = 'no' \"off\" !!str=no";

/// Numbers by what they are, all else as it is.
fn alike(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= one.abs() * f64::EPSILON,
        _ => one == other,
    }
}

#[test]
fn each_spelling_is_read_as_kubectl_reads_it_or_refused() {
    let shop = super::shop();
    let spellings = SPELLINGS
        .split_whitespace()
        .map(|one| one.replace("!!str=", "!!str "));
    let (mut differ, mut refused) = (Vec::new(), Vec::new());
    let all: Vec<String> = spellings.collect();
    let text = |values: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nspec:\n  a: [{values}]\n")
    };
    shop.write("all.yaml", &text(&all.join(", ")));
    let file = shop.path().join("all.yaml");
    let words = [
        "label",
        "--local",
        "--output=json",
        "x=y",
        "--filename",
        file.to_str().unwrap(),
    ];
    let read = shop
        .namespace()
        .kubectl_as(User::Admin, &words)
        .expect(0)
        .json();
    for (spelling, theirs) in all.iter().zip(read["spec"]["a"].as_array().unwrap()) {
        match yaml::read(&[("a.yaml".into(), text(spelling))]) {
            Err(why) => {
                let why = why.to_string();
                assert!(why.contains("line 5: ") && why.contains(spelling), "{why}");
                refused.push(spelling.as_str());
            }
            Ok(ours) => {
                let ours = &ours[0]["object"]["spec"]["a"][0];
                if !alike(ours, theirs) {
                    differ.push(format!("{spelling}: {ours}, and {theirs} to kubectl"));
                }
            }
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert_eq!(refused, ["08_1", "1__0", "1_0.5", "1_", ".5_0", ".1_0e3"]);
}
