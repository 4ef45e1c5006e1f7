//! Mail: encryption that cannot be taken away, retries, doubt after the last line, and headers that no guest can write.

use super::escape::NASTY;
use super::mail_server::{Act, MailServer, Security};
use super::place::{Place, about, block_on, given_up, in_doubt, message, webhook};
use crate::room_database::tls::certificate;
use windlass::contract::notify_types::Delivery;
use windlass::database::client::Secret;
use windlass::notify::{Channel, Effect, Kind, Smtp, SmtpTls, delivery_of};

fn channel(server: &MailServer, tls: SmtpTls, ca: Option<&str>) -> Channel {
    Channel {
        kind: Kind::Smtp(Smtp {
            host: "localhost".into(),
            port: server.port(),
            tls,
            login: Some(("windlass".into(), Secret::new("hunter2canary"))),
            from: "windlass <windlass@example.com>".into(),
            to: vec!["Ops <ops@example.com>".into(), "dba@example.com".into()],
        }),
        ca: ca.map(|pem| pem.as_bytes().to_vec()),
        ..webhook("https://unused.example/")
    }
}

fn plain(script: impl IntoIterator<Item = Act>) -> (MailServer, Channel) {
    let server = MailServer::start(script, Security::None, None);
    let channel = channel(&server, SmtpTls::None, None);
    (server, channel)
}

#[test]
fn a_mail_is_delivered_over_either_kind_of_tls() {
    block_on(async {
        let (own, key, root) = certificate("localhost");
        for (security, tls) in [
            (Security::Starttls, SmtpTls::Starttls),
            (Security::Implicit, SmtpTls::Implicit),
        ] {
            let server = MailServer::start([], security, Some((&own, &key)));
            let mut place = Place::new(channel(&server, tls, Some(&root))).await;
            assert_eq!(place.send("end").await, Delivery::Delivered);
            let mails = server.mails();
            assert_eq!(mails.len(), 1);
            for header in [
                "From: windlass <windlass@example.com>",
                "To: Ops <ops@example.com>, dba@example.com",
                "Subject: [windlass] warning: orders is tidy",
                "@example.com>",
            ] {
                assert!(mails[0].contains(header), "{header}: {}", mails[0]);
            }
            assert!(
                mails[0].contains("pg-tidy 0.1.0 on orders, run "),
                "{}",
                mails[0]
            );
            let commands = server.commands();
            assert!(
                commands.contains(&"RCPT TO:<dba@example.com>".to_owned()),
                "{commands:?}"
            );
        }
    });
}

#[test]
fn encryption_is_not_taken_away() {
    block_on(async {
        let server = MailServer::start([], Security::Stripped, None);
        let mut place = Place::new(channel(&server, SmtpTls::Starttls, None)).await;
        let why = given_up(place.send("end").await);
        assert_eq!(
            why,
            "the mail server does not offer STARTTLS; nothing was sent to it"
        );
        let secret = |command: &String| command.starts_with("AUTH") || command.starts_with("MAIL");
        assert!(!server.commands().iter().any(secret));
    });
}

#[test]
fn what_is_said_before_encryption_is_not_believed_after_it() {
    block_on(async {
        let (own, key, root) = certificate("localhost");
        let server = MailServer::start([], Security::Injected, Some((&own, &key)));
        let mut place = Place::new(channel(&server, SmtpTls::Starttls, Some(&root))).await;
        let why = given_up(place.send("end").await);
        assert_eq!(
            why,
            "the mail server does not encrypt after STARTTLS; nothing was sent to it"
        );
        assert_eq!(server.commands(), ["EHLO windlass", "STARTTLS"]);
        assert_eq!(server.mails(), [""; 0]);
    });
}

#[test]
fn a_mail_servers_certificate_is_verified() {
    block_on(async {
        let (own, key, root) = certificate("mail.example.com");
        let (_, _, stranger) = certificate("localhost");
        for (security, tls) in [
            (Security::Starttls, SmtpTls::Starttls),
            (Security::Implicit, SmtpTls::Implicit),
        ] {
            for root in [&root, &stranger] {
                let server = MailServer::start([], security, Some((&own, &key)));
                let mut place = Place::new(channel(&server, tls, Some(root))).await;
                let why = given_up(place.send("end").await);
                assert!(why.contains("certificate"), "{why}");
                assert!(!server.commands().iter().any(|c| c.starts_with("AUTH")));
            }
        }
    });
}

