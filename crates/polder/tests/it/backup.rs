// SPDX-License-Identifier: Apache-2.0
//! Backup while the node writes, restore, and what must be refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::*;

fn backup(bench: &Bench, file: &str) -> serde_json::Value {
    bench.run(&["backup", "--data", "d", "--json", file]).expect(0).json().remove(0)
}

fn restore(bench: &Bench, file: &str, to: &str, more: &[&str]) -> Ran {
    bench.run(&[&["restore", "--data", to, file], more].concat())
}

fn export(bench: &Bench, data: &str) -> String {
    let bundle = bench.run(&["export", "--data", data, "--format", "stix"]).expect(0).out;
    // Each bundle has an id of its own.
    bundle.split_once("x_polder_markings").unwrap().1.to_owned()
}

#[test]
fn a_backup_restores_to_the_same_node() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&(0..300).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    bench.run(&["token", "new", "--data", "d", "--name", "reader"]).expect(0);
    let made = backup(&bench, "b.tar");
    assert_eq!(made["size"], 301);
    let mode = fs::metadata(bench.path("b.tar")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    bench.run(&["backup", "--data", "d", "b.tar"]).expect(2).says(&["exists already"]);

    restore(&bench, "b.tar", "e", &["--published", "d/published", "--keep-tokens"]).expect(0).says(&[
        "restored",
        "never runs again",
        "do it again",
    ]);
    assert_eq!(export(&bench, "d"), export(&bench, "e"));
    assert_eq!(bench.verified("d"), bench.verified("e"));
    for file in ["published", "keys/log-1.key", "keys/node.key", "keys/root.key", "keys/recovery.key"] {
        let [old, new] = ["d", "e"].map(|data| fs::read(bench.path(&format!("{data}/{file}"))).unwrap());
        assert_eq!(old, new, "{file}");
    }
    let tokens = |data: &str| bench.run(&["token", "list", "--data", data, "--json"]).expect(0).out;
    assert_eq!(tokens("d"), tokens("e"));
    bench.run(&["doctor", "--data", "e"]).expect(0);
    // It goes on, and the log that follows is one history.
    bench.write("c.json", bundle(&[marked(900, "green")]));
    bench.run(&["import", "--data", "e", "c.json"]).expect(0);
    assert_eq!(bench.verified("e"), 302);
    assert!(leftovers(&bench).is_empty(), "{:?}", leftovers(&bench));
}

/// A token that was revoked after the backup was made, which no log tells, must not work again.
#[test]
fn restoring_brings_no_revoked_token_back() {
    let bench = Bench::new();
    for name in ["gone", "lost"] {
        bench.run(&["token", "new", "--data", "d", "--name", name]).expect(0);
    }
    bench.run(&["token", "revoke", "--data", "d", "--name", "gone"]).expect(0);
    backup(&bench, "b.tar");
    bench.run(&["token", "revoke", "--data", "d", "--name", "lost"]).expect(0);
    let working = |data: &str| {
        let tokens = bench.run(&["token", "list", "--data", data, "--json"]).expect(0).json();
        tokens.iter().filter(|token| token["revoked"].is_null()).count()
    };
    let told = restore(&bench, "b.tar", "e", &["--newest", "--json"]).expect(0).json().remove(0);
    assert_eq!((&told["tokens_revoked"], working("e")), (&1.into(), 0));
    restore(&bench, "b.tar", "f", &["--newest"]).expect(0).says(&["1 tokens are revoked", "do it again"]);
    restore(&bench, "b.tar", "g", &["--newest", "--keep-tokens"]).expect(0).says(&["revoke again"]);
    assert_eq!(working("g"), 1);
}

