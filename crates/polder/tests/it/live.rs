// SPDX-License-Identifier: Apache-2.0
//! Hunting in what is written while the program runs, held against hunting in files.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loggen::render::{Out, SignIn, okta};
use model::time::Timestamp;
use serde_json::Value;

use crate::engine::OwnServer;
use crate::faults::harm;
use crate::notify::{SECRET, private, web};
use crate::support::*;

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "detectors judge what is live by the clock")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// A sign-in at a gate.
fn sign_in(seconds: i64, user: &str, from: &str, outcome: &str) -> String {
    format!("<86>1 {} gate sshd 99 - - {outcome} password for {user} from {from} port 4 ssh2\n", at(seconds))
}

/// Twelve accounts that fail twice each from one place.
fn spray(seconds: i64, from: &str) -> String {
    (0..24).map(|nth| sign_in(seconds + nth, &format!("user{}", nth % 12), from, "Failed")).collect()
}

/// `polder hunt --follow` of `f.log`, under way.
struct Following<'b> {
    bench: &'b Bench,
    child: Child,
}

impl<'b> Following<'b> {
    /// Comes back when it follows.
    fn start(bench: &'b Bench, more: &[&str]) -> Following<'b> {
        let args = [&["hunt", "--data", "d", "f.log", "--follow", "--json"], more].concat();
        let to = |name: &str| File::create(bench.path(name)).unwrap();
        let child = bench.command(&args).stdout(to("out")).stderr(to("err")).spawn().unwrap();
        let following = Following { bench, child };
        following.wait("err", "following 1 file");
        following
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.bench.path(name)).unwrap()
    }

    /// Waits until something is said.
    #[track_caller]
    fn wait(&self, name: &str, words: &str) {
        let said = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            self.text(name).contains(words)
        });
        assert!(said, "`{words}` was not said\nout: {}\nerr: {}", self.text("out"), self.text("err"));
    }

    fn append(&self, lines: &str) {
        let mut file = OpenOptions::new().append(true).open(self.bench.path("f.log")).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    }

    /// Stops it as Ctrl-C does.
    #[track_caller]
    fn stop(mut self, code: i32) -> Ran {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let ended = self.child.wait().unwrap();
        let (out, err) = (self.text("out"), self.text("err"));
        Ran { code: ended.code().unwrap_or(-1), out, err }.expect(code)
    }
}

fn detections(ran: &Ran) -> Vec<Value> {
    ran.json().into_iter().filter(|line| line["type"] == "detection").collect()
}

