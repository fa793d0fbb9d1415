// SPDX-License-Identifier: Apache-2.0
//! Telling people: a webhook and a mail server on loopback, and a `sendmail` that is a script.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, channel};

use hmac::{Hmac, KeyInit as _, Mac as _};
use ledger::sql::{EngineError, Value as SqlValue};
use serde_json::{Value, json};
use sha2::Sha256;
use store::{Schema, Store};

use crate::finding::Found;
use crate::support::Bench;

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Answers each connection with one of the answers, in their order; hands over what was asked.
pub fn web(answers: &'static [&'static str]) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            told.send((head, body)).unwrap();
        }
    });
    (address, heard)
}

pub fn private(bench: &Bench, name: &str, text: &str) {
    let path = bench.write(name, text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The signature of a notice that was sent at a time.
pub fn signed(time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listed(bench: &Bench) -> Vec<Value> {
    bench.run(&["notify", "list", "--data", "d", "--json"]).expect(0).json()
}

fn report(found: &Found, code: i32) -> crate::support::Ran {
    found.run(&["report", "--out", "report.txt", "--notify", "notify.toml"]).expect(code)
}

#[test]
fn a_webhook_is_signed_and_tried_again() {
    let found = Found::new();
    let bench = &found.bench;
    let (address, heard) = web(&[
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ]);
    private(bench, "hook.secret", &format!("{SECRET}\n"));
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"http://{address}/hook?a=b\"\nsecret_file = \"hook.secret\"\n"),
    );
    report(&found, 0).says(&["503", "polder notify send"]);
    let all = listed(bench);
    assert_eq!((all.len(), &all[0]["state"], &all[0]["tries"]), (1, &json!("waiting"), &json!(1)));
    assert!(
        all[0]["reason"].as_str().unwrap().contains("503")
            && all[0]["next_try"].as_str() > all[0]["changed"].as_str()
    );
    let send = |more: &[&str], code| {
        bench
            .run(&[&["notify", "send", "--data", "d", "--notify", "notify.toml"], more].concat())
            .expect(code)
    };
    send(&[], 1);
    send(&["--now"], 3).says(&["redirects are not followed"]);
    send(&["--now"], 0).says(&["sent"]);
    assert_eq!(listed(bench)[0]["state"], "sent");
    let asked: Vec<_> = heard.iter().collect();
    assert_eq!(asked.len(), 3);
    for (head, body) in &asked {
        assert!(head.starts_with(&format!("POST /hook?a=b HTTP/1.1\r\nHost: {address}\r\n")), "{head}");
        let signature = head.lines().find_map(|line| line.strip_prefix("X-Polder-Signature: t=")).unwrap();
        let (time, signature) = signature.split_once(",v1=").unwrap();
        assert_eq!(signature, signed(time, body));
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&body["type"], &body["findings_in_all"]), (&json!("hunt-notice"), &json!(3)));
        assert_eq!(body["label"], "TLP:AMBER+STRICT");
        assert!(
            !head.contains(SECRET) && !body.to_string().contains("dns key"),
            "no secret, no line of a log"
        );
    }
    // The same findings are told once.
    report(&found, 0).says(&["not told again"]);
    assert_eq!(listed(bench).len(), 1);
}

#[test]
fn what_waits_for_a_dead_server_is_not_lost() {
    let found = Found::new();
    let bench = &found.bench;
    private(bench, "hook.secret", SECRET);
    // A port that nobody listens on: it was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n"),
    );
    report(&found, 0).says(&["does not answer"]);
    for _ in 1..12 {
        bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]).expect(3);
    }
    assert_eq!(listed(bench)[0]["state"], "given-up");
    bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]).expect(1);
    bench.run(&["notify", "retry", "--data", "d", "1"]).expect(0);
    assert_eq!(listed(bench)[0]["state"], "waiting");
    bench.run(&["notify", "retry", "--data", "d", "1"]).expect(1);
    // TLS is not left out because the other side speaks none.
    let (address, _heard) = web(&[]);
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"https://{address}/\"\nsecret_file = \"hook.secret\"\n"),
    );
    bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml"]).expect(3);
}