fn leftovers(bench: &Bench) -> Vec<String> {
    let names = fs::read_dir(bench.path(".")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_backup_is_made_while_the_node_writes() {
    let bench = Bench::new();
    let files: Vec<String> = (0..12).map(|n| format!("f{n}.json")).collect();
    for (n, file) in files.iter().enumerate() {
        let tools: Vec<String> = (0..400).map(|k| marked(n as u64 * 1_000 + k, "green")).collect();
        bench.write(file, bundle(&tools));
    }
    let mut args = vec!["import", "--data", "d"];
    args.extend(files.iter().map(String::as_str));
    let mut child = bench.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut sizes = Vec::new();
    let mut running = true;
    for n in 0..50 {
        // One more after it has ended.
        let last = !running;
        running = child.try_wait().unwrap().is_none();
        let file = format!("b{n}.tar");
        sizes.push((backup(&bench, &file)["size"].as_u64().unwrap(), file));
        if last {
            break;
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(sizes.last().unwrap().0, 4_801);
    assert!(sizes.iter().any(|(size, _)| *size < 4_801), "{sizes:?}");
    for (nth, (size, file)) in sizes.iter().enumerate() {
        let to = format!("e{nth}");
        // Each holds a whole state of the past; that it is not the newest is known.
        restore(&bench, file, &to, &["--newest"]).expect(0);
        assert_eq!(bench.verified(&to), *size);
        if *size < 4_801 {
            restore(&bench, file, "n", &["--published", "d/published", "--root-key", "absent"]).expect(6);
            assert!(!bench.path("n").exists());
        }
    }
}

#[test]
fn a_backup_that_was_cut_or_changed_is_refused() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&[marked(1, "green")]));
    bench.import("a.json", &[], 0);
    backup(&bench, "b.tar");
    let whole = fs::read(bench.path("b.tar")).unwrap();
    let refused = |bytes: &[u8], told: &str| {
        bench.write("c.tar", bytes);
        let ran = restore(&bench, "c.tar", "e", &["--newest"]);
        assert_eq!(ran.code, 1, "{told}: {}{}", ran.out, ran.err);
        ran.says(&["Nothing was restored"]);
        assert!(!bench.path("e").exists(), "{told}");
    };
    let length = whole.len();
    for cut in [0, 1, 511, 512, 2_048, length / 3, length / 2, length - 2_048, length - 512, length - 1] {
        refused(&whole[..cut], &format!("cut at {cut}"));
    }
    // One byte in every range: headers, manifest, each part, padding, checksum, the end.
    for at in
        (0..length).step_by(length / 60).chain((0..2_048).step_by(128)).chain(length - 2_048..length - 2_000)
    {
        let mut changed = whole.clone();
        changed[at] ^= 0x20;
        refused(&changed, &format!("byte {at}"));
    }
    refused(&[&whole[..], &[0; 512]].concat(), "longer");
    refused(b"not a backup", "another file");
    restore(&bench, "absent.tar", "e", &["--newest"]).expect(6).says(&["absent.tar"]);
    restore(&bench, "b.tar", "e", &["--newest"]).expect(0);
    assert!(leftovers(&bench).is_empty(), "{:?}", leftovers(&bench));
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let bench = Bench::new();
    backup(&bench, "b.tar");
    restore(&bench, "b.tar", "d", &["--newest"]).expect(2).says(&["d is not empty"]);
    // How far the lost node had come must be said.
    restore(&bench, "b.tar", "e", &[]).expect(2).says(&["--published", "--witnessed", "--newest"]);
    fs::create_dir(bench.path("empty")).unwrap();
    restore(&bench, "b.tar", "empty", &["--newest"]).expect(0);
    let other = Bench::new();
    fs::copy(other.path("d/published"), bench.path("other")).unwrap();
    restore(&bench, "b.tar", "e", &["--published", "other"]).expect(2).says(&["name the right one"]);
    restore(&bench, "b.tar", "e", &["--published", "d/keys/root.key"]).expect(2);
    restore(&bench, "b.tar", "e", &["--witnessed", "d/published"]).expect(1).says(&["no checkpoint"]);
}

#[test]
fn another_history_of_the_same_size_is_not_restored() {
    let bench = Bench::new();
    backup(&bench, "b.tar");
    restore(&bench, "b.tar", "e", &["--newest"]).expect(0);
    // Both go on by themselves: what must never happen happened.
    for (n, data) in ["d", "e"].iter().enumerate() {
        bench.write("a.json", bundle(&[marked(n as u64, "green")]));
        bench.run(&["import", "--data", data, "a.json"]).expect(0);
    }
    backup(&bench, "c.tar");
    restore(&bench, "c.tar", "f", &["--published", "e/published"])
        .expect(1)
        .says(&["another history", "evidence"]);
    assert!(!bench.path("f").exists());
}

#[test]
fn keys_stay_sealed_in_a_backup() {
    let bench = Bench::new();
    let plain = fs::read(bench.path("d/keys/root.key")).unwrap();
    bench.write("p", "correct horse\n");
    fs::set_permissions(bench.path("p"), fs::Permissions::from_mode(0o600)).unwrap();
    bench.run(&["backup", "--data", "d", "a.tar"]).expect(0).says(&["warning", "4 keys"]);
    bench.run(&["key", "passphrase", "--data", "d", "--new-passphrase-file", "p"]).expect(0);
    // Neither the backup nor the restoring of it needs the passphrase.
    let made = backup(&bench, "b.tar");
    assert_eq!(made["keys_sealed"], true);
    let holds = |file: &str| fs::read(bench.path(file)).unwrap().windows(40).any(|w| w == &plain[..40]);
    assert!(holds("a.tar") && !holds("b.tar"));
    restore(&bench, "b.tar", "e", &["--published", "d/published"]).expect(0);
    bench.run(&["doctor", "--data", "e", "--passphrase-file", "p"]).expect(0);
    bench.run(&["doctor", "--data", "e"]).expect(0).says(&["4 under a passphrase"]);
}

/// A restored node that cannot catch up opens the next log; the one before it is never signed again.
#[test]
fn an_older_backup_never_signs_a_fork() {
    let bench = Bench::bare();
    let member = bench.init("d");
    bench.write("a.json", bundle(&(0..5).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    backup(&bench, "b.tar");
    bench.write("c.json", bundle(&(5..9).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("c.json", &[], 0);
    bench.run(&["ledger", "tiles", "--data", "d", "t"]).expect(0);
    let published = fs::read_to_string(bench.path("d/published")).unwrap();

    // The root key is elsewhere: nothing can be opened without it, and nothing is left behind.
    fs::rename(bench.path("d/keys/root.key"), bench.path("root.key")).unwrap();
    backup(&bench, "without.tar");
    bench.write("d.json", bundle(&[marked(9, "green")]));
    bench.import("d.json", &[], 0);
    restore(&bench, "without.tar", "e", &["--published", "d/published"]).expect(6).says(&[
        "size 11",
        "holds 10",
        "--root-key",
    ]);
    assert!(!bench.path("e").exists());

    for (to, how) in [("e", ["--published", "p"]), ("f", ["--witnessed", "t/checkpoint"])] {
        bench.write("p", &published);
        let told = restore(&bench, "b.tar", to, &[&how[..], &["--json", "--root-key", "root.key"]].concat());
        let told = told.expect(0).json().remove(0);
        assert_eq!(told["origin"], format!("polder/{member}/2"));
        assert_eq!((&told["held_size"], &told["size"]), (&6.into(), &1.into()));
        // The first entry of log 2 says where log 1 ended, as its owner published it.
        let mut lines = published.lines();
        let (origin, size) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!((origin, size), (format!("polder/{member}/1").as_str(), "10"));

        bench.write("n.json", bundle(&[marked(20, "green")]));
        bench.run(&["import", "--data", to, "n.json"]).expect(0);
        let verified = bench.run(&["ledger", "verify", "--data", to, "--json"]).expect(0).json().remove(0);
        assert_eq!(
            (&verified["origin"], &verified["size"]),
            (&format!("polder/{member}/2").into(), &2.into())
        );
        assert_eq!(verified["records"], 8);
        bench.run(&["doctor", "--data", to]).expect(0);
        // Proofs of both logs, the old one no further than the backup had it.
        for (n, log) in [(3, 1), (20, 2)] {
            let proof = bench.run(&["ledger", "prove", "--data", to, &tool_id(n)]).expect(0).out;
            assert!(proof.contains(&format!("polder/{member}/{log}\\n{}\\n", if log == 1 { 6 } else { 2 })));
            bench.write("q", proof);
            bench.run(&["ledger", "check", "--member", &member, "q"]).expect(0);
        }
        // A database of before cannot come back under it.
        let newer = fs::read_to_string(bench.path(&format!("{to}/published"))).unwrap();
        assert!(newer.starts_with(&format!("polder/{member}/2\n2\n")), "{newer}");
    }

    // From here on log 2 is the newest, and another old backup opens log 3.
    let told =
        restore(&bench, "b.tar", "g", &["--published", "e/published", "--json"]).expect(0).json().remove(0);
    assert_eq!(told["origin"], format!("polder/{member}/3"));
    // A backup of the restored node goes on with log 2.
    bench.run(&["backup", "--data", "e", "e.tar"]).expect(0);
    let told =
        restore(&bench, "e.tar", "h", &["--published", "e/published", "--json"]).expect(0).json().remove(0);
    assert_eq!(told["origin"], format!("polder/{member}/2"));
    assert!(leftovers(&bench).is_empty(), "{:?}", leftovers(&bench));
}

/// All checkpoints that the nodes of a story signed, of one origin and size, have one root.
#[test]
fn checkpoints_of_one_origin_and_size_never_differ() {
    let bench = Bench::new();
    let mut signed = std::collections::BTreeMap::new();
    let mut note = |bench: &Bench, data: &str| {
        bench.run(&["ledger", "tiles", "--data", data, "t"]).expect(0);
        let text = fs::read_to_string(bench.path("t/checkpoint")).unwrap();
        let lines: Vec<String> = text.lines().take(3).map(str::to_owned).collect();
        let [origin, size, root] = lines.try_into().unwrap();
        let before = signed.insert((origin.clone(), size.clone()), root.clone());
        assert!(before.is_none_or(|before| before == root), "{origin} {size} forked");
    };
    let mut at = "d".to_owned();
    for round in 0..4u64 {
        let import = |data: &str, n: u64| {
            bench.write("a.json", bundle(&[marked(n, "green")]));
            bench.run(&["import", "--data", data, "a.json"]).expect(0);
        };
        import(&at, round * 10);
        note(&bench, &at);
        let file = format!("b{round}.tar");
        bench.run(&["backup", "--data", &at, &file]).expect(0);
        // In every other round the backup is behind what was published.
        if round % 2 == 0 {
            import(&at, round * 10 + 1);
            note(&bench, &at);
        }
        let next = format!("r{round}");
        let published = format!("{at}/published");
        restore(&bench, &file, &next, &["--published", &published]).expect(0);
        note(&bench, &next);
        import(&next, round * 10 + 2);
        note(&bench, &next);
        at = next;
    }
    let logs: std::collections::BTreeSet<&str> = signed.keys().map(|(origin, _)| origin.as_str()).collect();
    assert_eq!(logs.len(), 3);
}
