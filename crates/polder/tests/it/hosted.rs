// SPDX-License-Identifier: Apache-2.0
//! Hosted members: they sign on their own machine, and the host's log carries what they said.

use std::fs;

use serde_json::Value;

use crate::engine::write_private;
use crate::support::*;

on_both_engines! {
    what_a_firm_signs_is_its_own_record_in_its_hosts_log,
    what_was_changed_after_it_was_signed_is_refused,
    what_is_signed_for_a_community_needs_its_author_in_it,
    only_the_key_of_the_moment_signs,
    recalls_hold_against_what_was_signed_before,
    a_hosted_member_posts_what_it_signed,
    what_is_signed_again_widens_only_if_it_says_so,
}

/// A host in `d`, and a firm in `f` that it hosts; answers both ids.
fn hosted(bench: &Bench) -> (String, String) {
    let host = bench.init("d");
    let firm = firm(bench, "f", "d");
    bench.run(&["hosted", "accept", "--data", "d", "f/statements.json"]).expect(0).says(&[&firm]);
    (host, firm)
}

/// A firm that names the node in `data` as its host.
fn firm(bench: &Bench, dir: &str, data: &str) -> String {
    let said = bench.run(&["key", "statements", "--data", data]).expect(0).out;
    bench.write("host.json", said);
    let words = ["--name", "Dijk BV", "--country", "nl", "--sector", "semiconductors"];
    let args = [&["hosted", "init", dir, "--host", "host.json", "--json"], &words[..]].concat();
    bench.run(&args).expect(0).json()[0]["member"].as_str().unwrap().to_owned()
}

/// Signs objects; the file is `name`.
fn sign(bench: &Bench, objects: &[String], more: &[&str], name: &str) {
    bench.write("objects.json", bundle(objects));
    let args = [&["hosted", "sign", "objects.json", "--dir", "f"], more].concat();
    let signed = bench.run(&args).expect(0).out;
    bench.write(name, signed);
}

fn count(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap()
}

#[track_caller]
fn refused(bench: &Bench, file: &str, code: &str) {
    let report = bench.import(file, &[], 3);
    assert_eq!((count(&report, "added"), count(&report, "refused")), (0, count(&report, "read")), "{report}");
    assert!(report["diagnostics"].to_string().contains(code), "{report}");
}