/// Speaks as much SMTP as a client without TLS needs; hands over envelope and message.
fn smtp() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut all = String::new();
        reader.get_mut().write_all(b"220 mail.example\r\n").unwrap();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap() == 0 {
                break;
            }
            all.push_str(&line);
            let answer: &[u8] = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => b"250-mail.example\r\n250 8BITMIME\r\n",
                "DATA" => {
                    reader.get_mut().write_all(b"354 go\r\n").unwrap();
                    let mut line = String::new();
                    while line != ".\r\n" {
                        line.clear();
                        reader.read_line(&mut line).unwrap();
                        all.push_str(&line);
                    }
                    b"250 taken\r\n"
                }
                "QUIT" => b"221 bye\r\n",
                _ => b"250 ok\r\n",
            };
            reader.get_mut().write_all(answer).unwrap();
        }
        told.send(all).unwrap();
    });
    (port, heard)
}

const ADDRESSES: &str = "from = \"Polder <polder@firm.example>\"\nto = [\"it@firm.example\"]\n";

#[test]
fn a_mail_is_sent_by_smtp() {
    let found = Found::new();
    let (port, heard) = smtp();
    found.bench.write(
        "notify.toml",
        format!(
            "min_level = \"high\"\n[mail]\n{ADDRESSES}host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n"
        ),
    );
    report(&found, 0).says(&["was sent"]);
    let mail = heard.recv().unwrap();
    for words in [
        "MAIL FROM:<polder@firm.example>",
        "RCPT TO:<it@firm.example>",
        "Subject: [TLP:AMBER+STRICT]",
        "Message-ID: <polder-",
        "203[.]0[.]113[.]7",
        "block the",
    ] {
        assert!(mail.contains(words), "{words}: {mail}");
    }
    assert!(!mail.contains("dns key"), "no line of a log: {mail}");
    assert_eq!(listed(&found.bench)[0]["channel"], "mail");
}

#[test]
fn a_mail_is_handed_to_the_machines_own_program() {
    let found = Found::new();
    let bench = &found.bench;
    let out = bench.path("taken");
    let program =
        bench.write("sendmail", format!("#!/bin/sh\necho \"$@\" > {0}\ncat >> {0}\n", out.display()));
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    bench.write("notify.toml", format!("[mail]\n{ADDRESSES}sendmail = \"{}\"\n", program.display()));
    report(&found, 0).says(&["was sent"]);
    let mail = std::fs::read_to_string(out).unwrap();
    assert!(mail.starts_with("-i -t\n") && mail.contains("To: it@firm.example"), "{mail}");

    let other = Found::new();
    let program = other.bench.write("sendmail", "#!/bin/sh\ncat > /dev/null\nexit 75\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    other.bench.write("notify.toml", format!("[mail]\n{ADDRESSES}sendmail = \"{}\"\n", program.display()));
    report(&other, 0).says(&["75"]);
    assert_eq!(listed(&other.bench)[0]["state"], "waiting");
}

/// What a webhook hears of all that is recorded.
fn reported(bench: &Bench) -> String {
    let (address, heard) = web(&["HTTP/1.1 204 No Content\r\n\r\n"]);
    private(bench, "hook.secret", &format!("{SECRET}\n"));
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"http://{address}/hook\"\nsecret_file = \"hook.secret\"\n"),
    );
    let args = ["finding", "report", "--data", "d", "--out", "report.txt", "--notify", "notify.toml"];
    bench.run(&args).expect(0);
    String::from_utf8(heard.recv().unwrap().1).unwrap()
}

