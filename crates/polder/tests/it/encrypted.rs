// SPDX-License-Identifier: Apache-2.0
//! Notices over TLS: a mail server and a webhook on loopback with the certificates of `crates/store/tests/tls`,
//! which are for `localhost` alone. What arrives is whole; what is not who it says it is gets nothing.

use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::finding::Found;
use crate::notify::{SECRET, private};
use crate::support::Ran;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/tests/tls");
const PASSWORD: &str = "correct horse";
/// `AUTH PLAIN` of the user `polder` with that password.
const LOGIN: &str = "AUTH PLAIN AHBvbGRlcgBjb3JyZWN0IGhvcnNl";
/// No client of these tests is slower.
const PATIENCE: Duration = Duration::from_secs(60);

type Encrypted = StreamOwned<ServerConnection, TcpStream>;

/// What one connection brought: what was readable on the wire, and what was not. Nothing of the latter where
/// the client did not trust the server.
#[derive(Debug, Default)]
struct Heard {
    open: String,
    hidden: String,
}

fn encrypted(stream: TcpStream) -> Encrypted {
    let chain = CertificateDer::pem_file_iter(format!("{FILES}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{FILES}/server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)
}

/// Serves connections by a function that fills in what it hears; hands each over when it ends.
fn serving(serve: fn(TcpStream, &mut Heard) -> std::io::Result<()>) -> (u16, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut all = Heard::default();
            // A client that goes away in mid-handshake is what some tests are about.
            if let Err(error) = serve(stream, &mut all) {
                assert!(error.kind() != ErrorKind::WouldBlock, "the client said nothing more: {all:?}");
            }
            if told.send(all).is_err() {
                break;
            }
        }
    });
    (port, heard)
}

/// Speaks SMTP until QUIT, or until STARTTLS where that is offered.
fn smtp<S: Read + Write>(
    reader: &mut BufReader<S>,
    offers: &str,
    all: &mut String,
) -> std::io::Result<Option<()>> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        all.push_str(&line);
        let answer = match line.trim_end() {
            line if line.starts_with("EHLO") => format!("250-mail.example\r\n{offers}250 8BITMIME\r\n"),
            "STARTTLS" if offers.contains("STARTTLS") => {
                reader.get_mut().write_all(b"220 go\r\n")?;
                return Ok(Some(()));
            }
            line if line.starts_with("AUTH") => {
                let code = if line == LOGIN { "235 welcome" } else { "535 who?" };
                format!("{code}\r\n")
            }
            "DATA" => {
                reader.get_mut().write_all(b"354 go\r\n")?;
                let mut line = String::new();
                while line != ".\r\n" {
                    line.clear();
                    reader.read_line(&mut line)?;
                    all.push_str(&line);
                }
                "250 taken\r\n".to_owned()
            }
            "QUIT" => {
                reader.get_mut().write_all(b"221 bye\r\n")?;
                return Ok(None);
            }
            _ => "250 ok\r\n".to_owned(),
        };
        reader.get_mut().write_all(answer.as_bytes())?;
        reader.get_mut().flush()?;
    }
}

const AUTH: &str = "250-AUTH PLAIN\r\n";

fn with_starttls(stream: TcpStream, heard: &mut Heard) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    reader.get_mut().write_all(b"220 mail.example\r\n")?;
    if smtp(&mut reader, "250-STARTTLS\r\n", &mut heard.open)?.is_none() {
        return Ok(());
    }
    let mut reader = BufReader::new(encrypted(reader.into_inner()));
    smtp(&mut reader, AUTH, &mut heard.hidden).map(drop)
}

fn without_starttls(stream: TcpStream, heard: &mut Heard) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    reader.get_mut().write_all(b"220 mail.example\r\n")?;
    smtp(&mut reader, AUTH, &mut heard.open).map(drop)
}

fn with_tls(stream: TcpStream, heard: &mut Heard) -> std::io::Result<()> {
    let mut reader = BufReader::new(encrypted(stream));
    reader.get_mut().write_all(b"220 mail.example\r\n")?;
    smtp(&mut reader, AUTH, &mut heard.hidden).map(drop)
}