#[track_caller]
fn ids(ran: &Ran) -> Vec<String> {
    detections(ran).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Detectors judge what is written while it is followed, by what they know of the files, and tell nothing twice.
#[test]
fn detectors_run_while_following() {
    let bench = Bench::new();
    // The account that slept is known of the file alone; the others make days of which there are logs.
    let now = now();
    let mut lines = sign_in(now - 100 * DAY, "sleeper", "192.0.2.12", "Accepted");
    for day in 1..=100 {
        lines += &sign_in(now - day * DAY, "worker", "192.0.2.13", "Accepted");
    }
    lines += &spray(now - 2 * MINUTE, "198.51.100.7");
    bench.write("f.log", &lines);
    let following = Following::start(&bench, &[]);
    following.append(&sign_in(now, "sleeper", "192.0.2.12", "Accepted"));
    following.append(&spray(now - MINUTE, "198.51.100.8"));
    following.append("203.0.113.7 no sign-in\n");
    // What comes for an hour that is over is not judged, and that is said.
    following.append(&sign_in(now - 3 * DAY, "worker", "192.0.2.13", "Accepted"));
    following.wait("err", "the hour is over");
    let ran = following.stop(0).says(&["1 sign-ins and movements came too late"]);
    let mut told = ids(&ran);
    told.sort();
    assert_eq!(told, ["dormant-account", "spray-one-source", "spray-one-source"], "{}", ran.out);
    let sleeper = detections(&ran).into_iter().find(|one| one["id"] == "dormant-account").unwrap();
    assert!(!sleeper["disproof"].as_str().unwrap().is_empty(), "all that a report says: {sleeper}");
    // The same as of a hunt in the file when all is written.
    let whole = bench
        .run(&["hunt", "--data", "d", "f.log", "--json"])
        .expect(3)
        .says(&["not in the form of the rest"]);
    let mut same = ids(&whole);
    same.sort();
    assert_eq!(told, same, "{}", whole.out);
}

/// A request for a second factor that was refused, or approved.
fn push(seconds: i64, out: Out) -> String {
    let from = "203.0.113.180".parse().unwrap();
    let act = SignIn {
        time: seconds * 1_000_000,
        user: "sleeper",
        from,
        out,
        device: "",
        agent: "Mozilla/5.0",
        app: "Mail Online",
        client: "Browser",
    };
    format!("{}\n", okta(&act).text)
}

/// That somebody gave in was swallowed while following, as the refusals before it were told of the file already; and
/// what was too low to be told counted as told.
#[test]
fn following_tells_what_has_become_graver() {
    for (more, of_file) in [(&[][..], 1), (&["--min-level", "high"][..], 0)] {
        let bench = Bench::new();
        let now = now();
        let refused: String = (0..6).map(|nth| push(now - 10 * MINUTE + nth * 30, Out::Denied)).collect();
        bench.write("f.log", refused);
        let following = Following::start(&bench, more);
        following.append(&push(now - MINUTE, Out::Ok));
        let ran = following.stop(0);
        let told = detections(&ran);
        let levels: Vec<&str> = told
            .iter()
            .filter(|one| one["id"] == "mfa-fatigue")
            .map(|one| one["level"].as_str().unwrap())
            .collect();
        assert_eq!(levels, [&["medium"][..of_file], &["critical"]].concat(), "{}{}", ran.out, ran.err);
    }
}

/// Indicators in the ledger, a webhook that answers so often, and an empty log.
fn with_webhook(answers: &'static [&'static str]) -> (Bench, std::sync::mpsc::Receiver<(String, Vec<u8>)>) {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text", "--tlp", "green"], 0);
    bench.write("f.log", "");
    let (address, heard) = web(answers);
    private(&bench, "hook.secret", SECRET);
    bench.write(
        "notify.toml",
        format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n"),
    );
    (bench, heard)
}

fn lines_with(address: &str, count: usize) -> String {
    format!("2024-01-01T00:00:00Z to {address}\n").repeat(count)
}

const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\n\r\n";

/// A flood makes one notice at once and one at the end, each with its numbers.
#[test]
fn a_live_flood_is_told_in_few_notices() {
    let (bench, heard) = with_webhook(&[TAKEN, TAKEN]);
    let following = Following::start(&bench, &["--no-packs", "--notify", "notify.toml"]);
    following.append(&lines_with("203.0.113.7", 150));
    following.wait("err", "notice 1 was sent");
    // Within five minutes of the first.
    following.append(&lines_with("203.0.113.7", 200));
    following.append(&lines_with("203.0.113.7", 50));
    let ran = following.stop(0).says(&["400 findings", "notice 2 was sent"]);
    assert_eq!(ran.findings().len(), 400);
    assert_eq!(ran.findings()[0]["marking"], "TLP:GREEN", "what a report says of an indicator");
    let notices: Vec<Value> = heard.iter().map(|(_, body)| serde_json::from_slice(&body).unwrap()).collect();
    let counts: Vec<u64> = notices.iter().map(|one| one["findings_in_all"].as_u64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<u64>(), 400, "{counts:?}");
    assert!(counts[0] >= 100, "{counts:?}");
    assert_eq!(notices[0]["findings"][0]["marking"], "TLP:GREEN");
    assert!(!notices.iter().any(|one| one["partial"] == true), "{notices:?}");
    assert_eq!(bench.run(&["notify", "list", "--data", "d", "--json"]).expect(0).json().len(), 2);
}

