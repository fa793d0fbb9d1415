// SPDX-License-Identifier: Apache-2.0
//! The program on a PostgreSQL database. `POLDER_TEST_POSTGRES` names the server; without it these tests are
//! skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::engine::{Database, write_private};
use crate::support::*;

fn server(test: &str) -> Option<Engine> {
    Engine::postgresql(&format!("postgresql::{test}"))
}

/// Every command, as on a file.
#[test]
fn a_node_works_on_a_server() {
    let Some(server) = server("a_node_works_on_a_server") else { return };
    let (bench, file) = (Bench::on(&server), Bench::new());
    let kept = fs::metadata(bench.path("d/postgres")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert!(!bench.path("d/polder.db").exists());
    fs::remove_file(bench.path("connection")).unwrap();

    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let indicators = format!("{examples}/indicators.txt");
    let long = format!("a {} b", "x".repeat(5_000));
    // Each node would give the entries of the list ids of its own: one makes the objects for both.
    let maker = Bench::new();
    maker.import(&indicators, &["--tlp", "green"], 0);
    let objects = maker.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    for bench in [&bench, &file] {
        bench.write("a.json", bundle(&[tool(1, ""), marked(2, "green"), tool(3, ""), marked(4, "red")]));
        bench.import("a.json", &["--tlp", "amber"], 0);
        bench.import("a.json", &[], 0);
        bench.write("list.json", &objects);
        bench.import("list.json", &[], 0);
        bench.write("access.log", &long);
    }
    // Each node has an identity of its own.
    let shared = |bench: &Bench| {
        let mut all = bench.exported("d");
        all.retain(|id, _| !id.starts_with("identity--"));
        all
    };
    assert_eq!(shared(&bench), shared(&file));
    assert_eq!(bench.verified("d"), file.verified("d"));

    let both =
        |args: &[&str]| [&bench, &file].map(|bench| bench.run(args)).map(|ran| (ran.code, ran.out, ran.err));
    let logs = format!("{examples}/logs");
    for args in [
        &["hunt", &logs, "--data", "d"][..],
        &["hunt", "access.log", "--data", "d"],
        &["finding", "list", "--data", "d"],
        &["seen", "198.51.100.0/24", "--data", "d"],
        &["seen", "example.com", "--data", "d"],
        &["community", "list", "--data", "d"],
    ] {
        let [server, file] = both(args);
        assert_eq!((server.0, &server.1), (file.0, &file.1), "{args:?}: {} {}", server.2, file.2);
    }
    bench.run(&["doctor", "--data", "d"]).says(&["database", "log", "views"]);
    bench.run(&["token", "new", "--data", "d", "--name", "t"]).expect(0);
    bench.run(&["token", "new", "--data", "d", "--name", "t"]).expect(2);
}

/// Two processes on one database: each has its own directory with the same keys, both write and serve.
#[test]
fn two_directories_share_a_database() {
    let Some(server) = server("two_directories_share_a_database") else { return };
    let bench = Bench::on(&server);
    let copied = Command::new("cp").args(["-a", "d", "e"]).current_dir(bench.dir.path()).status().unwrap();
    assert!(copied.success());
    let token = bench.run(&["token", "new", "--data", "d", "--name", "t"]).expect(0).out;
    let serving = ["d", "e"].map(|data| bench.serve(data));
    let files: Vec<String> = (0..6u64)
        .map(|n| {
            let name = format!("{n}.json");
            let objects: Vec<String> = (0..200).map(|m| tool(n * 1_000 + m, "")).collect();
            bench.write(&name, bundle(&objects));
            name
        })
        .collect();
    let running: Vec<_> = files
        .iter()
        .zip(["d", "e"].iter().cycle())
        .map(|(file, data)| {
            bench
                .command(&["import", "--data", data, file, "--tlp", "amber"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for import in running {
        Ran::of(import.wait_with_output().unwrap()).expect(0);
    }
    assert_eq!((bench.verified("d"), bench.verified("e")), (1_201, 1_201));
    for serving in &serving {
        let collections = serving.get("/taxii2/root/collections/", token.trim());
        let id = collections["collections"][0]["id"].as_str().unwrap().to_owned();
        let page = serving.get(&format!("/taxii2/root/collections/{id}/objects/?limit=2000"), token.trim());
        assert_eq!(page["objects"].as_array().unwrap().len(), 1_200);
    }

    // Put back to an earlier state, the database is refused by both.
    bench.write("last.json", bundle(&[tool(9_999, "")]));
    for data in ["d", "e"] {
        bench.run(&["import", "--data", data, "last.json", "--tlp", "amber"]).expect(0);
    }
    bench.database("d", |database| database.run("UPDATE logs SET size = 1 WHERE id = 1"));
    for data in ["d", "e"] {
        bench.run(&["export", "--data", data, "--format", "stix"]).expect(6).says(&["rolled back"]);
    }
}

/// Nothing of the connection string is told, whatever is wrong with it.
#[test]
fn what_is_wrong_is_told_without_the_string() {
    let Some(Engine::Postgresql(server)) = server("what_is_wrong_is_told_without_the_string") else { return };
    let (bench, database) = (Bench::bare(), Database::make(&server));
    let (connection, string) = (bench.path("connection"), database.string());
    let init = || {
        let words = ["--name", "Zuiderlicht", "--country", "NL", "--sector", "semiconductors"];
        bench.run(&[&["init", "--data", "d", "--postgres", "connection"], &words[..]].concat())
    };
    let wrong = |string: &str, code: i32, words: &[&str]| {
        fs::write(&connection, string).unwrap();
        let ran = init().expect(code).says(words);
        assert!(!format!("{}{}", ran.out, ran.err).contains("horse"), "{}", ran.err);
        assert!(!bench.path("d").exists(), "nothing half made stays");
    };
    write_private(&connection, "");
    wrong("password=correct horse", 2, &["connection", "not a connection string"]);
    wrong(&format!("{string} sslmode=prefer"), 2, &["sslmode"]);
    wrong(&string.replace("user=", "user=nobody_"), 4, &["refuses this node"]);
    wrong("host=/nowhere user=x password=horse", 5, &["cannot be reached", "/nowhere"]);
    fs::set_permissions(&connection, fs::Permissions::from_mode(0o644)).unwrap();
    wrong(&string, 6, &["chmod 600"]);
    fs::set_permissions(&connection, fs::Permissions::from_mode(0o600)).unwrap();
    database.run("CREATE TABLE customers (id BIGINT)");
    wrong(&string, 2, &["not polder's"]);
    database.run("DROP TABLE customers");
    write_private(&connection, &string);
    init().expect(0);
    fs::rename(bench.path("d"), bench.path("e")).unwrap();
    init().expect(2).says(&["holds a node already"]);
}
