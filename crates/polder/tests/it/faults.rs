// SPDX-License-Identifier: Apache-2.0
//! Everything that can break, broken on purpose: views, pages, disk, clock, side file. Never a panic, nothing
//! half written, and a message that says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use ledger::append::{Circumstances, Signer};
use ledger::checkpoint::Origin;
use ledger::draft::Draft;
use ledger::entry::Salts;
use ledger::sql::{EngineError, Flow};
use model::head::Audience;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use serde_json::Value;
use store::{Schema, Store};
use trust::log_key::LogKey;

use crate::golden::golden;
use crate::support::*;

/// Size of a page of the database.
const PAGE_BYTES: usize = 8_192;

/// The database as another program would see it, which knows no view.
fn stranger(bench: &Bench) -> Store {
    Store::open(&bench.path("d/polder.db"), Schema::default()).unwrap()
}

fn harm(bench: &Bench, sql: &'static str) {
    stranger(bench).local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
}

/// The rooms' views, to look into their tables.
fn rooms(bench: &Bench) -> Store {
    let schema = Schema {
        views: vec![
            Box::new(ledger::definitions::DefinitionView),
            Box::new(exchange::view::CollectionView),
            Box::new(hunt::view::IndicatorView),
        ],
        local: Vec::new(),
    };
    Store::open_as_found(&bench.path("d/polder.db"), schema).unwrap()
}

/// All rows of all views.
fn rows(bench: &Bench) -> Vec<String> {
    let store = rooms(bench);
    let tables: Vec<_> = store.views().iter().flat_map(|view| view.tables()).collect();
    let mut rows = Vec::new();
    for table in tables {
        let columns: Vec<String> = table.columns.iter().map(|column| format!("quote({column})")).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY 1", columns.join(" || ' ' || "), table.name);
        let sql: &'static str = sql.leak();
        store
            .read(|read| {
                read.query(sql, &[], &mut |row| {
                    rows.push(format!("{} {}", table.name, row.text(0)?));
                    Ok(Flow::Continue)
                })
            })
            .map_err(|e: EngineError| e)
            .unwrap();
    }
    rows
}

