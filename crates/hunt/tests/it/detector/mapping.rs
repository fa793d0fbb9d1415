// SPDX-License-Identifier: Apache-2.0
//! Each maker's codes as outcomes, from lines as the makers document them. All names are invented.

use hunt::detector::signin::{AccountEvent, Change, Outcome, account, account_event, address};
use hunt::event::Event;
use model::time::Timestamp;
use serde_json::{Value, json};

fn read(fields: Value) -> Option<AccountEvent> {
    let Value::Object(fields) = fields else { panic!("no object") };
    account_event(&Event { time: Some(Timestamp::EPOCH), fields, ..Event::default() })
}

fn outcome(fields: Value) -> Option<(String, Outcome)> {
    match read(fields)? {
        AccountEvent::SignIn(sign_in) => Some((sign_in.user, sign_in.outcome)),
        AccountEvent::Change(_) => None,
    }
}

fn change(fields: Value) -> Option<(String, Change)> {
    match read(fields)? {
        AccountEvent::Change(change) => Some((change.user, change.change)),
        AccountEvent::SignIn(_) => None,
    }
}

#[test]
fn windows_codes_are_what_microsoft_says() {
    use Outcome::{BadPassword, Disabled, Expired, Locked, NoSuchUser, Success};
    let cases = [
        (4624, "", "", Some(Success)),
        (4625, "0xc000006d", "0xc000006a", Some(BadPassword)),
        (4625, "0xC000006D", "0xC0000064", Some(NoSuchUser)),
        (4625, "0xc0000234", "0x0", Some(Locked)),
        (4625, "0xc000006e", "0xc0000072", Some(Disabled)),
        (4625, "0xc000006e", "0xc0000071", Some(Expired)),
        (4625, "", "", None),
        (4768, "0x0", "", Some(Success)),
        (4768, "0x6", "", Some(NoSuchUser)),
        (4768, "0x12", "", Some(Locked)),
        (4768, "0x19", "", None),
        (4771, "0x18", "", Some(BadPassword)),
        (4776, "0x0", "", Some(Success)),
        (4776, "0xc000006a", "", Some(BadPassword)),
        (4776, "0xc0000064", "", Some(NoSuchUser)),
        (4634, "0x0", "", None),
    ];
    for (id, status, sub, expected) in cases {
        let fields = json!({"EventID": id, "TargetUserName": "Alice", "LogonType": "3", "Status": status, "SubStatus": sub, "IpAddress": "::ffff:10.0.0.7"});
        assert_eq!(outcome(fields).map(|(_, outcome)| outcome), expected, "{id} {status} {sub}");
        let nested = json!({"winlog": {"event_id": id, "event_data": {"TargetUserName": "Alice", "LogonType": "3", "Status": status, "SubStatus": sub}}});
        assert_eq!(outcome(nested).map(|(_, outcome)| outcome), expected, "{id} as Winlogbeat nests it");
    }
    let service = json!({"EventID": 4624, "TargetUserName": "Alice", "LogonType": "5"});
    assert_eq!(outcome(service), None, "a service that starts signs nobody in");
    let other = json!({"EventID": 4625, "Provider_Name": "Some-Other", "TargetUserName": "a", "SubStatus": "0xc000006a"});
    assert_eq!(outcome(other), None);
    let reset = json!({"EventID": 4724, "TargetUserName": "bob", "SubjectUserName": "HELP"});
    assert_eq!(change(reset), Some(("bob".to_owned(), Change::PasswordReset)));
}

#[test]
fn entra_codes_are_what_microsoft_says() {
    use Outcome::{
        BadPassword, BlockedByPolicy, Disabled, Expired, Locked, MfaDenied, MfaRequired, NoSuchUser, Other,
        Success,
    };
    let cases = [
        (0, Success),
        (50126, BadPassword),
        (50053, Locked),
        (50057, Disabled),
        (50055, Expired),
        (50034, NoSuchUser),
        (50074, MfaRequired),
        (50076, MfaRequired),
        (500_121, MfaDenied),
        (53003, BlockedByPolicy),
        (90_000, Other),
    ];
    for (code, expected) in cases {
        let graph = json!({"userPrincipalName": "Carol@works.example", "status": {"errorCode": code}, "ipAddress": "203.0.113.9"});
        assert_eq!(outcome(graph.clone()), Some(("carol".to_owned(), expected)), "{code}");
        let exported = json!({"category": "SignInLogs", "properties": graph});
        assert_eq!(outcome(exported), Some(("carol".to_owned(), expected)), "{code} as exported");
    }
    let unified = json!({"Operation": "UserLoginFailed", "UserId": "carol@works.example", "ErrorNumber": "50126", "ActorIpAddress": "203.0.113.9:443"});
    assert_eq!(outcome(unified), Some(("carol".to_owned(), BadPassword)));
    let audit = |what: &str, result: &str| json!({"activityDisplayName": what, "result": result, "initiatedBy": {"user": {"userPrincipalName": "carol@works.example"}}, "targetResources": [{"userPrincipalName": "carol@works.example"}]});
    assert_eq!(
        change(audit("User registered security info", "success")),
        Some(("carol".to_owned(), Change::MfaMethod))
    );
    assert_eq!(change(audit("User registered security info", "failure")), None);
    assert_eq!(
        change(audit("Reset password (by admin)", "success")),
        Some(("carol".to_owned(), Change::PasswordReset))
    );
    assert_eq!(change(audit("Add group", "success")), None);
}

