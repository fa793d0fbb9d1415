// SPDX-License-Identifier: Apache-2.0
//! Sign-ins and changes of accounts in one form, whoever logged them.
//!
//! What is read: Windows Security (4624, 4625, 4768, 4771, 4776; 4720, 4723, 4724), Entra sign-ins and directory
//! audits (Microsoft Graph, and the diagnostic form with `properties`), Microsoft 365's unified audit log, Okta's
//! System Log, FortiGate VPN events, Dovecot and OpenSSH by syslog, web logs that name the user.

mod entra;
mod okta;
mod unix;
mod windows;

use std::net::IpAddr;

use model::time::Timestamp;

use crate::event::{Event, Format, SourceClass, SourceKind};

/// What came of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Wrong password.
    BadPassword,
    /// Refused by a rule of access, whatever the password.
    BlockedByPolicy,
    /// The account is disabled.
    Disabled,
    /// Password or account has expired.
    Expired,
    /// The account is locked.
    Locked,
    /// A second factor was given.
    MfaApproved,
    /// A second factor was refused, or not given in time.
    MfaDenied,
    /// A second factor is asked for.
    MfaRequired,
    /// There is no such account.
    NoSuchUser,
    /// Something else went wrong.
    Other,
    /// Signed in.
    Success,
}

impl Outcome {
    /// All of them with a number that stands in checkpoints, and words for a person.
    pub const ALL: [(Outcome, u8, &'static str); 11] = [
        (Outcome::BadPassword, 1, "wrong password"),
        (Outcome::BlockedByPolicy, 2, "blocked by policy"),
        (Outcome::Disabled, 3, "account disabled"),
        (Outcome::Expired, 4, "password expired"),
        (Outcome::Locked, 5, "account locked"),
        (Outcome::MfaApproved, 6, "second factor approved"),
        (Outcome::MfaDenied, 7, "second factor denied"),
        (Outcome::MfaRequired, 8, "second factor asked for"),
        (Outcome::NoSuchUser, 9, "no such account"),
        (Outcome::Other, 10, "failed"),
        (Outcome::Success, 11, "signed in"),
    ];

    pub(super) fn code(self) -> u8 {
        Outcome::ALL.iter().find(|(outcome, ..)| *outcome == self).map_or(0, |(_, code, _)| *code)
    }

    pub(super) fn from_code(code: u8) -> Option<Outcome> {
        Outcome::ALL.iter().find(|(_, c, _)| *c == code).map(|(outcome, ..)| *outcome)
    }

    /// In words.
    pub fn words(self) -> &'static str {
        Outcome::ALL.iter().find(|(outcome, ..)| *outcome == self).map_or("", |(.., words)| *words)
    }
}

/// Which door was knocked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Microsoft Entra ID, Microsoft 365.
    Entra,
    /// Mailboxes by IMAP, POP or SMTP.
    Mail,
    /// Okta.
    Okta,
    /// OpenSSH.
    Ssh,
    /// Remote access.
    Vpn,
    /// A web application.
    Web,
    /// Windows and its domain.
    Windows,
}

impl Service {
    /// All of them with a number that stands in checkpoints, and their name.
    pub const ALL: [(Service, u8, &'static str); 7] = [
        (Service::Entra, 1, "entra"),
        (Service::Mail, 2, "mail"),
        (Service::Okta, 3, "okta"),
        (Service::Ssh, 4, "ssh"),
        (Service::Vpn, 5, "vpn"),
        (Service::Web, 6, "web"),
        (Service::Windows, 7, "windows"),
    ];

    pub(super) fn code(self) -> u8 {
        Service::ALL.iter().find(|(service, ..)| *service == self).map_or(0, |(_, code, _)| *code)
    }

    pub(super) fn from_code(code: u8) -> Option<Service> {
        Service::ALL.iter().find(|(_, c, _)| *c == code).map(|(service, ..)| *service)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Service::ALL.iter().find(|(service, ..)| *service == self).map_or("", |(.., name)| *name)
    }
}

/// Where an identity provider itself says that an address is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// ISO 3166 code, or the name where the log has no code.
    pub country: Option<String>,
    /// Autonomous system.
    pub asn: Option<u32>,
    /// Degrees north and east.
    pub at: Option<(f64, f64)>,
}

/// One attempt to sign in.
#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    /// When.
    pub time: Timestamp,
    /// Account, see [`account`].
    pub user: String,
    /// Address it came from.
    pub address: Option<IpAddr>,
    /// Name of the computer it came from, where no address is told, lower case.
    pub workstation: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// Which door.
    pub service: Service,
    /// Id of a registered device.
    pub device: Option<String>,
    /// User agent, as it was sent.
    pub agent: Option<String>,
    /// Application.
    pub application: Option<String>,
    /// Protocol, where it is told.
    pub protocol: Option<String>,
    /// Whether it is a protocol that knows no second factor.
    pub legacy: bool,
    /// Id of the session.
    pub session: Option<String>,
    /// Whether a token was renewed without the person: that says where the token is, not who is there.
    pub refresh: bool,
    /// What the log says of the place.
    pub told: Told,
}

/// A change that matters to whom an account belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// A second factor was added, changed or taken away.
    MfaMethod,
    /// The password was changed by its owner.
    Password,
    /// The password was set by somebody else.
    PasswordReset,
}

