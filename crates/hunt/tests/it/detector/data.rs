// SPDX-License-Identifier: Apache-2.0
//! Data that is carried away: a story in which each detector must speak, and the nearest in which it must not.

use hunt::detection::{Detection, Level};
use hunt::detector::{Crown, Detectors, Options};
use loggen::render::{archive, http, process, share, smb_open};
use loggen::{DAY, HOUR, Line, SECOND};
use model::time::Timestamp;

use super::doors::BEGIN;
use super::{logs, observe_log};

const MEGABYTE: u64 = 1_000_000;

fn said_with(lines: &[Line], options: Options) -> Vec<Detection> {
    let mut detectors = Detectors::new(options);
    let mut found = Vec::new();
    for (name, log) in logs(lines, "all") {
        observe_log(&mut detectors, &log, &name, &mut found);
    }
    detectors.finish(&mut |detection| found.push(detection));
    found
}

fn said(lines: &[Line]) -> Vec<Detection> {
    said_with(lines, Options::default())
}

fn crowned(share: &str) -> Options {
    Options { crown: vec![Crown::parse(share, "masks", Timestamp::EPOCH).unwrap()], ..Options::default() }
}

fn sends(day: i64, who: &str, host: &str, bytes: u64) -> Line {
    http(BEGIN + day * DAY + 10 * HOUR, "10.1.0.9", who, host, bytes, 300, "agent/1.0")
}

/// Working weeks in which six people send a little to the firm's cloud.
fn office(days: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    for day in (0..days).filter(|day| day % 7 < 5) {
        for nth in 0..6_u64 {
            let bytes = (4 + (day as u64 * 5 + nth * 3) % 9) * MEGABYTE;
            lines.push(sends(day, &format!("worker{nth}.example"), "sync.drive.example", bytes));
        }
    }
    lines
}

fn levels(found: &[Detection], id: &str) -> Vec<Level> {
    found.iter().filter(|detection| detection.id == id).map(|detection| detection.level).collect()
}

#[track_caller]
fn assert_said(found: &[Detection], id: &str, expected: &[Level]) {
    let all: Vec<_> = found.iter().map(|d| (&d.id, &d.title)).collect();
    assert_eq!(levels(found, id), expected, "{id}; said was {all:?}");
}

#[test]
fn weeks_of_small_amounts_add_up_to_an_alarm() {
    let id = "slow-exfiltration";
    let leak = |host: &'static str, bytes: u64, from: i64| {
        let mut lines = office(84);
        let days = (from..84).filter(|day| day % 7 < 5);
        lines.extend(days.map(|day| sends(day, "worker2.example", host, bytes)));
        said(&lines)
    };
    assert!(said(&office(84)).is_empty());
    assert_said(&leak("box.parcels.example", 40 * MEGABYTE, 42), id, &[Level::High]);
    assert_said(&leak("sync.drive.example", 60 * MEGABYTE, 42), id, &[Level::High]);
    // Less than a hundred megabytes a week is not told from work.
    assert_said(&leak("box.parcels.example", 15 * MEGABYTE, 42), id, &[]);
    // Two weeks are not yet most of four.
    assert_said(&leak("box.parcels.example", 40 * MEGABYTE, 70), id, &[]);
    // Since before the logs begin: nothing to compare with, but nobody else sends there.
    assert_said(&leak("box.parcels.example", 40 * MEGABYTE, 0), id, &[Level::Low]);
}

#[test]
fn what_everybody_begins_to_do_is_no_leak() {
    let mut lines = office(84);
    for day in (42..84).filter(|day| day % 7 < 5) {
        for nth in 0..6 {
            lines.push(sends(day, &format!("worker{nth}.example"), "new.tool.example", 60 * MEGABYTE));
        }
    }
    assert_said(&said(&lines), "slow-exfiltration", &[]);
}

#[test]
fn much_at_once_to_where_nobody_sends_is_told() {
    let id = "cloud-upload";
    let once = |host: &'static str, bytes: u64, day: i64| {
        let mut lines = office(56);
        lines.push(sends(day, "worker1.example", host, bytes));
        said(&lines)
    };
    assert_said(&once("put.cloudbox.example", 500 * MEGABYTE, 45), id, &[Level::High]);
    assert_said(&once("put.cloudbox.example", 499 * MEGABYTE, 45), id, &[]);
    assert_said(&once("sync.drive.example", 900 * MEGABYTE, 45), id, &[]);
    // Of so few it is not known after five weeks what is usual: 25 days with logs.
    assert_said(&once("put.cloudbox.example", 900 * MEGABYTE, 35), id, &[]);
    // Every week it is no news.
    let mut lines = office(63);
    lines.extend(
        [43, 50, 57].map(|day| sends(day, "worker1.example", "vault.backup.example", 900 * MEGABYTE)),
    );
    assert_said(&said(&lines), id, &[Level::High]);
}

