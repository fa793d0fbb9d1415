// SPDX-License-Identifier: Apache-2.0
//! Windows Security events as JSON, flattened as winlogbeat's and EVTX converters do: the names of `System` and
//! `EventData` at top level.

use serde_json::{Map, Value, json};

use super::{Family, Line, Out, id_of};
use crate::time::iso;

fn event(time: i64, id: u32, computer: &str, data: Value) -> Line {
    let mut all = Map::new();
    all.insert("Channel".into(), "Security".into());
    all.insert("Computer".into(), format!("{computer}.works.example").into());
    all.insert("EventID".into(), id.into());
    all.insert("EventRecordID".into(), (id_of(&[computer], time) % 1_000_000_000).into());
    all.insert("Provider_Name".into(), "Microsoft-Windows-Security-Auditing".into());
    all.insert("TimeCreated_SystemTime".into(), iso(time).into());
    all.insert("@timestamp".into(), iso(time).into());
    if let Value::Object(data) = data {
        all.extend(data);
    }
    Line { family: Family::Windows, time, text: Value::Object(all).to_string() }
}

/// A logon.
#[derive(Clone, Copy, Debug)]
pub struct Logon<'a> {
    /// When.
    pub time: i64,
    /// On which computer.
    pub computer: &'a str,
    /// Account.
    pub user: &'a str,
    /// Address it came from.
    pub from: &'a str,
    /// 2 interactive, 3 network, 10 remote desktop.
    pub kind: u32,
    /// What came of it.
    pub out: Out,
}

/// 4624 or 4625.
pub fn logon(act: &Logon<'_>) -> Line {
    let (id, sub) = match act.out {
        Out::Ok => (4624, ""),
        Out::NoUser => (4625, "0xc0000064"),
        Out::Locked => (4625, "0xc0000234"),
        Out::Disabled => (4625, "0xc0000072"),
        _ => (4625, "0xc000006a"),
    };
    let mut data = json!({
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "-",
        "TargetUserName": act.user,
        "TargetDomainName": "WORKS",
        "LogonType": act.kind.to_string(),
        "LogonProcessName": if act.kind == 3 { "NtLmSsp" } else { "User32" },
        "AuthenticationPackageName": if act.kind == 3 { "NTLM" } else { "Negotiate" },
        "WorkstationName": if act.kind == 3 { "-" } else { act.computer },
        "IpAddress": act.from,
        "IpPort": (1_024 + act.time.rem_euclid(60_000)).to_string(),
        "ProcessName": "-",
    });
    if let (Value::Object(data), 4625) = (&mut data, id) {
        let status = if matches!(act.out, Out::Bad | Out::NoUser) { "0xc000006d" } else { sub };
        data.insert("Status".into(), status.into());
        data.insert("SubStatus".into(), sub.into());
        data.insert("FailureReason".into(), "%%2313".into());
    }
    event(act.time, id, act.computer, data)
}

/// 4768 (a ticket, or no such user) or 4771 (wrong password) on a domain controller.
pub fn kerberos(time: i64, user: &str, from: &str, out: Out) -> Line {
    let (id, status) = match out {
        Out::Ok | Out::Mfa => (4768, "0x0"),
        Out::NoUser => (4768, "0x6"),
        Out::Locked | Out::Disabled => (4768, "0x12"),
        Out::Bad | Out::Denied => (4771, "0x18"),
    };
    let data = json!({
        "TargetUserName": user,
        "TargetDomainName": "WORKS.EXAMPLE",
        "ServiceName": "krbtgt",
        "TicketOptions": "0x40810010",
        "Status": status,
        "PreAuthType": "2",
        "IpAddress": format!("::ffff:{from}"),
        "IpPort": (1_024 + time.rem_euclid(60_000)).to_string(),
    });
    event(time, id, "DC1", data)
}

/// 4776: NTLM, checked by a domain controller.
pub fn ntlm(time: i64, user: &str, workstation: &str, out: Out) -> Line {
    let status = match out {
        Out::Ok | Out::Mfa => "0x0",
        Out::NoUser => "0xc0000064",
        Out::Locked => "0xc0000234",
        Out::Disabled => "0xc0000072",
        Out::Bad | Out::Denied => "0xc000006a",
    };
    let data = json!({
        "PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0",
        "TargetUserName": user,
        "Workstation": workstation,
        "Status": status,
    });
    event(time, 4776, "DC1", data)
}

/// 4723 (by the user) or 4724 (by the helpdesk).
pub fn password_change(time: i64, user: &str, actor: &str) -> Line {
    let id = if user == actor { 4723 } else { 4724 };
    let data = json!({
        "TargetUserName": user,
        "TargetDomainName": "WORKS",
        "SubjectUserName": actor,
        "SubjectDomainName": "WORKS",
        "SubjectLogonId": "0x3e7",
    });
    event(time, id, "DC1", data)
}

/// 4688: a program was started.
pub fn process(time: i64, computer: &str, user: &str, image: &str, command: &str) -> Line {
    let data = json!({
        "SubjectUserName": user,
        "SubjectDomainName": "WORKS",
        "NewProcessName": image,
        "CommandLine": command,
        "ParentProcessName": "C:\\Windows\\System32\\cmd.exe",
        "TokenElevationType": "%%1938",
    });
    event(time, 4688, computer, data)
}

/// Sysmon's event 1 for a program whose file says that it is called otherwise.
pub fn archive(time: i64, computer: &str, user: &str, image: &str, original: &str, command: &str) -> Line {
    let mut line = event(
        time,
        1,
        computer,
        json!({
            "User": format!("WORKS\\{user}"),
            "Image": image,
            "OriginalFileName": original,
            "CommandLine": command,
            "ParentImage": "C:\\Windows\\System32\\cmd.exe",
        }),
    );
    line.text = line
        .text
        .replace("\"Channel\":\"Security\"", "\"Channel\":\"Microsoft-Windows-Sysmon/Operational\"")
        .replace("Microsoft-Windows-Security-Auditing", "Microsoft-Windows-Sysmon");
    line
}

/// 5145: a file on a share was opened to read, or to write.
pub fn share(time: i64, user: &str, from: &str, share: &str, file: &str, write: bool) -> Line {
    let data = json!({
        "SubjectUserName": user,
        "SubjectDomainName": "WORKS",
        "ObjectType": "File",
        "IpAddress": from,
        "IpPort": (1_024 + time.rem_euclid(60_000)).to_string(),
        "ShareName": format!("\\\\*\\{share}"),
        "ShareLocalPath": format!("\\??\\D:\\{share}"),
        "RelativeTargetName": file,
        "AccessMask": if write { "0x2" } else { "0x1" },
        "AccessList": if write { "%%4417\n\t\t\t\t" } else { "%%4416\n\t\t\t\t" },
    });
    event(time, 5145, "FS1", data)
}