/// The whole way: init, accept, sign, import, verify, prove, check, and again.
fn what_a_firm_signs_is_its_own_record_in_its_hosts_log(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (host, firm) = hosted(&bench);
    // Bytes as they were, whatever their spelling.
    let odd = marked(1, "green").replace("\"name\":", "\"name\" :  ");
    sign(&bench, &[odd.clone(), marked(2, "clear")], &[], "s.json");
    assert!(fs::read_to_string(bench.path("s.json")).unwrap().contains(&odd));
    let report = bench.import("s.json", &[], 0);
    assert_eq!(count(&report, "added"), 2, "{report}");
    assert_eq!(count(&bench.import("s.json", &[], 0), "known"), 2);
    bench.verified("d");
    let listed = bench.run(&["hosted", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!((listed[0]["member"].as_str(), &listed[0]["ended"]), (Some(&*firm), &Value::Bool(false)));
    let proof = bench.run(&["ledger", "prove", "--data", "d", &tool_id(2)]).expect(0).out;
    bench.write("p.json", &proof);
    for member in [&host, &firm] {
        let args = ["ledger", "check", "p.json", "--member", member];
        bench.run(&args).expect(0).says(&[&firm, "signed it itself", "pinned"]);
    }
    bench.run(&["ledger", "check", "p.json", "--member", &"0".repeat(64)]).expect(1);
    let told = bench.run(&["ledger", "check", "p.json", "--json"]).expect(0).json();
    assert_eq!(told[0]["signed_by_author"].as_str(), Some(&*firm));
    // Without the author's part, and with another signature of the same author.
    let mut forged: Value = serde_json::from_str(&proof).unwrap();
    let author = forged.as_object_mut().unwrap().remove("author").unwrap();
    bench.write("q.json", forged.to_string());
    bench.run(&["ledger", "check", "q.json"]).expect(1);
    let signed: Value = serde_json::from_slice(&fs::read(bench.path("s.json")).unwrap()).unwrap();
    forged["author"] = author;
    forged["author"]["signature"] = signed["x_polder_drafts"]["drafts"][0]["signature"].clone();
    bench.write("q.json", forged.to_string());
    bench.run(&["ledger", "check", "q.json"]).expect(1).says(&["sig"]);
    // Everything goes on working beside.
    bench.run(&["doctor", "--data", "d"]).is_well();
    if engine.is_server() {
        // The server's own tools copy its databases.
        bench.run(&["backup", "--data", "d", "b.polder"]).expect(6).says(&["PostgreSQL", "pg_dump"]);
    } else {
        bench.run(&["backup", "--data", "d", "b.polder"]).expect(0);
        bench.run(&["restore", "--data", "e", "b.polder", "--newest"]).expect(0);
        assert_eq!(bench.verified("e"), bench.verified("d"));
    }
    bench.run(&["rebuild", "--data", "d"]).expect(0);
    assert_eq!(count(&bench.import("s.json", &[], 0), "known"), 2);
}

/// One change each to what was signed: it is refused, and nothing of the file becomes the host's own.
fn what_was_changed_after_it_was_signed_is_refused(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (host, firm) = hosted(&bench);
    sign(&bench, &[marked(1, "amber")], &[], "s.json");
    let good = fs::read_to_string(bench.path("s.json")).unwrap();
    let other = bench.init("e");
    let draft = |from: &str, to: &str| good.replacen(from, to, 1);
    let cases = [
        ("body", draft("tool 1", "tool 2"), "signature-fails"),
        ("looser", draft("\"marking\":\"TLP:AMBER\"", "\"marking\":\"TLP:GREEN\""), "signed-looser"),
        ("stricter", draft("\"marking\":\"TLP:AMBER\"", "\"marking\":\"TLP:RED\""), "signature-fails"),
        (
            "audience",
            draft(&format!("organisation:{firm}"), &format!("organisation:{host}")),
            "signature-fails",
        ),
        ("log", draft(&format!("polder/{host}/1"), &format!("polder/{other}/1")), "signed-for-other-log"),
        ("author", draft(&format!("\"author\":\"{firm}"), &format!("\"author\":\"{other}")), "not-hosted"),
        ("host", draft(&format!("\"author\":\"{firm}"), &format!("\"author\":\"{host}")), "not-hosted"),
        ("widens", draft("\"marking\":", "\"widens\":true,\"marking\":"), "signature-fails"),
        ("kind", draft("\"kind\":\"stix-2.1\"", "\"kind\":\"member-root\""), "drafts-unreadable"),
        ("twice", draft("{\"x_polder", "{\"x_polder_drafts\":{},\"x_polder"), "drafts-unreadable"),
        ("cut", draft("\"drafts\":[", "\"drafts\":[],\"x\":["), "draft-missing"),
    ];
    for (name, file, code) in cases {
        bench.write("t.json", file);
        refused(&bench, "t.json", code);
        assert_eq!(bench.verified("d"), 2, "{name}");
    }
    // To another host it cannot be brought, though that hosts a member of the same name.
    let stranger = self::firm(&bench, "g", "e");
    bench.run(&["hosted", "accept", "--data", "e", "g/statements.json"]).expect(0).says(&[&stranger]);
    let ran = bench.run(&["import", "--data", "e", "s.json"]).expect(3);
    ran.says(&["not-hosted"]);
    bench.run(&["hosted", "accept", "--data", "e", "f/statements.json"]).expect(1);
    // And the door adds nothing to what was signed.
    bench.run(&["import", "--data", "d", "s.json", "--tlp", "clear"]).expect(2);
    assert_eq!(count(&bench.import("s.json", &[], 0), "added"), 1);
}

fn what_is_signed_for_a_community_needs_its_author_in_it(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (_, firm) = hosted(&bench);
    let community = bench.community("makers");
    sign(&bench, &[marked(1, "green")], &["--community", &community], "s.json");
    refused(&bench, "s.json", "not-a-member");
    bench.run(&["community", "add", "--data", "d", &community, &firm]).expect(0);
    bench.write("terms", "read and do not tell");
    bench.run(&["community", "terms", "--data", "d", &community, "--text", "terms"]).expect(0);
    refused(&bench, "s.json", "not-a-member");
    let accept = ["community", "accept", "--data", "d", &community, "--for", &firm, "--evidence", "drawer 3"];
    bench.run(&accept).expect(0);
    assert_eq!(count(&bench.import("s.json", &[], 0), "added"), 1);
}

/// Ended, revoked, rotated, recovered: what was logged stays valid, and only the key that counts signs on.
fn only_the_key_of_the_moment_signs(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (_, firm) = hosted(&bench);
    for n in 1..=6 {
        sign(&bench, &[marked(n, "green")], &[], &format!("{n}.json"));
    }
    assert_eq!(count(&bench.import("1.json", &[], 0), "added"), 1);
    let accept = ["hosted", "accept", "--data", "d", "f/statements.json"];
    bench.run(&["hosted", "end", "--data", "d", &firm]).expect(0);
    bench.run(&["hosted", "end", "--data", "d", &firm]).expect(2);
    refused(&bench, "2.json", "hosting-ended");
    bench.run(&accept).expect(0);
    assert_eq!(count(&bench.import("2.json", &[], 0), "added"), 1);
    bench.run(&["hosted", "rotate", "f"]).expect(0);
    // Until the host has heard of it, the old word counts.
    assert_eq!(count(&bench.import("3.json", &[], 0), "added"), 1);
    bench.run(&accept).expect(0);
    refused(&bench, "4.json", "signed-before-keys-changed");
    sign(&bench, &[marked(4, "green")], &[], "4.json");
    assert_eq!(count(&bench.import("4.json", &[], 0), "added"), 1);
    bench.run(&["hosted", "revoke", "f"]).expect(0);
    bench.run(&accept).expect(0);
    refused(&bench, "5.json", "signed-before-keys-changed");
    bench.run(&["hosted", "sign", "objects.json", "--dir", "f"]).expect(2).says(&["revoked"]);
    bench.run(&["hosted", "rotate", "f", "--recovery-key", "f/keys/recovery.key"]).expect(0);
    bench.run(&accept).expect(0);
    refused(&bench, "6.json", "signed-before-keys-changed");
    sign(&bench, &[marked(6, "green")], &[], "6.json");
    assert_eq!(count(&bench.import("6.json", &[], 0), "added"), 1);
    bench.verified("d");
}

/// The author takes back what it said, and sending the old again brings nothing back.
fn recalls_hold_against_what_was_signed_before(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (host, firm) = hosted(&bench);
    let to = ["--to-member", host.as_str(), "--to-member", firm.as_str()];
    sign(&bench, &[marked(1, "green"), marked(2, "green")], &to, "s.json");
    assert_eq!(count(&bench.import("s.json", &[], 0), "added"), 2);
    // Signed in time, but kept back: for others, and under a looser label.
    sign(&bench, &[marked(1, "green")], &["--to-member", &host], "kept.json");
    sign(&bench, &[marked(1, "green")], &[&to[..], &["--widen"]].concat(), "wider.json");
    let entries = bench.run(&["hosted", "entries", "--data", "d", &firm]).expect(0).out;
    assert_eq!(entries.lines().count(), 2);
    bench.write("entries", &entries);
    let recall = |id: &str, act: &[&str], name: &str| {
        let args = [&["hosted", "recall", id, "--dir", "f", "--entries", "entries"], act].concat();
        bench.write(name, bench.run(&args).expect(0).out);
    };
    assert_eq!(bench.exported("d").len(), 2);
    recall(&tool_id(1), &["--narrow", "amber+strict", "--own-only"], "narrow.json");
    recall(&tool_id(2), &["--withdraw", "--reason", "a customer's"], "withdraw.json");
    for name in ["narrow.json", "withdraw.json"] {
        let good = fs::read_to_string(bench.path(name)).unwrap();
        bench.write("t.json", good.replacen("\"index\":", "\"index\":1", 1));
        refused(&bench, "t.json", "signature-fails");
        // Also when its author is hosted no more.
        bench.run(&["hosted", "end", "--data", "d", &firm]).expect(0);
        assert_eq!(count(&bench.import(name, &[], 0), "added"), 1);
        bench.run(&["hosted", "accept", "--data", "d", "f/statements.json"]).expect(0);
    }
    assert_eq!(bench.exported("d").len(), 0, "the host is no recipient any more");
    let again = bench.import("s.json", &[], 3);
    assert_eq!((count(&again, "known"), count(&again, "refused")), (1, 1), "{again}");
    assert_eq!(bench.exported("d").len(), 0);
    for kept in ["kept.json", "wider.json"] {
        refused(&bench, kept, "signed-before-recall");
    }
    assert_eq!(count(&bench.import("narrow.json", &[], 0), "known"), 1);
    // The signature of what was erased still verifies.
    bench.verified("d");
    // Meaning it is another thing: signed anew.
    sign(&bench, &[marked(1, "green")], &to, "anew.json");
    assert_eq!(count(&bench.import("anew.json", &[], 0), "added"), 1);
    assert_eq!(bench.exported("d").len(), 1);
}

/// Code of the failure of the first object, or how many were taken.
fn posted(serving: &Serving, collection: &str, token: &str, body: &[u8]) -> Result<u64, String> {
    let (status, document) =
        serving.send("POST", &format!("/taxii2/root/collections/{collection}/objects/"), token, body);
    assert_eq!(status, 202, "{document}");
    match document["failures"][0]["message"].as_str() {
        Some(message) => Err(message.split(": ").next().unwrap().to_owned()),
        None => Ok(document["success_count"].as_u64().unwrap()),
    }
}

/// Over TAXII the author brings what it signed, or the host does; nobody else, and nothing unsigned.
fn a_hosted_member_posts_what_it_signed(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (_, firm) = hosted(&bench);
    let other = self::firm(&bench, "g", "d");
    let community = bench.community("makers");
    for member in [&firm, &other] {
        bench.run(&["community", "add", "--data", "d", &community, member]).expect(0);
    }
    let token = |name: &str, more: &[&str]| bench.token("d", name, &[&["--write"], more].concat());
    let own = token("firm", &["--member", &firm]);
    let (stranger, host) = (token("other", &["--member", &other]), token("host", &[]));
    let serving = bench.serve("d");
    let file = |name: &str| fs::read(bench.path(name)).unwrap();
    sign(&bench, &[marked(1, "green"), marked(2, "green")], &["--community", &community], "s.json");
    sign(&bench, &[marked(3, "green")], &[], "own.json");
    let said = |code: &str| Err(code.to_owned());
    // Who runs the node makes tokens for whom he likes: without the key they say nothing in its name.
    let unsigned = format!("{{\"objects\":[{}]}}", marked(1, "green"));
    assert_eq!(posted(&serving, &community, &own, unsigned.as_bytes()), said("unsigned"));
    assert_eq!(posted(&serving, &community, &stranger, &file("s.json")), said("signed-by-other"));
    assert_eq!(posted(&serving, &community, &own, &file("own.json")), said("signed-for-others"));
    let changed = String::from_utf8(file("s.json")).unwrap().replacen("tool 1", "tool 9", 1);
    assert_eq!(posted(&serving, &community, &own, changed.as_bytes()), said("signature-fails"));
    let cut = changed.replacen("\"drafts\":[", "\"x\":[", 1);
    assert_eq!(posted(&serving, &community, &own, cut.as_bytes()), said("drafts-unreadable"));
    // What could be taken of it was.
    assert_eq!(bench.verified("d"), 6);
    assert_eq!(posted(&serving, &community, &own, &file("s.json")), Ok(2));
    assert_eq!(posted(&serving, &community, &host, &file("s.json")), Ok(2), "known");
    assert_eq!(bench.verified("d"), 7);
    let page = serving.get(&format!("/taxii2/root/collections/{community}/objects/"), &stranger);
    assert_eq!(page["objects"].as_array().unwrap().len(), 2, "{page}");
    // DELETE is an act that its author did not sign.
    let object = format!("/taxii2/root/collections/{community}/objects/{}/", tool_id(1));
    let (status, told) = serving.send("DELETE", &object, &own, b"");
    assert_eq!(status, 403, "{told}");
    assert!(told.to_string().contains("hosted recall"), "{told}");
    bench.write("entries", bench.run(&["hosted", "entries", "--data", "d", &firm]).expect(0).out);
    let id = tool_id(1);
    let recall = ["hosted", "recall", &id, "--dir", "f", "--entries", "entries", "--withdraw"];
    bench.write("r.json", bench.run(&recall).expect(0).out);
    assert_eq!(posted(&serving, &community, &own, &file("r.json")), Ok(1));
    assert_eq!(posted(&serving, &community, &own, &file("s.json")), said("withdrawn"));
    let page = serving.get(&format!("/taxii2/root/collections/{community}/objects/"), &stranger);
    assert_eq!(page["objects"].as_array().unwrap().len(), 1, "{page}");
}

/// The same version under a looser label is known, unless its author says that it means more.
fn what_is_signed_again_widens_only_if_it_says_so(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let (host, firm) = hosted(&bench);
    let to = |more: &[&'static str]| [&["--to-member", &host, "--to-member", &firm], more].concat();
    for (more, name) in [
        (&["--tlp", "amber"][..], "amber.json"),
        (&["--tlp", "green"], "green.json"),
        (&["--tlp", "green", "--widen"], "wider.json"),
    ] {
        sign(&bench, &[tool(1, "")], &to(more), name);
    }
    let labels = |bench: &Bench| bench.exported("d").into_values().collect::<Vec<_>>();
    assert_eq!(count(&bench.import("amber.json", &[], 0), "added"), 1);
    assert_eq!(count(&bench.import("green.json", &[], 0), "known"), 1);
    assert_eq!(labels(&bench), ["TLP:AMBER"]);
    assert_eq!(count(&bench.import("wider.json", &[], 0), "added"), 1);
    assert_eq!(count(&bench.import("wider.json", &[], 0), "known"), 1);
    assert_eq!(bench.verified("d"), 4);
    let proof = bench.run(&["ledger", "prove", "--data", "d", &tool_id(1)]).expect(0).out;
    bench.write("p.json", proof);
    bench.run(&["ledger", "check", "p.json"]).expect(0).says(&["signed it itself"]);
}

/// The keys of a member that another hosts get a passphrase afterwards, another, and none.
#[test]
fn the_keys_of_a_hosted_member_are_sealed_afterwards() {
    let bench = Bench::bare();
    let (_, firm) = hosted(&bench);
    write_private(&bench.path("p1"), "correct horse\n");
    write_private(&bench.path("p2"), "battery staple\n");
    bench.write("objects.json", bundle(&[marked(1, "green")]));
    let sealed = || {
        let keys = fs::read_dir(bench.path("f/keys")).unwrap();
        let texts = keys.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        texts.filter(|text| text.starts_with("polder-key/1 ")).count()
    };
    let sign = |more: &[&str]| bench.run(&[&["hosted", "sign", "objects.json", "--dir", "f"], more].concat());
    bench.run(&["hosted", "seal", "f"]).expect(2).says(&["--new-passphrase-file"]);
    assert_eq!(sealed(), 0);
    let seal = |more: &[&str]| bench.run(&[&["hosted", "seal", "f"], more].concat());
    seal(&["--new-passphrase-file", "p1"]).expect(0).says(&["2 keys", "two places"]);
    assert_eq!(sealed(), 2);
    sign(&[]).expect(4).says(&["root.key", "--passphrase-file"]);
    sign(&["--passphrase-file", "p2"]).expect(4).says(&["passphrase is wrong"]);
    seal(&["--new-passphrase-file", "p2"]).expect(4);
    seal(&["--new-passphrase-file", "p2", "--passphrase-file", "p1"]).expect(0);
    let signed = sign(&["--passphrase-file", "p2"]).expect(0).out;
    bench.write("s.json", signed);
    assert_eq!(count(&bench.import("s.json", &[], 0), "added"), 1);
    // A rotation makes the new keys no weaker than the old ones.
    bench.run(&["hosted", "rotate", "f", "--passphrase-file", "p2"]).expect(0);
    assert_eq!(sealed(), fs::read_dir(bench.path("f/keys")).unwrap().count());
    seal(&["--remove", "--passphrase-file", "p2"]).expect(0).says(&["warning"]);
    assert_eq!(sealed(), 0);
    sign(&[]).expect(0);
    bench.run(&["hosted", "accept", "--data", "d", "f/statements.json"]).expect(0).says(&[&firm]);
    // A node's keys are sealed by another command, which sees that nobody writes.
    bench.run(&["hosted", "seal", "d", "--new-passphrase-file", "p1"]).expect(6).says(&["statements.json"]);
    bench.run(&["import", "--data", "d", "s.json"]).expect(3);
}
