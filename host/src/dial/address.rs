//! Where a channel or an endpoint may lead: every address is looked at before it is dialled, and what is dialled is what was looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use thiserror::Error;
use url::Host;

/// The metadata services of the large clouds: whoever reaches one can often become the machine.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// A server's place on the network, as it is configured.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Parsed as browsers do, so that `0x7f.1`, `2130706433` and full-width digits are the address that they mean.
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    /// What is sent must not be read on the way and is not encrypted, so on this machine only.
    pub(crate) is_plain: bool,
    pub(crate) allowed: Vec<IpAddr>,
}

/// Why a server is not dialled. Says nothing of where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoWay {
    /// Nobody knows the name, for now.
    #[error("its host name cannot be resolved")]
    Unresolved,
    /// It must not be dialled.
    #[error("it leads to {0}, which `allow-address` does not name")]
    Refused(&'static str),
    /// It must not be dialled without encryption.
    #[error("it leads to another machine without encryption")]
    Plain,
}

impl Door {
    /// The addresses to dial.
    pub(crate) async fn addresses(&self) -> Result<Vec<SocketAddr>, NoWay> {
        let found: Vec<SocketAddr> = match &self.host {
            Host::Ipv4(address) => vec![(*address, self.port).into()],
            Host::Ipv6(address) => vec![(*address, self.port).into()],
            Host::Domain(name) => tokio::net::lookup_host((name.as_str(), self.port))
                .await
                .map_err(|_| NoWay::Unresolved)?
                .collect(),
        };
        self.all_of(found)
    }

