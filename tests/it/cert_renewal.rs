//! `cert-renewal` on a real control plane, with the testbed's stand-in for cert-manager.

use crate::world::Shop;

/// A certificate of this name that this issuer issues.
fn certificate(name: &str, issuer: &str) -> String {
    format!(
        "---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {name}}}
spec: {{secretName: {name}-tls, dnsNames: [{name}.example], issuerRef: {{name: {issuer}, kind: Issuer}}}}
"
    )
}

/// A shop with two certificates that were issued for 90 days.
fn shop() -> Shop {
    issued(Shop::open())
}

fn issued(shop: Shop) -> Shop {
    let shop = shop.granting("cert-renewal");
    let both = certificate("one", "own") + &certificate("two", "own");
    shop.namespace().apply(&both);
    for name in ["one", "two"] {
        let object = format!("certificate/{name}");
        shop.namespace().until(&object, "condition=Ready");
    }
    shop
}

fn revision(shop: &Shop, name: &str) -> u64 {
    let object = shop.namespace().object(&format!("certificate/{name}"));
    object["status"]["revision"].as_u64().unwrap()
}

#[test]
fn those_that_are_due_are_renewed_and_others_are_not() {
    let shop = shop();
    let report = shop.run("cert-renewal", &[]).expect(0);
    assert_eq!(report.summary(), "0 of 2 certificates renewed");
    assert_eq!((revision(&shop, "one"), revision(&shop, "two")), (1, 1));
    // They are valid for 90 days when they are new, and for less ever after.
    let report = shop
        .run(
            "cert-renewal",
            &["certificates=one", "force=true", "min-left=80d"],
        )
        .expect(0);
    assert_eq!(report.summary(), "1 of 1 certificate renewed");
    assert_eq!((revision(&shop, "one"), revision(&shop, "two")), (2, 1));
    let check = report.check("they end later than before");
    assert!(check.starts_with("pass: 1 looked at: one: "), "{check}");
}

#[test]
fn what_loads_them_is_restarted_after_the_last() {
    let shop = shop();
    let report = shop
        .run("cert-renewal", &["force=true", "restart=web"])
        .expect(0);
    let done: Vec<_> = report.done();
    assert_eq!(done.len(), 3, "{done:?}");
    assert!(done[2].starts_with("restart deployment"), "{done:?}");
    assert_eq!((revision(&shop, "one"), revision(&shop, "two")), (2, 2));
}

#[test]
fn the_first_that_is_not_renewed_ends_it() {
    let shop = shop();
    shop.namespace().kubectl(&[
        "patch",
        "certificate/one",
        "--type=merge",
        "--patch",
        r#"{"spec": {"issuerRef": {"name": "broken"}}}"#,
    ]);
    let report = shop
        .run("cert-renewal", &["force=true", "within=3s"])
        .expect(1);
    assert!(report.summary().contains("one"), "{}", report.summary());
    assert_eq!(revision(&shop, "two"), 1);
}

#[test]
fn what_is_named_and_missing_renews_nothing() {
    let shop = shop();
    let report = shop
        .run("cert-renewal", &["force=true", "certificates=one,three"])
        .expect(1);
    assert!(
        report
            .summary()
            .starts_with("there is no certificate `three`"),
        "{}",
        report.summary()
    );
    assert_eq!(revision(&shop, "one"), 1);
}

#[test]
fn the_role_of_its_readme_is_enough() {
    let readme = include_str!("../../plugins/cert-renewal/README.md");
    let shop = issued(Shop::with_the_role_of(readme));
    shop.run("cert-renewal", &["force=true", "restart=web"])
        .expect(0);
    shop.undo_the_last().expect(0);
}
