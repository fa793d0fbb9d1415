// SPDX-License-Identifier: Apache-2.0
//! Acts as the lines of the log that would tell of them. Field names are those of each maker's documentation.

mod cloud;
mod network;
mod windows;

use std::net::IpAddr;

pub use cloud::{entra, entra_audit, okta, okta_event};
pub use network::{DNS_HEADER, HTTP_HEADER, SMB_HEADER, dns, http, mail, smb_open, vpn, web};
pub use windows::{Logon, archive, kerberos, logon, ntlm, password_change, process, share};

/// A log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Zeek `dns`.
    Dns,
    /// Entra sign-ins, Graph `signIn`.
    Entra,
    /// Entra directory audits, Graph `directoryAudit`.
    EntraAudit,
    /// Zeek `http` of a proxy's uplink.
    Http,
    /// Dovecot by syslog.
    Mail,
    /// Okta System Log.
    Okta,
    /// Zeek `smb_files`.
    Smb,
    /// FortiGate VPN events.
    Vpn,
    /// A web application with names, combined log.
    Web,
    /// Windows Security events as JSON.
    Windows,
}

impl Family {
    /// All of them with the beginning and the ending of their files' names.
    pub const ALL: [(Family, &'static str, &'static str); 10] = [
        (Family::Dns, "dns", "log"),
        (Family::Entra, "entra", "jsonl"),
        (Family::EntraAudit, "entra-audit", "jsonl"),
        (Family::Http, "http", "log"),
        (Family::Mail, "mail", "log"),
        (Family::Okta, "okta", "jsonl"),
        (Family::Smb, "smb", "log"),
        (Family::Vpn, "vpn", "log"),
        (Family::Web, "web", "log"),
        (Family::Windows, "windows", "jsonl"),
    ];

    /// The lines that a file of it begins with.
    pub fn header(self) -> &'static str {
        match self {
            Family::Dns => DNS_HEADER,
            Family::Http => HTTP_HEADER,
            Family::Smb => SMB_HEADER,
            _ => "",
        }
    }
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// In which log.
    pub family: Family,
    /// When, in microseconds since 1970.
    pub time: i64,
    /// Without newline.
    pub text: String,
}

/// What came of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// Wrong password.
    Bad,
    /// Second factor refused by the person.
    Denied,
    /// Disabled account.
    Disabled,
    /// Locked account.
    Locked,
    /// No such account.
    NoUser,
    /// Second factor asked for.
    Mfa,
    /// In.
    Ok,
}

/// A sign-in as a person's program does it.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// When.
    pub time: i64,
    /// Account name, without domain.
    pub user: &'a str,
    /// From where.
    pub from: IpAddr,
    /// What came of it.
    pub out: Out,
    /// Device id; empty for one that is not registered.
    pub device: &'a str,
    /// User agent.
    pub agent: &'a str,
    /// Application.
    pub app: &'a str,
    /// Entra's `clientAppUsed`: `Browser`, `IMAP4` …
    pub client: &'a str,
}

/// The mail domain of the firm.
pub const DOMAIN: &str = "works.example";

/// A stable number of a text, for ids.
pub fn id_of(parts: &[&str], time: i64) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64 ^ time as u64;
    for byte in parts.iter().flat_map(|p| p.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash ^ hash >> 29
}
