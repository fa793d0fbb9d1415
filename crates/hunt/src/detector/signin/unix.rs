// SPDX-License-Identifier: Apache-2.0
//! FortiGate VPN, Dovecot and OpenSSH by syslog, and web logs that name the user.

use super::{AccountEvent, Outcome, Service, SignIn, address, bare, owned};
use crate::event::Event;

pub(super) fn read(event: &Event) -> Option<AccountEvent> {
    let read = fortigate(event).or_else(|| web(event)).or_else(|| message(event));
    read.map(AccountEvent::SignIn)
}

/// Fortinet, "FortiOS log message reference", event log, subtype vpn.
fn fortigate(event: &Event) -> Option<SignIn> {
    let kind = event.text("type")?;
    let subtype = event.text("subtype")?;
    if kind != "event" || !matches!(&*subtype, "vpn" | "user") {
        return None;
    }
    let reason = event.text("reason").unwrap_or_default().to_lowercase();
    let outcome = match &*event.text("action")? {
        "tunnel-up" if subtype == "vpn" => Outcome::Success,
        "ssl-login-fail" => match reason.as_str() {
            "sslvpn_login_unknown_user" => Outcome::NoSuchUser,
            "sslvpn_login_password_expired" => Outcome::Expired,
            "sslvpn_login_blocked" => Outcome::Locked,
            r if r.contains("policy") || r.contains("host_check") || r.contains("hostcheck") => {
                Outcome::BlockedByPolicy
            }
            _ => Outcome::BadPassword,
        },
        _ => return None,
    };
    let user = event.text("user").or_else(|| event.text("xauthuser"))?;
    let mut sign_in = bare(event, &user, outcome, Service::Vpn)?;
    sign_in.address = event.text("remip").or_else(|| event.text("srcip")).and_then(|text| address(&text));
    sign_in.application = owned(event, "tunneltype");
    sign_in.session = owned(event, "tunnelid").filter(|id| id != "0");
    Some(sign_in)
}

/// Status 401 is a wrong password; 2xx and 3xx with a name is somebody who is in.
fn web(event: &Event) -> Option<SignIn> {
    let user = event.text("cs-username")?;
    let outcome = match event.text("sc-status")?.parse::<u16>().ok()? {
        200..=399 => Outcome::Success,
        401 => Outcome::BadPassword,
        _ => return None,
    };
    let mut sign_in = bare(event, &user, outcome, Service::Web)?;
    sign_in.address = event.text("c-ip").and_then(|text| address(&text));
    sign_in.agent = owned(event, "cs-user-agent").or_else(|| owned(event, "cs(User-Agent)")).map(|agent| {
        // W3C logs write a plus where a space was.
        if agent.contains(' ') { agent } else { agent.replace('+', " ") }
    });
    sign_in.application = owned(event, "cs-host");
    Some(sign_in)
}

fn message(event: &Event) -> Option<SignIn> {
    let message = event.text("message").or_else(|| event.text("msg"))?;
    dovecot(event, &message).or_else(|| sshd(event, &message))
}

/// `imap-login: Login: user=<a@b>, method=PLAIN, rip=192.0.2.7, …`, and `Disconnected…(auth failed, …)`.
fn dovecot(event: &Event, message: &str) -> Option<SignIn> {
    let at = ["imap-login: ", "pop3-login: ", "submission-login: ", "managesieve-login: "].iter().find_map(
        |program| message.find(program).map(|at| (at + program.len(), program.trim_end_matches("-login: "))),
    );
    let (at, protocol) = at?;
    let rest = message.get(at..)?;
    let outcome = if rest.starts_with("Login: ") {
        Outcome::Success
    } else if rest.contains("auth failed") {
        Outcome::BadPassword
    } else {
        return None;
    };
    let user = after(rest, "user=<")?.split('>').next()?;
    let mut sign_in = bare(event, user, outcome, Service::Mail)?;
    sign_in.address = after(rest, "rip=").and_then(|text| address(text.split([',', ' ']).next()?));
    sign_in.session = after(rest, "session=<").and_then(|text| text.split('>').next()).map(str::to_owned);
    sign_in.protocol = Some(protocol.to_owned());
    sign_in.application = Some("dovecot".to_owned());
    sign_in.legacy = true;
    Some(sign_in)
}

/// `Accepted password for a from 192.0.2.7 port 22 ssh2`, `Failed password for invalid user b from …`.
fn sshd(event: &Event, message: &str) -> Option<SignIn> {
    let (outcome, rest) = if let Some(rest) = message.strip_prefix("Accepted ") {
        (Outcome::Success, rest)
    } else {
        (Outcome::BadPassword, message.strip_prefix("Failed ").filter(|rest| !rest.starts_with("none "))?)
    };
    let (method, rest) = rest.split_once(" for ")?;
    let (outcome, rest) = match rest.strip_prefix("invalid user ") {
        Some(rest) => (Outcome::NoSuchUser, rest),
        None => (outcome, rest),
    };
    let (user, rest) = rest.rsplit_once(" from ")?;
    let mut sign_in = bare(event, user, outcome, Service::Ssh)?;
    sign_in.address = rest.split(' ').next().and_then(address);
    sign_in.protocol = Some(method.to_owned());
    Some(sign_in)
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.find(mark).and_then(|at| text.get(at + mark.len()..))
}