/// What a hunt with a file of somebody's found is recorded, and the ledger holds no marking of its indicators.
#[test]
fn a_report_mails_nothing_of_an_indicator_the_ledger_does_not_hold() {
    let bench = Bench::new();
    let indicator = r#"{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","name":"a thief","pattern":"[ipv4-addr:value = '203.0.113.7']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]}"#;
    bench.write("red.json", indicator);
    bench.write("a.log", "2026-03-01T10:00:00Z host=gate-1 in 203.0.113.7\n");
    bench.run(&["hunt", "--data", "d", "--indicators", "red.json", "a.log"]).expect(0);
    let body = reported(&bench);
    assert!(body.contains("\"findings_in_all\":1"), "{body}");
    for word in ["203.0.113.7", "a thief", "indicator--0", "gate-1"] {
        assert!(!body.contains(word), "{word}: {body}");
    }
}

/// What ships with every copy is no secret, though no ledger holds it; under its id somebody may mean something else.
#[test]
fn a_report_mails_what_ships_with_the_program_by_name() {
    let bench = Bench::new();
    // SHA-256 of a module of COATHANGER, by the Dutch services' report of 6 February 2024.
    let shipped = hunt::indicator::SHIPPED.iter().flat_map(|pack| pack.read().indicators);
    let shipped = shipped.filter(|one| one.observable.kind() == model::observable::ObservableKind::Sha256);
    let (first, second) = {
        let mut all = shipped.map(|one| (one.id, one.observable.display()));
        (all.next().unwrap(), all.next().unwrap())
    };
    bench.write("a.log", format!("2026-03-01T10:00:00Z host=gate-1 sha256={}\n", first.1));
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(0);
    let other = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","name":"a thief","pattern":"[ipv4-addr:value = '203.0.113.7']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#,
        second.0
    );
    bench.write("other.json", &other);
    bench.write("b.log", "2026-03-01T10:00:00Z host=gate-2 in 203.0.113.7\n");
    bench.run(&["hunt", "--data", "d", "--indicators", "other.json", "b.log"]).expect(0);
    // Nor is a pattern under such an id what ships.
    let third = hunt::indicator::SHIPPED.iter().flat_map(|pack| pack.read().indicators);
    let third = third.map(|one| one.id).find(|id| *id != first.0 && *id != second.0).unwrap();
    let pattern = other.replace(&second.0, &third).replace("a thief", "a burglar");
    bench.write(
        "pattern.json",
        pattern.replace("[ipv4-addr:value = '203.0.113.7']", "[file:name LIKE 'crow%.exe']"),
    );
    bench.write("c.log", "{\"time\":\"2026-03-01T10:00:00Z\",\"filename\":\"crowbar.exe\"}\n");
    bench.run(&["hunt", "--data", "d", "--no-packs", "--indicators", "pattern.json", "c.log"]).expect(0);
    let body = reported(&bench);
    assert!(body.contains(&first.1), "{body}");
    for word in ["203.0.113.7", "a thief", "gate-2", "a burglar", "crow", &second.0, &third] {
        assert!(!body.contains(word), "{word}: {body}");
    }
}

/// A node that looks for 203.0.113.7, and tells a server that does not answer.
fn telling() -> Bench {
    let bench = Bench::new();
    private(&bench, "hook.secret", SECRET);
    settings(&bench, &silent());
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    std::fs::create_dir(bench.path("l")).unwrap();
    bench
}

/// Where nobody listens: the port was free a moment ago.
fn silent() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn settings(bench: &Bench, address: &str) {
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n"),
    );
}

/// What a server hears of the notices that wait: how many findings each tells, and how many it leaves out.
fn counts_heard(bench: &Bench) -> Vec<(u64, u64)> {
    let (address, heard) = web(&["HTTP/1.1 204 No Content\r\n\r\n"; 4]);
    settings(bench, &address);
    bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]).expect(0);
    let counts = |(_, body): (String, Vec<u8>)| {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let count = |name: &str| body[name].as_u64().unwrap();
        (count("findings_in_all"), count("known_findings"))
    };
    // It hands over what it heard after it has answered.
    std::iter::from_fn(|| heard.recv_timeout(std::time::Duration::from_secs(1)).ok()).map(counts).collect()
}

fn accepted(day: u64) -> String {
    format!("2026-03-{day:02}T08:00:01Z accepted 203.0.113.7\n")
}

