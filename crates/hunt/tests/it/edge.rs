// SPDX-License-Identifier: Apache-2.0
//! The check of an edge device, over a tree of files in memory.

use std::collections::BTreeMap;

use hunt::detection::Level;
use hunt::edge::{
    EdgeReport, Entry, EntryKind, FileTree, KnownFiles, check_log, check_processes, check_tree, known,
};
use hunt::indicator::read_list;
use hunt::limits::{EDGE_DEPTH_MAX, EDGE_FILE_BYTES_MAX};
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::support::skipped;

/// When the firmware of the tests was written.
const FIRMWARE: &str = "2022-06-01T00:00:00Z";
const WEEKS_4: i64 = 2_419_200;

/// Path to content and seconds after the firmware.
#[derive(Default)]
struct Tree {
    files: BTreeMap<String, (Vec<u8>, i64)>,
    links: Vec<String>,
    size: Option<u64>,
}

impl Tree {
    fn clean() -> Tree {
        let mut tree = Tree::default();
        for path in [
            "/bin/sh",
            "/bin/smartctl",
            "/bin/init",
            "/bin/newcli",
            "/lib/libc.so",
            "/lib/a.so",
            "/lib/b.so",
            "/data/.db/x",
            "/data2/.fgtsum/x",
            "/data/bin/smartctl",
            "/data/bin/a",
            "/data/bin/b",
            "/etc/x",
        ] {
            tree.add(path, b"firmware", 0);
        }
        tree
    }

    fn add(&mut self, path: &str, content: &[u8], seconds: i64) {
        self.files.insert(path.to_owned(), (content.to_vec(), seconds));
    }

    fn with(path: &str, content: &[u8], seconds: i64) -> EdgeReport {
        let mut tree = Tree::clean();
        tree.add(path, content, seconds);
        check_tree(&tree, &KnownFiles::new())
    }
}

impl FileTree for Tree {
    fn list(&self, directory: &str) -> Result<Option<Vec<Entry>>, String> {
        let prefix = if directory == "/" { "/".to_owned() } else { format!("{directory}/") };
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for (path, (content, seconds)) in &self.files {
            let Some(rest) = path.strip_prefix(&prefix) else { continue };
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, EntryKind::Directory),
                None if self.links.contains(path) => (rest, EntryKind::Link),
                None => (rest, EntryKind::File),
            };
            let start = Timestamp::parse(FIRMWARE).unwrap().micros();
            let seconds = if kind == EntryKind::Directory { 0 } else { *seconds };
            let modified = Some(Timestamp::from_micros(start + seconds * 1_000_000));
            let size = self.size.unwrap_or(content.len() as u64);
            entries.insert(name.to_owned(), Entry { name: name.to_owned(), kind, modified, size });
        }
        Ok((!entries.is_empty()).then(|| entries.into_values().collect()))
    }

    fn sha256(&self, path: &str) -> Result<[u8; 32], String> {
        Ok(Sha256::digest(&self.files.get(path).ok_or("no such file")?.0).into())
    }

    fn tail(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let content = &self.files.get(path).ok_or("no such file")?.0;
        Ok(content[content.len().saturating_sub(limit)..].to_vec())
    }
}

fn told(report: &EdgeReport) -> Vec<(&str, Level, &str)> {
    report.detections.iter().map(|d| (d.id.as_str(), d.level, d.evidence[0].file.as_str())).collect()
}

#[test]
fn a_clean_device_shows_nothing() {
    let report = check_tree(&Tree::clean(), &KnownFiles::new());
    assert_eq!(told(&report), []);
    assert_eq!((report.files, report.diagnostics.len(), report.places.len()), (13, 0, 5));
}