/// What `doctor` finds: names of checks with a fault, each with what is wrong and what to do. The clock has a
/// test of its own: golden directories hold the times at which they were made.
#[track_caller]
fn faults(bench: &Bench, args: &[&str]) -> Vec<String> {
    let ran = bench.run(&[&["doctor", "--data", "d", "--json"], args].concat());
    assert!(ran.code != 70 && !ran.err.contains("panicked"), "{}", ran.err);
    let checks = ran.json();
    let mut names = Vec::new();
    for check in checks.iter().filter(|check| check["ok"] == false) {
        for member in ["place", "fault", "fix"] {
            assert!(
                check[member].as_str().is_some_and(|text| !text.is_empty()),
                "what, where, what to do: {check}"
            );
        }
        names.push(check["check"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.is_empty(), ran.code == 0, "{}", ran.out);
    names.retain(|name| name != "clock");
    names
}

// --- views ---

/// Law 2 with all rooms' views: what was kept equals what is made anew.
#[test]
fn rebuild_gives_what_was_kept() {
    let (bench, _) = golden(1);
    bench.verified("d");
    let kept = rows(&bench);
    assert!(kept.len() > 100);
    for _ in 0..2 {
        let reports = bench.run(&["rebuild", "--data", "d", "--json"]).expect(0).json();
        assert_eq!(reports.len(), 3);
        assert!(reports.iter().all(|report| report["records"] == 66), "{reports:?}");
        assert_eq!(rows(&bench), kept);
    }
    bench
        .run(&["rebuild", "--data", "d", "hunt_indicators"])
        .expect(0)
        .says(&["hunt_indicators: 66 records, skipped"]);
    bench.run(&["rebuild", "--data", "d", "pigeons"]).expect(2).says(&["pigeons", "definitions, exchange"]);
    assert_eq!(rows(&bench), kept);
}

/// A view of another version, or without one of its tables: doctor tells, and the next command mends it.
#[test]
fn stale_and_missing_views_are_found_and_mended() {
    for sql in [
        "UPDATE views SET version = 7 WHERE name = 'exchange'",
        "DELETE FROM views WHERE name = 'exchange'",
        "DROP TABLE placed",
        "UPDATE views SET cursor = 3 WHERE name = 'exchange'",
    ] {
        let (bench, _) = golden(1);
        bench.verified("d");
        let kept = rows(&bench);
        harm(&bench, sql);
        if sql.contains("cursor") {
            // As if a program that does not know the view had appended the rest.
            harm(&bench, "DELETE FROM placements WHERE seq > 3");
            harm(&bench, "DELETE FROM placed WHERE seq > 3");
        }
        assert_eq!(faults(&bench, &[]), ["views"], "{sql}");
        bench.run(&["community", "list", "--data", "d"]).expect(0);
        assert_eq!(faults(&bench, &[]), Vec::<String>::new(), "{sql}");
        assert_eq!(rows(&bench), kept, "{sql}");
    }
}

/// Killed in the middle of a rebuild: the old view answers on, doctor finds what is left, and the next
/// rebuild goes on from there, with what was imported meanwhile.
#[test]
fn a_rebuild_that_is_killed_goes_on() {
    let bench = Bench::new();
    let objects = |from: u64, to: u64| bundle(&(from..to).map(|n| marked(n, "green")).collect::<Vec<_>>());
    bench.write("a.json", objects(0, 45_000));
    bench.write("b.json", objects(45_000, 45_100));
    bench.import("a.json", &[], 0);
    let mut killed = 0;
    for _ in 0..20 {
        let mut child = bench
            .command(&["rebuild", "--data", "d", "exchange"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        // The first batch is told when it is durable.
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut line)
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if !rooms(&bench).left_over_tables().unwrap().is_empty() {
            killed += 1;
            break;
        }
    }
    assert!(killed > 0, "no kill came in mid-rebuild");
    assert_eq!(faults(&bench, &[]), ["builds"]);
    bench.import("b.json", &[], 0);
    assert_eq!(bench.exported("d").len(), 45_100, "the old view answers and is kept");
    let ran = bench.run(&["rebuild", "--data", "d", "exchange"]).expect(0);
    assert!(!ran.err.contains("rebuilding exchange"), "it goes on where it stood: {}", ran.err);
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
    assert_eq!(bench.exported("d").len(), 45_100);
}

/// `import` beside a rebuild that runs: neither hinders the other, nothing is lost.
#[test]
fn imports_beside_a_rebuild() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&(0..25_000).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let mut rebuild = bench
        .command(&["rebuild", "--data", "d"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut beside = 0;
    for round in 0..6u64 {
        let name = format!("{round}.json");
        bench.write(
            &name,
            bundle(&(0..50).map(|n| marked(30_000 + round * 100 + n, "green")).collect::<Vec<_>>()),
        );
        bench.import(&name, &[], 0);
        beside += u64::from(rebuild.try_wait().unwrap().is_none());
    }
    assert!(rebuild.wait().unwrap().success());
    assert!(beside > 0, "no import ran beside the rebuild");
    let kept = rows(&bench);
    bench.run(&["rebuild", "--data", "d"]).expect(0);
    assert_eq!(rows(&bench), kept);
    assert_eq!(bench.exported("d").len(), 25_300);
}

/// `serve` begins at once; until its view is whole it says how far it is.
#[test]
fn the_server_says_that_it_rebuilds() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&(0..25_000).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let token =
        bench.run(&["token", "new", "--data", "d", "--name", "x", "--json"]).expect(0).json().remove(0);
    let token = token["token"].as_str().unwrap();
    harm(&bench, "UPDATE views SET version = 7 WHERE name = 'exchange'");
    let server = bench.serve("d");
    let path = "/taxii2/root/collections/";
    let mut refused = 0;
    let collections = loop {
        let (status, answer) = server.ask(path, token);
        if status == 200 {
            break answer;
        }
        assert_eq!(status, 503, "{answer}");
        let told = answer["description"].as_str().unwrap();
        assert!(told.starts_with("rebuilding, ") && told.contains(" %; try again"), "{told}");
        refused += 1;
        sleep(Duration::from_millis(5));
    };
    assert!(refused > 0, "it was rebuilt before it was asked");
    let id = collections["collections"][0]["id"].as_str().unwrap();
    let page = server.get(&format!("{path}{id}/objects/?limit=10"), token);
    assert_eq!(page["objects"].as_array().unwrap().len(), 10);
}

// --- the file ---

/// A row of an index that its table does not have: only the whole check sees it, and a rebuild mends it.
#[test]
fn a_broken_index_is_found() {
    let (bench, _) = golden(1);
    bench.verified("d");
    let store = rooms(&bench);
    let mut pages = (0, 0);
    store
        .read(|read| {
            let sql = "SELECT (SELECT rootpage FROM sqlite_schema WHERE name = 'hunt_indicators'), \
                       (SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
                           AND tbl_name = 'hunt_indicators')";
            read.query(sql, &[], &mut |row| {
                pages = (row.int(0)?, row.int(1)?);
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    drop(store);
    let path = bench.path("d/polder.db");
    fold(&bench);
    let mut bytes = fs::read(&path).unwrap();
    // The last cell of the index: the subject's UUID stands at the end of the page.
    let page = &mut bytes[(pages.1 as usize - 1) * PAGE_BYTES..pages.1 as usize * PAGE_BYTES];
    let at = page.len() - 12;
    page[at] ^= 0x01;
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        faults(&bench, &["--quick"]),
        Vec::<String>::new(),
        "the quick check does not compare indexes"
    );
    assert_eq!(faults(&bench, &[]), ["database"]);
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["hunt_indicators", "polder rebuild"]);
    bench.run(&["rebuild", "--data", "d"]).expect(0);
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
}

/// Folds the write-ahead log into the file, so that the file is all there is.
fn fold(bench: &Bench) {
    drop(
        rooms(bench)
            .local(|tx| tx.execute("DELETE FROM views WHERE name = ''", &[]))
            .map_err(|e: EngineError| e),
    );
    let wal = bench.path("d/polder.db-wal");
    assert!(fs::metadata(wal).map_or(0, |facts| facts.len()) == 0, "the last connection folds the log");
}

/// Each page of a small database overwritten in turn: a clean error or the right answer, never a panic.
#[test]
fn a_corrupt_page_is_never_silent() {
    let (bench, _) = golden(1);
    let size = bench.verified("d");
    fold(&bench);
    let path = bench.path("d/polder.db");
    let sound = fs::read(&path).unwrap();
    // The bundle's own id is another each time.
    let content = |out: &str| out.split_once("x_polder_markings").map(|(_, content)| content.to_owned());
    let right = content(&bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out);
    assert!(right.is_some());
    let pages = sound.len() / PAGE_BYTES;
    assert!(pages > 30, "{pages} pages");
    let mut told = 0;
    for page in 0..pages {
        let mut bytes = sound.clone();
        let fill = if page % 2 == 0 { 0x00 } else { 0xA5 };
        // The first page keeps its header: without it there is nothing to recognise.
        let from = page * PAGE_BYTES + if page == 0 { 100 } else { 0 };
        bytes[from..(page + 1) * PAGE_BYTES].fill(fill);
        restore(&bench, &bytes);
        let verify = bench.run(&["ledger", "verify", "--data", "d", "--json"]);
        let export = bench.run(&["export", "--data", "d", "--format", "stix"]);
        let doctor = faults(&bench, &[]);
        for ran in [&verify, &export] {
            assert!(ran.code != 70 && !ran.err.contains("panicked"), "page {page}: {}", ran.err);
            assert!(
                ran.code == 0 || !ran.err.is_empty() || ran.out.contains("faults"),
                "page {page}: an error without a word"
            );
        }
        if export.code == 0 {
            assert!(content(&export.out) == right, "page {page}: a wrong answer that looks right");
        }
        if verify.code == 0 {
            assert_eq!(verify.json()[0]["size"].as_u64(), Some(size), "page {page}");
        }
        if verify.code != 0 || export.code != 0 {
            told += 1;
            assert!(
                !doctor.is_empty(),
                "page {page}: doctor finds nothing, but {} {}",
                verify.err,
                export.err
            );
        }
    }
    assert!(told > 5, "only {told} of {pages} pages were missed");
}

fn restore(bench: &Bench, bytes: &[u8]) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(bench.path(&format!("d/polder.db{suffix}")));
    }
    fs::write(bench.path("d/polder.db"), bytes).unwrap();
}

// --- the machine ---

/// A disk that is full at each further write of a batch, one page after the other.
#[test]
fn a_disk_that_is_full_at_every_write() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&(0..20).map(|n| tool(n, "")).collect::<Vec<_>>()));
    let sound = directory_of(&bench.path("d"));
    let mut refused = 0;
    // In blocks of 512 bytes in sh, 1,024 in bash: at most one page a step.
    for blocks in (0..).step_by(8) {
        put_back(&bench.path("d"), &sound);
        let script = format!("ulimit -f {blocks}; exec {PROGRAM} import --data d --json a.json");
        let output =
            Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
        let ran = Ran::of(output);
        if ran.code == 0 {
            break;
        }
        refused += 1;
        assert_eq!(ran.code, 6, "with {blocks} blocks: {} {}", ran.out, ran.err);
        let said = ["free some space", "Make room"].iter().any(|advice| ran.err.contains(advice));
        assert!(said, "with {blocks} blocks: {}", ran.err);
        assert!(blocks < 4_000, "it never works: {}", ran.err);
        // Wholly there or wholly absent, and it works on.
        let report = bench.import("a.json", &[], 0);
        let (known, added) = (report["known"].as_u64().unwrap(), report["added"].as_u64().unwrap());
        assert!((known, added) == (0, 20) || (known, added) == (20, 0), "with {blocks} blocks: {report}");
        assert_eq!(bench.verified("d"), 21, "with {blocks} blocks");
    }
    assert!(refused >= 10, "only {refused} steps");
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
}

