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
use exchange::limits::AUDIENCES_PER_READER_MAX;
use ledger::append::{Circumstances, Signer};
use ledger::checkpoint::Origin;
use ledger::draft::Draft;
use ledger::entry::Salts;
use ledger::sql::{EngineError, Flow};
use model::head::Audience;
use model::id::MemberId;
use model::limits::AUDIENCE_NAMES_MAX;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use serde_json::Value;
use store::{Schema, Store};
use trust::log_key::LogKey;

use crate::golden::golden;
use crate::support::*;

on_both_engines! {
    rebuild_gives_what_was_kept,
    stale_and_missing_views_are_found_and_mended,
    a_rebuild_that_is_killed_goes_on,
    imports_beside_a_rebuild,
    the_server_says_that_it_rebuilds,
    doctor_tells_a_limit_on_files,
    a_second_writer,
    a_clock_that_goes_back_a_year,
    a_record_that_names_a_thousand_members,
    doctor_finds_what_is_wrong_with_files,
    ten_thousand_audiences_for_one_reader,
}

/// Size of a page of the database.
const PAGE_BYTES: usize = 8_192;

/// What doctor tells of a server that the tests use.
const FSYNC_OFF: &str = "fsync is off: a power cut may lose or damage what was kept";

/// A node with something in each of its views: the golden directory, or one that is made here.
fn furnished(engine: &Engine) -> Bench {
    if !engine.is_server() {
        return golden(1).0;
    }
    let bench = Bench::on(engine);
    let partner = Bench::bare().init("d");
    let ring = bench.community("Ring");
    bench.run(&["community", "add", "--data", "d", &ring, &partner]).expect(0);
    bench.write("terms", "use it well");
    bench.run(&["community", "terms", "--data", "d", &ring, "--text", "terms"]).expect(0);
    let accept = ["community", "accept", "--data", "d", &ring, "--for", &partner, "--evidence", "a letter"];
    bench.run(&accept).expect(0);
    bench.run(&["client", "add", "--data", "d", &partner]).expect(0);
    bench.write("a.json", bundle(&(0..60).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    bench.import("a.json", &["--community", &ring], 0);
    for example in ["bundle.json", "indicators.txt"] {
        bench.import(examples().join(example).to_str().unwrap(), &["--tlp", "amber"], 0);
    }
    bench.run(&["recall", "--data", "d", &tool_id(1), "--withdraw"]).expect(3);
    bench.run(&["recall", "--data", "d", &tool_id(2), "--narrow", "amber+strict"]).expect(0);
    bench
}

/// The database as another program would see it, which knows no view.
fn stranger(bench: &Bench) -> Store {
    Store::open(bench.location("d"), Schema::default()).unwrap()
}

pub fn harm(bench: &Bench, sql: &'static str) {
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
    Store::open_as_found(bench.location("d"), schema).unwrap()
}

/// All rows of all views.
fn rows(bench: &Bench) -> Vec<String> {
    let store = rooms(bench);
    let tables: Vec<_> = store.views().iter().flat_map(|view| view.tables()).collect();
    let mut rows = Vec::new();
    for table in tables {
        let text = |column: &&str| match bench.is_on_server() {
            true => format!("coalesce({column}::text, 'NULL')"),
            false => format!("quote({column})"),
        };
        let columns: Vec<String> = table.columns.iter().map(text).collect();
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
    // The server of the tests does not wait for its disk.
    let meant = |check: &&Value| {
        check["ok"] == false && !check["fault"].as_str().is_some_and(|fault| fault.ends_with(FSYNC_OFF))
    };
    for check in checks.iter().filter(meant) {
        for member in ["place", "fault", "fix"] {
            assert!(
                check[member].as_str().is_some_and(|text| !text.is_empty()),
                "what, where, what to do: {check}"
            );
        }
        names.push(check["check"].as_str().unwrap().to_owned());
    }
    assert_eq!(checks.iter().all(|check| check["ok"] == true), ran.code == 0, "{}", ran.out);
    names.retain(|name| name != "clock");
    names
}

// --- views ---

/// Law 2 with all rooms' views: what was kept equals what is made anew.
fn rebuild_gives_what_was_kept(engine: &Engine) {
    let bench = furnished(engine);
    let size = bench.verified("d");
    let kept = rows(&bench);
    assert!(kept.len() > 100);
    for _ in 0..2 {
        let reports = bench.run(&["rebuild", "--data", "d", "--json"]).expect(0).json();
        assert_eq!(reports.len(), 3);
        assert!(reports.iter().all(|report| report["records"] == size), "{reports:?}");
        assert_eq!(rows(&bench), kept);
    }
    bench
        .run(&["rebuild", "--data", "d", "hunt_indicators"])
        .expect(0)
        .says(&[&format!("hunt_indicators: {size} records, ")]);
    bench.run(&["rebuild", "--data", "d", "pigeons"]).expect(2).says(&["pigeons", "definitions, exchange"]);
    assert_eq!(rows(&bench), kept);
}

/// A view of another version, or without one of its tables: doctor tells, and the next command mends it.
fn stale_and_missing_views_are_found_and_mended(engine: &Engine) {
    for sql in [
        "UPDATE views SET version = 7 WHERE name = 'exchange'",
        "DELETE FROM views WHERE name = 'exchange'",
        "DROP TABLE placed",
        "UPDATE views SET cursor = 3 WHERE name = 'exchange'",
    ] {
        let bench = furnished(engine);
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
fn a_rebuild_that_is_killed_goes_on(engine: &Engine) {
    let bench = Bench::on(engine);
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
fn imports_beside_a_rebuild(engine: &Engine) {
    let bench = Bench::on(engine);
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
fn the_server_says_that_it_rebuilds(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&(0..25_000).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let token = &*bench.token("d", "x", &[]);
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

// Pages and indexes of a server are its administrator's; what is told of them is in `postgresql.rs`.

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

/// The same for the report on earlier hunts: it tells what was found, or that it cannot, and never that there is nothing.
#[test]
fn a_corrupt_page_makes_no_report_that_looks_empty() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.write("a.log", "2026-03-01T10:00:00Z to 203.0.113.7\n");
    bench.run(&["hunt", "--data", "d", "--no-packs", "--indicators", "list.txt", "a.log"]).expect(0);
    fold(&bench);
    let sound = fs::read(bench.path("d/polder.db")).unwrap();
    let (mut told, mut refused) = (0, 0);
    for page in 0..sound.len() / PAGE_BYTES {
        let mut bytes = sound.clone();
        bytes[page * PAGE_BYTES..(page + 1) * PAGE_BYTES].fill(0xA5);
        restore(&bench, &bytes);
        let ran = bench.run(&["finding", "report", "--data", "d", "--format", "json"]);
        match ran.code {
            0 => {
                told += 1;
                assert_eq!(ran.findings().len(), 1, "page {page}: {}", ran.out);
            }
            code => {
                refused += 1;
                assert!(code == 6 && ran.out.is_empty(), "page {page}: {code} {} {}", ran.out, ran.err);
                assert!(ran.err.contains("restore"), "page {page}: {}", ran.err);
            }
        }
    }
    assert!(told > 0 && refused > 3, "{told} told, {refused} refused");
}

fn restore(bench: &Bench, bytes: &[u8]) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(bench.path(&format!("d/polder.db{suffix}")));
    }
    fs::write(bench.path("d/polder.db"), bytes).unwrap();
}

// --- the machine ---

/// A disk that is full at each further write of a batch, one page after the other. That of a server is in
/// `postgresql.rs`.
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

/// A disk that fills up while logs are hunted in: what was found is told all the same, the report says that it is not
/// recorded, and the same command records it, once, when there is room.
#[test]
fn a_full_disk_keeps_no_finding_from_being_told() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    let names: String = (0..2_000).map(|n| format!("2026-03-01T10:00:00Z www{n}.example.org\n")).collect();
    fs::create_dir_all(bench.path("logs")).unwrap();
    bench.write("logs/a.log", "2026-03-01T10:00:00Z to 203.0.113.7\n");
    bench.write("logs/b.log", names);
    let sound = directory_of(&bench.path("d"));
    let (mut refused, mut told) = (0, 0);
    for blocks in (0..).step_by(32) {
        put_back(&bench.path("d"), &sound);
        fs::remove_dir_all(bench.path("d/history")).ok();
        fs::remove_dir_all(bench.path("d/unfinished")).ok();
        let args = "hunt --data d --no-packs --indicators list.txt logs --json";
        let script = format!("ulimit -f {blocks}; exec {PROGRAM} {args}");
        let output =
            Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
        let ran = Ran::of(output);
        if ran.code == 0 {
            break;
        }
        refused += 1;
        assert_eq!(ran.code, 6, "with {blocks} blocks: {} {}", ran.out, ran.err);
        told += u64::from(ran.out.contains("203.0.113.7") && ran.out.contains("the history lacks it"));
        assert!(blocks < 8_000, "it never works: {}", ran.err);
        bench.run(&args.split(' ').collect::<Vec<_>>()).expect(0);
        let seen = bench.run(&["seen", "--data", "d", "203.0.113.7", "--json"]).expect(0).json();
        assert_eq!(seen[0]["count"], 1, "with {blocks} blocks: {}", seen[0]);
    }
    assert!(told >= 3 && told <= refused, "{told} of {refused}");
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

fn doctor_tells_a_limit_on_files(engine: &Engine) {
    let bench = Bench::on(engine);
    let script = format!("ulimit -f 100; exec {PROGRAM} doctor --data d");
    let output = Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
    Ran::of(output).expect(1).says(&["FAULT  disk", "ulimit -f", "lift the limit"]);
}

/// Two processes write to one directory at once: each in its turn, nothing is lost, and the log is one.
fn a_second_writer(engine: &Engine) {
    let bench = Bench::on(engine);
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

/// Appends objects for these audiences, as a node does whose clock says something else.
fn append(bench: &Bench, micros: i64, objects: Vec<(u64, Audience)>) {
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
    let draft = |(n, audience): (u64, Audience)| {
        let json = marked(n, "green");
        let object = Object::parse(json.as_bytes(), "test", &mut Vec::new()).unwrap();
        let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
        Draft::stix(object, json.into_bytes(), member, audience, Marking::tlp(Tlp::Green), salts)
    };
    writer.submit(objects.into_iter().map(draft).collect()).wait().unwrap();
}

/// When the node was made, in microseconds: its root statement is of then.
fn begun_us(bench: &Bench) -> i64 {
    stranger(bench).read(|read| ledger::record::after(read, 0, 1)).unwrap()[0].time.micros()
}

/// The clock goes back a year: times go on growing, doctor tells, and what was imported is whole.
fn a_clock_that_goes_back_a_year(engine: &Engine) {
    const YEAR_US: i64 = 365 * 24 * 3_600 * 1_000_000;
    let bench = Bench::on(engine);
    let now = begun_us(&bench);
    append(&bench, now + YEAR_US, vec![(1, Audience::Organisation(bench.member()))]);
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

// --- many recipients ---

/// A record may name a thousand members: each may see it, nobody else, and not one more is named.
fn a_record_that_names_a_thousand_members(engine: &Engine) {
    let bench = Bench::on(engine);
    let id = |n: usize| format!("{n:064x}");
    let args = |count: usize| -> Vec<String> {
        (1..=count).flat_map(|n| ["--to-member".to_owned(), id(n)]).collect()
    };
    bench.write("a.json", bundle(&[tool(1, "")]));
    let import = |count: usize| {
        let named = args(count);
        let more = named.iter().map(String::as_str);
        let args: Vec<&str> =
            ["import", "--data", "d", "a.json", "--tlp", "amber"].into_iter().chain(more).collect();
        bench.run(&args)
    };
    import(AUDIENCE_NAMES_MAX + 1).expect(2).says(&["at most 1000 members"]);
    import(AUDIENCE_NAMES_MAX).expect(0).says(&["added 1"]);
    import(AUDIENCE_NAMES_MAX).expect(0).says(&["known 1"]);
    for (n, code) in [(1, 0), (500, 0), (AUDIENCE_NAMES_MAX, 0), (AUDIENCE_NAMES_MAX + 1, 1)] {
        let member = id(n);
        let explain = ["explain", "--data", "d", &tool_id(1), "--for", &member, "--max-tlp", "amber"];
        bench.run(&explain).expect(code);
        let token = bench.token("d", &member[56..], &["--member", &member, "--max-tlp", "amber"]);
        let serving = bench.serve("d");
        let seen = serving.get("/taxii2/root/collections/", &token);
        let ids =
            seen["collections"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned());
        let objects = |id: String| {
            let page = serving.get(&format!("/taxii2/root/collections/{id}/objects/"), &token);
            page["objects"].as_array().map_or(0, Vec::len)
        };
        assert_eq!(ids.map(objects).sum::<usize>(), usize::from(code == 0), "member {n}");
    }
    assert_eq!(bench.verified("d"), 2);
}

/// Whoever may read records of ten thousand audiences is told so, at the limit and beyond; nobody else notices.
fn ten_thousand_audiences_for_one_reader(engine: &Engine) {
    let bench = Bench::on(engine);
    let own = bench.member();
    let (many, few) = (MemberId([7; 32]), MemberId([8; 32]));
    let named = |n: u64| {
        let other = MemberId(std::array::from_fn(|i| n.to_be_bytes().get(i).copied().unwrap_or(9)));
        Audience::of_members([many, other].into()).unwrap()
    };
    let path = "/taxii2/root/collections/";
    let token = |name: &str, member: MemberId| {
        bench.token("d", name, &["--member", &member.to_string(), "--max-tlp", "amber"])
    };
    let (many_token, few_token, own_token) = (token("many", many), token("few", few), token("own", own));
    let limit = AUDIENCES_PER_READER_MAX as u64;
    let both = Audience::of_members([many, few].into()).unwrap();
    append(&bench, begun_us(&bench), vec![(limit, both)]);
    append(&bench, begun_us(&bench), (1..limit).map(|n| (n, named(n))).collect());
    let serving = bench.serve("d");
    serving.get(path, &many_token);
    append(&bench, begun_us(&bench), (limit + 1..10_001).map(|n| (n, named(n))).collect());
    for (token, status) in [(&many_token, 403), (&few_token, 200), (&own_token, 200)] {
        let (answered, document) = serving.ask(path, token);
        assert_eq!(answered, status, "{document}");
        if status == 403 {
            let told = document["description"].as_str().unwrap();
            assert!(told.contains("more than 1000 different audiences"), "{told}");
        }
    }
    assert_eq!(bench.verified("d"), 10_001);
}

// --- the directory ---

fn doctor_finds_what_is_wrong_with_files(engine: &Engine) {
    let bench = furnished(engine);
    let size = bench.verified("d");
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
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&[
        "FAULT  side-file",
        &format!("size {size}"),
        &format!("holds {}", size + 1),
    ]);
    fs::write(&path, "nonsense").unwrap();
    assert_eq!(faults(&bench, &[]), ["side-file"]);
    fs::write(&path, newer).unwrap();
    assert_eq!(faults(&bench, &[]), Vec::<String>::new());
    if engine.is_server() {
        // The server: nowhere, and none of ours.
        let address = fs::read_to_string(bench.path("d/postgres")).unwrap();
        fs::write(bench.path("d/postgres"), "host=/nowhere user=x").unwrap();
        let told = ["ok     keys", "FAULT  database", "cannot be reached", "connection string"];
        bench.run(&["doctor", "--data", "d"]).expect(5).says(&told);
        fs::write(bench.path("d/postgres"), address.replace("dbname=polder_", "dbname=no_")).unwrap();
        bench.run(&["doctor", "--data", "d"]).expect(4).says(&["FAULT  database", "connection string"]);
        return;
    }
    // The database: another program's, none.
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
