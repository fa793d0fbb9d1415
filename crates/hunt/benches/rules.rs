// SPDX-License-Identifier: Apache-2.0
//! How fast Sigma rules are run, on one core.
//!
//! ```text
//! cargo bench -p hunt --bench rules                      # SigmaHQ's rules from ../shared/data, else the packs
//! cargo bench -p hunt --bench rules -- check             # and that the prefilter loses nothing, on every event
//! ```
//!
//! Prints events per second of processor time, best of five rounds, for two mixes. *Ordinary*: what hosts,
//! servers and network sensors of a firm log on a day: process starts, image loads, files, registry,
//! connections, name look-ups, logons, scripts, Zeek, proxy, web server, Linux, Entra. Every event is of a
//! source that has rules. *Hit-heavy*: the events of SigmaHQ's regression cases, each of which matches at least
//! one rule. Each is measured from fields, and from lines of JSON with their parsing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on stops"
)]

#[path = "made/clock.rs"]
mod clock;
#[path = "made/numbers.rs"]
mod numbers;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

use hunt::event::{Event, Format, LogSource, SourceClass, SourceKind};
use hunt::rule::{Engine, Options, Order, PACKS, Rule, Rules, pack_rules, read_rules};
use model::time::Timestamp;
use serde_json::{Map, Value, json};

use clock::processor_seconds;
use numbers::Numbers;

const ROUNDS: usize = 5;
/// Events of one round: long enough to be measured, of many different ones.
const EVENTS: usize = 200_000;

fn main() {
    let mut rules = Vec::new();
    let texts = unpacked("rules.tar.zst");
    let seconds = processor_seconds(&mut || rules = read(&texts));
    println!("{} rules read and compiled in {seconds:.2} s of processor time", rules.len());
    rules.extend(PACKS.iter().flat_map(|pack| pack_rules(pack).0));
    let mut put_together = None;
    let seconds = processor_seconds(&mut || put_together = Some(Rules::new(rules.clone())));
    let (rules, said) = put_together.unwrap();
    assert!(said.is_empty(), "{said:?}");
    let rules = Arc::new(rules);
    println!("with the packs, put together in {seconds:.2} s");
    let check = std::env::args().any(|argument| argument == "check");
    for (name, distinct) in [("ordinary", ordinary(20_000)), ("hit-heavy", regression())] {
        if distinct.is_empty() {
            println!("{name}: no ../shared/data, not measured");
            continue;
        }
        measure(name, &rules, &distinct);
        if check {
            checked(name, &rules, &distinct);
        }
    }
}

struct Sample {
    class: SourceClass,
    line: String,
    event: Event,
}

impl Sample {
    fn new(source: LogSource, format: Format, fields: &Value) -> Sample {
        let class = SourceClass { format, source, kind: SourceKind::Unknown };
        let line = fields.to_string();
        let event = Event { class, fields: fields.as_object().unwrap().clone(), ..Event::default() };
        Sample { class, line, event }
    }
}

fn measure(name: &str, rules: &Arc<Rules>, samples: &[Sample]) {
    let options =
        Options { order: Order::Archive, gather: true, exceptions: Vec::new(), now: Timestamp::EPOCH };
    let mut engine = Engine::new(Arc::clone(rules), options);
    let mut told = 0_u64;
    let started = Instant::now();
    for sample in samples {
        engine.observe(&sample.event, sample.line.as_bytes(), "warm", &mut |_| told += 1);
    }
    engine.end_file(&mut |_| told += 1);
    println!(
        "{name}: first pass, which makes the log sources ready: {:.2} s",
        started.elapsed().as_secs_f64()
    );
    let matches: u64 = engine.take_counts().iter().map(|count| count.matches).sum();
    let bytes: usize = samples.iter().map(|sample| sample.line.len()).sum();
    println!(
        "{name}: {} different events of {} bytes, {:.2} matches an event",
        samples.len(),
        bytes / samples.len(),
        matches as f64 / samples.len() as f64
    );
    let per_second = |seconds: f64| format!("{:.0} events/s", EVENTS as f64 / seconds);
    let from_fields = best(|| {
        for sample in samples.iter().cycle().take(EVENTS) {
            engine.observe(&sample.event, sample.line.as_bytes(), "log", &mut |_| told += 1);
        }
        engine.end_file(&mut |_| told += 1);
    });
    let from_lines = best(|| {
        for sample in samples.iter().cycle().take(EVENTS) {
            let fields: Map<String, Value> = serde_json::from_str(&sample.line).unwrap();
            let event = Event { class: sample.class, fields, ..Event::default() };
            engine.observe(&event, sample.line.as_bytes(), "log", &mut |_| told += 1);
        }
        engine.end_file(&mut |_| told += 1);
    });
    let megabytes = bytes as f64 / samples.len() as f64 * EVENTS as f64 / 1e6 / from_lines;
    println!(
        "{name}: from fields {}, from lines {} ({megabytes:.0} MB/s)",
        per_second(from_fields),
        per_second(from_lines)
    );
}

