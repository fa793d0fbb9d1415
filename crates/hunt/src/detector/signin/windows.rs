// SPDX-License-Identifier: Apache-2.0
//! Windows Security events.
//!
//! Codes: NTSTATUS of 4625 (`SubStatus`, or `Status` where that is 0) and 4776; Kerberos error codes of RFC 4120
//! section 7.5.9 of 4768 and 4771.

use super::{AccountChange, AccountEvent, Change, Outcome, Service, SignIn, account, address, bare, owned};
use crate::event::Event;

/// The event's number, also as Winlogbeat nests it.
pub(super) fn id(event: &Event) -> Option<u64> {
    let value = event.field("EventID").or_else(|| event.field("winlog.event_id"))?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A value of the event's data, wherever the collector put it.
pub(crate) fn data(event: &Event, name: &str) -> Option<String> {
    owned(event, name).or_else(|| {
        let nested = event.fields.get("winlog")?.get("event_data")?.get(name)?.as_str()?;
        (!nested.is_empty() && nested != "-").then(|| nested.to_owned())
    })
}

pub(super) fn read(event: &Event) -> Option<AccountEvent> {
    let id = id(event)?;
    // Other providers use the same numbers for other things.
    let provider = owned(event, "Provider_Name").or_else(|| owned(event, "winlog.provider_name"));
    if provider.is_some_and(|name| !name.eq_ignore_ascii_case("Microsoft-Windows-Security-Auditing")) {
        return None;
    }
    match id {
        4624 | 4625 => logon(event, id).map(AccountEvent::SignIn),
        4768 | 4771 => kerberos(event, id).map(AccountEvent::SignIn),
        4776 => ntlm(event).map(AccountEvent::SignIn),
        4723 | 4724 => change(event, id).map(AccountEvent::Change),
        _ => None,
    }
}

fn logon(event: &Event, id: u64) -> Option<SignIn> {
    let kind = data(event, "LogonType").and_then(|kind| kind.parse::<u8>().ok());
    // 4 batch, 5 service, 7 unlock, 0 system: nobody came from anywhere.
    if matches!(kind, Some(0 | 4 | 5 | 7)) {
        return None;
    }
    let outcome = if id == 4624 {
        Outcome::Success
    } else {
        let sub = data(event, "SubStatus").and_then(|code| number(&code)).filter(|code| *code != 0);
        status(sub.or_else(|| data(event, "Status").and_then(|code| number(&code)))?)
    };
    let mut sign_in = bare(event, &data(event, "TargetUserName")?, outcome, Service::Windows)?;
    sign_in.address = data(event, "IpAddress").and_then(|text| address(&text));
    sign_in.workstation = data(event, "WorkstationName").map(|name| name.to_lowercase());
    sign_in.application = kind.map(|kind| match kind {
        2 => "interactive logon".to_owned(),
        3 => "network logon".to_owned(),
        8 => "network logon in clear text".to_owned(),
        10 => "remote desktop".to_owned(),
        other => format!("logon type {other}"),
    });
    sign_in.protocol = data(event, "AuthenticationPackageName");
    Some(sign_in)
}

fn kerberos(event: &Event, id: u64) -> Option<SignIn> {
    let code = number(&data(event, "Status").or_else(|| data(event, "ResultCode"))?)?;
    let outcome = match (id, code) {
        (4768, 0) => Outcome::Success,
        (_, 0x6) => Outcome::NoSuchUser,
        // KDC_ERR_CLIENT_REVOKED: disabled, expired or locked.
        (_, 0x12) => Outcome::Locked,
        (_, 0x17) => Outcome::Expired,
        (_, 0x18) => Outcome::BadPassword,
        // KDC_ERR_PREAUTH_REQUIRED is how each exchange begins.
        (_, 0x19) => return None,
        _ => Outcome::Other,
    };
    let mut sign_in = bare(event, &data(event, "TargetUserName")?, outcome, Service::Windows)?;
    sign_in.address = data(event, "IpAddress").and_then(|text| address(&text));
    sign_in.application = Some("kerberos".to_owned());
    sign_in.protocol = Some("kerberos".to_owned());
    Some(sign_in)
}

fn ntlm(event: &Event) -> Option<SignIn> {
    let code = number(&data(event, "Status").or_else(|| data(event, "ErrorCode"))?)?;
    let outcome = if code == 0 { Outcome::Success } else { status(code) };
    let mut sign_in = bare(event, &data(event, "TargetUserName")?, outcome, Service::Windows)?;
    sign_in.workstation = data(event, "Workstation").map(|name| name.trim_start_matches('\\').to_lowercase());
    sign_in.application = Some("ntlm".to_owned());
    sign_in.protocol = Some("ntlm".to_owned());
    Some(sign_in)
}

/// What an NTSTATUS says of a logon.
fn status(code: u64) -> Outcome {
    match code {
        0xC000_006A | 0xC000_006D => Outcome::BadPassword,
        0xC000_0064 => Outcome::NoSuchUser,
        0xC000_0234 => Outcome::Locked,
        0xC000_0072 => Outcome::Disabled,
        0xC000_0071 | 0xC000_0193 | 0xC000_0224 => Outcome::Expired,
        0xC000_006E | 0xC000_006F | 0xC000_0070 | 0xC000_015B | 0xC000_0413 => Outcome::BlockedByPolicy,
        _ => Outcome::Other,
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn change(event: &Event, id: u64) -> Option<AccountChange> {
    let actor = data(event, "SubjectUserName").and_then(|name| account(&name)).unwrap_or_default();
    Some(AccountChange {
        time: event.time?,
        user: account(&data(event, "TargetUserName")?)?,
        actor,
        address: None,
        change: if id == 4723 { Change::Password } else { Change::PasswordReset },
        words: if id == 4723 { "password changed (4723)" } else { "password reset (4724)" }.to_owned(),
        service: Service::Windows,
    })
}