#[test]
fn a_server_that_is_busy_gets_the_mail_once() {
    block_on(async {
        let script = [Act::Answer("RCPT", 451), Act::Answer(".", 452), Act::Take];
        let (server, channel) = plain(script);
        let mut place = Place::new(channel).await;
        assert_eq!(place.send("end").await, Delivery::Delivered);
        assert_eq!(server.mails().len(), 1);
        assert_eq!(
            place.note().unwrap()["attempts"].as_array().unwrap().len(),
            3
        );
    });
}

#[test]
fn one_recipient_that_is_refused_costs_no_other_the_mail() {
    block_on(async {
        let (server, channel) = plain([Act::Answer("RCPT TO:<ops@", 550)]);
        let mut place = Place::new(channel).await;
        let applied = place.apply(about("end")).await;
        assert_eq!(delivery_of(&applied.answer), Some(Delivery::Delivered));
        assert_eq!(
            applied.after,
            "delivered; the mail server refused recipient 1 of 2 (answered 550)"
        );
        assert_eq!(server.mails().len(), 1);
    });
}

#[test]
fn a_no_is_a_no_and_is_not_quoted() {
    block_on(async {
        for (command, code) in [("AUTH", 535), ("MAIL", 550), ("RCPT", 550), (".", 554)] {
            let (server, channel) = plain([Act::Answer(command, code)]);
            let mut place = Place::new(channel).await;
            let why = given_up(place.send("end").await);
            assert_eq!(why, format!("the mail server answered {code}"));
            assert_eq!(server.mails().len(), 0);
            let mails = server
                .commands()
                .into_iter()
                .filter(|c| c.starts_with("EHLO"));
            assert_eq!(mails.count(), 1, "it was tried once");
        }
    });
}

#[test]
fn who_takes_a_mail_and_does_not_say_so_gets_no_other() {
    for act in [Act::Silence, Act::Hangup] {
        block_on(async {
            let (server, channel) = plain([act]);
            let mut place = Place::new(channel).await;
            in_doubt(place.send("end").await);
            in_doubt(place.send("end").await);
            assert_eq!(server.mails().len(), 1);
        });
    }
}

/// The headers and the body of a mail, decoded by hand as far as the suite needs it: what is plain stays plain.
fn parts(mail: &str) -> (Vec<&str>, &str) {
    let (headers, body) = mail.split_once("\n\n").unwrap();
    (headers.lines().collect(), body)
}

#[test]
fn no_guest_writes_a_header_or_a_line_of_the_hosts() {
    block_on(async {
        let (server, channel) = plain([]);
        for nasty in NASTY {
            let mut place = Place::new(channel.clone()).await;
            let effect = Effect::send("ops".into(), "end".into(), message(nasty, nasty));
            place.apply(effect).await;
            let mails = server.mails();
            let (headers, body) = parts(mails.last().unwrap());
            let names: Vec<_> = headers
                .iter()
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            assert_eq!(
                names,
                [
                    "Message-ID",
                    "Date",
                    "From",
                    "Subject",
                    "Content-Type",
                    "To",
                    "Content-Transfer-Encoding"
                ],
                "{nasty:?}"
            );
            assert!(headers.contains(&"Content-Type: text/plain; charset=utf-8"));
            // Encoded or not: the host's lines begin at the margin, a guest's never do.
            if headers.iter().any(|line| line.contains(": 7bit")) {
                let hosts = |line: &&str| !line.is_empty() && !line.starts_with("  ");
                let lines: Vec<_> = body.lines().filter(hosts).collect();
                assert_eq!(lines.len(), 2, "{body}");
                assert_eq!(lines[0], "warning, end");
                assert!(lines[1].ends_with(&place.run.0), "{body}");
            }
        }
        assert_eq!(server.mails().len(), NASTY.len());
        let commands = server.commands();
        let recipients = commands.iter().filter(|c| c.starts_with("RCPT"));
        assert_eq!(recipients.count(), 2 * NASTY.len());
        assert!(
            !commands
                .iter()
                .any(|c| c.contains("victim") || c.contains("<a@b>"))
        );
    });
}

#[test]
fn a_mail_keeps_its_name_over_its_attempts() {
    block_on(async {
        let (server, channel) = plain([Act::Answer("MAIL", 421), Act::Take]);
        let mut place = Place::new(channel.clone()).await;
        place.send("end").await;
        place.send("start").await;
        let id = |mail: &String| {
            let line = mail
                .lines()
                .find(|line| line.starts_with("Message-ID"))
                .unwrap();
            line.to_owned()
        };
        let ids: Vec<_> = server.mails().iter().map(id).collect();
        assert_ne!(ids[0], ids[1]);
        let note = place.store.state(&place.run).unwrap();
        let note = note.effect(1).unwrap().note.clone().unwrap();
        assert!(
            ids[0].contains(note["message"].as_str().unwrap()),
            "{ids:?} {note}"
        );
    });
}