/// A log that was renamed, packed or copied made a notice of all in it once more; one new finding sent all old ones with it,
/// and what waited to be sent went out beside what repeated it.
#[test]
fn a_notice_tells_nothing_that_an_earlier_hunt_told() {
    let bench = telling();
    let hunt = || bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--notify", "notify.toml"]).expect(0);
    let log = accepted(1) + &accepted(2);
    bench.write("l/fw.log", &log);
    hunt().says(&["does not answer"]);
    std::fs::rename(bench.path("l/fw.log"), bench.path("l/old.log")).unwrap();
    hunt().says(&["nothing is new"]);
    std::fs::remove_file(bench.path("l/old.log")).unwrap();
    bench.write("l/old.log.zst", zstd::encode_all(log.as_bytes(), 1).unwrap());
    hunt().says(&["nothing is new"]);
    bench.write("l/copy.log", &log);
    hunt().says(&["nothing is new"]);
    assert_eq!(listed(&bench).len(), 1);
    bench.write("l/next.log", accepted(3));
    hunt();
    let told = counts_heard(&bench);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0], told[1].0), ((2, 0), 1));
    assert!(told[1].1 >= 2, "{told:?}");
    settings(&bench, &silent());
    hunt().says(&["nothing is new"]);
    // A report that is asked for tells all of it.
    bench.run(&["finding", "report", "--data", "d", "--out", "r.txt", "--notify", "notify.toml"]).expect(0);
    assert_eq!(counts_heard(&bench), [(3, 0)]);
}

/// What a hunt had recorded when it was stopped is told once: by the one that goes on with it, and by one that begins anew.
#[test]
fn what_a_stopped_hunt_found_is_told_once() {
    for anew in [&[][..], &["--anew"]] {
        let bench = telling();
        bench.write("l/a.log", accepted(1));
        let pipe = bench.path("l/later.log");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let args = [
            "hunt",
            "--no-packs",
            "--data",
            "d",
            "--threads",
            "1",
            "l/a.log",
            "l/later.log",
            "--notify",
            "notify.toml",
        ];
        let mut hunting = bench.command(&args).stdout(std::process::Stdio::null()).spawn().unwrap();
        // It opens when the hunt has come to it.
        let writer = std::fs::File::options().write(true).open(&pipe).unwrap();
        let id = hunting.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(writer);
        assert_eq!(hunting.wait().unwrap().code(), Some(3));
        bench.run(&["notify", "list", "--data", "d"]).expect(1);
        std::fs::remove_file(&pipe).unwrap();
        bench.write("l/later.log", accepted(2));
        let hunt = |more: &[&str]| bench.run(&[&args[..], more].concat()).expect(0);
        hunt(anew).says(&["does not answer"]);
        hunt(&[]).says(&["nothing is new"]);
        assert_eq!(counts_heard(&bench), [(2, 0)], "{anew:?}");
    }
}

/// Hunts in `l` with notices; answers what it says.
fn hunt_and_tell(bench: &Bench) -> crate::support::Ran {
    bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--notify", "notify.toml"]).expect(0)
}

/// What an import found in logs that were hunted in before counted as known by the time of the next notice, and no other
/// told it.
#[test]
fn what_a_look_back_found_is_told_by_the_next_notice() {
    let bench = telling();
    bench.write("l/fw.log", accepted(1) + "2026-03-01T08:00:02Z accepted 198.51.100.9\n");
    hunt_and_tell(&bench);
    bench.write("more.txt", "198.51.100.9\n");
    bench.import("more.txt", &["--format", "text"], 0);
    assert!(bench.run(&["finding", "list", "--data", "d"]).expect(0).out.contains("198.51.100.9"));
    hunt_and_tell(&bench).says(&["does not answer"]);
    hunt_and_tell(&bench).says(&["nothing is new"]);
    assert_eq!(counts_heard(&bench), [(1, 0), (1, 1)]);
}