/// One change of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountChange {
    /// When.
    pub time: Timestamp,
    /// Account.
    pub user: String,
    /// Who did it; empty where it is not told.
    pub actor: String,
    /// From where.
    pub address: Option<IpAddr>,
    /// What.
    pub change: Change,
    /// As the log calls it.
    pub words: String,
    /// In which log.
    pub service: Service,
}

/// What an event tells of an account.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountEvent {
    /// A change.
    Change(AccountChange),
    /// A sign-in.
    SignIn(SignIn),
}

/// Whether logs of a class can tell of sign-ins.
pub fn can_tell(class: &SourceClass) -> bool {
    match class.kind {
        SourceKind::Audit | SourceKind::Authentication | SourceKind::Vpn | SourceKind::WebServer => true,
        SourceKind::Unknown | SourceKind::Email => {
            matches!(class.format, Format::Syslog | Format::Json | Format::FortiGate | Format::Evtx)
        }
        _ => class.source.product == "windows",
    }
}

/// Reads an event as a sign-in or a change of an account; `None` where it is neither, lacks a time or a user, or is
/// of an account that no person and no service signs in with (a computer's, the system's).
///
/// ```
/// use hunt::detector::signin::{Outcome, AccountEvent, account_event};
/// use hunt::event::Event;
/// use model::time::Timestamp;
///
/// let mut event = Event::default();
/// event.time = Some(Timestamp::from_micros(0));
/// event.fields = serde_json::from_str(
///     r#"{"EventID": 4625, "TargetUserName": "Alice", "SubStatus": "0xC000006A", "IpAddress": "10.0.0.7"}"#,
/// ).unwrap();
/// let Some(AccountEvent::SignIn(sign_in)) = account_event(&event) else { panic!() };
/// assert_eq!((sign_in.user.as_str(), sign_in.outcome), ("alice", Outcome::BadPassword));
/// ```
pub fn account_event(event: &Event) -> Option<AccountEvent> {
    let fields = &event.fields;
    if windows::id(event).is_some() {
        return windows::read(event);
    }
    if fields.contains_key("eventType") && fields.contains_key("actor") {
        return okta::read(event);
    }
    if let Some(read) = entra::read(event) {
        return Some(read);
    }
    unix::read(event)
}

/// The name under which an account is counted: lower case, without the domain in front (`WORKS\alice`) or behind
/// (`alice@works.example`), so that what Windows and a cloud call one person is one account. Guests keep theirs.
pub fn account(name: &str) -> Option<String> {
    let name = name.trim().trim_matches('"');
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    let lower = name.to_lowercase();
    if lower.contains("#ext#") {
        return Some(lower);
    }
    let local = lower.split_once('@').map_or(lower.as_str(), |(local, _)| local);
    let nobody = local.is_empty()
        || local == "-"
        || local.ends_with('$')
        || local.starts_with("s-1-")
        || local.starts_with("dwm-")
        || local.starts_with("umfd-")
        || matches!(
            local,
            "system" | "anonymous logon" | "local service" | "network service" | "unknown" | "n/a" | "(null)"
        );
    (!nobody).then(|| local.to_owned())
}

/// An address as logs write it: with a port, in brackets, IPv4 in IPv6.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|t| t.split_once(']')).map_or(text, |(inside, _)| inside);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| {
        let (host, port) = bare.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        host.parse().ok()
    })?;
    let plain = parsed.to_canonical();
    (!plain.is_unspecified() && !plain.is_loopback()).then_some(plain)
}

/// A sign-in with nothing but what all have.
pub(super) fn bare(event: &Event, user: &str, outcome: Outcome, service: Service) -> Option<SignIn> {
    Some(SignIn {
        time: event.time?,
        user: account(user)?,
        address: None,
        workstation: None,
        outcome,
        service,
        device: None,
        agent: None,
        application: None,
        protocol: None,
        legacy: false,
        session: None,
        refresh: false,
        told: Told::default(),
    })
}

/// A field as an owned text.
pub(super) fn owned(event: &Event, name: &str) -> Option<String> {
    event.text(name).map(std::borrow::Cow::into_owned)
}

/// What kinds of user agent are one: the same program in another version is not another program.
///
/// ```
/// use hunt::detector::signin::agent_family;
///
/// assert_eq!(agent_family("Mozilla/5.0 (Windows NT 10.0) Chrome/120.0.0.0 Safari/537.36"),
///            agent_family("Mozilla/5.0 (Windows NT 10.0) Chrome/121.0.1.2 Safari/537.36"));
/// assert_ne!(agent_family("fasthttp"), agent_family("curl/8.5.0"));
/// ```
pub fn agent_family(agent: &str) -> String {
    let mut family = String::with_capacity(agent.len().min(128));
    let mut number = false;
    for c in agent.chars().take(256) {
        if c.is_ascii_digit() || (number && matches!(c, '.' | '_')) {
            if !number {
                family.push('#');
            }
            number = true;
        } else {
            number = false;
            family.extend(c.to_lowercase());
        }
    }
    family
}

/// A Windows event's number.
pub(super) fn windows_id(event: &Event) -> Option<u64> {
    windows::id(event)
}

/// A value of a Windows event's data.
pub(super) fn windows_data(event: &Event, name: &str) -> Option<String> {
    windows::data(event, name)
}
