// SPDX-License-Identifier: Apache-2.0
//! Where a PostgreSQL database is, and how it is spoken to.
//!
//! The connection string may hold a password: no message, log line or `Debug` form shows any of it but the
//! names of the database and of the host.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::postgres::config::{Host, SslMode};
use ::postgres::{Client, Config, NoTls};
use ledger::sql::EngineError;

use super::fault::connect_error;

/// How long a connection may take to be made, where the connection string does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection string that is understood.
#[derive(Clone)]
pub struct Address {
    config: Config,
    tls: Tls,
    place: String,
}

#[derive(Clone)]
enum Tls {
    Off,
    #[cfg(feature = "tls")]
    On(tokio_postgres_rustls::MakeRustlsConnect),
}

/// A connection string cannot be used. The string itself is never in the message.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The file of certificates cannot be used.
    #[error("the certificates in {path} cannot be used: {why}; sslrootcert names a file of PEM certificates")]
    Certificates {
        /// What `sslrootcert` names.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing says which certificates to trust.
    #[error(
        "the server is on the network and nothing says which certificates to trust: give sslrootcert=FILE, or say \
         sslmode=require (encrypted, whoever answers) or sslmode=disable (in the clear)"
    )]
    NoCertificates,
    /// Built without TLS.
    #[error("this program was built without TLS; use a Unix socket, or sslmode=disable")]
    NoTls,
    /// `sslrootcert` has a use with `verify-full` alone.
    #[error(
        "sslrootcert is read with sslmode=verify-full alone; with the sslmode given it would check nothing"
    )]
    Pointless,
    /// Not a connection string.
    #[error("it is not a connection string of PostgreSQL: `host=… dbname=… user=…` or `postgresql://…`")]
    Syntax,
    /// An `sslmode` that is not offered.
    #[error(
        "sslmode takes disable, require or verify-full; the others of libpq may fall back to less unseen"
    )]
    UnknownMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Require,
    VerifyFull,
}

impl Address {
    /// Understands a connection string. Without `sslmode` a socket and this machine are spoken to in the
    /// clear, every other host by TLS whose certificate must be of that host.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (rest, mode, roots) = split(text.trim())?;
        // The library's own word may quote a part of the string.
        let mut config: Config = rest.parse().map_err(|_| AddressError::Syntax)?;
        let mode = match mode.as_deref() {
            None if config.get_hosts().iter().all(is_here) => Mode::Disable,
            None | Some("verify-full") => Mode::VerifyFull,
            Some("disable") => Mode::Disable,
            Some("require") => Mode::Require,
            Some(_) => return Err(AddressError::UnknownMode),
        };
        let tls = tls(mode, roots.as_deref())?;
        config.ssl_mode(if mode == Mode::Disable { SslMode::Disable } else { SslMode::Require });
        config.application_name("polder");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // What the server remarks goes nowhere: it may quote values.
        config.notice_callback(|_| ());
        let place = place(&config);
        Ok(Address { config, tls, place })
    }

    pub(super) fn connect(&self) -> Result<Client, EngineError> {
        match &self.tls {
            Tls::Off => self.config.connect(NoTls),
            #[cfg(feature = "tls")]
            Tls::On(connector) => self.config.connect(connector.clone()),
        }
        .map_err(|error| connect_error(&self.place, &error))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.place)
    }
}

fn place(config: &Config) -> String {
    let database = config.get_dbname().or(config.get_user()).unwrap_or("of the user's name");
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    format!("PostgreSQL database {database} at {}", hosts.join(", "))
}

/// A socket or a loopback address: nothing of it is on a network.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

fn tls(mode: Mode, roots: Option<&Path>) -> Result<Tls, AddressError> {
    match (mode, roots) {
        (Mode::VerifyFull, None) => Err(AddressError::NoCertificates),
        (Mode::Disable | Mode::Require, Some(_)) => Err(AddressError::Pointless),
        (Mode::Disable, None) => Ok(Tls::Off),
        #[cfg(feature = "tls")]
        (Mode::Require, None) => super::tls::encrypted().map(Tls::On),
        #[cfg(feature = "tls")]
        (Mode::VerifyFull, Some(path)) => super::tls::verified(path).map(Tls::On),
        #[cfg(not(feature = "tls"))]
        _ => Err(AddressError::NoTls),
    }
}

