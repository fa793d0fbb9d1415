// SPDX-License-Identifier: Apache-2.0
//! Hunting in what is written while the program runs, held against hunting in files.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::time::Timestamp;
use serde_json::Value;

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
    let whole = bench.run(&["hunt", "--data", "d", "f.log", "--json"]).expect(0);
    let mut same = ids(&whole);
    same.sort();
    assert_eq!(told, same, "{}", whole.out);
}
