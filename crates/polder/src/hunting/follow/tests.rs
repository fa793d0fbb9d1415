// SPDX-License-Identifier: Apache-2.0
//! Following step by step: what is due, and a database that is away.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, LazyLock};

use clap::Parser as _;
use hunt::history::{Question, Seen};
use hunt::limits::{FINDINGS_WAITING_BYTES_MAX, FINDINGS_WAITING_MAX, MERGE_RUNS_MIN};
use ledger::sql::EngineError;
use model::observable::{Observable, ObservableKind};

use super::*;
use crate::cli::{Cli, Command};
use crate::hunting::sought::{Quarry, quarry};
use crate::hunting::store_left_behind;
use crate::hunting::zones::Zones;

/// A file that could not be read to its end was followed from anywhere, and nobody was told.
#[test]
fn where_a_file_ends_is_known_or_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, "one\ntwo\nthr").unwrap();
    let place = |offset, lines| Place { offset, lines };
    assert_eq!(end_of(&path, u64::MAX).unwrap(), place(8, 2));
    assert_eq!(end_of(&path, 7).unwrap(), place(4, 1), "what was read of it");
    let (reached, error) = end_of(dir.path(), u64::MAX).unwrap_err();
    assert_eq!((reached, error.kind()), (Place::default(), std::io::ErrorKind::IsADirectory));
    assert!(head_of(&dir.path().join("none")).is_err());
}

/// A node, and what is looked for.
struct Bench {
    dir: tempfile::TempDir,
    node: Node,
    args: crate::cli::Hunt,
    quarry: Quarry,
    zones: Zones,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("d").display().to_string();
        let list = dir.path().join("list.txt").display().to_string();
        fs::write(&list, "203.0.113.7\n").unwrap();
        let made = ["init", "--data", &data, "--name", "Firm", "--country", "NL", "--sector", "energy"];
        let Command::Init(made) = command(&made) else { panic!("init") };
        crate::init::run(&made).unwrap();
        let hunt =
            ["hunt", "--data", &data, "--indicators", &list, "--no-packs", "--syslog", "udp:127.0.0.1:1"];
        let Command::Hunt(args) = command(&hunt) else { panic!("hunt") };
        let node = Node::open(&made.data).unwrap();
        let quarry = quarry(&args.quarry, Some(&node)).unwrap();
        Bench { dir, node, args, quarry, zones: Zones::default() }
    }

    fn history(&self) -> Opened<'_> {
        Opened::open(&self.node).unwrap()
    }

    fn job<'b>(&'b self, history: &'b Opened<'b>) -> Job<'b> {
        static NOTHING: LazyLock<HashSet<&Path>> = LazyLock::new(HashSet::new);
        let (args, quarry, zones, named) = (&self.args, &self.quarry, &self.zones, &*NOTHING);
        let history = Some(history);
        Job { args, named, history, quarry, zones, several: false, stop: Arc::default() }
    }

    fn follow<'b>(&'b self, job: &'b Job<'b>, room: Room) -> Following<'b> {
        let pace = Pace { record_micros: i64::MAX, store_micros: i64::MAX, room };
        Following::new(job, Onward::default(), Some(&self.node), None, pace).unwrap()
    }

    fn sql(&self, sql: &'static str) {
        self.node.store.local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
    }

    /// Nothing can be written into the register, nor as a finding.
    fn break_database(&self) {
        for sql in [
            "CREATE TRIGGER fault BEFORE INSERT ON hunt_findings BEGIN SELECT RAISE(ABORT, 'a fault that was laid'); END",
            "CREATE TRIGGER fault2 BEFORE INSERT ON hunt_files BEGIN SELECT RAISE(ABORT, 'a fault that was laid'); END",
        ] {
            self.sql(sql);
        }
    }

    fn mend_database(&self) {
        self.sql("DROP TRIGGER fault");
        self.sql("DROP TRIGGER fault2");
    }

    /// Files of findings that wait.
    fn waiting(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.dir.path().join("d/waiting")).into_iter().flatten();
        all.map(|entry| entry.unwrap().path()).collect()
    }

    /// Stored findings, by the name of the log.
    fn stored(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for hit in self.node.store.read(|read| hunt::history::findings(read, None)).unwrap() {
            let name = hit.finding.file.split(" from ").next().unwrap_or_default();
            *all.entry(name.rsplit('/').next().unwrap_or_default().to_owned()).or_default() += 1;
        }
        all
    }
}

fn command(args: &[&str]) -> Command {
    Cli::try_parse_from([&["polder"], args].concat()).unwrap().command
}

fn received(lines: &str) -> Chunk {
    Chunk {
        name: "syslog-udp:127.0.0.1:1".to_owned(),
        bytes: lines.as_bytes().to_vec(),
        offset: 0,
        first_line: 1,
        back: 0,
        is_received: true,
        notice: None,
    }
}

/// So many lines with an indicator.
fn lines(count: usize) -> String {
    "2024-01-01T00:00:00Z to 203.0.113.7\n".repeat(count)
}

