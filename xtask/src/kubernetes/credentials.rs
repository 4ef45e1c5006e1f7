//! Who may speak to a cluster, and how both sides prove who they are.

use super::Error;
use crate::fresh::secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Names that the API server has, besides its addresses.
const NAMES: [&str; 4] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];
/// The first address of the range of services, which is the API server's own.
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// The one that windlass is given, in the group `windlass:engine`: may do nothing until somebody lets it.
    Windlass,
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// The simulated kubelets.
    Kwok,
}

impl User {
    pub(super) const ALL: [Self; 5] = [
        Self::Admin,
        Self::Windlass,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kwok,
    ];

    /// As the API server calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Windlass => "windlass",
            Self::ControllerManager => "system:kube-controller-manager",
            Self::Scheduler => "system:kube-scheduler",
            Self::Kwok => "kwok",
        }
    }

    pub(super) fn group(self) -> Option<&'static str> {
        match self {
            Self::Admin | Self::Kwok => Some("system:masters"),
            Self::Windlass => Some("windlass:engine"),
            Self::ControllerManager | Self::Scheduler => None,
        }
    }

    /// Where its kubeconfig is, in a cluster's folder.
    pub(super) fn kubeconfig(self, home: &Path) -> PathBuf {
        let name = self.name().trim_start_matches("system:");
        home.join(format!("{name}.kubeconfig"))
    }
}

/// What was issued for one cluster.
#[derive(Debug)]
pub(super) struct Credentials {
    authority: String,
    tokens: Vec<(User, String)>,
}

impl Credentials {
    /// Makes keys, certificates and tokens, and writes what the programs read of them: `ca.crt`, `server.crt`, `server.key`,
    /// `accounts.key`, `accounts.pub` (for the tokens of service accounts) and `tokens.csv`.
    pub(super) fn issue(home: &Path) -> Result<Self, Error> {
        let authority_key = KeyPair::generate()?;
        let authority = authority();
        let certificate = authority.self_signed(&authority_key)?.pem();
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_params(&authority, &authority_key);
        let server = server()?.signed_by(&key, &issuer)?;
        let accounts = KeyPair::generate()?;
        let tokens: Vec<_> = User::ALL.map(|user| (user, secret())).into();
        for (name, text) in [
            ("ca.crt", &certificate),
            ("server.crt", &server.pem()),
            ("server.key", &key.serialize_pem()),
            ("accounts.key", &accounts.serialize_pem()),
            ("accounts.pub", &accounts.public_key_pem()),
            ("tokens.csv", &lines(&tokens)),
        ] {
            write(&home.join(name), text)?;
        }
        Ok(Self {
            authority: certificate,
            tokens,
        })
    }

    /// Writes a kubeconfig for each user.
    pub(super) fn write_kubeconfigs(&self, home: &Path, port: u16) -> Result<(), Error> {
        for (user, token) in &self.tokens {
            let name = user.name();
            let cluster = json!({
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": BASE64.encode(&self.authority),
            });
            let context = json!({"cluster": "testbed", "user": name, "namespace": "default"});
            // JSON is YAML, too.
            let kubeconfig = json!({
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "testbed",
                "clusters": [{"name": "testbed", "cluster": cluster}],
                "users": [{"name": name, "user": {"token": token}}],
                "contexts": [{"name": "testbed", "context": context}],
            });
            write(&user.kubeconfig(home), &format!("{kubeconfig:#}\n"))?;
        }
        Ok(())
    }
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "testbed-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

/// The API server shows it, and shows it again to the simulated kubelets, which have the same one.
fn server() -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    for address in [Ipv4Addr::LOCALHOST, SERVICE] {
        let address = rcgen::SanType::IpAddress(IpAddr::V4(address));
        params.subject_alt_names.push(address);
    }
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

/// Token, name, an id, groups.
fn lines(tokens: &[(User, String)]) -> String {
    let line = |(user, token): &(User, String)| {
        let group = user.group();
        let groups = group.map_or_else(String::new, |group| format!(",\"{group}\""));
        format!("{token},{name},{name}{groups}\n", name = user.name())
    };
    tokens.iter().map(line).collect()
}

/// Writes a file that only its owner may read.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = options.open(path).map_err(Error::file(path))?;
    file.write_all(text.as_bytes()).map_err(Error::file(path))
}