/// A notice that fails is said once, does not keep lines from being read, and waits.
#[test]
fn a_live_notice_that_fails_waits_in_the_outbox() {
    let (bench, _heard) = with_webhook(&[BUSY]);
    let following = Following::start(&bench, &["--no-packs", "--notify", "notify.toml"]);
    following.append(&lines_with("203.0.113.7", 150));
    following.wait("err", "could not be sent");
    following.append(&lines_with("203.0.113.7", 1));
    following.append("2024-01-01T00:00:00Z to 203.0.113.7 after it\n");
    following.wait("out", "after it");
    let ran = following.stop(0);
    assert_eq!(ran.err.matches("notice 1 could not be sent").count(), 1, "{}", ran.err);
    let listed = bench.run(&["notify", "list", "--data", "d", "--json"]).expect(0).json();
    let states: Vec<&str> = listed.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["waiting", "waiting"], "{listed:?}");
    // A mail server that says nothing keeps no line from being read, either.
    bench.write("f.log", "");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    bench.write(
        "notify.toml",
        format!("[mail]\nfrom = \"a@firm.example\"\nto = [\"b@firm.example\"]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n"),
    );
    let following = Following::start(&bench, &["--no-packs", "--notify", "notify.toml"]);
    following.append(&lines_with("203.0.113.7", 150));
    let taken = silent.accept().unwrap();
    following.append("2024-01-01T00:00:00Z to 203.0.113.7 while it waits\n");
    following.wait("out", "while it waits");
    drop((taken, silent));
    following.stop(0).says(&["could not be sent"]);
}

/// What was read of a file before it was rotated away stays found.
#[test]
fn findings_of_a_rotated_file_are_stored() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", "nothing yet\n");
    let following = Following::start(&bench, &["--no-packs"]);
    following.append(&lines_with("203.0.113.7", 1));
    following.wait("out", "203.0.113.7");
    fs::rename(bench.path("f.log"), bench.path("g.log")).unwrap();
    fs::remove_file(bench.path("g.log")).unwrap();
    bench.write("f.log", lines_with("198.51.100.9", 1));
    following.wait("out", "198.51.100.9");
    following.stop(0);
    let kept = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    assert!(kept.out.contains("203.0.113.7") && kept.out.contains("198.51.100.9"), "{}", kept.out);
    assert_eq!(kept.out.lines().filter(|line| line.contains("f.log:")).count(), 2, "{}", kept.out);
}

/// What was still written to a file after it was rotated was not found; now it is, and stored with that file.
#[test]
fn what_is_written_to_a_rotated_file_is_found_and_stored() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", lines_with("203.0.113.7", 1));
    let following = Following::start(&bench, &["--no-packs"]);
    let mut writer = OpenOptions::new().append(true).open(bench.path("f.log")).unwrap();
    fs::rename(bench.path("f.log"), bench.path("g.log")).unwrap();
    bench.write("f.log", lines_with("198.51.100.9", 1));
    following.wait("out", "198.51.100.9");
    writer.write_all(lines_with("203.0.113.7", 1).as_bytes()).unwrap();
    following.wait("out", "203.0.113.7");
    following.stop(0).says(&["f.log: it was rotated; reading the new one, and the old one"]);
    let kept = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    let of = |value: &str| -> Vec<&str> {
        let of = kept.out.lines().filter(|line| line.contains(value));
        of.filter_map(|line| line.split("  ").next()?.rsplit('/').next()).collect()
    };
    assert_eq!(of("198.51.100.9"), ["f.log:1"], "{}", kept.out);
    assert_eq!(of("203.0.113.7"), ["f.log:1", "f.log:2"], "{}", kept.out);
}