/// Rules that are asked of every event tell the same as rules behind the prefilter.
fn checked(name: &str, rules: &Arc<Rules>, samples: &[Sample]) {
    let options =
        Options { order: Order::Archive, gather: false, exceptions: Vec::new(), now: Timestamp::EPOCH };
    let mut engine = Engine::new(Arc::clone(rules), options);
    let mut differ = 0;
    for sample in samples {
        let mut told = Vec::new();
        engine
            .observe(&sample.event, sample.line.as_bytes(), "log", &mut |detection| told.push(detection.id));
        told.sort();
        let mut asked = rules.ask_all(&sample.event, sample.line.as_bytes());
        asked.sort();
        if told != asked {
            differ += 1;
            println!("{name}: told {told:?}, asked {asked:?}: {}", sample.line);
        }
    }
    println!("{name}: {} events checked, {differ} differ", samples.len());
    assert_eq!(differ, 0);
}

fn best(mut round: impl FnMut()) -> f64 {
    (0..ROUNDS).map(|_| processor_seconds(&mut round)).fold(f64::MAX, f64::min)
}

// --- data of others ---

fn unpacked(name: &str) -> BTreeMap<String, Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigma").join(name);
    let Ok(file) = std::fs::File::open(path) else { return BTreeMap::new() };
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    files
}

fn read(files: &BTreeMap<String, Vec<u8>>) -> Vec<Rule> {
    let texts = files.iter().filter(|(name, _)| name.ends_with(".yml"));
    texts.flat_map(|(name, bytes)| read_rules(bytes, name).rules).collect()
}

fn regression() -> Vec<Sample> {
    let files = unpacked("regression-a.tar.zst");
    let events = files.iter().filter(|(name, _)| name.ends_with(".json"));
    let records =
        events.flat_map(|(_, bytes)| serde_json::Deserializer::from_slice(bytes).into_iter::<Value>());
    let windows = LogSource { product: "windows", category: "", service: "" };
    records
        .map(|record| Sample::new(windows, Format::Evtx, &Value::Object(flattened(&record.unwrap()))))
        .collect()
}

fn flattened(record: &Value) -> Map<String, Value> {
    fn lift(name: &str, value: &Value, into: &mut Map<String, Value>) {
        let Value::Object(members) = value else {
            into.insert(name.to_owned(), value.clone());
            return;
        };
        for (key, value) in members {
            match key.as_str() {
                "#attributes" => value.as_object().unwrap().iter().for_each(|(attribute, value)| {
                    into.insert(format!("{name}_{attribute}"), value.clone());
                }),
                "#text" => {
                    into.insert(name.to_owned(), value.clone());
                }
                key => lift(key, value, into),
            }
        }
    }
    let mut fields = Map::new();
    for (part, value) in
        record["Event"].as_object().unwrap().iter().filter(|(part, _)| !part.starts_with('#'))
    {
        lift(part, value, &mut fields);
    }
    fields
}

// --- events of our own ---

