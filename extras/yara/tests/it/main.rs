// SPDX-License-Identifier: Apache-2.0
//! The program over small files that the tests make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const RULES: &str = r#"
rule loads_itself : T1574 {
    meta:
        description = "a library that is loaded into every program"
        author = "Polder"
    strings:
        $preload = "/etc/ld.so.preload"
        $folder = "/data2/"
    condition:
        uint32(0) == 0x464c457f and all of them
}
"#;

/// A 64-bit ELF header and some data behind it: no program, and enough for rules that look at its beginning.
fn elf(data: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    bytes.resize(64, 0);
    // Type: executable; machine: x86-64; version 1; sizes of the headers.
    for (at, value) in [(16, 2u8), (18, 62), (20, 1), (52, 64), (54, 56), (58, 64)] {
        bytes[at] = value;
    }
    for text in data {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn run(folder: &Path, rules: &Path, paths: &[&str]) -> (Output, Vec<Value>) {
    let out = Command::new(env!("CARGO_BIN_EXE_polder-yara"))
        .current_dir(folder)
        .arg(rules)
        .args(paths)
        .output()
        .unwrap();
    let lines = String::from_utf8(out.stdout.clone()).unwrap();
    let findings = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (out, findings)
}

#[test]
fn a_rule_that_holds_is_a_finding_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("rules.yar"), RULES).unwrap();
    std::fs::create_dir_all(at("image/lib")).unwrap();
    std::fs::write(at("image/lib/liblog.so"), elf(&["/etc/ld.so.preload", "/data2/x"])).unwrap();
    std::fs::write(at("image/lib/clean.so"), elf(&["/etc/ld.so.preload"])).unwrap();
    std::fs::write(at("image/notes.txt"), "/etc/ld.so.preload /data2/").unwrap();
    std::os::unix::fs::symlink(at("image/lib/liblog.so"), at("image/link.so")).unwrap();
    let (out, findings) = run(folder.path(), &at("rules.yar"), &["image"]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert_eq!(findings.len(), 1);
    let finding = &findings[0];
    assert_eq!(finding["id"], "loads_itself");
    assert_eq!(
        (&finding["credit"], &finding["techniques"][0]),
        (&Value::from("Polder"), &Value::from("T1574"))
    );
    assert_eq!(finding["about"][0]["value"], "image/lib/liblog.so");
    assert_eq!((finding["count"].as_u64(), finding["evidence"][0]["offset"].as_u64()), (Some(2), Some(64)));
    assert!(finding["first"].as_str().unwrap().starts_with("20"));
    let (out, findings) = run(folder.path(), &at("rules.yar"), &["image/notes.txt"]);
    assert_eq!((out.status.code(), findings.len()), (Some(1), 0));
}

#[test]
fn what_cannot_be_used_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("rules")).unwrap();
    std::fs::write(at("rules/good.yar"), RULES).unwrap();
    std::fs::write(at("rules/bad.yar"), "rule broken { condition: nothing }").unwrap();
    std::fs::write(at("rules/readme.txt"), "no rules").unwrap();
    std::fs::write(at("file"), elf(&["/etc/ld.so.preload", "/data2/x"])).unwrap();
    let (out, findings) = run(folder.path(), &at("rules"), &["file", "absent"]);
    assert_eq!((out.status.code(), findings.len()), (Some(3), 1));
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(told.contains("bad.yar: error") && told.contains("absent: "), "{told}");
    assert_eq!(run(folder.path(), &at("rules/bad.yar"), &["file"]).0.status.code(), Some(2));
    assert_eq!(run(folder.path(), &at("rules"), &[]).0.status.code(), Some(2));
    assert_eq!(run(folder.path(), &at("nowhere.yar"), &["file"]).0.status.code(), Some(2));
}

#[test]
fn the_published_rules_of_coathanger_hold() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coathanger/coathanger.yar");
    if !rules.parent().unwrap().exists() {
        let line = "SKIPPED: yara::the_published_rules: no ../shared/data/coathanger\n";
        print!("{line}");
        if let Some(path) = std::env::var_os("POLDER_SKIPS") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes())).unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, bytes: &[u8]| std::fs::write(at(name), bytes).unwrap();
    // Four of the nine names in an ELF; three are not enough, and the magic may stand four bytes later.
    let names = ["/data2/", "/httpsd", "/preload.so", "/authd"];
    write("four", &elf(&names));
    write("three", &elf(&names[..3]));
    write("later", &[b"0000".as_slice(), &elf(&names)].concat());
    write("text", names.join(" ").as_bytes());
    // The request, built on the stack: mov rax, eight bytes; mov [rbp-n], rax.
    let request = b"GET / HTTP/2\nHost: www.google.co";
    let mut code = elf(&[]);
    for (nth, part) in request.chunks(8).enumerate() {
        code.extend_from_slice(&[0x48, 0xB8]);
        code.extend_from_slice(part);
        code.extend_from_slice(&[0x48, 0x89, 0x45, 0xB0 + 8 * nth as u8]);
    }
    write("beacon", &code);
    let (out, findings) = run(folder.path(), &rules, &["."]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let mut found: Vec<(&str, &str)> = findings
        .iter()
        .map(|f| (f["about"][0]["value"].as_str().unwrap(), f["id"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [("./beacon", "COATHANGER_beacon"), ("./four", "COATHANGER_files"), ("./later", "COATHANGER_files")]
    );
    assert_eq!(findings[0]["credit"], "NLD MIVD - JSCU");
}