/// The first lines that a listener received said how those of all others are read: after two of a table no sign-in was
/// judged.
#[test]
fn a_first_line_does_not_choose_how_those_of_others_are_read() {
    let bench = Bench::new();
    bench.write("f.log", "nothing yet\n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let following = Following::start(&bench, &["--syslog", &format!("tcp:{port}")]);
    let mut sender = std::net::TcpStream::connect(port).unwrap();
    sender.write_all(b"time,host,message\n2024-01-01,a,b\n").unwrap();
    // That it is handed on before the others.
    std::thread::sleep(Duration::from_secs(1));
    sender.write_all(spray(now() - MINUTE, "198.51.100.8").as_bytes()).unwrap();
    drop(sender);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(ids(&following.stop(0)), ["spray-one-source"]);
}

/// What the first pass read is not read again, nor is anything between the two missed.
#[test]
fn following_begins_where_the_files_ended() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", format!("{}2024-01-01T00:00:01Z half a line", lines_with("203.0.113.7", 3)));
    let following = Following::start(&bench, &["--no-packs"]);
    following.append(" to 203.0.113.7\n");
    following.wait("out", "half a line to 203.0.113.7");
    let ran = following.stop(0).says(&["1 finding and 0 detections while following"]);
    let lines: Vec<u64> = ran.findings().iter().map(|one| one["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 2, 3, 4]);
}

/// Of a file that was rotated while others were still read, the new one was followed from as far as the old one had been
/// read.
#[test]
fn a_file_that_is_rotated_during_the_first_pass_is_followed_from_its_beginning() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", lines_with("203.0.113.7", 2));
    assert!(Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    let args = ["hunt", "--data", "d", "f.log", "pipe", "--follow", "--json", "--threads", "1", "--no-packs"];
    let to = |name: &str| File::create(bench.path(name)).unwrap();
    let child = bench.command(&args).stdout(to("out")).stderr(to("err")).spawn().unwrap();
    // It is opened for reading when the first file is done.
    let mut pipe = OpenOptions::new().write(true).open(bench.path("pipe")).unwrap();
    fs::rename(bench.path("f.log"), bench.path("g.log")).unwrap();
    bench.write("f.log", lines_with("198.51.100.9", 3));
    pipe.write_all(b"nothing\n").unwrap();
    drop(pipe);
    let following = Following { bench: &bench, child };
    following.wait("err", "following 1 file");
    let ran = following.stop(0).says(&["f.log: it was rotated since it was read", "under its new name"]);
    let found = ran.findings();
    let lines = |value: &str| -> Vec<u64> {
        let of = found.iter().filter(|one| one["value"] == value);
        of.map(|one| one["line"].as_u64().unwrap()).collect()
    };
    assert_eq!((lines("203.0.113.7"), lines("198.51.100.9")), (vec![1, 2], vec![1, 2, 3]), "{}", ran.out);
}

/// What a person had dismissed was told again of each new line while following.
#[test]
fn dismissed_findings_are_not_told_while_following() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", lines_with("203.0.113.7", 1));
    bench.run(&["hunt", "--data", "d", "f.log", "--no-packs"]).expect(0);
    let listed = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
    let id = listed[0]["finding"].as_str().unwrap();
    bench.run(&["finding", "dismiss", "--data", "d", id, "--reason", "own scanner"]).expect(0);
    let following = Following::start(&bench, &["--no-packs"]);
    following.append(&lines_with("203.0.113.7", 2));
    following.append(&lines_with("198.51.100.9", 1));
    following.wait("out", "198.51.100.9");
    let ran = following
        .stop(0)
        .says(&["1 finding and 0 detections while following", "2 findings more of what a person dismissed"]);
    assert_eq!(ran.findings().len(), 1, "{}", ran.out);
}

/// One fault of the database ended following, and lost the findings and observables that waited.
#[test]
fn following_outlives_a_fault_of_the_database() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", lines_with("203.0.113.7", 1));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let following = Following::start(&bench, &["--no-packs", "--syslog", &format!("tcp:{port}")]);
    harm(
        &bench,
        "CREATE TRIGGER fault BEFORE INSERT ON hunt_findings BEGIN SELECT RAISE(ABORT, 'a fault that was laid'); END",
    );
    // So many are stored at once.
    let many = 10_000;
    let mut sender = std::net::TcpStream::connect(port).unwrap();
    let line = "<13>1 2024-01-01T00:00:00Z gw app - - - to 203.0.113.7 and 203.0.113.99\n";
    sender.write_all(line.repeat(many).as_bytes()).unwrap();
    drop(sender);
    following.wait("err", "following goes on");
    following.append("2024-01-01T00:00:00Z to 203.0.113.7 after it\n");
    following.wait("out", "after it");
    fs::remove_file(bench.path("f.log")).unwrap();
    bench.write("f.log", "2024-01-01T00:00:00Z to 203.0.113.7 in the new file\n");
    following.wait("out", "in the new file");
    harm(&bench, "DROP TRIGGER fault");
    let ran = following.stop(0);
    assert_eq!(ran.err.matches("a fault that was laid").count(), 1, "it is told once: {}", ran.err);
    let listed = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    let of = |log: &str| listed.out.lines().filter(|line| line.contains(log)).count();
    assert_eq!((of("f.log:"), of("syslog-tcp:")), (3, many));
    bench.run(&["seen", "--data", "d", "203.0.113.99"]).expect(0).says(&["syslog-tcp:"]);
}