impl Numbers {
    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

const WINDOWS: LogSource = LogSource { product: "windows", category: "", service: "" };

/// Of a hundred events: 20 process starts, 12 loads, 10 files, 12 registry, 10 connections, 6 look-ups,
/// 8 of the Security log, 2 scripts, 12 Zeek, 4 proxy, 2 web server, 1 Linux, 1 Entra.
fn ordinary(count: usize) -> Vec<Sample> {
    let mut n = Numbers(1);
    (0..count)
        .map(|_| match n.below(100) {
            0..20 => process(&mut n),
            20..32 => image(&mut n),
            32..42 => file(&mut n),
            42..54 => registry(&mut n),
            54..64 => connection(&mut n),
            64..70 => lookup(&mut n),
            70..78 => security(&mut n),
            78..80 => script(&mut n),
            80..92 => zeek(&mut n),
            92..96 => proxy(&mut n),
            96..98 => web(&mut n),
            98 => linux(&mut n),
            _ => entra(&mut n),
        })
        .collect()
}

const PROGRAMS: &[(&str, &str)] = &[
    (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r#""C:\Program Files\Google\Chrome\Application\chrome.exe" --type=renderer --lang=nl --device-scale-factor=1 --num-raster-threads=4 --renderer-client-id=37 --time-ticks-at-unix-epoch=-1771830145 --field-trial-handle=1944,i,8831234567890123456,1234567890123456789,262144"#,
    ),
    (
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
        r#""C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe" --type=utility --utility-sub-type=network.mojom.NetworkService --lang=en-GB --service-sandbox-type=none"#,
    ),
    (r"C:\Windows\System32\svchost.exe", r"C:\Windows\system32\svchost.exe -k netsvcs -p -s wuauserv"),
    (
        r"C:\Windows\System32\svchost.exe",
        r"C:\Windows\System32\svchost.exe -k LocalServiceNetworkRestricted -p -s WinHttpAutoProxySvc",
    ),
    (
        r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE",
        r#""C:\Program Files\Microsoft Office\Root\Office16\OUTLOOK.EXE" /recycle"#,
    ),
    (
        r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE",
        r#""C:\Program Files\Microsoft Office\Root\Office16\WINWORD.EXE" /n "C:\Users\j.jansen\Documents\Offerte 2026-117.docx" /o """#,
    ),
    (r"C:\Windows\System32\conhost.exe", r"\??\C:\Windows\system32\conhost.exe 0xffffffff -ForceV1"),
    (
        r"C:\Windows\System32\cmd.exe",
        r#"C:\Windows\system32\cmd.exe /c ""C:\Program Files\Backup Agent\bin\rotate.cmd" daily""#,
    ),
    (
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        r"powershell.exe -NoProfile -File C:\Scripts\Inventory.ps1 -Site Eindhoven",
    ),
    (r"C:\Windows\System32\taskhostw.exe", r"taskhostw.exe Install $(Arg0)"),
    (
        r"C:\Windows\System32\backgroundTaskHost.exe",
        r#""C:\Windows\system32\backgroundTaskHost.exe" -ServerName:App.AppXmtcan0h2tfbfy7k9kn8hbxb6dmzz1zh0.mca"#,
    ),
    (r"C:\Windows\System32\msiexec.exe", r"C:\Windows\system32\msiexec.exe /V"),
    (
        r"C:\Windows\System32\rundll32.exe",
        r"C:\Windows\System32\rundll32.exe C:\Windows\System32\inetcpl.cpl,ClearMyTracksByProcess Flags:8388616 WinX:0 WinY:0 IEFrame:0000000000000000",
    ),
    (
        r"C:\Windows\System32\SearchProtocolHost.exe",
        r#""C:\Windows\system32\SearchProtocolHost.exe" Global\UsGthrFltPipeMssGthrPipe_S-1-5-21-1004336348-1177238915-682003330-51214_ Global\UsGthrCtrlFltPipeMssGthrPipe_S-1-5-21 1 -2147483646 "Software\Microsoft\Windows Search" "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT; MS Search 4.0 Robot)""#,
    ),
    (
        r"C:\Program Files\Git\cmd\git.exe",
        r"git.exe -c core.quotepath=false status --porcelain=v2 --branch --untracked-files=all",
    ),
    (
        r"C:\Users\j.jansen\AppData\Local\Microsoft\Teams\current\Teams.exe",
        r#""C:\Users\j.jansen\AppData\Local\Microsoft\Teams\current\Teams.exe" --type=gpu-process --field-trial-handle=1640"#,
    ),
];

fn system(n: &mut Numbers, channel: &str, provider: &str, id: u64) -> Map<String, Value> {
    let record = n.below(1_000_000_000);
    let host = format!("WS-{:04}.corp.example", n.below(900));
    let minute = n.below(60);
    let fields = json!({
        "Channel": channel, "Provider_Name": provider, "Provider_Guid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
        "EventID": id, "Version": 5, "Level": 4, "Task": id, "Opcode": 0, "Keywords": "0x8000000000000000",
        "TimeCreated_SystemTime": format!("2026-03-02T09:{minute:02}:11.512Z"), "EventRecordID": record,
        "Execution_ProcessID": 3128, "Execution_ThreadID": 4420, "Computer": host, "Security_UserID": "S-1-5-18",
    });
    fields.as_object().unwrap().clone()
}

fn windows(n: &mut Numbers, channel: &str, provider: &str, id: u64, data: Value) -> Sample {
    let mut fields = system(n, channel, provider, id);
    fields.extend(data.as_object().unwrap().clone());
    Sample::new(WINDOWS, Format::Evtx, &Value::Object(fields))
}

fn sysmon(n: &mut Numbers, id: u64, data: Value) -> Sample {
    windows(n, "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", id, data)
}

fn program(n: &mut Numbers) -> (&'static str, &'static str) {
    PROGRAMS[n.below(PROGRAMS.len() as u64) as usize]
}

fn hash(n: &mut Numbers) -> String {
    format!(
        "MD5={:016X}{:016X},SHA256={:016X}{:016X}{:016X}{:016X},IMPHASH={:016X}{:016X}",
        n.next(),
        n.next(),
        n.next(),
        n.next(),
        n.next(),
        n.next(),
        n.next(),
        n.next()
    )
}

fn process(n: &mut Numbers) -> Sample {
    let ((image, line), (parent, parent_line), hashes) = (program(n), program(n), hash(n));
    let name = image.rsplit('\\').next().unwrap();
    let user = format!("CORP\\user{:03}", n.below(300));
    sysmon(
        n,
        1,
        json!({
            "RuleName": "-", "UtcTime": "2026-03-02 09:12:11.501", "ProcessGuid": "{0197231E-C424-69E1-C922-000000000800}",
            "ProcessId": 4711, "Image": image, "FileVersion": "10.0.19041.3636", "Description": name, "Product": "Microsoft Windows Operating System",
            "Company": "Microsoft Corporation", "OriginalFileName": name, "CommandLine": line, "CurrentDirectory": "C:\\Windows\\system32\\",
            "User": user, "LogonGuid": "{0197231E-0001-69E1-E703-000000000000}", "LogonId": "0x3e7", "TerminalSessionId": 1,
            "IntegrityLevel": "Medium", "Hashes": hashes, "ParentProcessGuid": "{0197231E-C400-69E1-B922-000000000800}",
            "ParentProcessId": 1044, "ParentImage": parent, "ParentCommandLine": parent_line, "ParentUser": user,
        }),
    )
}

fn image(n: &mut Numbers) -> Sample {
    let ((image, _), hashes) = (program(n), hash(n));
    let library = n.of(&[
        "C:\\Windows\\System32\\kernel32.dll",
        "C:\\Windows\\System32\\msvcp_win.dll",
        "C:\\Program Files\\Common Files\\microsoft shared\\ClickToRun\\AppVIsvSubsystems64.dll",
        "C:\\Windows\\System32\\wbem\\wbemcomn.dll",
    ]);
    sysmon(
        n,
        7,
        json!({ "RuleName": "-", "UtcTime": "2026-03-02 09:12:11.501", "ProcessGuid": "{0197231E-C424-69E1-C922-000000000800}", "ProcessId": 4711, "Image": image, "ImageLoaded": library, "FileVersion": "10.0.19041.3636", "Description": "Windows", "Product": "Microsoft Windows Operating System", "Company": "Microsoft Corporation", "OriginalFileName": "kernel32", "Hashes": hashes, "Signed": "true", "Signature": "Microsoft Windows", "SignatureStatus": "Valid", "User": "CORP\\user017" }),
    )
}

fn file(n: &mut Numbers) -> Sample {
    let (image, _) = program(n);
    let nr = n.below(100_000);
    let target = n.of(&[
        "C:\\Users\\j.jansen\\AppData\\Local\\Temp\\",
        "C:\\Users\\j.jansen\\Documents\\",
        "C:\\ProgramData\\Backup Agent\\spool\\",
        "C:\\Windows\\Prefetch\\",
    ]);
    sysmon(
        n,
        11,
        json!({ "RuleName": "-", "UtcTime": "2026-03-02 09:12:11.501", "ProcessGuid": "{0197231E-C424-69E1-C922-000000000800}", "ProcessId": 4711, "Image": image, "TargetFilename": format!("{target}f{nr}.tmp"), "CreationUtcTime": "2026-03-02 09:12:11.501", "User": "CORP\\user017" }),
    )
}

fn registry(n: &mut Numbers) -> Sample {
    let (image, _) = program(n);
    let nr = n.below(100_000);
    let target = n.of(&[
        "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Installer\\UserData\\",
        "HKU\\S-1-5-21-1004336348-1177238915-682003330-51214\\SOFTWARE\\Microsoft\\Office\\16.0\\Common\\",
        "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings\\",
        "HKLM\\SOFTWARE\\Microsoft\\Windows Search\\FileChangeClientConfigs\\",
    ]);
    sysmon(
        n,
        13,
        json!({ "RuleName": "-", "EventType": "SetValue", "UtcTime": "2026-03-02 09:12:11.501", "ProcessGuid": "{0197231E-C424-69E1-C922-000000000800}", "ProcessId": 4711, "Image": image, "TargetObject": format!("{target}{nr}"), "Details": format!("DWORD (0x{nr:08x})"), "User": "NT AUTHORITY\\SYSTEM" }),
    )
}

fn connection(n: &mut Numbers) -> Sample {
    let (image, _) = program(n);
    let (a, port) = (n.below(250), n.of(&["443", "443", "443", "80", "445", "389"]));
    sysmon(
        n,
        3,
        json!({ "RuleName": "-", "UtcTime": "2026-03-02 09:12:11.501", "ProcessGuid": "{0197231E-C424-69E1-C922-000000000800}", "ProcessId": 4711, "Image": image, "User": "CORP\\user017", "Protocol": "tcp", "Initiated": "true", "SourceIsIpv6": "false", "SourceIp": format!("10.1.2.{a}"), "SourceHostname": "ws-0017.corp.example", "SourcePort": "50123", "SourcePortName": "-", "DestinationIsIpv6": "false", "DestinationIp": format!("198.51.100.{a}"), "DestinationHostname": "cdn.example.net", "DestinationPort": port, "DestinationPortName": "https" }),
    )
}

fn lookup(n: &mut Numbers) -> Sample {
    let ((image, _), nr) = (program(n), n.below(5_000));
    sysmon(
        n,
        22,
        json!({ "RuleName": "-", "UtcTime": "2026-03-02 09:12:11.501", "ProcessGuid": "{0197231E-C424-69E1-C922-000000000800}", "ProcessId": 4711, "QueryName": format!("h{nr}.services.example.net"), "QueryStatus": "0", "QueryResults": "type: 5 edge.example.net;::ffff:198.51.100.7;", "Image": image, "User": "CORP\\user017" }),
    )
}

fn security(n: &mut Numbers) -> Sample {
    let (user, a) = (format!("user{:03}", n.below(300)), n.below(250));
    let (id, data) = match n.below(4) {
        0 => (
            4624,
            json!({ "SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x0", "TargetUserSid": "S-1-5-21-1004336348-1177238915-682003330-51214", "TargetUserName": user, "TargetDomainName": "CORP", "TargetLogonId": "0x5a9f1c", "LogonType": 3, "LogonProcessName": "Kerberos", "AuthenticationPackageName": "Kerberos", "WorkstationName": "-", "LogonGuid": "{3AEF4C2B-87C2-3B0C-1B2A-000000000000}", "TransmittedServices": "-", "LmPackageName": "-", "KeyLength": 0, "ProcessId": "0x0", "ProcessName": "-", "IpAddress": format!("10.1.2.{a}"), "IpPort": "50311", "ImpersonationLevel": "%%1833", "ElevatedToken": "%%1842" }),
        ),
        1 => (
            4634,
            json!({ "TargetUserSid": "S-1-5-21-1004336348-1177238915-682003330-51214", "TargetUserName": user, "TargetDomainName": "CORP", "TargetLogonId": "0x5a9f1c", "LogonType": 3 }),
        ),
        2 => (
            4769,
            json!({ "TargetUserName": format!("{user}@CORP.EXAMPLE"), "TargetDomainName": "CORP.EXAMPLE", "ServiceName": "FS-01$", "ServiceSid": "S-1-5-21-1004336348-1177238915-682003330-1107", "TicketOptions": "0x40810000", "TicketEncryptionType": "0x12", "IpAddress": format!("::ffff:10.1.2.{a}"), "IpPort": "50312", "Status": "0x0", "LogonGuid": "{3AEF4C2B-87C2-3B0C-1B2A-000000000000}", "TransmittedServices": "-" }),
        ),
        _ => (
            5156,
            json!({ "ProcessID": "1044", "Application": "\\device\\harddiskvolume3\\windows\\system32\\svchost.exe", "Direction": "%%14593", "SourceAddress": format!("10.1.2.{a}"), "SourcePort": "50313", "DestAddress": "198.51.100.9", "DestPort": "443", "Protocol": "6", "FilterRTID": "70021", "LayerName": "%%14611", "LayerRTID": "48" }),
        ),
    };
    windows(n, "Security", "Microsoft-Windows-Security-Auditing", id, data)
}

fn script(n: &mut Numbers) -> Sample {
    let nr = n.below(1_000);
    let block = format!(
        "function Write-Entry {nr} {{\n  param([string]$Message, [string]$Path = 'C:\\ProgramData\\Inventory\\log.txt')\n  $line = (Get-Date -Format s) + ' ' + $Message\n  Add-Content -Path $Path -Value $line\n}}\n$hosts = Get-ADComputer -Filter * -SearchBase 'OU=Clients,DC=corp,DC=example' | Select-Object -ExpandProperty Name\nforeach ($h in $hosts) {{ if (Test-Connection -ComputerName $h -Count 1 -Quiet) {{ Write-Entry \"$h is up\" }} }}\n"
    );
    windows(
        n,
        "Microsoft-Windows-PowerShell/Operational",
        "Microsoft-Windows-PowerShell",
        4104,
        json!({ "MessageNumber": 1, "MessageTotal": 1, "ScriptBlockText": block, "ScriptBlockId": "5f9f2a3e-0001-4c4e-9a3c-2d1f00000000", "Path": "C:\\Scripts\\Inventory.ps1" }),
    )
}

fn zeek(n: &mut Numbers) -> Sample {
    let (a, port, nr) = (n.below(250), n.below(60_000), n.below(5_000));
    let ends = json!({ "ts": 1_772_442_731.512, "uid": "CHhAvVGS1DHFjwGM9", "id.orig_h": format!("10.1.2.{a}"), "id.orig_p": port, "id.resp_h": "198.51.100.7", "id.resp_p": 443 });
    let (service, data) = match n.below(3) {
        0 => (
            "conn",
            json!({ "proto": "tcp", "service": "ssl", "duration": 0.412, "orig_bytes": 1_733, "resp_bytes": 5_120, "conn_state": "SF", "local_orig": true, "local_resp": false, "missed_bytes": 0, "history": "ShADadFf", "orig_pkts": 14, "orig_ip_bytes": 2_301, "resp_pkts": 17, "resp_ip_bytes": 6_012 }),
        ),
        1 => (
            "dns",
            json!({ "proto": "udp", "trans_id": 24_311, "rtt": 0.011, "query": format!("h{nr}.services.example.net"), "qclass": 1, "qclass_name": "C_INTERNET", "qtype": 1, "qtype_name": "A", "rcode": 0, "rcode_name": "NOERROR", "AA": false, "TC": false, "RD": true, "RA": true, "Z": 0, "answers": ["edge.example.net", "198.51.100.7"], "TTLs": [60.0, 60.0], "rejected": false }),
        ),
        _ => (
            "http",
            json!({ "trans_depth": 1, "method": "GET", "host": "updates.example.net", "uri": format!("/content/{nr}/package.cab?arch=x64"), "version": "1.1", "user_agent": "Microsoft-Delivery-Optimization/10.0", "request_body_len": 0, "response_body_len": 51_200, "status_code": 200, "status_msg": "OK", "tags": [], "resp_mime_types": ["application/vnd.ms-cab-compressed"] }),
        ),
    };
    let mut fields = ends.as_object().unwrap().clone();
    fields.extend(data.as_object().unwrap().clone());
    let service = LogSource { product: "zeek", category: "", service };
    Sample::new(service, Format::Json, &Value::Object(fields))
}

fn proxy(n: &mut Numbers) -> Sample {
    let (a, nr) = (n.below(250), n.below(5_000));
    let fields = json!({ "date": "2026-03-02", "time": "09:12:11", "c-ip": format!("10.1.2.{a}"), "cs-username": "j.jansen", "cs-method": n.of(&["GET", "CONNECT", "POST"]), "c-uri": format!("https://portal.example.org/app/{nr}/index.html?lang=nl"), "cs-host": "portal.example.org", "sc-status": 200, "sc-bytes": 5_120, "cs-bytes": 831, "c-useragent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36", "r-ip": "198.51.100.7" });
    Sample::new(LogSource { product: "", category: "proxy", service: "" }, Format::Json, &fields)
}

fn web(n: &mut Numbers) -> Sample {
    let (a, nr) = (n.below(250), n.below(5_000));
    let fields = json!({ "c-ip": format!("203.0.113.{a}"), "cs-method": "GET", "cs-uri-stem": format!("/artikel/{nr}"), "cs-uri-query": format!("id={nr}&taal=nl"), "sc-status": 200, "cs-user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "cs-referer": "https://www.example.org/" });
    Sample::new(LogSource { product: "", category: "webserver", service: "" }, Format::Json, &fields)
}

fn linux(n: &mut Numbers) -> Sample {
    let nr = n.below(30_000);
    let fields = json!({ "type": "EXECVE", "msg": format!("audit(1772442731.512:{nr})"), "argc": 3, "a0": "ls", "a1": "--color=auto", "a2": "/var/lib/postgresql" });
    Sample::new(LogSource { product: "linux", category: "", service: "auditd" }, Format::Json, &fields)
}

fn entra(n: &mut Numbers) -> Sample {
    let (a, user) = (n.below(250), n.below(300));
    let fields = json!({ "time": "2026-03-02T09:12:11Z", "category": "SignInLogs", "ResultType": "0", "ResultDescription": "", "properties": { "userPrincipalName": format!("user{user:03}@example.org"), "ipAddress": format!("203.0.113.{a}"), "clientAppUsed": "Browser", "conditionalAccessStatus": "success", "appDisplayName": "Office 365 Exchange Online", "deviceDetail": { "operatingSystem": "Windows10", "trustType": "Hybrid Azure AD joined" }, "location": { "city": "Eindhoven", "countryOrRegion": "NL" }, "status": { "errorCode": 0 } } });
    Sample::new(LogSource { product: "azure", category: "", service: "signinlogs" }, Format::Json, &fields)
}
