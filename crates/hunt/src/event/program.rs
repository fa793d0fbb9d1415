// SPDX-License-Identifier: Apache-2.0
//! What programs on Unix hosts say in syslog, as far as detectors need it as fields.
//!
//! Lifted names: `user`, `src_ip`, `src_port`, `outcome` (`success` or `failure`), `method`, `target_user`,
//! `command`. The message stays.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{LogSource, SourceClass, SourceKind, pairs};

type Fields = Map<String, Value>;

/// Lifts what a program's message tells, and says what it is.
pub(super) fn lift(program: &str, message: &str, fields: &mut Fields) -> SourceClass {
    let name = program.rsplit('/').next().unwrap_or(program).to_ascii_lowercase();
    if let Some(class) = cisco(program) {
        return class;
    }
    if message.contains("pam_unix(") || message.contains("pam_sss(") || message.contains("pam_ldap(") {
        pam(message, fields);
    }
    let (category, service, kind) = match name.as_str() {
        // OpenSSH 9.8 and later names the process that talks to the client `sshd-session`.
        "sshd" | "sshd-session" | "sshd-auth" | "dropbear" => {
            sshd(message, fields);
            ("", "sshd", SourceKind::Authentication)
        }
        "sudo" => {
            sudo(message, fields);
            ("", "sudo", SourceKind::Authentication)
        }
        "su" | "su-l" => {
            su(message, fields);
            ("", "auth", SourceKind::Authentication)
        }
        "login" | "systemd-logind" | "gdm-password" | "gdm" | "polkitd" | "pam" | "passwd" | "vsftpd"
        | "dovecot" | "auth" => ("", "auth", SourceKind::Authentication),
        "useradd" | "usermod" | "userdel" | "groupadd" | "chpasswd" => ("", "auth", SourceKind::Audit),
        "audit" | "auditd" | "audispd" | "audisp-syslog" => {
            pairs::read_into(message, fields);
            ("", "auditd", SourceKind::Endpoint)
        }
        "cron" | "crond" | "crontab" | "anacron" => ("", "cron", SourceKind::Endpoint),
        "named" | "unbound" | "dnsmasq" => ("dns", "", SourceKind::Dns),
        "openvpn" | "ovpn" | "charon" | "ipsec" | "wireguard" | "ocserv" | "xl2tpd" => {
            ("", "vpn", SourceKind::Vpn)
        }
        "squid" => ("proxy", "", SourceKind::Proxy),
        "postfix" | "sendmail" | "exim" | "opensmtpd" => ("", "mail", SourceKind::Email),
        "clamd" | "clamav" | "freshclam" => ("antivirus", "clamav", SourceKind::Ids),
        "kernel" if message.contains(" SRC=") && message.contains(" DST=") => {
            pairs::read_into(message, fields);
            ("firewall", "", SourceKind::Flow)
        }
        // Postfix names its daemons behind a slash: `postfix/smtpd`, `postfix-relay/submission/smtpd`.
        _ if program.starts_with("postfix") => ("", "mail", SourceKind::Email),
        "" => ("", "", SourceKind::Unknown),
        _ => ("", "syslog", SourceKind::Unknown),
    };
    let product = if name.is_empty() { "" } else { "linux" };
    SourceClass { kind, source: LogSource::new(product, category, service), ..SourceClass::default() }
}

/// `%ASA-6-302013`, `%SYS-5-CONFIG_I`: facility, severity, mnemonic (Cisco ASA Series Syslog Messages).
fn cisco(program: &str) -> Option<SourceClass> {
    let mut parts = program.strip_prefix('%')?.splitn(3, '-');
    let (facility, _, mnemonic) = (parts.next()?, parts.next()?, parts.next()?);
    let (category, service, kind) = match (facility, mnemonic.get(..3).unwrap_or_default()) {
        ("ASA" | "FTD" | "PIX", "113" | "716" | "721" | "722" | "725" | "734") => {
            ("", "asa", SourceKind::Vpn)
        }
        ("ASA" | "FTD" | "PIX", "109" | "605" | "611" | "772") => ("", "asa", SourceKind::Authentication),
        ("ASA" | "FTD" | "PIX", "111" | "502" | "503") => ("", "asa", SourceKind::Audit),
        ("ASA" | "FTD" | "PIX", "733") => ("", "asa", SourceKind::Ids),
        ("ASA" | "FTD" | "PIX", _) => ("firewall", "asa", SourceKind::Flow),
        ("SEC_LOGIN" | "AAA", _) => ("", "aaa", SourceKind::Authentication),
        _ => ("", "ios", SourceKind::Audit),
    };
    let source = LogSource::new("cisco", category, service);
    Some(SourceClass { kind, source, ..SourceClass::default() })
}

fn put(fields: &mut Fields, name: &str, value: &str) {
    if !value.is_empty() {
        fields.entry(name).or_insert_with(|| Value::from(value));
    }
}

