//! Certificates: how long they are valid, one renewed after the other, and what users are shown in the end.

use super::{endpoint, roll_out};
use crate::report::{Report, with};
use crate::room_cluster::certificates::answered;
use crate::room_notify::receiver::server_config;
use crate::world::{Namespace, Shop};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use xtask::kubernetes::User;

/// So many certificates of one authority are there to be issued.
const REVISIONS: u8 = 3;

/// A certificate for `localhost` for each revision: what is told of it, and what a server needs to show it; and the authority. The serial
/// numbers are 0a01, 0a02 and so on.
fn issues() -> (Vec<(String, Arc<ServerConfig>)>, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let issue = |revision| {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(["localhost".to_owned()]).unwrap();
        own.serial_number = Some(vec![0x0a, revision].into());
        let own = own.signed_by(&key, &issuer).unwrap().pem();
        let config = server_config(&own, &key.serialize_pem());
        (own, config)
    };
    ((1..=REVISIONS).map(issue).collect(), root.pem())
}

/// A server that loads its certificate when it starts, and never again: it starts whenever the pods of `web` are replaced.
struct Consumer {
    pods: Command,
    revision: Command,
    issues: Vec<Arc<ServerConfig>>,
    loaded: Option<(Vec<u8>, usize)>,
}

impl Consumer {
    /// Answers where it listens. Its thread ends with the process.
    fn start(namespace: &Namespace, issues: Vec<Arc<ServerConfig>>) -> String {
        let kubectl = |words: [&str; 2]| {
            let mut command = namespace.cluster().kubectl(User::Admin);
            command.args(["--namespace", namespace.name(), "get"]);
            command.args(words);
            command
        };
        let template = "--output=jsonpath={.spec.template.metadata.annotations}";
        let mut consumer = Self {
            pods: kubectl(["deployment/web", template]),
            revision: kubectl(["certificate/tls", "--output=jsonpath={.status.revision}"]),
            issues,
            loaded: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                consumer.shake(stream.unwrap());
            }
        });
        format!("localhost:{port}")
    }

    fn shake(&mut self, mut stream: TcpStream) {
        let pods = self.pods.output().unwrap().stdout;
        if self.loaded.as_ref().is_none_or(|(old, _)| *old != pods) {
            let revision = self.revision.output().unwrap().stdout;
            let revision = String::from_utf8(revision).unwrap().parse().unwrap();
            self.loaded = Some((pods, revision));
        }
        let (_, revision) = self.loaded.as_ref().unwrap();
        let config = Arc::clone(&self.issues[revision - 1]);
        let mut connection = ServerConnection::new(config).unwrap();
        // Whoever hangs up after the handshake is free to.
        let _ = connection.complete_io(&mut stream);
    }
}

/// A shop whose users are shown the certificate `tls`.
fn shop() -> Shop {
    with_users(Shop::open())
}

fn with_users(shop: Shop) -> Shop {
    let namespace = shop.namespace();
    namespace.apply(&certificate("tls"));
    namespace.until("certificate/tls", "condition=Ready");
    let (issues, root) = issues();
    for ((pem, _), revision) in issues.iter().zip(1..) {
        answered(namespace, "tls", revision, pem);
    }
    let configs = issues.into_iter().map(|(_, config)| config).collect();
    let at = Consumer::start(namespace, configs);
    shop.write("roots.pem", &root);
    let config = shop.read("windlass.toml");
    let users = format!("\n[endpoint.users]\ntls = \"{at}\"\nca = \"roots.pem\"\n");
    shop.write("windlass.toml", &format!("{config}{users}"));
    shop.granting("cert-renewal").granting("k8s-rollout")
}

fn certificate(name: &str) -> String {
    format!(
        "---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {name}}}
spec: {{secretName: {name}, dnsNames: [localhost], issuerRef: {{name: own, kind: Issuer}}}}
"
    )
}

fn renew(shop: &Shop, more: &[&str]) -> Report {
    let usual = [
        "certificates=tls",
        "endpoints=users",
        "passes=2",
        "every=100ms",
        "within=20s",
    ];
    shop.run("cert-renewal", &with(&usual, more))
}