#[test]
fn legacy_clients_and_renewed_tokens_are_known() {
    let sign_in = |more: Value| {
        let mut fields = json!({"userPrincipalName": "a@works.example", "status": {"errorCode": 0}});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        match read(fields) {
            Some(AccountEvent::SignIn(sign_in)) => (sign_in.legacy, sign_in.refresh),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(sign_in(json!({"clientAppUsed": "Browser"})), (false, false));
    assert_eq!(sign_in(json!({"clientAppUsed": "Other clients; IMAP"})), (true, false));
    assert_eq!(sign_in(json!({"clientAppUsed": "Authenticated SMTP"})), (true, false));
    assert_eq!(sign_in(json!({"authenticationProtocol": "ropc"})), (true, false));
    assert_eq!(sign_in(json!({"isInteractive": false})), (false, true));
    assert_eq!(sign_in(json!({"signInEventTypes": ["nonInteractiveUser"]})), (false, true));
}

#[test]
fn okta_events_are_what_okta_says() {
    use Outcome::{
        BadPassword, BlockedByPolicy, Locked, MfaApproved, MfaDenied, MfaRequired, NoSuchUser, Success,
    };
    let cases = [
        ("user.session.start", "SUCCESS", "", Some(Success)),
        ("user.session.start", "FAILURE", "INVALID_CREDENTIALS", Some(BadPassword)),
        ("user.session.start", "FAILURE", "VERIFICATION_ERROR", Some(NoSuchUser)),
        ("user.session.start", "FAILURE", "LOCKED_OUT", Some(Locked)),
        ("user.mfa.okta_verify.deny_push", "FAILURE", "", Some(MfaDenied)),
        ("user.authentication.auth_via_mfa", "FAILURE", "INVALID_CREDENTIALS", Some(MfaDenied)),
        ("user.authentication.auth_via_mfa", "SUCCESS", "", Some(MfaApproved)),
        ("system.push.send_factor_verify_push", "SUCCESS", "", Some(MfaRequired)),
        ("policy.evaluate_sign_on", "DENY", "", Some(BlockedByPolicy)),
        ("policy.evaluate_sign_on", "ALLOW", "", None),
        ("app.generic.import", "SUCCESS", "", None),
    ];
    let event = |kind: &str, result: &str, reason: &str| json!({"eventType": kind, "actor": {"id": "00u1", "alternateId": "dora@works.example"}, "outcome": {"result": result, "reason": reason}, "client": {"ipAddress": "203.0.113.9"}});
    for (kind, result, reason, expected) in cases {
        let found = outcome(event(kind, result, reason)).map(|(_, outcome)| outcome);
        assert_eq!(found, expected, "{kind} {result} {reason}");
    }
    assert_eq!(
        change(event("user.mfa.factor.activate", "SUCCESS", "")),
        Some(("dora".to_owned(), Change::MfaMethod))
    );
    assert_eq!(change(event("user.mfa.factor.activate", "FAILURE", "")), None);
}

#[test]
fn gates_mailboxes_shells_and_web_logs_are_read() {
    use Outcome::{BadPassword, Expired, NoSuchUser, Success};
    let gate = |action: &str, reason: &str| json!({"type": "event", "subtype": "vpn", "action": action, "reason": reason, "user": "emil", "remip": "203.0.113.9"});
    for (action, reason, expected) in [
        ("tunnel-up", "tunnel established", Some(Success)),
        ("ssl-login-fail", "sslvpn_login_permission_denied", Some(BadPassword)),
        ("ssl-login-fail", "sslvpn_login_unknown_user", Some(NoSuchUser)),
        ("ssl-login-fail", "sslvpn_login_password_expired", Some(Expired)),
        ("tunnel-down", "", None),
    ] {
        assert_eq!(outcome(gate(action, reason)).map(|(_, outcome)| outcome), expected, "{action} {reason}");
    }
    for (message, expected) in [
        (
            "imap-login: Login: user=<emil@works.example>, method=PLAIN, rip=203.0.113.9, lip=10.0.0.1",
            Some(Success),
        ),
        (
            "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<emil>, method=PLAIN, rip=203.0.113.9",
            Some(BadPassword),
        ),
        ("imap-login: Disconnected (no auth attempts in 0 secs): user=<>, rip=203.0.113.9", None),
        ("Accepted publickey for emil from 203.0.113.9 port 22 ssh2: RSA SHA256:abc", Some(Success)),
        ("Failed password for emil from 203.0.113.9 port 22 ssh2", Some(BadPassword)),
        ("Failed password for invalid user emil from 203.0.113.9 port 22 ssh2", Some(NoSuchUser)),
        ("Failed none for emil from 203.0.113.9 port 22 ssh2", None),
        ("Connection closed by 203.0.113.9", None),
    ] {
        assert_eq!(outcome(json!({ "message": message })).map(|(_, outcome)| outcome), expected, "{message}");
    }
    for (status, expected) in
        [(200, Some(Success)), (302, Some(Success)), (401, Some(BadPassword)), (500, None)]
    {
        let fields = json!({"cs-username": "WORKS\\emil", "c-ip": "203.0.113.9", "sc-status": status});
        assert_eq!(outcome(fields).map(|(_, outcome)| outcome), expected, "{status}");
    }
}

#[test]
fn one_person_has_one_name_and_machines_have_none() {
    for (name, expected) in [
        ("WORKS\\Alice", Some("alice")),
        ("alice@works.example", Some("alice")),
        ("Alice", Some("alice")),
        ("guest_mail.example#EXT#@works.example", Some("guest_mail.example#ext#@works.example")),
        ("WS1$", None),
        ("SYSTEM", None),
        ("S-1-5-18", None),
        ("-", None),
        ("", None),
        ("NT AUTHORITY\\ANONYMOUS LOGON", None),
    ] {
        assert_eq!(account(name).as_deref(), expected, "{name}");
    }
    for (text, expected) in [
        ("203.0.113.9", Some("203.0.113.9")),
        ("203.0.113.9:443", Some("203.0.113.9")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("::ffff:203.0.113.9", Some("203.0.113.9")),
        ("127.0.0.1", None),
        ("-", None),
        ("host", None),
    ] {
        assert_eq!(address(text).map(|a| a.to_string()).as_deref(), expected, "{text}");
    }
}

/// A damaged file of places answered nothing, and nobody was told.
#[test]
fn a_place_that_cannot_be_looked_up_is_told_once() {
    use hunt::detector::{PlaceFiles, Places as _};

    let firm = loggen::Firm::new(loggen::Plan { seed: 1, users: 1, days: 1, quiet: true });
    let whole = firm.places();
    let addresses =
        || (1..=255_u8).flat_map(|a| [[a, 0, 113, 7], [a, 51, 100, 7]].map(std::net::IpAddr::from));
    let told = |bytes: Vec<u8>| {
        let mut files = PlaceFiles::default();
        files.add("places.mmdb", bytes).unwrap();
        let found = addresses().filter(|address| files.find(*address).is_some()).count();
        (found, files.take_faults(), files.take_faults())
    };
    let (found, faults, _) = told(whole.clone());
    assert!(found > 0 && faults.is_empty(), "{faults:?}");
    // Half of what lies before the description of the file: of the tree and of the data.
    let metadata = whole.windows(14).rposition(|w| w == b"\xab\xcd\xefMaxMind.com").unwrap();
    let mut damaged = whole;
    damaged[metadata / 2..metadata].fill(0xFF);
    let (_, faults, again) = told(damaged);
    assert_eq!((faults.len(), again.len()), (1, 0), "{faults:?}");
    let said = faults[0].to_string();
    assert!(said.contains("places.mmdb") && said.contains("place-not-read"), "{said}");
}

/// A latitude that is no number, and a country that is no code, went into what is reckoned and shown.
#[test]
fn a_place_that_is_none_is_left_out_and_told() {
    use hunt::detector::{PlaceFiles, Places as _};

    let firm = loggen::Firm::new(loggen::Plan { seed: 1, users: 1, days: 1, quiet: true });
    let whole = firm.places();
    let addresses =
        || (1..=255_u8).flat_map(|a| [[a, 0, 113, 7], [a, 51, 100, 7]].map(std::net::IpAddr::from));
    // Each value stands behind its name and a byte of type and size.
    let changed = |name: &[u8], value: &[u8]| {
        let mut bytes = whole.clone();
        for at in 0..bytes.len() - name.len() {
            if bytes[at..].starts_with(name) {
                let at = at + name.len() + 1;
                bytes[at..at + value.len()].copy_from_slice(value);
            }
        }
        let mut files = PlaceFiles::default();
        files.add("places.mmdb", bytes).unwrap();
        let found: Vec<_> = addresses().filter_map(|address| files.find(address)).collect();
        (found, files.take_faults())
    };
    let (found, faults) = changed(b"latitude", &[]);
    assert!(found.iter().any(|place| place.at.is_some() && place.country.is_some()) && faults.is_empty());
    for north in [f64::NAN, f64::INFINITY, -90.1] {
        let (found, faults) = changed(b"latitude", &north.to_be_bytes());
        assert!(found.iter().all(|place| place.at.is_none()) && found.iter().any(|p| p.country.is_some()));
        assert!(faults[0].message.contains("are no place"), "{}", faults[0]);
    }
    let (found, faults) = changed(b"iso_code", b"\x1b[");
    assert!(found.iter().all(|place| place.country.is_none()) && found.iter().any(|p| p.at.is_some()));
    assert!(faults[0].message.contains("no code of two letters"), "{}", faults[0]);
}
