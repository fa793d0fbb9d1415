// SPDX-License-Identifier: Apache-2.0
//! The pack `account-takeover`: each correlation with a case in which it holds and one in which it does not.

use std::sync::Arc;

use hunt::detection::{Detection, Level};
use hunt::event::{Event, LogSource};
use hunt::rule::{Engine, Options, PACKS, Rules, pack_rules};
use serde_json::{Value, json};

use super::support::{event, run, source, time};

const SECURITY: LogSource = LogSource::new("windows", "", "security");

fn told(events: &[Event]) -> Vec<Detection> {
    let pack = PACKS.iter().find(|pack| pack.name == "account-takeover").unwrap();
    let (set, said) = Rules::new(pack_rules(pack).0);
    assert!(said.is_empty(), "{said:?}");
    let mut engine = Engine::new(Arc::new(set), Options::archive(time("2026-06-01T00:00:00Z")));
    let mut found = run(&mut engine, events);
    found.retain(|detection| detection.level > Level::Informational);
    found
}

/// So many events, one a minute; `make` gives the fields of each.
fn events(source: LogSource, count: u32, make: impl Fn(u32) -> Value) -> Vec<Event> {
    (0..count)
        .map(|nth| {
            let mut fields = make(nth);
            fields["time"] = json!(format!("2026-03-01T{:02}:{:02}:00Z", 8 + nth / 60, nth % 60));
            event(source, &fields.to_string())
        })
        .collect()
}

fn windows(id: u32, more: Value) -> Value {
    let mut fields = json!({"Channel": "Security", "EventID": id, "Computer": "dc-1.corp.example"});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fields
}

fn titles(found: &[Detection]) -> Vec<&str> {
    found.iter().map(|detection| detection.title.as_str()).collect()
}

/// Holds with this many accounts and not with one less.
fn edge(source: LogSource, over: u32, title: &str, make: impl Fn(u32) -> Value) {
    let found = told(&events(source, over, &make));
    assert_eq!(titles(&found), [title]);
    assert!(!found[0].advice.is_empty() && !found[0].disproof.is_empty());
    assert_eq!(found[0].count, u64::from(over));
    let less = told(&events(source, over - 1, &make));
    assert!(less.is_empty(), "{less:?}");
}

#[test]
fn kerberos() {
    let user = |nth: u32| format!("user{nth}");
    edge(SECURITY, 11, "Wrong Kerberos passwords for many accounts from one address", |nth| {
        windows(4771, json!({"Status": "0x18", "TargetUserName": user(nth), "IpAddress": "::ffff:192.0.2.7"}))
    });
    edge(SECURITY, 11, "Kerberos tickets asked for many disabled accounts from one address", |nth| {
        windows(4768, json!({"Status": "0x12", "TargetUserName": user(nth), "IpAddress": "::ffff:192.0.2.7"}))
    });
    edge(SECURITY, 11, "Kerberos tickets asked for many accounts that do not exist", |nth| {
        windows(4768, json!({"Status": "0x6", "TargetUserName": user(nth), "IpAddress": "::ffff:192.0.2.7"}))
    });
    let machines = events(SECURITY, 20, |nth| {
        windows(
            4771,
            json!({"Status": "0x18", "TargetUserName": format!("PC-{nth}$"), "IpAddress": "192.0.2.7"}),
        )
    });
    assert!(told(&machines).is_empty(), "passwords of machines expire by themselves");
    let one_user = events(SECURITY, 20, |_| {
        windows(4771, json!({"Status": "0x18", "TargetUserName": "anna", "IpAddress": "192.0.2.7"}))
    });
    assert!(told(&one_user).is_empty(), "one account, however often");
}

#[test]
fn ntlm() {
    edge(SECURITY, 4, "Wrong NTLM passwords for many accounts from one workstation", |nth| {
        windows(
            4776,
            json!({"Status": "0xC000006A", "TargetUserName": format!("user{nth}"), "Workstation": "WS-7"}),
        )
    });
    edge(SECURITY, 4, "Many accounts that do not exist tried by NTLM from one workstation", |nth| {
        windows(
            4776,
            json!({"Status": "0xc0000064", "TargetUserName": format!("user{nth}"), "Workstation": "WS-7"}),
        )
    });
}

#[test]
fn logons_of_windows() {
    let failed = |nth: u32| {
        let more = json!({"SubStatus": "0xC000006A", "TargetUserName": format!("user{nth}"), "IpAddress": "192.0.2.7", "LogonType": 3});
        windows(4625, more)
    };
    edge(SECURITY, 11, "Failed logons of many accounts from one address", failed);
    let mut then = events(SECURITY, 12, failed);
    let success = |address: &str| {
        let fields = windows(
            4624,
            json!({"TargetUserName": "user3", "IpAddress": address, "LogonType": 3, "time": "2026-03-01T20:00:00Z"}),
        );
        event(SECURITY, &fields.to_string())
    };
    then.push(success("192.0.2.8"));
    assert_eq!(titles(&told(&then)), ["Failed logons of many accounts from one address"]);
    then.push(success("192.0.2.7"));
    let found = told(&then);
    let won = found
        .iter()
        .find(|d| d.title.starts_with("Logon from an address"))
        .expect("a success after the spray");
    assert_eq!(
        (won.level, won.about.as_slice()),
        (Level::Critical, &[("address", "192.0.2.7".to_owned())][..])
    );
    edge(SECURITY, 11, "Failed logons of many accounts by one process", |nth| {
        windows(
            4625,
            json!({
                "SubStatus": "0xC000006A", "TargetUserName": format!("user{nth}"), "IpAddress": "-", "LogonType": 3,
                "ProcessName": "C:\\Windows\\System32\\inetsrv\\w3wp.exe",
            }),
        )
    });
    edge(SECURITY, 11, "Credentials of many accounts given by one user", |nth| {
        windows(4648, json!({"SubjectUserName": "anna", "TargetUserName": format!("user{nth}")}))
    });
}

#[test]
fn pam() {
    edge(source("linux", "", "auth"), 4, "Failed authentications of many users from one host", |nth| {
        json!({
            "program": "sshd", "user": format!("user{nth}"), "src_ip": "192.0.2.7",
            "message": format!("pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=192.0.2.7 user=user{nth}"),
        })
    });
}

#[test]
fn entra() {
    let sign_ins = source("azure", "", "signinlogs");
    let failed = |nth: u32| json!({"status": {"errorCode": 50126}, "userPrincipalName": format!("user{nth}@example.org"), "ipAddress": "192.0.2.7"});
    edge(sign_ins, 11, "Wrong Entra passwords for many accounts from one address", failed);
    let mut then = events(sign_ins, 12, failed);
    let success = json!({
        "status": {"errorCode": 0}, "userPrincipalName": "user3@example.org", "ipAddress": "192.0.2.7",
        "time": "2026-03-01T09:00:00Z",
    });
    then.push(event(sign_ins, &success.to_string()));
    let found = told(&then);
    assert!(found.iter().any(|d| d.level == Level::Critical && d.count == 2), "{found:?}");
}