    /// One bad address spoils the name: whoever answers for it also names what is refused.
    fn all_of(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NoWay> {
        if found.is_empty() {
            return Err(NoWay::Unresolved);
        }
        for address in &found {
            self.check(address.ip())?;
        }
        Ok(found)
    }

    fn check(&self, address: IpAddr) -> Result<(), NoWay> {
        let meant = meant(address);
        if self.is_plain && !meant.is_loopback() {
            return Err(NoWay::Plain);
        }
        if self.allowed.contains(&address) || self.allowed.contains(&meant) {
            return Ok(());
        }
        refused(address)
            .or_else(|| refused(meant))
            .map_or(Ok(()), |why| Err(NoWay::Refused(why)))
    }
}

/// Why nothing is sent there unless it is allowed by name; none for an address that is the operator's to choose.
fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) if METADATA_V4.contains(&v4) => Some("a cloud metadata address"),
        IpAddr::V6(v6) if METADATA_V6.contains(&v6) => Some("a cloud metadata address"),
        IpAddr::V4(v4) if v4.is_link_local() => Some("a link-local address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("a link-local address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("an unspecified address"),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("an unspecified address"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("a broadcast address"),
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some("a reserved address"),
        address if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// The IPv4 address that an IPv6 address stands for, where it stands for one: what a router or the kernel makes of it.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let segments = v6.segments();
    let v4 = |at: usize, flip: u16| {
        let (high, low) = (segments[at] ^ flip, segments[at + 1] ^ flip);
        IpAddr::V4(Ipv4Addr::from_bits(
            (u32::from(high) << 16) | u32::from(low),
        ))
    };
    match segments {
        // Unspecified and loopback are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Mapped, the old compatible form, translated (SIIT), NAT64 with the well-known and with the local prefix.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [0x64, 0xff9b, 1, ..] => v4(6, 0),
        // 6to4, Teredo.
        [0x2002, ..] => v4(1, 0),
        [0x2001, 0, ..] => v4(6, 0xffff),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(url: &str, allowed: &[&str]) -> Door {
        let url: url::Url = url.parse().unwrap();
        Door {
            host: url.host().unwrap().to_owned(),
            port: url.port_or_known_default().unwrap(),
            is_plain: url.scheme() == "http",
            allowed: allowed.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    async fn goes(url: &str, allowed: &[&str]) -> Result<Vec<SocketAddr>, NoWay> {
        door(url, allowed).addresses().await
    }

    /// Each spelling of an address that is refused unless it is allowed by name.
    const REFUSED: &[(&str, &str)] = &[
        ("https://169.254.169.254/", "169.254.169.254"),
        ("https://0xa9.0xfe.0xa9.0xfe/", "169.254.169.254"),
        ("https://0251.0376.0251.0376/", "169.254.169.254"),
        ("https://2852039166/", "169.254.169.254"),
        ("https://169.254.43518/", "169.254.169.254"),
        ("https://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", "169.254.169.254"),
        ("https://１６９。２５４。１６９。２５４/", "169.254.169.254"),
        ("https://[::ffff:169.254.169.254]/", "169.254.169.254"),
        ("https://[::ffff:a9fe:a9fe]/", "169.254.169.254"),
        ("https://[::a9fe:a9fe]/", "169.254.169.254"),
        ("https://[::ffff:0:a9fe:a9fe]/", "169.254.169.254"),
        ("https://[64:ff9b::a9fe:a9fe]/", "169.254.169.254"),
        ("https://[64:ff9b:1::a9fe:a9fe]/", "169.254.169.254"),
        ("https://[2002:a9fe:a9fe::1]/", "169.254.169.254"),
        ("https://[2001:0:1::5601:5601]/", "169.254.169.254"),
        ("https://[fd00:ec2::254]/", "fd00:ec2::254"),
        ("https://[fd20:ce::254]/", "fd20:ce::254"),
        ("https://100.100.100.200/", "100.100.100.200"),
        ("https://168.63.129.16/", "168.63.129.16"),
        ("https://169.254.1.1/", "169.254.1.1"),
        ("https://[fe80::1]/", "fe80::1"),
        ("https://0.0.0.0/", "0.0.0.0"),
        ("https://0/", "0.0.0.0"),
        ("https://[::]/", "::"),
        ("https://224.0.0.1/", "224.0.0.1"),
        ("https://[ff02::1]/", "ff02::1"),
        ("https://255.255.255.255/", "255.255.255.255"),
        ("https://250.1.1.1/", "250.1.1.1"),
    ];

    #[tokio::test]
    async fn each_spelling_is_refused_unless_it_is_allowed_by_name() {
        for (url, allowed) in REFUSED {
            let refused = goes(url, &[]).await;
            assert!(
                matches!(refused, Err(NoWay::Refused(_))),
                "{url}: {refused:?}"
            );
            let refused = goes(url, &["10.0.0.1", "169.254.7.7"]).await;
            assert!(
                matches!(refused, Err(NoWay::Refused(_))),
                "{url}: {refused:?}"
            );
            assert_eq!(goes(url, &[allowed]).await.unwrap().len(), 1, "{url}");
        }
    }

    #[test]
    fn one_bad_address_of_three_spoils_the_name() {
        let answer = |addresses: [&str; 3]| addresses.map(|a| (a.parse::<IpAddr>().unwrap(), 443));
        let answer = |addresses| answer(addresses).map(SocketAddr::from).to_vec();
        let named = door("https://hooks.example/", &[]);
        let fine = answer(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        assert_eq!(named.all_of(fine.clone()), Ok(fine));
        for bad in ["169.254.7.7", "fe80::1", "169.254.169.254", "0.0.0.0"] {
            for place in 0..3 {
                let mut addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
                addresses[place] = bad;
                let refused = named.all_of(answer(addresses));
                assert!(matches!(refused, Err(NoWay::Refused(_))), "{addresses:?}");
                let allowed = door("https://hooks.example/", &[bad]);
                assert_eq!(
                    allowed.all_of(answer(addresses)).map(|all| all.len()),
                    Ok(3)
                );
            }
        }
        let plain = door("http://hooks.example/", &[]);
        let refused = plain.all_of(answer(["127.0.0.1", "127.0.0.2", "192.0.2.1"]));
        assert_eq!(refused, Err(NoWay::Plain));
        assert_eq!(named.all_of(Vec::new()), Err(NoWay::Unresolved));
    }

    #[tokio::test]
    async fn loopback_and_private_addresses_are_the_operators_to_choose() {
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.1.2.3/",
            "https://192.168.1.1:8443/",
            "https://[fd12::1]/",
            "https://8.8.8.8/",
        ] {
            goes(url, &[]).await.unwrap();
        }
    }

    #[tokio::test]
    async fn without_encryption_only_this_machine_is_reached() {
        for url in [
            "http://127.0.0.1:80/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost:8080/",
        ] {
            let found = goes(url, &[]).await.unwrap();
            assert!(found.iter().all(|at| meant(at.ip()).is_loopback()), "{url}");
        }
        for url in ["http://10.1.2.3/", "http://8.8.8.8/", "http://[fd12::1]/"] {
            assert_eq!(goes(url, &["10.1.2.3"]).await, Err(NoWay::Plain), "{url}");
        }
        assert_eq!(
            goes("http://169.254.169.254/", &["169.254.169.254"]).await,
            Err(NoWay::Plain)
        );
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_not_refused_for_ever() {
        let unknown = goes("https://host.invalid/", &[]).await;
        assert_eq!(unknown, Err(NoWay::Unresolved));
    }
}