#[test]
fn paths_of_the_implant() {
    for (path, level) in [
        ("/data2/.bd.key/authd", Level::High),
        ("/data2/.other/deep/httpsd", Level::High),
        ("/data2/x/preload.so", Level::High),
        ("/data/etc/ld.so.preload", Level::High),
        ("/etc/ld.so.preload", Level::High),
        ("/lib/liblog.so", Level::High),
        ("/lib/preload.so", Level::High),
        ("/tmp/libpe.so", Level::High),
        ("/tmp/packfile", Level::High),
        ("/bin/busybox", Level::Medium),
    ] {
        let report = Tree::with(path, b"x", 0);
        assert!(told(&report).contains(&("edge-known-path", level, path)), "{path}: {:?}", told(&report));
        assert!(
            report
                .detections
                .iter()
                .all(|d| !d.disproof.is_empty() && !d.advice.is_empty() && !d.credit.is_empty())
        );
    }
    for path in [
        "/data2/authd",
        "/data2/x/other",
        "/data/x/authd",
        "/data20/x/authd",
        "/lib/liblog.so.1",
        "/tmp/x/packfile",
        "/usr/bin/busybox",
    ] {
        assert_eq!(told(&Tree::with(path, b"x", 0)), [], "{path}");
    }
}

#[test]
fn found_files_tell_what_they_hold() {
    let preload = Tree::with("/etc/ld.so.preload", b"/lib/liblog.so\n", 0);
    assert!(preload.detections[0].evidence[0].text.ends_with("it loads: /lib/liblog.so"));
    let library = Tree::with("/lib/preload.so", &[[0u8; 100].as_slice(), &[0xAB; 56]].concat(), 0);
    assert!(library.detections[0].evidence[0].text.ends_with(&format!("stands: {}", "ab".repeat(56))));
}

#[test]
fn hidden_directories() {
    assert_eq!(
        told(&Tree::with("/data2/.bd.key/x", b"x", 0)),
        [("edge-hidden-directory", Level::Medium, "/data2/.bd.key")]
    );
    assert_eq!(told(&Tree::with("/data/.x/y", b"x", 0)).len(), 1);
    for path in ["/data/.db.x/y", "/data2/.db/y", "/data/.hiddenfile", "/etc/.x/y", "/data/a/.x/y"] {
        assert_eq!(told(&Tree::with(path, b"x", 0)), [], "{path}");
    }
}

#[test]
fn late_changes_at_the_edge_of_four_weeks() {
    let late = WEEKS_4 + 1;
    for (path, level) in [
        ("/bin/smartctl", Level::Medium),
        ("/bin/newcli", Level::Medium),
        ("/bin/sh", Level::Medium),
        ("/data/bin/smartctl", Level::Medium),
        ("/bin/init", Level::Low),
        ("/lib/c.so", Level::Low),
    ] {
        assert_eq!(told(&Tree::with(path, b"firmware", late)), [("edge-late-change", level, path)]);
        assert_eq!(told(&Tree::with(path, b"firmware", WEEKS_4)), [], "exactly four weeks are not more");
        assert_eq!(told(&Tree::with(path, b"firmware", -late)), [], "earlier is not later");
    }
    assert_eq!(told(&Tree::with("/etc/y", b"x", late)), [], "only where firmware alone writes");
    let mut linked = Tree::clean();
    linked.add("/bin/sh", b"", late);
    linked.links.push("/bin/sh".to_owned());
    assert_eq!(told(&check_tree(&linked, &KnownFiles::new())).len(), 1, "a link that was changed counts");
    let mut few = Tree::default();
    few.add("/bin/a", b"", 0);
    few.add("/bin/sh", b"", late * 4);
    assert_eq!(told(&check_tree(&few, &KnownFiles::new())), [], "two files have no median");
}

#[test]
fn known_files_wherever_they_lie() {
    let content = b"stands for the implant";
    let digest: [u8; 32] = Sha256::digest(content).into();
    let mut tree = Tree::clean();
    tree.add("/var/tmp/anything", content, 0);
    let known = KnownFiles::from([(digest, "list line 1".to_owned())]);
    let report = check_tree(&tree, &known);
    assert_eq!(told(&report), [("edge-known-file", Level::Critical, "/var/tmp/anything")]);
    assert!(told(&check_tree(&tree, &KnownFiles::new())).is_empty());
    assert_eq!(known::files().len(), 21);
    tree.links.push("/var/tmp/anything".to_owned());
    assert!(told(&check_tree(&tree, &known)).is_empty(), "a link is not followed");
}

