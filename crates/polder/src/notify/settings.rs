// SPDX-License-Identifier: Apache-2.0
//! Where notices go: a TOML file. Secrets lie in files of their own, readable by their owner alone.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hunt::detection::Level;
use lettre::message::Mailbox;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::mail::{Mail, Security, Way};
use super::webhook::{Target, Webhook};
use crate::contacts::read_toml;
use crate::datadir::secret;
use crate::failure::Failure;

/// Most mail addresses.
const TO_MAX: usize = 20;
/// Longest secret.
const SECRET_BYTES_MAX: u64 = 4 * 1024;
/// Shortest secret of a webhook: a shorter one can be guessed.
const SECRET_BYTES_MIN: usize = 16;

/// Where notices go.
pub struct Settings {
    /// Detections below it are no reason to tell anybody.
    pub level_min: Level,
    pub mail: Option<Mail>,
    pub webhook: Option<Webhook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    min_level: Option<String>,
    mail: Option<WrittenMail>,
    webhook: Option<WrittenWebhook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMail {
    from: String,
    to: Vec<String>,
    host: Option<String>,
    port: Option<u16>,
    tls: Option<String>,
    ca_file: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    sendmail: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWebhook {
    url: String,
    secret_file: PathBuf,
    ca_file: Option<PathBuf>,
}

/// Reads the settings. Other files that they name lie beside them, unless their path is absolute.
pub fn settings(path: &Path) -> Result<Settings, Failure> {
    let written: Written = read_toml(path)?;
    let place = Place { file: path, folder: path.parent().unwrap_or(Path::new("")) };
    let level_min = match &written.min_level {
        None => Level::Medium,
        Some(name) => Level::from_name(name).ok_or_else(|| {
            place.wrong(format!(
                "min_level is `{name}`; it is one of informational, low, medium, high, critical"
            ))
        })?,
    };
    let settings = Settings {
        level_min,
        mail: written.mail.map(|mail| place.mail(mail)).transpose()?,
        webhook: written.webhook.map(|webhook| place.webhook(webhook)).transpose()?,
    };
    if settings.mail.is_none() && settings.webhook.is_none() {
        return Err(place.wrong("it has neither [mail] nor [webhook]".to_owned()));
    }
    Ok(settings)
}

struct Place<'a> {
    file: &'a Path,
    folder: &'a Path,
}

impl Place<'_> {
    fn wrong(&self, what: String) -> Failure {
        Failure::usage(format!("{}: {what}", self.file.display()))
    }

    fn secret(&self, path: &Path) -> Result<Zeroizing<String>, Failure> {
        let text = secret(&self.folder.join(path), SECRET_BYTES_MAX)?;
        Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn mail(&self, mail: WrittenMail) -> Result<Mail, Failure> {
        let address = |text: &String| {
            text.parse::<Mailbox>().map_err(|_| self.wrong(format!("`{text}` is not a mail address")))
        };
        if mail.to.is_empty() || mail.to.len() > TO_MAX {
            return Err(self.wrong(format!("mail.to names 1 to {TO_MAX} addresses")));
        }
        let way = match (&mail.sendmail, &mail.host) {
            (Some(program), None) if program.is_absolute() => Way::Sendmail(program.clone()),
            (Some(_), None) => {
                return Err(self.wrong("mail.sendmail is the absolute path of the command".to_owned()));
            }
            (None, Some(host)) => self.smtp(&mail, host)?,
            _ => return Err(self.wrong("mail has either a host or sendmail".to_owned())),
        };
        let to = mail.to.iter().map(address).collect::<Result<_, _>>()?;
        Ok(Mail { from: address(&mail.from)?, to, way })
    }

    fn smtp(&self, mail: &WrittenMail, host: &str) -> Result<Way, Failure> {
        let ca_file = mail.ca_file.as_ref().map(|path| self.folder.join(path));
        let security = match mail.tls.as_deref() {
            None | Some("starttls") => Security::StartTls(ca_file),
            Some("tls") => Security::Tls(ca_file),
            Some("none") if is_loopback(host) => Security::Plain,
            Some("none") => {
                return Err(
                    self.wrong(format!("mail to {host} needs TLS: without it, it goes to loopback alone"))
                );
            }
            Some(other) => {
                return Err(self.wrong(format!("mail.tls is `{other}`; it is starttls, tls or none")));
            }
        };
        let login = match (&mail.user, &mail.password_file) {
            (None, None) => None,
            (Some(user), Some(path)) => Some((user.clone(), self.secret(path)?)),
            _ => return Err(self.wrong("mail.user and mail.password_file go together".to_owned())),
        };
        let port = mail.port.unwrap_or(match security {
            Security::Plain => 25,
            Security::StartTls(_) => 587,
            Security::Tls(_) => 465,
        });
        Ok(Way::Smtp { host: host.to_owned(), port, security, login })
    }

    fn webhook(&self, webhook: WrittenWebhook) -> Result<Webhook, Failure> {
        let target = Target::parse(&webhook.url).map_err(|why| self.wrong(format!("webhook.url: {why}")))?;
        if !target.is_tls && !is_loopback(&target.host) {
            return Err(self.wrong(format!(
                "webhook.url is plain http to {}: that is for loopback alone, write https",
                target.host
            )));
        }
        let ca_file = webhook.ca_file.map(|path| self.folder.join(path));
        let secret = self.secret(&webhook.secret_file)?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(self.wrong(format!(
                "the secret of the webhook is shorter than {SECRET_BYTES_MIN} characters; make one with \
                 `openssl rand -hex 32`"
            )));
        }
        Ok(Webhook { target, ca_file, secret })
    }
}

/// Whether a host is this machine, whatever a resolver says.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