/// What was told of a log is told when the log has grown.
#[test]
fn of_a_log_that_has_grown_a_notice_tells_what_was_added() {
    let bench = telling();
    bench.write("l/fw.log", accepted(1) + &accepted(2));
    hunt_and_tell(&bench);
    bench.write("l/fw.log", accepted(1) + &accepted(2) + &accepted(3));
    hunt_and_tell(&bench);
    hunt_and_tell(&bench).says(&["nothing is new"]);
    assert_eq!(counts_heard(&bench), [(2, 0), (1, 2)]);
}

/// Begins a hunt for 198.51.100.9 in `l/a.log`, does something while that is recorded and the hunt goes on, and kills it.
fn hunt_that_is_cut_off(bench: &Bench, more: &[&str], meanwhile: impl FnOnce()) {
    let pipes = [bench.path("first.log"), bench.path("second.log")];
    assert!(std::process::Command::new("mkfifo").args(&pipes).status().unwrap().success());
    let args = ["hunt", "--no-packs", "--data", "d", "--threads", "1", "--indicators", "more.txt", "l/a.log"];
    let mut hunting = bench.command(&[&args[..], &["first.log", "second.log"], more].concat());
    let mut hunting = hunting.stdout(std::process::Stdio::null()).spawn().unwrap();
    let open = |pipe| std::fs::File::options().write(true).open(pipe).unwrap();
    // What was read waits no longer than this for others to be recorded with.
    let mut first = open(&pipes[0]);
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    first.write_all(b"2026-03-05T08:00:00Z nothing\n").unwrap();
    drop(first);
    let second = open(&pipes[1]);
    let recorded = || {
        let args = ["finding", "list", "--data", "d", "--json"];
        bench.run(&args).out.contains("198.51.100.9")
    };
    assert!((0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        recorded()
    }));
    meanwhile();
    hunting.kill().unwrap();
    hunting.wait().unwrap();
    drop(second);
    pipes.iter().for_each(|pipe| std::fs::remove_file(pipe).unwrap());
}

/// A hunt was killed after it had recorded what a new list found in a log that was hunted in before: as the log was known, so
/// was that, and nobody was ever told. Nor was it told where another hunt came to its end meanwhile.
#[test]
fn what_a_hunt_found_that_was_cut_off_is_told_by_the_next_notice() {
    for (more, is_another) in
        [(&["--notify", "notify.toml"][..], false), (&[], false), (&["--notify", "notify.toml"], true)]
    {
        let bench = telling();
        bench.write("l/a.log", accepted(1) + "2026-03-01T08:00:02Z accepted 198.51.100.9\n");
        bench.write("more.txt", "198.51.100.9\n");
        bench.write("other.log", accepted(4));
        hunt_and_tell(&bench);
        hunt_that_is_cut_off(&bench, more, || {
            if is_another {
                let args = ["hunt", "--no-packs", "--data", "d", "other.log", "--notify", "notify.toml"];
                bench.run(&args).expect(0).says(&["does not answer"]);
            }
        });
        let args = ["hunt", "--no-packs", "--data", "d", "--indicators", "more.txt", "l/a.log", "--anew"];
        bench.run(&[&args[..], &["--notify", "notify.toml"]].concat()).expect(0).says(&["does not answer"]);
        let mut told = vec![(1, 0); 1 + usize::from(is_another)];
        told.push((1, 1));
        assert_eq!(counts_heard(&bench), told, "{more:?} {is_another}");
        // What is printed by a hunt that comes to its end is told.
        bench.write("l/a.log", accepted(1) + "2026-03-01T08:00:02Z accepted 198.51.100.9\n" + &accepted(2));
        bench.run(&["hunt", "--no-packs", "--data", "d", "l"]).expect(0);
        hunt_and_tell(&bench).says(&["nothing is new"]);
    }
}

/// Two logs of other content with the same first line made the same notice, and the second was not told.
#[test]
fn two_logs_with_the_same_line_make_two_notices() {
    let bench = telling();
    bench.write("l/a.log", accepted(1) + "2026-03-01T08:00:02Z accepted 192.0.2.1\n");
    hunt_and_tell(&bench);
    std::fs::remove_file(bench.path("l/a.log")).unwrap();
    bench.write("l/b.log", accepted(1) + "2026-03-01T08:00:02Z accepted 192.0.2.2\n");
    hunt_and_tell(&bench).says(&["does not answer"]);
    assert_eq!(counts_heard(&bench), [(1, 0), (1, 0)]);
}

