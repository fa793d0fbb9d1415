// SPDX-License-Identifier: Apache-2.0
//! Logs that are packed, alone or with others.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::*;

/// Who packed a log and kept it had each of its events counted twice: three failures were told as six.
#[test]
fn a_packed_copy_beside_its_log_counts_once() {
    let bench = Bench::new();
    fs::create_dir(bench.path("l")).unwrap();
    let line = |day: u32, minute: u32, address: &str, action: &str| {
        format!(
            "date=2026-10-{day:02} time=09:{minute:02}:00 devname=\"fw\" devid=\"F1\" tz=\"+0000\" type=\"event\" subtype=\"vpn\" \
             logid=\"0101039424\" level=\"information\" action=\"{action}\" remip={address} user=\"jan\"\n"
        )
    };
    let mut log: String = (1..20).map(|day| line(day, 0, "198.51.100.1", "tunnel-up")).collect();
    log.extend((0..6).map(|minute| line(20, minute, "203.0.113.7", "ssl-login-fail")));
    log.push_str(&line(20, 7, "203.0.113.7", "tunnel-up"));
    bench.write("list.txt", "203.0.113.7\n");
    bench.write("l/vpn.log", &log);
    let hunt =
        ["hunt", "--data", "d", "--indicators", "list.txt", "--min-level", "medium", "--json", "l", "--anew"];
    let told = |lines: Vec<Value>| -> Vec<Value> {
        lines.into_iter().filter(|line| line["type"] == "finding" || line["type"] == "detection").collect()
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(log.as_bytes()).unwrap();
    bench.write("l/vpn.log.gz", packed.finish().unwrap());
    let all = bench.run(&hunt).expect(0).json();
    let copy = all.iter().find(|line| line["type"] == "copy").unwrap();
    assert_eq!((&copy["file"], &copy["of"]), (&json!("l/vpn.log.gz"), &json!("l/vpn.log")));
    assert_eq!(all[0]["lines"], 26);
    let with_copy = told(all);
    fs::remove_file(bench.path("l/vpn.log.gz")).unwrap();
    let mut alone = told(bench.run(&hunt).expect(0).json());
    // It was recorded by the hunt before.
    alone.iter_mut().filter(|line| line["type"] == "finding").for_each(|line| line["known"] = json!(false));
    assert_eq!(with_copy, alone);
}

/// What an archive held besides was not read, and the report said that every line was.
#[test]
fn an_archive_that_was_read_in_part_is_told_as_such() {
    let bench = Bench::new();
    let mut archive = tar::Builder::new(Vec::new());
    for name in ["a.log", "b.log"] {
        let line = format!("2026-03-01T10:00:00Z {name}\n").repeat(100);
        let mut header = tar::Header::new_gnu();
        header.set_size(line.len() as u64);
        archive.append_data(&mut header, name, line.as_bytes()).unwrap();
    }
    let bytes = archive.into_inner().unwrap();
    bench.write("whole.tar", &bytes);
    bench.write("cut.tar", &bytes[..4_608]);
    bench.run(&["hunt", "--data", "d", "whole.tar"]).expect(1).says(&["200 lines in 2 files"]);
    let cut = bench.run(&["hunt", "--data", "d", "cut.tar"]).expect(3);
    cut.says(&["cut.tar: damaged", "could not be read to the end"]);
    let report = bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(3);
    assert!(report.out.contains("\"file\":\"cut.tar\"") || report.out.contains("cut.tar!"), "{}", report.out);
}
