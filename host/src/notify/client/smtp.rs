//! A message as a mail. Up to the end of DATA every failure is certain; after it, silence is doubt.

use super::attempt::Answer;
use super::bytewise::Bytewise;
use super::channel::{Channel, ChannelError, Smtp, SmtpTls};
use super::letter::Letter;
use crate::dial::{Door, NoWay};
use crate::secret::Secret;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use url::Host;

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

const NOBODY: &str = "nothing answers there, or it breaks off";

/// Where a channel's mails go, and from whom.
pub(super) struct Mail {
    door: Door,
    /// The name that the server's certificate must be for.
    name: String,
    encryption: SmtpTls,
    ca: Vec<Certificate>,
    login: Option<(String, Secret)>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// An attempt that ended before the mail was sent whole.
struct Broken(Answer);

impl Mail {
    pub(super) fn new(channel: &Channel, smtp: &Smtp) -> Result<Self, ChannelError> {
        let name = || channel.name.clone();
        let mailbox = |what: &'static str, text: &String| {
            text.parse::<Mailbox>().map_err(|_| ChannelError::Mailbox {
                channel: channel.name.clone(),
                what,
            })
        };
        let ca = match &channel.ca {
            // Read by the other reader first: this one takes an empty text for a list of none.
            Some(pem) => crate::tls::own_roots(pem)
                .and_then(|_| certificates(pem))
                .ok_or_else(|| ChannelError::Certificates { channel: name() })?,
            None => Vec::new(),
        };
        let host =
            Host::parse(smtp.host.trim()).map_err(|_| ChannelError::Host { channel: name() })?;
        Ok(Self {
            name: host.to_string(),
            door: Door {
                host,
                port: smtp.port,
                is_plain: smtp.tls == SmtpTls::None,
                allowed: channel.allow_address.clone(),
            },
            encryption: smtp.tls,
            ca,
            login: smtp.login.clone(),
            from: mailbox("from", &smtp.from)?,
            to: smtp
                .to
                .iter()
                .map(|to| mailbox("to", to))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    /// Sends the mail once, and says what that came to.
    pub(super) async fn attempt(&self, letter: &Letter, within: Duration) -> Answer {
        let Some(mail) = self.mail(letter) else {
            return Answer::Refused("the mail is impossible".into());
        };
        // What comes before the mail is over well before the whole is, so that there is time to wait for its end.
        let Ok(ready) = timeout(within / 2, self.ready(within / 2)).await else {
            return Answer::again("the mail server does not answer".into());
        };
        let (mut connection, refused) = match ready {
            Ok(ready) => ready,
            Err(Broken(answer)) => return answer,
        };
        let answer = match timeout(within / 2, connection.message(&mail)).await {
            Ok(Ok(_)) => return Answer::Taken(refused),
            Ok(Err(error)) => failed(&error).map_or_else(
                || Answer::Silent("the connection broke before the mail server's answer".into()),
                |Broken(answer)| answer,
            ),
            Err(_) => Answer::Silent(format!(
                "no answer to the mail within {}",
                crate::text::duration(within / 2)
            )),
        };
        drop(connection);
        answer
    }

    /// A connection whose next word is the mail itself, and which recipients will not get it.
    async fn ready(
        &self,
        within: Duration,
    ) -> Result<(AsyncSmtpConnection, Option<String>), Broken> {
        let addresses = self.door.addresses().await.map_err(|why| {
            Broken(match why {
                NoWay::Unresolved => Answer::again(why.to_string()),
                NoWay::Refused(_) | NoWay::Plain => Answer::Refused(why.to_string()),
            })
        })?;
        let mut connection = match self.encryption {
            SmtpTls::Starttls => self.upgraded(&addresses, CONNECT.min(within)).await?,
            SmtpTls::Implicit => {
                let tls = Some(self.tls()?);
                connected(&addresses, CONNECT.min(within), tls).await?
            }
            SmtpTls::None => connected(&addresses, CONNECT.min(within), None).await?,
        };
        let refused = self
            .introduce(&mut connection)
            .await
            .map_err(|error| before(&error))?;
        Ok((connection, refused))
    }

    /// Begins in plain, and says nothing that matters before it is encrypted.
    async fn upgraded(
        &self,
        addresses: &[SocketAddr],
        within: Duration,
    ) -> Result<AsyncSmtpConnection, Broken> {
        let Some(stream) = Bytewise::connect(addresses, within).await else {
            return Err(Broken(Answer::again(NOBODY.into())));
        };
        let hello = hello();
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let mut connection = connected.await.map_err(|error| before(&error))?;
        if !connection.can_starttls() {
            let why = "the mail server does not offer STARTTLS; nothing was sent to it";
            return Err(Broken(Answer::Refused(why.into())));
        }
        let upgraded = connection.starttls(self.tls()?, &hello).await;
        upgraded.map_err(|error| {
            if crate::tls::is_no_tls(&error) {
                let why = "the mail server does not encrypt after STARTTLS; nothing was sent to it";
                return Broken(Answer::Refused(why.into()));
            }
            before(&error)
        })?;
        Ok(connection)
    }

    /// Answers which recipients the server refused, as long as it takes the mail for one at least.
    async fn introduce(
        &self,
        connection: &mut AsyncSmtpConnection,
    ) -> Result<Option<String>, Error> {
        if let Some((user, password)) = &self.login {
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &login)
                .await?;
        }
        let from: Option<Address> = Some(self.from.email.clone());
        connection.command(MailFrom::new(from, Vec::new())).await?;
        let mut refused = Vec::new();
        for (number, to) in (1..).zip(&self.to) {
            let rcpt = Rcpt::new(to.email.clone(), Vec::new());
            match connection.command(rcpt).await {
                Err(error) if error.status().is_some() => refused.push((number, error)),
                answered => drop(answered?),
            }
        }
        if refused.len() == self.to.len()
            && let Some((_, error)) = refused.pop()
        {
            return Err(error);
        }
        connection.command(Data).await?;
        Ok(self.without(&refused))
    }

    /// The recipients by their place in `to`: what the server says of them may repeat them.
    fn without(&self, refused: &[(usize, Error)]) -> Option<String> {
        let each = refused.iter().filter_map(|(number, error)| {
            let code = error.status()?;
            Some(format!(
                "recipient {number} of {} (answered {code})",
                self.to.len()
            ))
        });
        let each: Vec<_> = each.collect();
        (!each.is_empty()).then(|| format!("the mail server refused {}", each.join(", ")))
    }

    fn tls(&self) -> Result<TlsParameters, Broken> {
        let mut parameters = TlsParameters::builder(self.name.clone());
        if !self.ca.is_empty() {
            parameters = parameters.certificate_store(CertificateStore::None);
        }
        for certificate in &self.ca {
            parameters = parameters.add_root_certificate(certificate.clone());
        }
        parameters
            .build_rustls()
            .map_err(|_| Broken(Answer::Refused("TLS could not be set up".into())))
    }

    /// The mail's bytes. The library encodes each header, so that no text of a guest can begin another one.
    fn mail(&self, letter: &Letter) -> Option<Vec<u8>> {
        let subject = format!("[windlass] {}: {}", letter.level(), letter.message.title);
        let domain = self.from.email.domain();
        let at = Duration::from_millis(letter.at.0);
        let mail: MessageBuilder = Message::builder()
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .date(SystemTime::UNIX_EPOCH + at)
            .from(self.from.clone())
            .subject(subject)
            .header(ContentType::TEXT_PLAIN);
        let mail = self.to.iter().cloned().fold(mail, MessageBuilder::to);
        Some(mail.body(text(letter)).ok()?.formatted())
    }
}

fn hello() -> ClientId {
    ClientId::Domain("windlass".into())
}

async fn connected(
    addresses: &[SocketAddr],
    within: Duration,
    tls: Option<TlsParameters>,
) -> Result<AsyncSmtpConnection, Broken> {
    AsyncSmtpConnection::connect_tokio1(addresses, Some(within), &hello(), tls, None)
        .await
        .map_err(|error| before(&error))
}

/// What a guest wrote is set in, so that none of its lines can be taken for the host's.
fn text(letter: &Letter) -> String {
    let message = &letter.message;
    let mut lines = vec![format!("  {}", message.title)];
    if !message.text.trim().is_empty() {
        lines.push(String::new());
        lines.extend(message.text.lines().map(|line| format!("  {line}")));
    }
    if !message.fields.is_empty() {
        lines.push(String::new());
    }
    let fields = message.fields.iter();
    lines.extend(fields.map(|field| format!("  {}: {}", field.name, field.value)));
    lines.push(String::new());
    lines.push(format!("{}, {}", letter.level(), letter.event));
    lines.push(letter.origin());
    lines.join("\r\n") + "\r\n"
}

fn certificates(pem: &[u8]) -> Option<Vec<Certificate>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::pem_slice_iter(pem)
        .map(|der| Certificate::from_der(der.ok()?.to_vec()).ok())
        .collect()
}

/// Before the mail was sent every failure is certain.
fn before(error: &Error) -> Broken {
    if error.is_tls() || crate::tls::is_mistrust(error) {
        let why = "the mail server's certificate is not trusted for its name";
        return Broken(Answer::Refused(why.into()));
    }
    if error.is_client() {
        let why = "the mail server does not offer what the channel needs";
        return Broken(Answer::Refused(why.into()));
    }
    failed(error).unwrap_or_else(|| Broken(Answer::again(NOBODY.into())))
}

/// What the server said no with; none if it did not. Only the number: what else it says may repeat a login or a recipient.
fn failed(error: &Error) -> Option<Broken> {
    let why = format!("the mail server answered {}", error.status()?);
    Some(Broken(if error.is_permanent() {
        Answer::Refused(why)
    } else {
        Answer::again(why)
    }))
}