/// Files of a directory, without those in folders.
fn directory_of(path: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn put_back(path: &Path, files: &[(std::path::PathBuf, Vec<u8>)]) {
    for (file, _) in directory_of(path) {
        fs::remove_file(file).unwrap();
    }
    for (file, bytes) in files {
        fs::write(file, bytes).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// A rebuild without room leaves the old view as it was, and goes on when there is room.
#[test]
fn a_rebuild_without_room() {
    let (bench, _) = golden(1);
    bench.verified("d");
    fold(&bench);
    let kept = rows(&bench);
    let mut refused = 0;
    for blocks in [8, 40, 120, 400] {
        let script = format!("ulimit -f {blocks}; exec {PROGRAM} rebuild --data d");
        let output =
            Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
        let ran = Ran::of(output);
        assert!([0, 6].contains(&ran.code), "{} {}", ran.out, ran.err);
        refused += u32::from(ran.code == 6);
        assert!(ran.code == 0 || ran.err.contains("free some space"), "{}", ran.err);
        assert_eq!(rows(&bench), kept);
    }
    assert!(refused > 0);
    bench.run(&["rebuild", "--data", "d"]).expect(0);
    assert_eq!(rows(&bench), kept);
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
}

#[test]
fn doctor_tells_a_limit_on_files() {
    let bench = Bench::new();
    let script = format!("ulimit -f 100; exec {PROGRAM} doctor --data d");
    let output = Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
    Ran::of(output).expect(1).says(&["FAULT  disk", "ulimit -f", "lift the limit"]);
}

/// Two processes write to one directory at once: each in its turn, nothing is lost, and the log is one.
#[test]
fn a_second_writer() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&(0..30_000).map(|n| tool(n, "")).collect::<Vec<_>>()));
    let mut first =
        bench.command(&["import", "--data", "d", "a.json"]).stdout(Stdio::null()).spawn().unwrap();
    let (mut round, mut beside) = (0, 0);
    while first.try_wait().unwrap().is_none() {
        bench.write("b.json", bundle(&[tool(40_000 + round, "")]));
        bench.import("b.json", &[], 0);
        round += 1;
        beside += u64::from(first.try_wait().unwrap().is_none());
    }
    assert!(first.wait().unwrap().success());
    assert!(beside > 0, "they never met");
    assert_eq!(bench.verified("d"), 1 + 30_000 + round);
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
}

