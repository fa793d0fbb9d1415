// SPDX-License-Identifier: Apache-2.0
//! Keys under a passphrase, and what is told of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::*;

on_both_engines! {
    a_passphrase_is_set_changed_and_removed,
    a_node_is_made_under_a_passphrase,
    a_passphrase_file_must_be_ones_own_and_hold_one,
    no_secret_is_told,
    a_damaged_key_file_is_named,
    keys_give_way_to_others_and_the_member_stays,
    a_root_key_that_is_lost_is_replaced_with_the_recovery_key,
    a_crash_between_new_keys_and_their_place_loses_neither,
}

/// A file that nobody else may read.
fn secret(bench: &Bench, name: &str, text: &str) {
    let path = bench.write(name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn init(bench: &Bench, more: &[&str]) -> Ran {
    let args = bench.init_args("d");
    bench.run(&[&args.iter().map(String::as_str).collect::<Vec<_>>()[..], more].concat())
}

const KEYS: [&str; 4] = ["d/keys/log-1.key", "d/keys/node.key", "d/keys/recovery.key", "d/keys/root.key"];

fn sealed(bench: &Bench) -> Vec<bool> {
    KEYS.iter().map(|key| fs::read_to_string(bench.path(key)).unwrap().starts_with("polder-key/1 ")).collect()
}

fn a_passphrase_is_set_changed_and_removed(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "")]));
    secret(&bench, "p1", "correct horse\nnot this line\n");
    secret(&bench, "p2", "battery staple\n");
    bench
        .run(&["key", "passphrase", "--data", "d", "--new-passphrase-file", "p1"])
        .expect(0)
        .says(&["4 keys", "two places"]);
    assert_eq!(sealed(&bench), [true; 4]);

    // Nothing that needs a key runs without it, and it says why.
    let import = |more: &[&str]| bench.run(&[&["import", "--data", "d", "a.json"], more].concat());
    import(&[]).expect(4).says(&["log-1.key", "--passphrase-file", "POLDER_PASSPHRASE_FILE"]);
    import(&["--passphrase-file", "p2"]).expect(4).says(&["passphrase is wrong"]);
    import(&["--passphrase-file", "p1"]).expect(0);
    let mut by_environment = bench.command(&["doctor", "--data", "d"]);
    let doctor = Ran::of(by_environment.env("POLDER_PASSPHRASE_FILE", "p1").output().unwrap());
    doctor.is_well().says(&["under a passphrase"]);
    // What needs none, does not ask.
    bench.run(&["ledger", "verify", "--data", "d"]).expect(0);
    bench.run(&["key", "show", "--data", "d"]).expect(0).says(&["under a passphrase", "3 signature lines"]);

    let change = ["key", "passphrase", "--data", "d", "--new-passphrase-file", "p2", "--passphrase-file"];
    bench.run(&[&change[..], &["p2"]].concat()).expect(4);
    bench.run(&[&change[..], &["p1"]].concat()).expect(0);
    import(&["--passphrase-file", "p1"]).expect(4);
    import(&["--passphrase-file", "p2"]).expect(0);

    bench.run(&["key", "passphrase", "--data", "d", "--remove", "--passphrase-file", "p2"]).expect(0);
    assert_eq!(sealed(&bench), [false; 4]);
    import(&[]).expect(0);
    assert!(!bench.path("d/keys.new").exists());
    for key in KEYS {
        assert_eq!(fs::metadata(bench.path(key)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

fn a_node_is_made_under_a_passphrase(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    secret(&bench, "p", "correct horse\n");
    let made = init(&bench, &["--passphrase-file", "p"]).expect(0);
    assert!(!made.err.contains("warning"), "{}", made.err);
    assert_eq!(sealed(&bench), [true; 4]);
    bench.run(&["doctor", "--data", "d", "--passphrase-file", "p"]).is_well();
    bench.run(&["doctor", "--data", "d"]).is_well().says(&["4 under a passphrase"]);
    bench.run(&["token", "new", "--data", "d", "--name", "t"]).expect(4);
    bench.run(&["token", "new", "--data", "d", "--name", "t", "--passphrase-file", "p"]).expect(0);

    // Without terminal and without file: as before, with a warning.
    init(&Bench::bare_on(engine), &[]).expect(0).says(&[
        "warning",
        "readable by whoever",
        "polder key passphrase",
    ]);
}

fn a_passphrase_file_must_be_ones_own_and_hold_one(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("open", "correct horse\n");
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let set = |file: &str| bench.run(&["key", "passphrase", "--data", "d", "--new-passphrase-file", file]);
    set("open").expect(6).says(&["may be read by others", "chmod 600"]);
    secret(&bench, "empty", "\n");
    set("empty").expect(2).says(&["empty"]);
    set("absent").expect(6).says(&["absent"]);
    bench.run(&["key", "passphrase", "--data", "d"]).expect(2).says(&["--new-passphrase-file"]);
    assert_eq!(sealed(&bench), [false; 4]);
}

fn no_secret_is_told(engine: &Engine) {
    let bench = Bench::on(engine);
    let secrets: Vec<String> =
        KEYS.iter().map(|key| fs::read_to_string(bench.path(key)).unwrap().trim().to_owned()).collect();
    secret(&bench, "p", "correct horse\n");
    for args in [
        &["key", "show", "--data", "d"][..],
        &["key", "show", "--data", "d", "--json"],
        &["doctor", "--data", "d"],
        &["key", "passphrase", "--data", "d", "--new-passphrase-file", "p"],
        &["doctor", "--data", "d"],
    ] {
        let ran = bench.run(args);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(!told.contains("correct horse"), "{args:?}");
        // Any ten bytes of a key would show by their base64.
        let parts =
            secrets.iter().flat_map(|secret| (0..secret.len() - 14).map(move |at| &secret[at..at + 14]));
        for part in parts {
            assert!(!told.contains(part), "{args:?} told a key");
        }
    }
}

fn a_damaged_key_file_is_named(engine: &Engine) {
    let bench = Bench::on(engine);
    secret(&bench, "p", "correct horse\n");
    bench.run(&["key", "passphrase", "--data", "d", "--new-passphrase-file", "p"]).expect(0);
    let text = fs::read_to_string(bench.path("d/keys/log-1.key")).unwrap();
    bench.write("a.json", bundle(&[tool(1, "")]));
    let import = || bench.run(&["import", "--data", "d", "a.json", "--passphrase-file", "p"]);
    bench.write("d/keys/log-1.key", &text[..text.len() - 9]);
    import().expect(6).says(&["log-1.key", "restore"]);
    bench.write("d/keys/log-1.key", text.replace("polder-key/1", "polder-key/9"));
    import().expect(6).says(&["log-1.key", "update polder"]);
    // Sealed for another role: a file under another name does not open.
    fs::copy(bench.path("d/keys/root.key"), bench.path("d/keys/log-1.key")).unwrap();
    import().expect(4).says(&["log-1.key"]);
}

fn shown(bench: &Bench) -> serde_json::Value {
    bench.run(&["key", "show", "--data", "d", "--json"]).expect(0).json().remove(0)
}

fn import(bench: &Bench, n: u64) {
    bench.write("a.json", bundle(&[marked(n, "green")]));
    bench.import("a.json", &[], 0);
}

fn prove(bench: &Bench, n: u64, file: &str) {
    let proof = bench.run(&["ledger", "prove", "--data", "d", &tool_id(n)]).expect(0).out;
    bench.write(file, proof);
}

fn keys_give_way_to_others_and_the_member_stays(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let member = bench.init("d");
    import(&bench, 1);
    prove(&bench, 1, "before");
    let first = shown(&bench);

    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(0).says(&["new keys from size 2 on"]);
    import(&bench, 2);
    bench.verified("d");
    let old_root = fs::read(bench.path("d/keys/root.key")).unwrap();
    bench.run(&["key", "rotate", "root", "--data", "d"]).expect(0).says(&[&member, "offline"]);
    import(&bench, 3);
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(0);
    prove(&bench, 2, "after");
    let now = shown(&bench);
    assert_eq!(now["statements"], 3);
    for name in ["root_key", "log_key"] {
        assert_ne!(first[name], now[name], "{name}");
    }
    for name in ["member", "recovery_key", "origin"] {
        assert_eq!(first[name], now[name], "{name}");
    }
    bench.run(&["doctor", "--data", "d"]).is_well();
    assert_eq!(bench.verified("d"), 7);

    // Proofs of before and after, by the same member id.
    for proof in ["before", "after"] {
        bench.run(&["ledger", "check", "--member", &member, proof]).expect(0);
    }
    // Without what was said of the keys, the new ones are nobody's.
    let mut proof: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("after")).unwrap()).unwrap();
    proof.as_object_mut().unwrap().remove("statements");
    bench.write("cut", proof.to_string());
    bench.run(&["ledger", "check", "--member", &member, "cut"]).expect(1).says(&["NOT proved"]);

    // The old root key is worth nothing.
    fs::write(bench.path("old.key"), old_root).unwrap();
    fs::set_permissions(bench.path("old.key"), fs::Permissions::from_mode(0o600)).unwrap();
    bench
        .run(&["key", "rotate", "log", "--data", "d", "--root-key", "old.key"])
        .expect(2)
        .says(&["not the root key"]);
    assert_eq!(bench.verified("d"), 7);
}

fn a_root_key_that_is_lost_is_replaced_with_the_recovery_key(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let member = bench.init("d");
    fs::remove_file(bench.path("d/keys/root.key")).unwrap();
    fs::rename(bench.path("d/keys/recovery.key"), bench.path("vault.key")).unwrap();
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(6).says(&["root.key"]);
    bench.run(&["key", "recover", "--data", "d"]).expect(6).says(&["recovery.key"]);
    let recover = ["key", "recover", "--data", "d", "--recovery-key", "vault.key"];
    bench.run(&recover).expect(0).says(&[&member, "destroy it"]);
    // It is used up, and there is a new one; the new root key works.
    let doctor = || bench.run(&["doctor", "--data", "d"]).is_well();
    doctor().says(&["warn   recovery", "d/keys/recovery.key", "move it to another place"]);
    fs::rename(bench.path("d/keys/recovery.key"), bench.path("vault-2.key")).unwrap();
    let doctor = doctor().says(&["ok     recovery", "kept elsewhere"]);
    assert!(!doctor.out.contains("warn"), "{}", doctor.out);
    fs::rename(bench.path("vault-2.key"), bench.path("d/keys/recovery.key")).unwrap();
    bench.run(&recover).expect(2).says(&["not the recovery key"]);
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(0);
    import(&bench, 1);
    prove(&bench, 1, "p");
    bench.run(&["ledger", "check", "--member", &member, "p"]).expect(0);

    bench.run(&["key", "revoke", "--data", "d"]).expect(0).says(&["polder key recover"]);
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(2).says(&["revoked"]);
    assert!(shown(&bench)["root_key"].is_null());
    import(&bench, 2);
    bench.run(&["key", "recover", "--data", "d"]).expect(0);
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(0);
    bench.verified("d");
}

/// The thief's copy is a backup, which is made of a file alone.
#[test]
fn what_a_stolen_log_key_signed_later_is_refused() {
    let bench = Bench::bare();
    let member = bench.init("d");
    import(&bench, 1);
    prove(&bench, 1, "early");
    // The thief has the directory as it is, and goes on by himself.
    bench.run(&["backup", "--data", "d", "b.tar"]).expect(0);
    bench.run(&["restore", "--data", "thief", "b.tar", "--newest"]).expect(0);
    bench.write("t.json", bundle(&[marked(66, "green")]));
    bench.run(&["import", "--data", "thief", "t.json"]).expect(0);
    let forged = bench.run(&["ledger", "prove", "--data", "thief", &tool_id(66)]).expect(0).out;
    bench.write("forged", &forged);

    let rotate = ["key", "rotate", "log", "--data", "d", "--revoked-from", "2020-01-01T00:00:00Z"];
    bench.run(&rotate).expect(0);
    import(&bench, 2);
    prove(&bench, 2, "later");
    bench.run(&["ledger", "check", "--member", &member, "later"]).expect(0);
    bench.verified("d");
    // Who knows of the revocation refuses what the thief signed.
    let later: serde_json::Value = serde_json::from_slice(&fs::read(bench.path("later")).unwrap()).unwrap();
    let with_statements = |file: &str| {
        let mut proof: serde_json::Value =
            serde_json::from_slice(&fs::read(bench.path(file)).unwrap()).unwrap();
        proof["statements"] = later["statements"].clone();
        bench.write("q", proof.to_string());
        bench.run(&["ledger", "check", "--member", &member, "q"])
    };
    with_statements("forged").expect(1).says(&["NOT proved"]);
    // Even what it signed before, as far as it was logged from the time of the theft on.
    with_statements("early").expect(1).says(&["was revoked"]);
    with_statements("later").expect(0);
}

fn a_crash_between_new_keys_and_their_place_loses_neither(engine: &Engine) {
    let bench = Bench::on(engine);
    let old = fs::read(bench.path("d/keys/log-1.key")).unwrap();
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(0);
    let new = fs::read(bench.path("d/keys/log-1.key")).unwrap();
    // As after a crash behind the commit: the new keys still wait.
    fs::write(bench.path("d/keys/log-1.key"), &old).unwrap();
    bench.write("d/keys/log-1-next.key", &new);
    fs::set_permissions(bench.path("d/keys/log-1-next.key"), fs::Permissions::from_mode(0o600)).unwrap();
    import(&bench, 1);
    assert_eq!(fs::read(bench.path("d/keys/log-1.key")).unwrap(), new);
    assert!(!bench.path("d/keys/log-1-next.key").exists());
    // As after a crash before the commit: what waits never counted.
    fs::write(bench.path("d/keys/log-1-next.key"), &old).unwrap();
    fs::set_permissions(bench.path("d/keys/log-1-next.key"), fs::Permissions::from_mode(0o600)).unwrap();
    import(&bench, 2);
    bench.run(&["key", "rotate", "log", "--data", "d"]).expect(0);
    import(&bench, 3);
    bench.verified("d");
    // Another key than the delegated one signs nothing.
    fs::write(bench.path("d/keys/log-1.key"), &old).unwrap();
    bench.write("a.json", bundle(&[marked(4, "green")]));
    bench
        .run(&["import", "--data", "d", "a.json"])
        .expect(6)
        .says(&["is not the key", "polder key rotate log"]);
}
