// SPDX-License-Identifier: Apache-2.0
//! A notice as a mail: by SMTP, or handed to the machine's own `sendmail`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hunt::report::outbox::Outgoing;
use hunt::report::words::{shortened, visible};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport as _};
use zeroize::Zeroizing;

use crate::failure::whole;
use crate::node::Node;

/// Time for each step of SMTP.
const STEP_TIME: Duration = Duration::from_secs(20);
/// Time for `sendmail`.
const SENDMAIL_TIME: Duration = Duration::from_secs(60);
/// How often `sendmail` is looked after.
const SENDMAIL_LOOK: Duration = Duration::from_millis(50);
/// Most that is read of `sendmail`'s complaint.
const COMPLAINT_CHARS_MAX: usize = 200;

/// How mail is sent.
pub enum Way {
    /// By the command of this path, as `sendmail -i -t` takes it.
    Sendmail(PathBuf),
    Smtp {
        host: String,
        port: u16,
        security: Security,
        login: Option<(String, Zeroizing<String>)>,
    },
}

/// How a mail is kept from being read on its way.
pub enum Security {
    /// Not at all: for loopback alone.
    Plain,
    /// TLS after a greeting, never without; the file holds the certificates to trust, else the system does.
    StartTls(Option<PathBuf>),
    /// TLS from the first byte.
    Tls(Option<PathBuf>),
}

/// From whom, to whom, by which way.
pub struct Mail {
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    pub way: Way,
}

impl Mail {
    /// Sends a notice; on failure says why.
    pub fn send(&self, notice: &Outgoing, node: &Node) -> Result<(), String> {
        let message = self.message(notice, node)?;
        match &self.way {
            Way::Sendmail(program) => hand_over(program, &message.formatted()),
            Way::Smtp { host, port, security, login } => {
                let transport = SmtpTransport::builder_dangerous(host.as_str())
                    .port(*port)
                    .timeout(Some(STEP_TIME))
                    .tls(tls(host, security)?);
                let transport = match login {
                    Some((user, password)) => {
                        transport.credentials(Credentials::new(user.clone(), password.to_string()))
                    }
                    None => transport,
                };
                transport.build().send(&message).map(|_| ()).map_err(|error| told(&error))
            }
        }
    }

    fn message(&self, notice: &Outgoing, node: &Node) -> Result<Message, String> {
        let text = String::from_utf8_lossy(&notice.body).into_owned();
        // The same notice has the same id, however often it is tried.
        let member = node.member().to_string();
        let domain = self.from.email.domain();
        let id = format!("<polder-{}-{}@{domain}>", member.get(..16).unwrap_or(&member), notice.id);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(notice.subject.clone())
            .message_id(Some(id))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder.body(text).map_err(|error| told(&error))
    }
}

fn tls(host: &str, security: &Security) -> Result<Tls, String> {
    let parameters = |path: Option<&Path>| {
        let mut builder = TlsParameters::builder(host.to_owned());
        if let Some(path) = path {
            let unusable =
                |why: String| format!("the certificates in {} cannot be used: {why}", path.display());
            let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|e| unusable(told(&e)))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build().map_err(|e| format!("TLS cannot be set up: {}", told(&e)))
    };
    Ok(match security {
        Security::Plain => Tls::None,
        Security::StartTls(path) => Tls::Required(parameters(path.as_deref())?),
        Security::Tls(path) => Tls::Wrapper(parameters(path.as_deref())?),
    })
}

/// Hands a message to `sendmail`, which takes the recipients from its head.
fn hand_over(program: &Path, message: &[u8]) -> Result<(), String> {
    let fault = |what: &str, error: &std::io::Error| format!("cannot {what} {}: {error}", program.display());
    let mut child = Command::new(program)
        .args(["-i", "-t"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| fault("run", &e))?;
    // It may end without reading all of it; what it says by its exit code counts.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(message));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| fault("wait for", &e))? {
            break status;
        }
        if began.elapsed() > SENDMAIL_TIME {
            // It may have ended just now.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{} did not end within {} s", program.display(), SENDMAIL_TIME.as_secs()));
        }
        std::thread::sleep(SENDMAIL_LOOK);
    };
    match (status.success(), written) {
        (true, Some(Ok(()))) => Ok(()),
        (true, _) => Err(format!("{} did not read the message", program.display())),
        (false, _) => Err(format!("{} ended with {status}", program.display())),
    }
}

/// An error and its causes in one bounded line.
fn told(error: &dyn std::error::Error) -> String {
    shortened(&visible(&whole(error)), COMPLAINT_CHARS_MAX).into_owned()
}