/// Following ended when the database was away as the first line of a log came.
#[test]
fn a_log_that_begins_while_the_database_is_away_is_followed() {
    let name = "live::a_log_that_begins_while_the_database_is_away_is_followed";
    let Some(given) = Engine::postgresql(name) else { return };
    let mut own = OwnServer::start(&given);
    let bench = Bench::on(&own.engine());
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", "nothing yet\n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let following = Following::start(&bench, &["--no-packs", "--syslog", &format!("tcp:{port}")]);
    own.kill();
    following.append("2024-01-01T00:00:00Z to 203.0.113.7 in the file\n");
    following.wait("out", "in the file");
    let mut sender = std::net::TcpStream::connect(port).unwrap();
    sender.write_all(b"<13>1 2024-01-01T00:00:00Z gw app - - - to 203.0.113.7 and 203.0.113.99\n").unwrap();
    drop(sender);
    following.wait("out", "203.0.113.99");
    own.run();
    let ran = following.stop(0).says(&["following goes on", "2 findings and 0 detections while following"]);
    assert_eq!(ran.err.matches("cannot be reached").count(), 1, "it is told once: {}", ran.err);
    let listed = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    let of = |log: &str| listed.out.lines().filter(|line| line.contains(log)).count();
    assert_eq!((of("f.log:"), of("syslog-tcp:")), (1, 1), "{}", listed.out);
    bench.run(&["seen", "--data", "d", "203.0.113.99"]).expect(0).says(&["syslog-tcp:"]);
}

/// What following found while the database was away, and could not store before it was stopped, was lost.
#[test]
fn findings_of_a_follow_that_ends_while_the_database_is_away_are_stored_by_the_next_hunt() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", lines_with("203.0.113.7", 1));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let following = Following::start(&bench, &["--no-packs", "--syslog", &format!("tcp:{port}")]);
    harm(
        &bench,
        "CREATE TRIGGER fault BEFORE INSERT ON hunt_findings BEGIN SELECT RAISE(ABORT, 'a fault that was laid'); END",
    );
    let mut sender = std::net::TcpStream::connect(port).unwrap();
    sender.write_all(b"<13>1 2024-01-01T00:00:00Z gw app - - - to 198.51.100.9\n").unwrap();
    drop(sender);
    following.wait("out", "198.51.100.9");
    following.append(&lines_with("203.0.113.7", 2));
    following.wait("out", "\"line\":3");
    following.stop(6).says(&["3 findings could not be stored and wait in"]);
    let kept: Vec<_> = fs::read_dir(bench.path("d/waiting")).unwrap().collect();
    assert_eq!(kept.len(), 1);
    bench.write("other.log", "nothing\n");
    let hunt = ["hunt", "--data", "d", "other.log", "--no-packs"];
    bench.run(&hunt).expect(6).says(&["a fault that was laid"]);
    harm(&bench, "DROP TRIGGER fault");
    bench.run(&hunt).expect(1).says(&["3 findings that an earlier hunt had left behind are stored"]);
    assert_eq!(fs::read_dir(bench.path("d/waiting")).unwrap().count(), 0);
    let ran = bench.run(&hunt).expect(1);
    assert!(!ran.err.contains("left behind"), "{}", ran.err);
    let listed = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    let of = |log: &str| listed.out.lines().filter(|line| line.contains(log)).count();
    assert_eq!((of("f.log:"), of("syslog-tcp:")), (3, 1), "{}", listed.out);
    // They are lines of logs as all findings are: to forget the value erases them.
    let forget = ["forget", "--data", "d", "198.51.100.9", "--findings", "--purpose", "a request"];
    bench.run(&forget).expect(0).says(&["1 finding"]);
}