const CHECK: &str = "users are shown what is stored";

#[test]
fn certificates_are_checked_renewed_and_shown() {
    let shop = shop();
    let looked = renew(&shop, &[]).expect(0);
    assert_eq!(looked.summary(), "0 of 1 certificate renewed");
    assert_eq!(looked.check(CHECK), "pass: 1 looked at: users shows 0a01");
    let renewed = renew(&shop, &["force=true", "restart=web"]).expect(0);
    assert_eq!(renewed.check(CHECK), "pass: 1 looked at: users shows 0a02");
    assert_eq!(renewed.lines("warning"), [""; 0]);
}

/// Renewing is not enough where a program reads its certificate only when it starts.
#[test]
fn what_is_stored_and_not_shown_is_told_with_both_serial_numbers() {
    let shop = shop();
    let report = renew(&shop, &["force=true", "within=5s"]).expect(1);
    let told = "endpoint `users`: it passed 0 of 2 times in a row";
    let why = "it shows the certificate 0a01, not 0a02";
    let summary = report.summary();
    assert!(summary.contains(told) && summary.contains(why), "{summary}");
    let stale = "users shows the certificate 0a01, stored is 0a02";
    let looked = renew(&shop, &[]).expect(1);
    assert!(looked.check(CHECK).contains(stale));
    looked.said("warning", stale);
    // The next renewal tells of it beforehand, and mends it.
    let renewed = renew(&shop, &["force=true", "restart=web"]).expect(0);
    renewed.said("warning", stale);
    assert_eq!(renewed.check(CHECK), "pass: 1 looked at: users shows 0a03");
    roll_out(&shop, &["restart=true"]).expect(0);
    renew(&shop, &[]).expect(0);
}

#[test]
fn a_renewal_that_never_comes_fails_and_says_what_stays() {
    let shop = shop();
    shop.namespace().apply(&certificate("unissued"));
    shop.namespace()
        .until("certificate/unissued", "condition=Ready");
    shop.namespace().kubectl(&[
        "patch",
        "certificate/unissued",
        "--type=merge",
        "--patch",
        r#"{"spec": {"issuerRef": {"name": "broken"}}}"#,
    ]);
    let web = shop.namespace().object("deployment/web")["spec"].clone();
    let both = ["force=true", "restart=web", "within=3s"];
    let report = shop.run("cert-renewal", &both).expect(1);
    let summary = report.summary();
    assert!(summary.contains("unissued"), "{summary}");
    assert!(
        summary.ends_with("renewed before it, and staying so: tls"),
        "{summary}"
    );
    let revision = |name: &str| {
        let object = shop.namespace().object(&format!("certificate/{name}"));
        object["status"]["revision"].clone()
    };
    assert_eq!(
        (revision("tls"), revision("unissued")),
        (2.into(), 1.into())
    );
    // Nobody was restarted for half of it.
    assert_eq!(shop.namespace().object("deployment/web")["spec"], web);
}

/// What nobody would believe is not shown to users, whatever its number.
#[test]
fn a_certificate_that_nobody_trusts_does_not_pass() {
    let shop = shop();
    let (_, stranger) = issues();
    shop.write("roots.pem", &stranger);
    let report = renew(&shop, &[]).expect(1);
    assert_eq!(
        report.check(CHECK),
        "fail: 1 of 1: users shows 0a01: nobody who is trusted issued it"
    );
}

/// An endpoint that shows no certificate at all is seen before anything is renewed.
#[test]
fn an_endpoint_that_cannot_be_looked_at_renews_nothing() {
    let shop = shop();
    endpoint(&shop, "plain", "https://localhost:1/", "");
    let report = renew(&shop, &["force=true", "endpoints=plain"]);
    assert_eq!(report.code, 1);
    assert_eq!(report.done(), [""; 0]);
}

#[test]
fn the_role_of_its_readme_is_enough_to_see_what_users_are_shown() {
    let readme = include_str!("../../../plugins/cert-renewal/README.md");
    let shop = with_users(Shop::with_the_role_of(readme));
    renew(&shop, &["force=true", "restart=web"]).expect(0);
}