/// Appends one object as a node does whose clock says something else.
fn append_at(bench: &Bench, n: u64, micros: i64) {
    let member = bench.member();
    let key = fs::read_to_string(bench.path("d/keys/log-1.key")).unwrap();
    let key = base64::engine::general_purpose::STANDARD.decode(key.trim()).unwrap();
    let signer = Signer {
        origin: Origin { member: member.0, log: 1 },
        key: LogKey::from_bytes(&key).unwrap(),
        tombstone_key: [0; 32],
    };
    let store = stranger(bench);
    let side_file = store::published::SideFile::new(bench.path("d/published"));
    let writer = store
        .writer(signer, Some(side_file), move || Circumstances {
            now: Timestamp::from_micros(micros),
            randomness: [7; 32],
        })
        .unwrap();
    let json = marked(n, "green");
    let object = Object::parse(json.as_bytes(), "test", &mut Vec::new()).unwrap();
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    let (own, marking) = (Audience::Organisation(member), Marking::tlp(Tlp::Green));
    let draft = Draft::stix(object, json.into_bytes(), member, own, marking, salts);
    writer.submit(vec![draft]).wait().unwrap();
}

/// The clock goes back a year: times go on growing, doctor tells, and what was imported is whole.
#[test]
fn a_clock_that_goes_back_a_year() {
    const YEAR_US: i64 = 365 * 24 * 3_600 * 1_000_000;
    let bench = Bench::new();
    // The root statement is of now.
    let now = stranger(&bench).read(|read| ledger::record::after(read, 0, 1)).unwrap()[0].time.micros();
    append_at(&bench, 1, now + YEAR_US);
    bench.write("a.json", bundle(&(10..30).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    assert_eq!(bench.verified("d"), 22);
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  clock", "set it right"]);
    let rows = stranger(&bench).read(|read| ledger::record::after(read, 0, 100)).unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].time < pair[1].time), "times are strictly increasing");
    assert!(rows[2].time.micros() > now + YEAR_US && rows[21].time.micros() < now + YEAR_US + 1_000_000);
    assert_eq!(bench.exported("d").len(), 21, "what another program appended is in the views too");
}

