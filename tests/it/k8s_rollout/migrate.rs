//! A database that is migrated in step with a rollout: expand, deploy, contract.

use super::{roll_out, shop, web};
use crate::world::Shop;

/// Has the Job in a file of the project: its pods run this image.
pub(super) fn job(shop: &Shop, name: &str, image: &str) {
    let template = format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
  backoffLimit: 0
  template: {{spec: {{restartPolicy: Never, containers: [{{name: app, image: '{image}'}}]}}}}
"
    );
    shop.write(&format!("{name}.yaml"), &template);
}

fn jobs(shop: &Shop) -> usize {
    shop.namespace().object("jobs")["items"]
        .as_array()
        .unwrap()
        .len()
}

/// What was done, without what differs.
fn actions(done: &[String]) -> Vec<&str> {
    done.iter()
        .map(|line| line.split(" t-").next().unwrap())
        .collect()
}

#[test]
fn the_database_is_expanded_before_and_contracted_after() {
    let shop = shop();
    job(&shop, "expand", "migrate:1");
    job(&shop, "contract", "migrate:2");
    let whole = [
        "images=app=shop:2",
        "expand=@expand.yaml",
        "contract=@contract.yaml",
        "soak=0s",
    ];
    let report = roll_out(&shop, &whole).expect(0);
    let done = report.done();
    assert_eq!(
        actions(&done),
        ["run job", "set image deployment", "run job"]
    );
    assert_eq!(jobs(&shop), 2);
    // The old image could not work with a contracted database.
    let refused = shop.undo_the_last().expect(3);
    assert!(
        refused
            .stderr
            .contains("what was done before effect 3 stays"),
        "{refused}"
    );
    assert_eq!(shop.image(), "shop:2");
}

#[test]
fn an_image_that_fails_leaves_only_what_the_expansion_did_elsewhere() {
    let shop = shop();
    shop.namespace().kubectl(&[
        "patch",
        "deployment/web",
        "--type=merge",
        "--patch",
        r#"{"spec": {"progressDeadlineSeconds": 5}}"#,
    ]);
    let before = web(&shop);
    job(&shop, "expand", "migrate:1");
    let bad = ["images=app=shop:bad", "expand=@expand.yaml"];
    roll_out(&shop, &bad).expect(1);
    assert_eq!((web(&shop), jobs(&shop)), (before, 0));
}

#[test]
fn an_expansion_that_fails_rolls_nothing_out() {
    let shop = shop();
    let before = web(&shop);
    job(&shop, "expand", "migrate:fail");
    let report = roll_out(&shop, &["images=app=shop:2", "expand=@expand.yaml"]).expect(1);
    assert!(
        report.summary().contains("BackoffLimitExceeded"),
        "{}",
        report.summary()
    );
    assert_eq!((web(&shop), jobs(&shop)), (before, 0));
}

#[test]
fn a_contraction_that_fails_needs_a_person() {
    let shop = shop();
    job(&shop, "contract", "migrate:fail");
    let whole = ["images=app=shop:2", "contract=@contract.yaml", "soak=0s"];
    let report = roll_out(&shop, &whole).expect(4);
    assert!(
        report
            .summary()
            .contains("what was done before effect 2 stays: impossible from here on"),
        "{}",
        report.summary()
    );
    assert_eq!(shop.image(), "shop:2");
}

#[test]
fn a_plan_shows_all_three_and_where_the_way_back_ends() {
    let shop = shop();
    job(&shop, "expand", "migrate:1");
    job(&shop, "contract", "migrate:2");
    let namespace = format!("namespace={}", shop.namespace().name());
    let sets = [
        namespace.as_str(),
        "name=web",
        "images=app=shop:2",
        "expand=@expand.yaml",
        "contract=@contract.yaml",
    ];
    let mut words = vec!["plan", "k8s-rollout", "--target", "staging"];
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    let plan = shop.windlass(&words).expect(0);
    assert!(plan.stdout.contains("would have 3 effects"), "{plan}");
    assert!(plan.stdout.contains("impossible from here on"), "{plan}");
    assert_eq!(jobs(&shop), 0);
}

#[test]
fn a_job_that_wants_more_than_its_own_is_not_made() {
    let shop = shop();
    let namespace = format!("namespace={}", shop.namespace().name());
    for (more, field, code) in [
        // No grant can allow it: it is refused when it is read.
        ("hostNetwork: true", "hostNetwork", 2),
        ("serviceAccountName: root", "does not ask for it", 3),
    ] {
        let yaml = format!(
            "
apiVersion: batch/v1
kind: Job
metadata: {{name: expand}}
spec: {{template: {{spec: {{restartPolicy: Never, {more}, containers: [{{name: app, image: 'migrate:1'}}]}}}}}}
"
        );
        shop.write("expand.yaml", &yaml);
        let sets = [
            namespace.as_str(),
            "name=web",
            "images=app=shop:2",
            "expand=@expand.yaml",
            "within=3s",
        ];
        let mut words = vec!["run", "k8s-rollout", "--target", "staging"];
        words.extend(sets.iter().flat_map(|set| ["--set", set]));
        let refused = shop.windlass(&words);
        assert_eq!(refused.code, code, "{refused}");
        assert!(refused.to_string().contains(field), "{field}: {refused}");
        assert_eq!((shop.image().as_str(), jobs(&shop)), ("shop:1", 0));
    }
}