/// Lines that were added to a file.
fn added(path: &Path, offset: u64, first_line: u64, count: usize) -> Chunk {
    let name = path.display().to_string();
    Chunk { name, offset, first_line, is_received: false, ..received(&lines(count)) }
}

fn room(findings: usize) -> Room {
    Room { findings, bytes: usize::MAX }
}

/// While the database was away, findings waited in memory without a bound.
#[test]
fn findings_that_wait_beyond_the_limit_go_to_a_file() {
    assert_eq!((Room::LIVE.findings, Room::LIVE.bytes), (FINDINGS_WAITING_MAX, FINDINGS_WAITING_BYTES_MAX));
    let bench = Bench::new();
    let (history, log) = (bench.history(), bench.dir.path().join("f.log"));
    let job = bench.job(&history);
    // A file of which the beginning is in the history.
    fs::write(&log, "nothing\n").unwrap();
    job.record_files(std::iter::once(&log)).unwrap();
    let mut following = bench.follow(&job, room(10));
    bench.break_database();
    following.take(received(&lines(6))).unwrap();
    following.take(added(&log, 8, 2, 4)).unwrap();
    assert!(bench.waiting().is_empty(), "they are as many as may wait");
    following.take(received(&lines(1))).unwrap();
    let [file] = &bench.waiting()[..] else { panic!("{:?}", bench.waiting()) };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let of_eleven = fs::metadata(file).unwrap().len();
    following.take(received(&lines(10))).unwrap();
    assert_eq!(fs::metadata(file).unwrap().len(), of_eleven, "they have room again");
    following.take(received(&lines(1))).unwrap();
    assert!(fs::metadata(file).unwrap().len() > of_eleven);
    following.take(received(&lines(3))).unwrap();
    assert!(following.store().is_err());
    assert!(bench.stored().is_empty() && bench.waiting().len() == 1, "the database is still away");
    bench.mend_database();
    following.store().unwrap();
    let all = BTreeMap::from([("f.log".to_owned(), 4), ("syslog-udp:127.0.0.1:1".to_owned(), 21)]);
    assert_eq!(bench.stored(), all);
    assert!(bench.waiting().is_empty(), "it is removed when all is stored");
    let logs = history.history().files().unwrap();
    assert_eq!(logs.len(), 2, "one stretch of syslog is one log: {logs:?}");
    // Bytes count, too.
    let mut following = bench.follow(&job, Room { findings: usize::MAX, bytes: 3 * 600 });
    following.take(received(&lines(3))).unwrap();
    assert!(bench.waiting().is_empty());
    following.take(received(&lines(1))).unwrap();
    assert_eq!(bench.waiting().len(), 1);
}

/// What a killed program, or one that ended while the database was away, could not store is stored by the next; a crash
/// before its file is removed counts nothing twice.
#[test]
fn findings_that_were_left_behind_are_stored_once() {
    for is_killed in [true, false] {
        let bench = Bench::new();
        let (history, log) = (bench.history(), bench.dir.path().join("f.log"));
        let job = bench.job(&history);
        fs::write(&log, "nothing\n").unwrap();
        job.record_files(std::iter::once(&log)).unwrap();
        let mut following = bench.follow(&job, room(10));
        bench.break_database();
        following.take(received(&lines(6))).unwrap();
        following.take(added(&log, 8, 2, 5)).unwrap();
        if is_killed {
            following.take(received(&lines(2))).unwrap();
        } else {
            following.take(received(&lines(2))).unwrap();
            assert!(following.finish().is_err());
        }
        store_left_behind(&bench.node, &history).unwrap_or_else(|fault| assert!(!is_killed, "{fault}"));
        assert!(
            bench.stored().is_empty() && bench.waiting().len() == 1,
            "it is another's, or cannot be stored"
        );
        drop(following);
        bench.mend_database();
        let [file] = &bench.waiting()[..] else { panic!("{:?}", bench.waiting()) };
        let kept = fs::read(file).unwrap();
        store_left_behind(&bench.node, &history).unwrap();
        let syslog = if is_killed { 6 } else { 8 };
        let all = BTreeMap::from([("f.log".to_owned(), 5), ("syslog-udp:127.0.0.1:1".to_owned(), syslog)]);
        assert_eq!(bench.stored(), all);
        assert!(bench.waiting().is_empty());
        // The file was not removed, and whoever wrote it was killed as it wrote more.
        fs::write(file, [kept.as_slice(), &[9, 0, 0, 0, 0, 0, 0, 0, b'P']].concat()).unwrap();
        store_left_behind(&bench.node, &history).unwrap();
        assert_eq!(bench.stored(), all);
        assert_eq!(bench.waiting(), [file.with_extension("bad")], "what cannot be read is kept");
        assert_eq!(history.history().files().unwrap().len(), 2);
    }
}

