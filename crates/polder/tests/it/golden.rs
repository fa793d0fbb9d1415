// SPDX-License-Identifier: Apache-2.0
//! Data directories of released formats: each opens with the present program, and everything is there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::*;

/// Newest format that was released: its golden directory is the last.
const NEWEST_FORMAT: u32 = 1;

/// A copy of the golden directory as `d`, with the permissions that git does not keep, and what it holds.
pub fn golden(format: u32) -> (Bench, Value) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/data-{format}"));
    let bench = Bench::bare();
    for folder in ["d", "d/keys"] {
        fs::create_dir(bench.path(folder)).unwrap();
        fs::set_permissions(bench.path(folder), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let copy = |from: PathBuf, to: PathBuf| {
        fs::copy(from, &to).unwrap();
        fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
    };
    for name in ["polder.db", "published"] {
        copy(from.join(name), bench.path("d").join(name));
    }
    for key in fs::read_dir(from.join("keys")).unwrap().map(Result::unwrap) {
        copy(key.path(), bench.path("d/keys").join(key.file_name()));
    }
    let expected = fs::read(from.join("expected.json")).unwrap();
    (bench, serde_json::from_slice(&expected).unwrap())
}

#[test]
fn a_data_directory_of_every_format_opens() {
    for format in 1..=NEWEST_FORMAT {
        let (bench, expected) = golden(format);
        holds(&bench, &expected);
        // The clock of this machine may be behind the one on which it was made.
        let doctor = bench.run(&["doctor", "--data", "d", "--json"]).json();
        let well = |check: &Value| check["ok"] == true || check["check"] == "clock";
        assert!(doctor.len() > 5 && doctor.iter().all(well), "{doctor:?}");
        // It is not only read: the log goes on, and what is known is known.
        let size = bench.verified("d");
        bench.write("a.json", bundle(&[marked(900, "green")]));
        assert_eq!(bench.import("a.json", &[], 0)["added"].as_u64(), Some(1));
        assert_eq!(bench.import("a.json", &[], 0)["known"].as_u64(), Some(1));
        assert_eq!(bench.verified("d"), size + 1);
        // Since format 10 a look-back knows by which zone a log was read.
        bench.write("z.log", "2024-07-01 12:00:00 to 198.51.100.77\n");
        bench.run(&["hunt", "--no-packs", "--data", "d", "z.log", "--tz", "Europe/Amsterdam"]).expect(1);
        bench.write("z.txt", "198.51.100.77\n");
        bench.run(&["import", "--data", "d", "z.txt", "--format", "text"]).expect(0).says(&["1 new finding"]);
        let found = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
        let z = found.iter().find(|one| one["value"] == "198.51.100.77").unwrap();
        assert_eq!(z["time"], "2024-07-01T10:00:00.000000Z");
    }
}

/// Members of an object may have been added since; none is gone or says something else.
#[track_caller]
fn includes(now: &Value, then: &Value) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            then.iter().for_each(|(name, value)| includes(now.get(name).unwrap_or(&Value::Null), value));
        }
        (Value::Array(now), Value::Array(then)) => {
            assert_eq!(now.len(), then.len(), "{now:?} {then:?}");
            now.iter().zip(then).for_each(|(now, then)| includes(now, then));
        }
        _ => assert_eq!(now, then),
    }
}

/// The times of a sighting as the history keeps them; those of the coverage are the register's own.
fn in_whole_seconds(seen: &mut Value) {
    for name in ["first", "last"] {
        if let Some(time) = seen[name].as_str() {
            seen[name] = format!("{}.000000Z", &time[..19]).into();
        }
    }
    seen["sources"].as_array_mut().into_iter().flatten().for_each(in_whole_seconds);
}

/// Everything that the program of its time said of the directory, the present one says too.
fn holds(bench: &Bench, expected: &Value) {
    let data = ["--data", "d"];
    let run = |args: &[&str]| bench.run(&[args, &data].concat()).expect(0);
    let verified = run(&["ledger", "verify", "--json"]).json().remove(0);
    assert_eq!((&verified["size"], &verified["root"]), (&expected["size"], &expected["root"]));

    let exported: BTreeMap<String, String> = expected["exported"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(id, told)| (id.clone(), told[1].as_str().unwrap().to_owned()))
        .collect();
    assert!(exported.len() > 40, "the golden directory holds more");
    assert_eq!(bench.exported("d"), exported);

    // Since format 7 the history keeps whole seconds.
    let mut seen = expected["seen"].clone();
    in_whole_seconds(&mut seen);
    includes(&run(&["seen", "203.0.113.7", "--json"]).json()[0], &seen);
    assert_eq!(run(&["finding", "list", "--json"]).json().len() as u64, expected["findings"]);
    includes(&Value::Array(run(&["token", "list", "--json"]).json()), &expected["token_list"]);
    includes(&Value::Array(run(&["community", "list", "--json"]).json()), &expected["community_list"]);

    // Format 1 knew the terms of a community as a text that nobody was asked to accept. Now they are: the
    // steward says that the other member did.
    let (community, partner) = (&expected["communities"][0], "ab".repeat(32));
    let community = community.as_str().unwrap();
    run(&["community", "accept", community, "--for", &partner, "--evidence", "a letter of that time"]);

    let server = bench.serve("d");
    for (who, token) in expected["tokens"].as_object().unwrap() {
        let (token, told) = (token.as_str().unwrap(), &expected["taxii"][who]);
        let collections = server.get("/taxii2/root/collections/", token);
        let ids: Vec<&str> = collections["collections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|collection| collection["id"].as_str().unwrap())
            .collect();
        let mut there: Vec<&String> = told.as_object().unwrap().keys().collect();
        there.sort_by_key(|id| ids.iter().position(|other| other == id));
        assert_eq!(ids, there, "collections of {who}");
        for (id, entries) in told.as_object().unwrap() {
            let path = format!("/taxii2/root/collections/{id}/manifest/?match[version]=all");
            let manifest = server.get(&path, token);
            let manifest: Vec<Value> = manifest["objects"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|o| serde_json::json!([o["id"], o["version"], o["date_added"]]))
                .collect();
            assert_eq!(&Value::Array(manifest), entries, "manifest of {id} for {who}");
        }
    }
}