/// As many notices waited as may wait: each hunt found no room, and none sent any of them.
#[test]
fn a_hunt_sends_what_waits_to_make_room_for_its_notice() {
    let bench = telling();
    bench.write("l/fw.log", accepted(1));
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    for nth in 1..=hunt::limits::OUTBOX_WAITING_MAX as i64 {
        let sql = "INSERT INTO hunt_outbox (id, channel, digest, subject, body, state, tries, next_try, reason, made, changed)
             VALUES (?1, 'webhook', ?2, 'old', ?3, 0, 0, 0, '', 0, 0)";
        let args = [SqlValue::Int(nth), SqlValue::Blob(&nth.to_be_bytes()), SqlValue::Blob(b"{}")];
        store.local(|tx| tx.execute(sql, &args)).map_err(|e: EngineError| e).unwrap();
    }
    drop(store);
    hunt_and_tell(&bench).says(&["too many notices wait"]);
    let (address, heard) = web(&["HTTP/1.1 204 No Content\r\n\r\n"; 200]);
    settings(&bench, &address);
    // What has failed just now is tried again later.
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    store
        .local(|tx| tx.execute("UPDATE hunt_outbox SET next_try = 0", &[]))
        .map_err(|e: EngineError| e)
        .unwrap();
    drop(store);
    let ran = hunt_and_tell(&bench);
    assert!(!ran.err.contains("too many notices wait"), "{}", ran.err);
    assert_eq!(heard.iter().count(), 200);
    assert!(listed(&bench).iter().any(|one| one["subject"].as_str().unwrap().contains("1 finding")));
    settings(&bench, &silent());
    hunt_and_tell(&bench).says(&["nothing is new"]);
}

/// A detection that was told before went out again with each notice.
#[test]
fn a_detection_that_was_kept_before_is_told_by_no_other_notice() {
    let bench = telling();
    let sign_in = |nth: usize| {
        format!(
            "<86>1 2026-03-02T02:11:{nth:02}Z gate sshd 99 - - Failed password for user{} from 198.51.100.7 port 4 ssh2\n",
            nth % 12
        )
    };
    bench.write("l/gate.log", (0..24).map(sign_in).collect::<String>());
    let hunt = || bench.run(&["hunt", "--data", "d", "l", "--notify", "notify.toml"]).expect(0);
    hunt().says(&["does not answer"]);
    hunt().says(&["nothing is new"]);
    bench.write("l/fw.log", accepted(3));
    hunt();
    let (address, heard) = web(&["HTTP/1.1 204 No Content\r\n\r\n"; 2]);
    settings(&bench, &address);
    bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]).expect(0);
    let told: Vec<Value> = heard.iter().map(|(_, body)| serde_json::from_slice(&body).unwrap()).collect();
    let detections = |nth: usize| told[nth]["detections"].as_array().unwrap().len();
    assert!(detections(0) > 0, "{told:?}");
    assert_eq!((detections(1), &told[1]["findings_in_all"]), (0, &json!(1)));
    assert_eq!(told[1]["known_detections"], told[0]["detections_in_all"]);
}