/// What stood behind a damaged part was lost, the file was removed, and a folder beside it stopped every hunt.
#[test]
fn a_damaged_part_of_what_waits_keeps_no_other_from_being_stored() {
    let bench = Bench::new();
    let (history, log) = (bench.history(), bench.dir.path().join("f.log"));
    let job = bench.job(&history);
    fs::write(&log, "nothing\n").unwrap();
    job.record_files(std::iter::once(&log)).unwrap();
    let mut following = bench.follow(&job, room(10));
    bench.break_database();
    following.take(received(&lines(6))).unwrap();
    following.take(added(&log, 8, 2, 5)).unwrap();
    drop(following);
    bench.mend_database();
    let [file] = &bench.waiting()[..] else { panic!("{:?}", bench.waiting()) };
    let mut kept = fs::read(file).unwrap();
    // In the first of two parts, behind its length and what it begins with.
    kept[60] ^= 1;
    fs::write(file, &kept).unwrap();
    let folder = file.with_file_name("folder");
    fs::create_dir(&folder).unwrap();
    store_left_behind(&bench.node, &history).unwrap();
    let stored = bench.stored();
    assert!(stored.len() == 1 && [5, 6].contains(&stored.values().sum::<usize>()), "{stored:?}");
    let aside = file.with_extension("bad");
    assert_eq!(fs::read(&aside).unwrap(), kept);
    store_left_behind(&bench.node, &history).unwrap();
    assert_eq!(bench.stored(), stored);
    // It quotes lines: to forget a value removes it.
    assert_eq!(crate::hunting::drop_set_aside(&bench.node).unwrap(), 1);
    assert_eq!(bench.waiting(), [folder]);
}

/// A killed program may have recorded a stretch of syslog and not yet stored its findings that lie in the file.
#[test]
fn findings_of_a_stretch_that_was_recorded_go_there() {
    let bench = Bench::new();
    let history = bench.history();
    let job = bench.job(&history);
    let mut following = bench.follow(&job, room(3));
    following.take(received(&lines(4))).unwrap();
    following.take(received(&lines(2))).unwrap();
    following.record().unwrap();
    assert_eq!((bench.stored().values().sum::<usize>(), bench.waiting().len()), (2, 1));
    drop(following);
    store_left_behind(&bench.node, &history).unwrap();
    assert_eq!(bench.stored().values().sum::<usize>(), 6);
    let logs = history.history().files().unwrap();
    assert_eq!((logs.len(), logs[0].lines), (1, 6), "{logs:?}");
}

/// A file that is not in the history yet is recorded, which finds again what had no room.
#[test]
fn findings_of_a_file_that_is_not_recorded_are_found_again() {
    let bench = Bench::new();
    let (history, log) = (bench.history(), bench.dir.path().join("f.log"));
    let job = bench.job(&history);
    let mut following = bench.follow(&job, room(3));
    bench.break_database();
    fs::write(&log, lines(9)).unwrap();
    following.take(added(&log, 0, 1, 9)).unwrap();
    bench.mend_database();
    following.store().unwrap();
    assert_eq!(bench.stored(), BTreeMap::from([("f.log".to_owned(), 9)]));
    assert!(bench.waiting().is_empty());
}

/// Where the file has no room either, memory is bounded all the same, and what is lost is counted.
#[test]
fn findings_without_any_room_are_counted_as_lost() {
    let bench = Bench::new();
    let history = bench.history();
    let job = bench.job(&history);
    let mut following = bench.follow(&job, room(10));
    bench.break_database();
    fs::write(bench.dir.path().join("d/waiting"), "no folder").unwrap();
    following.take(received(&lines(8))).unwrap();
    assert_eq!(following.storing.lost(), 0);
    following.take(received(&lines(8))).unwrap();
    assert_eq!(following.storing.lost(), 6);
    bench.mend_database();
    following.finish().unwrap();
    assert_eq!(bench.stored().values().sum::<usize>(), 10);
}

/// Runs are merged while logs are followed, and the history answers the same.
#[test]
fn runs_are_merged_while_following() {
    let bench = Bench::new();
    let history = bench.history();
    let job = bench.job(&history);
    let mut following = bench.follow(&job, Room::LIVE);
    // The first value is in each stretch, the others are in one each.
    let of = |nth: usize| format!("8.8.4.{nth}");
    let all: Vec<String> = (0..=MERGE_RUNS_MIN).map(of).collect();
    for nth in 1..=MERGE_RUNS_MIN {
        let line = format!("2024-01-0{}T00:00:00Z from {} to {}\n", 1 + nth % 9, of(0), of(nth));
        following.take(received(&line)).unwrap();
        following.do_what_is_due().unwrap();
        following.record().unwrap();
    }
    let seen = |value: &String| -> (Seen, Vec<i64>) {
        let observable = Observable::parse(ObservableKind::Ip, value).unwrap();
        let question = Question { observable, with_subdomains: false };
        let sighted = history.history().seen(&question, &history.keep().unwrap()).unwrap();
        (sighted.seen, sighted.files.iter().map(|(file, _)| *file).collect())
    };
    let runs = || history.history().runs().unwrap().len();
    let before: Vec<_> = all.iter().map(seen).collect();
    assert_eq!((runs(), before[0].0.count), (MERGE_RUNS_MIN, MERGE_RUNS_MIN as u64), "an hour is not over");
    following.pace.record_micros = 0;
    following.do_what_is_due().unwrap();
    assert_eq!(runs(), 1);
    let after: Vec<_> = all.iter().map(seen).collect();
    assert_eq!(before, after);
}