const REFUSED: &str = "title: A password was refused
id: 2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e11
name: refused
level: high
logsource: {product: linux, service: auth}
detection: {failed: [authentication failure], condition: failed}
---
title: Passwords of many were refused
id: 5d0f4a1e-8c8e-4f0b-a7a5-6b1d6a3c2f12
level: high
correlation: {type: value_count, rules: [refused], group-by: [pam_rhost], timespan: 1h, generate: true, condition: {gt: 3, field: pam_user}}
";

/// What a correlation came to was counted for the log of which a line came next.
#[test]
fn correlations_are_not_counted_for_a_log_while_following() {
    let bench = Bench::new();
    bench.write("rules.yml", REFUSED);
    bench.run(&["rules", "import", "--data", "d", "rules.yml", "--licence", "CC0"]).expect(0);
    bench.write("f.log", "");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let following = Following::start(&bench, &["--no-packs", "--syslog", &format!("tcp:{port}")]);
    let mut sender = std::net::TcpStream::connect(port).unwrap();
    let now = now();
    let mut refused = |seconds: i64, user: &str| {
        let what = "pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=192.0.2.7";
        writeln!(sender, "<86>1 {} gate sshd 99 - - {what} user={user}", at(seconds)).unwrap();
    };
    (0..5).for_each(|nth| refused(now - 20 * MINUTE + nth, &format!("user{nth}")));
    refused(now - MINUTE, "user5");
    following.wait("out", "Passwords of many");
    refused(now, "user6");
    following.wait("out", "user=user6");
    following.stop(0);
    let counts = bench.run(&["rules", "stats", "--data", "d", "--json"]).expect(0).json();
    let counts: Vec<_> = counts.iter().map(|one| (one["title"].as_str(), one["matches"].as_u64())).collect();
    assert_eq!(counts, [(Some("A password was refused"), Some(7))]);
}

/// A notice of what came by syslog says how many lines it rests on, also after these were recorded.
#[test]
fn a_notice_of_syslog_rests_on_its_lines() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.write("f.log", "");
    let taken = bench.path("taken");
    let program = bench.write("sendmail", format!("#!/bin/sh\ncat >> {}\n", taken.display()));
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    bench.write(
        "notify.toml",
        format!(
            "[mail]\nfrom = \"a@firm.example\"\nto = [\"b@firm.example\"]\nsendmail = \"{}\"\n",
            program.display()
        ),
    );
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("tcp:{port}");
    let following = Following::start(&bench, &["--no-packs", "--notify", "notify.toml", "--syslog", &listen]);
    let mut sender = std::net::TcpStream::connect(port).unwrap();
    sender.write_all(b"<13>1 2024-01-01T00:00:00Z gw app - - - to 203.0.113.7\n<13>nothing\n").unwrap();
    drop(sender);
    following.wait("out", "203.0.113.7");
    following.stop(0).says(&["notice 1 was sent"]);
    let mail = fs::read_to_string(taken).unwrap();
    assert!(mail.contains("1 finding found") && mail.contains("rests on 2 lines in 1 file"), "{mail}");
    let kept = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    assert!(kept.out.contains("syslog-tcp:"), "{}", kept.out);
}