// --- the directory ---

#[test]
fn doctor_finds_what_is_wrong_with_files() {
    let (bench, _) = golden(1);
    bench.verified("d");
    let sound = directory_of(&bench.path("d"));
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(bench.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("d", 0o755);
    mode("d/keys", 0o711);
    assert_eq!(faults(&bench, &[]), ["directory", "keys"]);
    mode("d", 0o700);
    mode("d/keys", 0o700);
    mode("d/keys/root.key", 0o640);
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  keys", "root.key", "chmod 600"]);
    mode("d/keys/root.key", 0o600);
    let key = fs::read(bench.path("d/keys/node.key")).unwrap();
    fs::write(bench.path("d/keys/node.key"), "short").unwrap();
    assert_eq!(faults(&bench, &[]), ["keys"]);
    fs::write(bench.path("d/keys/node.key"), key).unwrap();
    // The side file: gone, of an earlier time, nonsense.
    fs::remove_file(bench.path("d/published")).unwrap();
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  side-file", "polder ledger publish"]);
    put_back(&bench.path("d"), &sound);
    bench.write("a.json", bundle(&[tool(900, "")]));
    bench.import("a.json", &[], 0);
    let (path, newer) = (bench.path("d/published"), fs::read(bench.path("d/published")).unwrap());
    let earlier = sound.iter().find(|(file, _)| *file == path).unwrap();
    fs::write(&path, &earlier.1).unwrap();
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  side-file", "size 66", "holds 67"]);
    fs::write(&path, "nonsense").unwrap();
    assert_eq!(faults(&bench, &[]), ["side-file"]);
    fs::write(&path, newer).unwrap();
    // The database: another program's, none, one of a later format.
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
    let database = bench.path("d/polder.db");
    fs::write(&database, vec![7; PAGE_BYTES]).unwrap();
    bench.run(&["doctor", "--data", "d"]).expect(6).says(&["FAULT  database", "restore the newest backup"]);
    fs::remove_file(&database).unwrap();
    bench.run(&["doctor", "--data", "d"]).expect(2).says(&["ok     keys", "FAULT  database", "polder init"]);
}

/// A database of an earlier format is not brought forward by looking at it.
#[test]
fn doctor_leaves_an_earlier_format_alone() {
    let (bench, _) = golden(1);
    let before = fs::read(bench.path("d/polder.db")).unwrap();
    let ran = bench.run(&["doctor", "--data", "d", "--json"]);
    let database: Vec<Value> = ran.json().into_iter().filter(|check| check["check"] == "database").collect();
    assert!(database[0]["fix"].as_str().unwrap().contains("brings the database forward"), "{database:?}");
    assert_eq!(fs::read(bench.path("d/polder.db")).unwrap(), before);
    // Nor while an earlier program writes to it.
    let lock = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(bench.path("d/write.lock"))
        .unwrap();
    lock.lock().unwrap();
    bench.run(&["ledger", "verify", "--data", "d"]).expect(6).says(&["being written"]);
    drop(lock);
    bench.run(&["ledger", "verify", "--data", "d"]).expect(0).says(&["forward to format 2"]);
}