/// OpenSSH (`auth.c`, `auth2.c`): `Failed password for invalid user x from 192.0.2.7 port 22 ssh2`.
fn sshd(message: &str, fields: &mut Fields) {
    for (verb, outcome) in [("Accepted ", "success"), ("Failed ", "failure"), ("Postponed ", "pending")] {
        let Some(rest) = message.strip_prefix(verb) else { continue };
        let Some((method, rest)) = rest.split_once(" for ") else { continue };
        // A name may hold any text, also ` from `: the last one counts.
        let Some((user, from)) = rest.rsplit_once(" from ") else { continue };
        put(fields, "method", method);
        put(fields, "outcome", outcome);
        user_and_source(user, from, fields);
        return;
    }
    if let Some(rest) = message.strip_prefix("Invalid user ")
        && let Some((user, from)) = rest.rsplit_once(" from ")
    {
        put(fields, "outcome", "failure");
        put(fields, "invalid_user", "true");
        return user_and_source(user, from, fields);
    }
    let refused = ["User ", "maximum authentication attempts exceeded for "];
    for prefix in refused {
        let rest = message.strip_prefix("error: ").unwrap_or(message).strip_prefix(prefix);
        if let Some((user, from)) = rest.and_then(|rest| rest.rsplit_once(" from ")) {
            put(fields, "outcome", "failure");
            return user_and_source(user, from, fields);
        }
    }
    let closed =
        ["Connection closed by ", "Disconnected from ", "Received disconnect from ", "Connection reset by "];
    for prefix in closed {
        let Some(rest) = message.strip_prefix(prefix) else { continue };
        let rest = ["authenticating user ", "invalid user ", "user "]
            .iter()
            .find_map(|word| rest.strip_prefix(word))
            .unwrap_or(rest);
        let mut words = rest.split(' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match (first.parse::<IpAddr>().is_ok(), second.parse::<IpAddr>().is_ok()) {
            (true, _) => put(fields, "src_ip", first),
            (false, true) => {
                put(fields, "user", first);
                put(fields, "src_ip", second);
            }
            _ => {}
        }
        return;
    }
}

/// A user as sshd names it, and `ADDRESS port NUMBER …`.
fn user_and_source(user: &str, from: &str, fields: &mut Fields) {
    if let Some(user) = user.strip_prefix("invalid user ") {
        put(fields, "invalid_user", "true");
        put(fields, "user", user);
    } else {
        put(fields, "user", user);
    }
    let mut words = from.split(' ');
    put(fields, "src_ip", words.next().unwrap_or_default());
    if words.next() == Some("port") {
        put(fields, "src_port", words.next().unwrap_or_default());
    }
}

/// `pam_unix(sshd:auth): authentication failure; logname= uid=0 … rhost=192.0.2.7  user=x`, and
/// `session opened for user x(uid=1000) by y(uid=0)`.
fn pam(message: &str, fields: &mut Fields) {
    let Some((head, rest)) = message.split_once("): ") else { return };
    if let Some((_, service)) = head.rsplit_once('(') {
        put(fields, "pam_service", service.split(':').next().unwrap_or_default());
    }
    let name = |text: &str| text.split(['(', ' ']).next().unwrap_or_default().to_owned();
    if let Some(opened) = rest.strip_prefix("session opened for user ") {
        put(fields, "session", "opened");
        return put(fields, "user", &name(opened));
    }
    if let Some(closed) = rest.strip_prefix("session closed for user ") {
        put(fields, "session", "closed");
        return put(fields, "user", &name(closed));
    }
    if !rest.contains("authentication failure") {
        return;
    }
    put(fields, "outcome", "failure");
    for word in rest.split([' ', ';']) {
        match word.split_once('=') {
            Some(("user", value)) => put(fields, "user", value),
            Some(("rhost", value)) => put(fields, "src_ip", value),
            Some((key @ ("ruser" | "tty"), value)) => put(fields, key, value),
            _ => {}
        }
    }
}

/// `alice : TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/bin/ls`, also with `3 incorrect password attempts`.
fn sudo(message: &str, fields: &mut Fields) {
    let Some((user, rest)) = message.split_once(" : ") else { return };
    put(fields, "user", user.trim());
    // The command is last and may hold the separator.
    let (rest, command) = rest.split_once("COMMAND=").unwrap_or((rest, ""));
    put(fields, "command", command);
    for part in rest.split(" ; ") {
        match part.trim().split_once('=') {
            Some(("USER", value)) => put(fields, "target_user", value),
            Some(("PWD", value)) => put(fields, "pwd", value),
            Some(("TTY", value)) => put(fields, "tty", value),
            Some(_) => {}
            None if part.contains("incorrect password") || part.contains("NOT in sudoers") => {
                put(fields, "outcome", "failure");
            }
            None => {}
        }
    }
    if !command.is_empty() {
        put(fields, "outcome", "success");
    }
}

/// `FAILED SU (to root) alice on pts/0`, `(to root) alice on pts/0`.
fn su(message: &str, fields: &mut Fields) {
    let (outcome, rest) = match message.strip_prefix("FAILED SU ") {
        Some(rest) => ("failure", rest),
        None => ("success", message),
    };
    let Some((target, rest)) = rest.strip_prefix("(to ").and_then(|rest| rest.split_once(") ")) else {
        return;
    };
    put(fields, "outcome", outcome);
    put(fields, "target_user", target);
    put(fields, "user", rest.split(' ').next().unwrap_or_default());
}
