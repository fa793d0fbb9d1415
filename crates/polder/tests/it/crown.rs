// SPDX-License-Identifier: Apache-2.0
//! Crown jewels and leaked passwords, as a person asks for them.

use crate::support::*;

/// One process event: a packer under another name reads a share.
const PACKED: &str = r#"{"EventID":4688,"Channel":"Security","Provider_Name":"Microsoft-Windows-Security-Auditing","Computer":"WS1.works.example","TimeCreated":"2024-03-04T10:00:00Z","@timestamp":"2024-03-04T10:00:00Z","SubjectUserName":"nobody.example","NewProcessName":"C:\\Windows\\Temp\\RecordedTV.exe","CommandLine":"RecordedTV.exe a -m5 -v71m -hpPhrase a.log \\\\fs1\\designs\\unit1"}"#;

#[test]
fn the_register_is_kept_and_raises_the_level() {
    let bench = Bench::new();
    let log = bench.write("host.jsonl", format!("{PACKED}\n"));
    let log = log.to_str().unwrap();
    let level = || {
        let ran = bench.run(&["hunt", "--data", "d", "--json", log]);
        let found = ran.json().into_iter().find(|line| line["id"] == "renamed-archiver");
        found.map(|line| line["level"].as_str().unwrap().to_owned())
    };
    bench.run(&["crown", "list", "--data", "d"]).expect(1);
    assert_eq!(level().as_deref(), Some("high"));
    bench.run(&["crown", "add", "--data", "d", "\\\\FS1\\Designs", "--reason", "masks"]).expect(0);
    let listed = bench.run(&["crown", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(
        (listed[0]["share"].as_str(), listed[0]["reason"].as_str()),
        (Some("fs1\\designs"), Some("masks"))
    );
    bench.run(&["crown", "add", "--data", "d", "fs1\\designs"]).expect(0).says(&["was one already"]);
    bench.run(&["crown", "add", "--data", "d", "a/b"]).expect(2).says(&["not the name of a share"]);
    bench.run(&["crown", "remove", "--data", "d", "\\\\fs1\\designs"]).expect(0);
    bench.run(&["crown", "remove", "--data", "d", "\\\\fs1\\designs"]).expect(1).says(&["crown list"]);
}

#[test]
fn a_crown_jewel_makes_what_is_packed_from_it_critical() {
    let bench = Bench::new();
    bench.run(&["crown", "add", "--data", "d", "designs"]).expect(0);
    let log = bench.write("host.jsonl", format!("{PACKED}\n"));
    let ran = bench.run(&["hunt", "--data", "d", "--json", log.to_str().unwrap()]);
    let found = ran.json().into_iter().find(|line| line["id"] == "renamed-archiver").unwrap();
    assert_eq!(found["level"], "critical");
}

#[test]
fn leaked_passwords_are_found_offline_and_no_hash_is_shown() {
    let bench = Bench::bare();
    let hash = "0123456789ABCDEF0123456789ABCDEF";
    let accounts = format!(
        "works\\anna.example:1:aad3b435b51404eeaad3b435b51404ee:{}:::\nbert.example:{}\n",
        hash.to_lowercase(),
        "F".repeat(32)
    );
    let accounts = bench.write("hashes.txt", accounts);
    let sorted =
        bench.write("sorted.txt", format!("{}:3\n{hash}:42\n{}:1\n", "0".repeat(32), "E".repeat(32)));
    std::fs::create_dir(bench.path("ranges")).unwrap();
    bench.write("ranges/01234.txt", format!("{}:42\r\n", &hash[5..]));
    bench.write("ranges/FFFFF.txt", format!("{}:9\r\n", "0".repeat(27)));
    for list in [sorted, bench.path("ranges")] {
        let args = ["leaked", accounts.to_str().unwrap(), "--list", list.to_str().unwrap(), "--json"];
        let ran = bench.run(&args).expect(0);
        let found = ran.json();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["account"], "anna.example");
        assert!(!format!("{}{}", ran.out, ran.err).to_uppercase().contains(hash));
    }
    bench.run(&["leaked", accounts.to_str().unwrap(), "--list", accounts.to_str().unwrap()]).expect(2);
    // Of a range that is cut nobody can say what is not in it.
    let range = std::fs::OpenOptions::new().write(true).open(bench.path("ranges/FFFFF.txt")).unwrap();
    range.set_len(16 * 1024 * 1024 + 1).unwrap();
    let ran =
        bench.run(&["leaked", accounts.to_str().unwrap(), "--list", bench.path("ranges").to_str().unwrap()]);
    assert!(ran.code != 0 && ran.err.contains("FFFFF.txt"), "{}", ran.err);
}