fn https(stream: TcpStream, heard: &mut Heard) -> std::io::Result<()> {
    let mut reader = BufReader::new(encrypted(stream));
    while !heard.hidden.ends_with("\r\n\r\n") && reader.read_line(&mut heard.hidden)? > 0 {}
    let length = heard.hidden.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    heard.hidden.push_str(std::str::from_utf8(&body).unwrap());
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    // It hangs up without a word of farewell, as many do: the answer was whole.
    reader.get_mut().flush()
}

const ADDRESSES: &str = "from = \"Polder <polder@firm.example>\"\nto = [\"it@firm.example\"]\n\
    user = \"polder\"\npassword_file = \"mail.password\"\n";

/// Settings for mail to a server on a port of loopback.
fn mail(tls: &str, host: &str, port: u16, ca: &str) -> String {
    let ca = if ca.is_empty() { String::new() } else { format!("ca_file = \"{FILES}/{ca}\"\n") };
    format!("[mail]\n{ADDRESSES}host = \"{host}\"\nport = {port}\ntls = \"{tls}\"\n{ca}")
}

fn webhook(host: &str, port: u16, ca: &str) -> String {
    let ca = if ca.is_empty() { String::new() } else { format!("ca_file = \"{FILES}/{ca}\"\n") };
    format!("[webhook]\nurl = \"https://{host}:{port}/hook\"\nsecret_file = \"hook.secret\"\n{ca}")
}

/// Findings with a notice that waits; answers the mail as the machine's own program was handed it.
fn waiting(channel: &str) -> (Found, String) {
    let found = Found::new();
    let bench = &found.bench;
    private(bench, "mail.password", &format!("{PASSWORD}\n"));
    private(bench, "hook.secret", SECRET);
    let settings = match channel {
        "mail" => {
            let text = format!("#!/bin/sh\ncat > {}\nexit 75\n", bench.path("handed").display());
            let program = bench.write("sendmail", text);
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
            let (addresses, _) = ADDRESSES.split_once("user").unwrap();
            format!("[mail]\n{addresses}sendmail = \"{}\"\n", program.display())
        }
        // A port that nobody listens on: it was free a moment ago.
        _ => webhook("127.0.0.1", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(), ""),
    };
    bench.write("notify.toml", settings);
    found.run(&["report", "--out", "report.txt", "--notify", "notify.toml"]).expect(0);
    let handed = std::fs::read_to_string(bench.path("handed")).unwrap_or_default();
    (found, handed)
}

/// Sends what waits by these settings; `trusted` stands for the system's certificates.
fn send(found: &Found, settings: &str, trusted: &str) -> Ran {
    found.bench.write("notify.toml", settings);
    let mut command =
        found.bench.command(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]);
    command.env("SSL_CERT_FILE", format!("{FILES}/{trusted}")).env_remove("SSL_CERT_DIR");
    Ran::of(command.output().unwrap())
}

