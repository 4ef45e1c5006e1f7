//! What users are shown, beside what is stored: a renewal is of no use to them before the two are the same.

use crate::parameters::Parameters;
use windlass_sdk::cluster::{CertificateFacts, Namespaced};
use windlass_sdk::probe::Chain;
use windlass_sdk::{Cluster, Error, Finding, Run, Verdict};

/// The check that is recorded of all endpoints.
const CHECK: &str = "users are shown what is stored";

/// An endpoint, and the certificate that it is to show.
pub(crate) struct Shown {
    endpoint: String,
    certificate: Namespaced,
    finding: Finding,
}

/// Looks at each endpoint, and tells of those that show another certificate than is stored.
pub(crate) fn look(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    found: &[CertificateFacts],
) -> Result<Vec<Shown>, Error> {
    let mut all = Vec::new();
    for endpoint in &parameters.endpoints {
        let chain = run.endpoint(endpoint).tls()?;
        let certificate = meant(endpoint, &chain, found)?.name.clone();
        let stored = cluster.issued(&certificate)?;
        let finding = judge(endpoint, &chain, &stored.serial);
        if finding.verdict != Verdict::Pass {
            run.warning(&finding.evidence);
        }
        all.push(Shown {
            endpoint: endpoint.clone(),
            certificate,
            finding,
        });
    }
    Ok(all)
}

/// Records what was found where nothing was renewed.
pub(crate) fn check(run: &Run, all: &[Shown]) {
    if !all.is_empty() {
        run.check(CHECK, Finding::of_each(all, |one| one.finding.clone()));
    }
}

/// Waits until each endpoint shows what is stored by now.
pub(crate) fn wait(
    parameters: &Parameters,
    run: &Run,
    cluster: &Cluster,
    all: Vec<Shown>,
) -> Result<(), Error> {
    if all.is_empty() {
        return Ok(());
    }
    run.step("served");
    let mut now = Vec::new();
    for shown in all {
        let serial = cluster.issued(&shown.certificate)?.serial;
        let Parameters {
            passes,
            every,
            within,
            ..
        } = *parameters;
        let endpoint = run.endpoint(&shown.endpoint);
        let chain = endpoint.await_serial(&serial, passes, every, within)?;
        let finding = if chain.certificates.is_empty() {
            Finding::pass(format!("{} is assumed to show it", shown.endpoint))
        } else {
            judge(&shown.endpoint, &chain, &serial)
        };
        now.push(Shown { finding, ..shown });
    }
    check(run, &now);
    Ok(())
}

/// Which of them an endpoint shows, in whatever revision: the one whose names are all in what it shows. Where one is meant, it is that one.
fn meant<'a>(
    endpoint: &str,
    chain: &Chain,
    found: &'a [CertificateFacts],
) -> Result<&'a CertificateFacts, Error> {
    if let [only] = found {
        return Ok(only);
    }
    let names = chain.certificates.first().map_or(&[][..], |own| &own.names);
    let is_for = |one: &&CertificateFacts| {
        !one.dns_names.is_empty() && one.dns_names.iter().all(|name| names.contains(name))
    };
    let fitting: Vec<_> = found.iter().filter(is_for).collect();
    let which = match fitting[..] {
        [only] => return Ok(only),
        [] => "none of those",
        _ => "more than one of those",
    };
    Err(Error::failed(format!(
        "{endpoint} shows a certificate for {}, and {which} that were looked at: set certificates to the one that it is to show",
        names.join(", ")
    )))
}

/// Whether what is shown is what is stored, and would be believed.
fn judge(endpoint: &str, chain: &Chain, stored: &str) -> Finding {
    let own = chain.certificates.first();
    let shown = own.map_or("none", |own| own.serial.as_str());
    if shown != stored {
        return Finding::fail(format!(
            "{endpoint} shows the certificate {shown}, stored is {stored}"
        ));
    }
    if !chain.trusted {
        return Finding::fail(format!("{endpoint} shows {stored}: {}", chain.why));
    }
    Finding::pass(format!("{endpoint} shows {stored}"))
}

#[cfg(test)]
mod tests {
    use super::{judge, meant};
    use windlass_sdk::Verdict;
    use windlass_sdk::cluster::{CertificateFacts, CertificateState, namespaced};
    use windlass_sdk::probe::{Certificate, Chain};

    fn certificate(name: &str, dns_names: &[&str]) -> CertificateFacts {
        CertificateFacts {
            name: namespaced("shop", name),
            uid: name.into(),
            state: CertificateState::Ready,
            message: String::new(),
            revision: 1,
            not_before: Some(0),
            not_after: Some(0),
            renewal: None,
            dns_names: dns_names.iter().map(|name| (*name).to_owned()).collect(),
            secret: "tls".into(),
        }
    }

    fn chain(names: &[&str]) -> Chain {
        Chain {
            at: 0,
            certificates: vec![Certificate {
                subject: String::new(),
                issuer: String::new(),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                serial: "0a".into(),
                not_before: 0,
                not_after: 0,
            }],
            trusted: true,
            why: String::new(),
        }
    }

    #[test]
    fn an_endpoint_shows_the_one_whose_names_it_has() {
        let found = [
            certificate("shop", &["shop.example", "www.shop.example"]),
            certificate("api", &["api.example"]),
            certificate("old-api", &["api.example"]),
        ];
        let both = chain(&["shop.example", "www.shop.example"]);
        assert_eq!(meant("e", &both, &found).unwrap().name.name, "shop");
        let told = |names: &[&str]| meant("e", &chain(names), &found).unwrap_err().message;
        assert!(told(&["shop.example"]).contains("none of those"));
        assert!(told(&["api.example"]).contains("more than one of those"));
        // What an ingress shows that has loaded nothing yet.
        let only = meant("e", &chain(&["fake"]), &found[..1]).unwrap();
        assert_eq!(only.name.name, "shop");
    }

    #[test]
    fn what_is_shown_has_to_be_what_is_stored_and_be_believed() {
        assert_eq!(judge("e", &chain(&[]), "0a").verdict, Verdict::Pass);
        let other = judge("e", &chain(&[]), "0b");
        assert_eq!(other.evidence, "e shows the certificate 0a, stored is 0b");
        let expired = Chain {
            trusted: false,
            why: "it has expired".into(),
            ..chain(&[])
        };
        assert_eq!(
            judge("e", &expired, "0a").evidence,
            "e shows 0a: it has expired"
        );
    }
}
