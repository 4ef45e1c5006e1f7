//! Two runs that share nothing but the cluster: only its lease keeps them apart.

use super::shop;
use crate::world::{Project, Shop};

fn words<'a>(namespace: &'a str, images: &'a str) -> [&'a str; 10] {
    let set = "--set";
    [
        "run",
        "k8s-rollout",
        "--target",
        "staging",
        set,
        namespace,
        set,
        "name=web",
        set,
        images,
    ]
}

/// The same configuration and grants in another folder, as on another machine.
fn elsewhere(shop: &Shop) -> Project {
    let project = Project::new(&shop.read("windlass.toml"), &[]);
    project.grant("k8s-rollout", "staging");
    project
}

#[test]
fn a_run_from_elsewhere_is_refused_while_the_first_one_lives() {
    let shop = shop();
    let other = elsewhere(&shop);
    let namespace = format!("namespace={}", shop.namespace().name());
    let first = shop.start(&[], &words(&namespace, "images=app=shop:unready"));
    first.until_said("set image");
    let refused = other.windlass(&words(&namespace, "images=app=shop:2"));
    assert_eq!(refused.code, 6, "{refused}");
    assert!(refused.stderr.contains("holds the lease"), "{refused}");
    assert_eq!(shop.image(), "shop:unready");
    first.kill();
    // Its lease has to end by itself, for which nobody need wait.
    let bored = other.start(&[], &words(&namespace, "images=app=shop:2"));
    bored.until_said("waits for staging");
    bored.interrupt();
    let stopped = bored.wait();
    assert_eq!(stopped.code, 1, "{stopped}");
    assert!(stopped.stderr.contains("nothing was changed"), "{stopped}");
    // What the first one did stays in doubt in its own journal.
    other
        .windlass(&words(&namespace, "images=app=shop:2"))
        .expect(0);
    assert_eq!(shop.image(), "shop:2");
}