/// People who open some files a day on a share; `designs` among others.
fn readers(days: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    for day in 0..days {
        for nth in 0..3 {
            for file in 0..20 + (day * 7 + nth) % 13 {
                let time = BEGIN + day * DAY + 9 * HOUR + file * 60 * SECOND;
                let name = format!("part{}.dat", (day * 31 + file * 7) % 400);
                lines.push(share(
                    time,
                    &format!("reader{nth}.example"),
                    "10.1.0.7",
                    "designs",
                    &name,
                    file % 9 == 0,
                ));
                lines.push(smb_open(time, &format!("10.1.0.{}", 70 + nth), "models", &name, 1_000));
            }
        }
    }
    lines
}

#[test]
fn whoever_reads_everything_is_told_and_sooner_on_a_crown_jewel() {
    let id = "bulk-collection";
    let night = |files: i64, smb: bool| {
        let mut lines = readers(20);
        for file in 0..files {
            let time = BEGIN + 20 * DAY + 2 * HOUR + file * SECOND;
            let name = format!("all{file}.dat");
            lines.push(if smb {
                smb_open(time, "10.1.0.71", "models", &name, 1_000)
            } else {
                share(time, "reader1.example", "10.1.0.7", "designs", &name, false)
            });
        }
        lines
    };
    assert!(said(&readers(20)).is_empty());
    for smb in [false, true] {
        assert_said(&said(&night(1_000, smb)), id, &[Level::High]);
        assert_said(&said(&night(999, smb)), id, &[]);
    }
    let crown = |files: i64| said_with(&night(files, false), crowned("\\\\fs1\\designs"));
    assert_said(&crown(250), id, &[Level::Critical]);
    assert_said(&crown(249), id, &[]);
    // The same file again and again is one file.
    let mut lines = readers(20);
    let again = |n: i64| {
        share(BEGIN + 20 * DAY + n * SECOND, "reader1.example", "10.1.0.7", "designs", "one.dat", false)
    };
    lines.extend((0..2_000).map(again));
    assert_said(&said(&lines), id, &[]);
}

#[test]
fn files_put_together_where_the_account_never_wrote_are_told() {
    let id = "staging";
    let write = |files: i64, place: &'static str, day: i64| {
        let mut lines = readers(20);
        let one = |file: i64| {
            let time = BEGIN + day * DAY + 3 * HOUR + file * SECOND;
            share(time, "reader0.example", "10.1.0.7", place, &format!("p{file}.tmp"), true)
        };
        lines.extend((0..files).map(one));
        said(&lines)
    };
    assert_said(&write(200, "drop$", 20), id, &[Level::High]);
    assert_said(&write(199, "drop$", 20), id, &[]);
    assert_said(&write(400, "designs", 20), id, &[]);
    assert_said(&write(400, "drop$", 9), id, &[]);
}

#[test]
fn archivers_under_other_names_are_told_at_once_and_critical_on_a_crown_jewel() {
    let id = "renamed-archiver";
    let packs = |image: &str, command: &str| vec![process(BEGIN, "WS1", "reader0.example", image, command)];
    let image = "C:\\Windows\\Temp\\RecordedTV.exe";
    let command = "RecordedTV.exe a -m5 -v71m -hpSecretPhrase a.log \\\\fs1\\designs\\unit1";
    assert_said(&said(&packs(image, command)), id, &[Level::High]);
    assert_said(&said_with(&packs(image, command), crowned("\\\\fs1\\designs")), id, &[Level::Critical]);
    assert_said(&said_with(&packs(image, command), crowned("\\\\fs2\\designs")), id, &[Level::High]);
    assert_said(&said(&packs("C:\\Program Files\\WinRAR\\Rar.exe", command)), id, &[]);
    let sysmon = |original| {
        said(&[archive(
            BEGIN,
            "WS1",
            "reader0.example",
            "C:\\ProgramData\\jucheck.exe",
            original,
            "jucheck.exe u a b",
        )])
    };
    assert_said(&sysmon("Rar.exe"), id, &[Level::High]);
    assert_said(&sysmon("jucheck.exe"), id, &[]);
    let found = said(&packs(image, command));
    assert!(found[0].evidence[0].text.contains("RecordedTV.exe a -m5"), "the line itself is the evidence");
    assert!(!found[0].title.contains("SecretPhrase"), "{}", found[0].title);
}