#[test]
fn the_published_hashes_are_these() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/coathanger/coathanger_hashes.txt");
    if !path.parent().unwrap().exists() {
        return skipped("edge::the_published_hashes", "no ../shared/data/coathanger");
    }
    let list = read_list(&std::fs::read(path).unwrap(), "coathanger_hashes.txt");
    let mut published: Vec<Vec<u8>> = list
        .indicators
        .iter()
        .map(|indicator| indicator.observable.canonical().to_vec())
        .filter(|digest| digest.len() == 32)
        .collect();
    published.sort();
    let ours: Vec<Vec<u8>> = known::files().keys().map(|digest| digest.to_vec()).collect();
    assert_eq!(ours, published);
    assert_eq!(list.indicators.len(), 63, "21 files by three hashes");
}

#[test]
fn limits_are_said() {
    let mut tree = Tree::clean();
    tree.size = Some(EDGE_FILE_BYTES_MAX);
    assert!(check_tree(&tree, &KnownFiles::new()).diagnostics.is_empty());
    tree.size = Some(EDGE_FILE_BYTES_MAX + 1);
    assert_eq!(check_tree(&tree, &KnownFiles::new()).diagnostics.len(), 13);
    let deep = |n: usize| format!("{}/x", "/d".repeat(n));
    assert!(Tree::with(&deep(EDGE_DEPTH_MAX), b"", 0).diagnostics.is_empty());
    assert_eq!(Tree::with(&deep(EDGE_DEPTH_MAX + 1), b"", 0).diagnostics[0].code, "file-unread");
    let mut other = Tree::default();
    other.add("/home/x", b"", 0);
    assert_eq!(check_tree(&other, &KnownFiles::new()).diagnostics[0].code, "image-not-recognised");
}

#[test]
fn processes_with_the_group_of_the_implant() {
    let list = b"USER PID GID CMD\nroot 1 0 /bin/init\nroot 9 90 httpsd\nroot 10 0 httpsd\nroot 11 90 sshd\nroot 12 90 /data2/.x/httpsd -d\nshort\n";
    let (traces, said) = check_processes(list, "ps");
    assert_eq!(traces.iter().map(|t| t.evidence[0].place.line).collect::<Vec<_>>(), [3, 6]);
    assert_eq!((said.len(), traces[0].level), (1, Level::High));
    let (traces, said) = check_processes(b"nothing of the kind\n", "ps");
    assert_eq!((traces.len(), said[0].code), (0, "processes-not-understood"));
}

#[test]
fn crashes_of_the_ssl_vpn() {
    let log = "date=2022-12-01 time=08:00:00 logdesc=\"Application crashed\" msg=\"Pid: 00184, application: sslvpnd, Firmware: x, Signal 11 received, Backtrace: y\"\n\
        date=2022-12-01 time=08:00:01 logdesc=\"Application crashed\" msg=\"application:httpsd, Signal 11 received\"\n\
        1: 2022-12-02 <00185> application sslvpnd\n2: 2022-12-02 <00185> *** signal <11> (Segmentation fault) received by sslvpnd ***\n\
        date=2022-12-01 msg=\"application:sslvpnd Signal 15 received\"\ndate=2022-12-01 msg=\"application:sslvpnd Signal 110\"\n";
    let crash = check_log(log.as_bytes(), "crash.log").unwrap();
    assert_eq!((crash.count, crash.level, crash.techniques[0].as_str()), (2, Level::Medium, "T1190"));
    assert_eq!(crash.evidence.iter().map(|e| e.place.line).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(&log.as_bytes()[crash.evidence[1].place.offset as usize..][..2], b"2:");
    assert_eq!(check_log(b"all is well\n", "x"), None);
}