#[test]
fn settings_that_would_tell_too_much_are_refused() {
    let bench = Bench::new();
    private(&bench, "s", SECRET);
    private(&bench, "short", "secret");
    bench.write("open", SECRET);
    std::fs::set_permissions(bench.path("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = |text: &str, words: &[&str]| {
        bench.write("n.toml", text);
        let ran = bench.run(&["notify", "send", "--data", "d", "--notify", "n.toml"]);
        assert!(matches!(ran.code, 2 | 6), "{text}: {}", ran.err);
        assert!(!ran.err.contains(SECRET));
        ran.says(words);
    };
    let hook = |url: &str, secret: &str| format!("[webhook]\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n");
    refused(&hook("http://hook.example/", "s"), &["loopback alone", "https"]);
    refused(&hook("http://192.0.2.1/", "s"), &["loopback alone"]);
    refused(&hook("https://u:p@hook.example/", "s"), &["user or a password"]);
    refused(&hook("https://hook.example/", "short"), &["shorter than 16"]);
    refused(&hook("https://hook.example/", "open"), &["chmod 600"]);
    refused(&hook("https://hook.example/", "absent"), &["absent"]);
    refused("[webhook]\nurl = \"https://h.example/\"\nsecret = \"x\"\n", &["secret"]);
    refused("", &["neither [mail] nor [webhook]"]);
    refused("min_level = \"loud\"\n", &["min_level"]);
    let mail = |more: &str| format!("[mail]\n{ADDRESSES}{more}");
    refused(&mail("host = \"mail.example\"\ntls = \"none\"\n"), &["needs TLS"]);
    refused(&mail("host = \"mail.example\"\ntls = \"perhaps\"\n"), &["starttls, tls or none"]);
    refused(&mail("host = \"h\"\nuser = \"u\"\n"), &["go together"]);
    refused(&mail("sendmail = \"sendmail\"\n"), &["absolute path"]);
    refused(&mail(""), &["either a host or sendmail"]);
    refused("[mail]\nfrom = \"nobody\"\nto = []\nhost = \"h\"\n", &["1 to 20"]);
    refused("[mail]\nfrom = \"nobody\"\nto = [\"a@b.example\"]\nhost = \"h\"\n", &["not a mail address"]);
    bench.run(&["notify", "list", "--data", "d"]).expect(1);
}

/// A notice that waits does not tell what was taken back since, and what it said of it is erased at once.
#[test]
fn a_notice_that_waits_does_not_tell_what_was_taken_back() {
    for act in [&["--narrow", "red"][..], &["--withdraw"], &["--retract"]] {
        let found = Found::new();
        let bench = &found.bench;
        private(bench, "hook.secret", SECRET);
        let settings = |address: &str| {
            format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n")
        };
        let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        bench.write("notify.toml", settings(&dead));
        report(&found, 0).says(&["does not answer"]);
        let all = found.list();
        let id = all.iter().find(|one| one["value"] == "203.0.113.7").unwrap()["indicator"].as_str().unwrap();
        let ran = bench.run(&[&["recall", "--data", "d", id, "--json"], act].concat());
        assert_eq!(ran.json()[0]["notices"], 1, "{act:?}: {} {}", ran.out, ran.err);
        let (address, heard) = web(&["HTTP/1.1 204 No Content\r\n\r\n"]);
        bench.write("notify.toml", settings(&address));
        bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]).expect(0);
        let body = String::from_utf8(heard.recv().unwrap().1).unwrap();
        for word in ["203.0.113.7", id, "TLP:AMBER"] {
            assert!(!body.contains(word), "{act:?} {word}: {body}");
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["findings_in_all"], &body["label"]), (&json!(3), &json!("TLP:RED")), "{body}");
    }
}

/// The ledger is asked when a notice is sent, whoever narrowed what it names.
#[test]
fn a_notice_is_held_against_the_ledger_when_it_is_sent() {
    let found = Found::new();
    let bench = &found.bench;
    private(bench, "hook.secret", SECRET);
    let (address, heard) = web(&["HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"]);
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n"),
    );
    report(&found, 0);
    assert!(String::from_utf8(heard.recv().unwrap().1).unwrap().contains("203.0.113.7"));
    // A file that marks the same objects stricter narrows them; no command of recalling is run.
    let export = bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    bench.write("again.json", export);
    bench.import("again.json", &["--community", &found.ring, "--tlp", "red"], 0);
    bench.run(&["notify", "send", "--data", "d", "--notify", "notify.toml", "--now"]).expect(0);
    let body = String::from_utf8(heard.recv().unwrap().1).unwrap();
    assert!(!body.contains("203.0.113.7") && body.contains("TLP:RED"), "{body}");
}