fn state(found: &Found) -> Value {
    let all = found.bench.run(&["notify", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(all.len(), 1);
    all[0]["state"].clone()
}

/// The message of a conversation, without what names the moment of sending.
fn message(conversation: &str) -> Vec<&str> {
    let text = conversation.split_once("DATA\r\n").map_or(conversation, |(_, text)| text);
    let text = text.split_once("\r\n.\r\n").map_or(text, |(text, _)| text);
    let lines: Vec<&str> = text.trim_end().lines().filter(|line| !line.starts_with("Date: ")).collect();
    assert!(lines.len() > 20, "{lines:?}");
    lines
}

fn a_mail_arrives_whole(tls: &str, serve: fn(TcpStream, &mut Heard) -> std::io::Result<()>) {
    // By a file with the certificate to trust, and by the system's.
    for (ca, trusted) in [("ca.pem", "other-ca.pem"), ("", "ca.pem")] {
        let (found, handed) = waiting("mail");
        let (port, heard) = serving(serve);
        send(&found, &mail(tls, "localhost", port, ca), trusted).expect(0).says(&["sent"]);
        let heard = heard.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message(&heard.hidden), message(&handed));
        assert!(heard.hidden.contains(LOGIN), "{heard:?}");
        assert!(heard.hidden.contains("MAIL FROM:<polder@firm.example>"), "{heard:?}");
        assert!(heard.hidden.contains("RCPT TO:<it@firm.example>"), "{heard:?}");
        for word in ["AUTH", "MAIL", "RCPT", "DATA", "firm.example"] {
            assert!(!heard.open.contains(word), "{word} is on the wire: {heard:?}");
        }
        assert_eq!(state(&found), "sent");
    }
}

#[test]
fn a_mail_arrives_whole_by_starttls() {
    a_mail_arrives_whole("starttls", with_starttls);
}

#[test]
fn a_mail_arrives_whole_by_tls_from_the_first_byte() {
    a_mail_arrives_whole("tls", with_tls);
}

#[test]
fn a_server_that_is_not_who_it_says_gets_no_mail() {
    type Way = (&'static str, fn(TcpStream, &mut Heard) -> std::io::Result<()>);
    let ways: [Way; 2] = [("starttls", with_starttls), ("tls", with_tls)];
    let (found, _) = waiting("mail");
    for (tls, serve) in ways {
        // Another name, another authority, and the system's certificates without the one that it needs.
        for (host, ca, trusted) in [
            ("127.0.0.1", "ca.pem", "ca.pem"),
            ("localhost", "other-ca.pem", "ca.pem"),
            ("localhost", "", "other-ca.pem"),
        ] {
            let (port, heard) = serving(serve);
            send(&found, &mail(tls, host, port, ca), trusted).expect(3).says(&["ertificate"]);
            let heard = heard.recv_timeout(PATIENCE).unwrap();
            assert_eq!(heard.hidden, "", "{tls} {host} {ca}");
            assert!(!heard.open.contains("MAIL") && !heard.open.contains("AUTH"), "{heard:?}");
        }
    }
    assert_eq!(state(&found), "waiting");
}

#[test]
fn a_server_that_takes_starttls_back_gets_no_mail() {
    let (found, _) = waiting("mail");
    let (port, heard) = serving(without_starttls);
    send(&found, &mail("starttls", "localhost", port, "ca.pem"), "ca.pem").expect(3).says(&["STARTTLS"]);
    let heard = heard.recv_timeout(PATIENCE).unwrap();
    assert!(!heard.open.contains("AUTH") && !heard.open.contains("MAIL"), "{heard:?}");
    assert_eq!(state(&found), "waiting");
}

#[test]
fn a_webhook_arrives_whole_by_https() {
    for (ca, trusted) in [("ca.pem", "other-ca.pem"), ("", "ca.pem")] {
        let (found, _) = waiting("webhook");
        let (port, heard) = serving(https);
        send(&found, &webhook("localhost", port, ca), trusted).expect(0).says(&["sent"]);
        let heard = heard.recv_timeout(PATIENCE).unwrap().hidden;
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("POST /hook HTTP/1.1\r\nHost: localhost:{port}\r\n")), "{head}");
        let signature = head.lines().find_map(|line| line.strip_prefix("X-Polder-Signature: t=")).unwrap();
        let (time, signature) = signature.split_once(",v1=").unwrap();
        assert_eq!(signature, crate::notify::signed(time, body.as_bytes()));
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["type"], &body["findings_in_all"]), (&json!("hunt-notice"), &json!(3)));
        assert_eq!(state(&found), "sent");
    }
}

#[test]
fn a_webhook_that_is_not_who_it_says_gets_nothing() {
    let (found, _) = waiting("webhook");
    for (host, ca, trusted) in [
        ("127.0.0.1", "ca.pem", "ca.pem"),
        ("localhost", "other-ca.pem", "ca.pem"),
        ("localhost", "", "other-ca.pem"),
    ] {
        let (port, heard) = serving(https);
        send(&found, &webhook(host, port, ca), trusted).expect(3).says(&["ertificate"]);
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap().hidden, "", "{host} {ca}");
    }
    assert_eq!(state(&found), "waiting");
}