/// The string without `sslmode` and `sslrootcert`, and what they say: the library knows neither
/// `verify-full` nor files of certificates.
fn split(text: &str) -> Result<(String, Option<String>, Option<PathBuf>), AddressError> {
    let (mut mode, mut roots) = (None, None);
    let mut take = |key: &str, value: String| match key {
        "sslmode" => {
            mode = Some(value);
            true
        }
        "sslrootcert" => {
            roots = Some(PathBuf::from(value));
            true
        }
        _ => false,
    };
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    let rest = match text.split_once('?') {
        Some((before, pairs)) if is_url => {
            let mut kept = Vec::new();
            for pair in pairs.split('&') {
                let (key, value) = pair.split_once('=').ok_or(AddressError::Syntax)?;
                if !take(key, percent_decoded(value).ok_or(AddressError::Syntax)?) {
                    kept.push(pair);
                }
            }
            format!("{before}?{}", kept.join("&"))
        }
        _ if is_url => text.to_owned(),
        _ => {
            let (mut rest, mut kept) = (text, String::new());
            while !rest.is_empty() {
                let (key, value, length) = setting(rest).ok_or(AddressError::Syntax)?;
                let (raw, after) = rest.split_at(length);
                if !take(key, value) {
                    kept.push_str(raw);
                    kept.push(' ');
                }
                rest = after.trim_start();
            }
            kept
        }
    };
    Ok((rest, mode, roots))
}

/// The first `key = value` of a text: key, value without quotes and escapes, and its length.
fn setting(text: &str) -> Option<(&str, String, usize)> {
    let (key, after) = text.split_once('=')?;
    let value = after.trim_start();
    let begun = text.len() - value.len();
    let mut chars = value.char_indices();
    let quoted = value.starts_with('\'');
    if quoted {
        chars.next();
    }
    let mut plain = String::new();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => plain.push(chars.next()?.1),
            '\'' if quoted => return Some((key.trim(), plain, begun + at + 1)),
            space if !quoted && space.is_whitespace() => return Some((key.trim(), plain, begun + at)),
            other => plain.push(other),
        }
    }
    if quoted { None } else { Some((key.trim(), plain, text.len())) }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::{Address, AddressError, split};

    #[test]
    fn what_the_library_does_not_know_is_taken_out() {
        let cases = [
            ("host=a sslmode=verify-full dbname=b", "host=a dbname=b ", Some("verify-full"), None),
            (r"sslrootcert='/a b/it\'s' host = x", "host = x ", None, Some("/a b/it's")),
            (r"password='sslmode=disable' user=u\ v", r"password='sslmode=disable' user=u\ v ", None, None),
            (
                "postgres://u:p@h/d?sslmode=require&application_name=x",
                "postgres://u:p@h/d?application_name=x",
                Some("require"),
                None,
            ),
            ("postgresql://h/d?sslrootcert=%2Fetc%2Fca.pem", "postgresql://h/d?", None, Some("/etc/ca.pem")),
            ("postgresql://h/d", "postgresql://h/d", None, None),
        ];
        for (text, rest, mode, roots) in cases {
            let (found, found_mode, found_roots) = split(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((found.as_str(), found_mode.as_deref()), (rest, mode), "{text}");
            assert_eq!(found_roots.as_deref().and_then(|path| path.to_str()), roots, "{text}");
        }
        for wrong in
            ["host", "password='open", r"password=\", "postgres://h/d?sslmode", "postgres://h?sslmode=%f"]
        {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let address = Address::parse("host=/run/pg dbname=polder user=u password='correct horse'").unwrap();
        assert_eq!(address.to_string(), "PostgreSQL database polder at /run/pg");
        assert!(!format!("{address:?}").contains("horse"));
        for wrong in ["password=correct horse battery=1", "postgres://u:horse@h:99999999/d", "horse"] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(matches!(error, AddressError::Syntax), "{error}");
            assert!(!format!("{error} {error:?}").contains("horse"));
        }
    }

    #[test]
    fn a_host_on_the_network_is_spoken_to_by_tls() {
        for here in
            ["host=/run/pg", "host=localhost", "host=127.0.0.1", "host=::1", "postgres:///d?host=/run"]
        {
            assert!(Address::parse(here).is_ok(), "{here}");
        }
        let of = |text: &str| Address::parse(text).unwrap_err();
        assert!(matches!(of("host=db.example"), AddressError::NoCertificates));
        assert!(matches!(of("host=db.example sslmode=verify-full"), AddressError::NoCertificates));
        assert!(matches!(of("host=/run sslmode=prefer"), AddressError::UnknownMode));
        assert!(matches!(of("host=db.example sslmode=require sslrootcert=/x"), AddressError::Pointless));
        assert!(Address::parse("host=db.example sslmode=disable").is_ok());
        let missing = of("host=db.example sslrootcert=/nowhere/ca.pem");
        if cfg!(feature = "tls") {
            assert!(matches!(missing, AddressError::Certificates { .. }), "{missing}");
            assert!(Address::parse("host=db.example sslmode=require").is_ok());
        } else {
            assert!(matches!(missing, AddressError::NoTls), "{missing}");
        }
    }
}
