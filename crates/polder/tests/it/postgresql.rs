// SPDX-License-Identifier: Apache-2.0
//! The program on a PostgreSQL database. `POLDER_TEST_POSTGRES` names the server; without it these tests are
//! skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::support::*;

/// A database of its own, made and dropped with the server's own client.
struct Database {
    server: String,
    name: String,
}

fn database(test: &str) -> Option<Database> {
    #[expect(clippy::disallowed_methods, reason = "which server the tests use is said from outside")]
    let server = std::env::var("POLDER_TEST_POSTGRES").unwrap_or_default();
    if server.is_empty() {
        skipped(&format!("polder/postgresql/{test}"), "POLDER_TEST_POSTGRES names no server");
        return None;
    }
    let database = Database { server, name: format!("polder_{}_{test}", std::process::id()) };
    database.psql(&database.server, &format!("CREATE DATABASE {} TEMPLATE template0", database.name));
    Some(database)
}

impl Database {
    fn string(&self) -> String {
        format!("{} dbname={} password='correct horse'", self.server, self.name)
    }

    fn psql(&self, string: &str, sql: &str) -> String {
        let mut ran = Command::new("psql");
        ran.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).arg(string);
        let output = ran.args(["-c", sql]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// With the connection string in a file that nobody else may read.
    fn bench(&self) -> Bench {
        let bench = Bench::bare();
        let path = bench.write("connection", self.string());
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        bench
    }

    fn init(&self, bench: &Bench) -> Ran {
        bench.run(&[
            "init",
            "--data",
            "d",
            "--postgres",
            "connection",
            "--name",
            "Zuiderlicht",
            "--country",
            "NL",
            "--sector",
            "semiconductors",
        ])
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = Command::new("psql").args(["-X", "-q"]).arg(&self.server).args(["-c", &sql]).output();
    }
}

/// Every command, as on a file.
#[test]
fn a_node_works_on_a_server() {
    let Some(database) = database("a_node_works") else { return };
    let (bench, file) = (database.bench(), Bench::new());
    database.init(&bench).expect(0);
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
    database.init(&bench).expect(2).says(&["holds a node already"]);
}

/// Each directory has runs of its own, and says that others have more; one that was copied with its runs is not
/// taken for the other.
#[test]
fn directories_on_one_database_have_histories_of_their_own() {
    let Some(database) = database("own_histories") else { return };
    let bench = database.bench();
    database.init(&bench).expect(0);
    let copy = |to: &str| {
        assert!(
            Command::new("cp")
                .args(["-a", "d", to])
                .current_dir(bench.dir.path())
                .status()
                .unwrap()
                .success()
        );
    };
    copy("e");
    bench.write("a.log", "2024-02-01T10:00:00Z 8.8.8.8\n");
    bench.write("b.log", "2024-02-02T10:00:00Z 8.8.8.8\n");
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(1);
    bench.run(&["hunt", "--data", "e", "b.log"]).expect(1);
    let seen =
        |data: &str| bench.run(&["seen", "--data", data, "8.8.8.8", "--json"]).expect(0).json().remove(0);
    for data in ["d", "e"] {
        let seen = seen(data);
        assert_eq!((seen["count"].as_u64(), seen["coverage"]["elsewhere"].as_u64()), (Some(1), Some(1)));
    }
    copy("f");
    bench.run(&["seen", "--data", "f", "8.8.8.8"]).expect(6).says(&["was copied", "history adopt"]);
    std::fs::remove_dir_all(bench.path("d")).unwrap();
    bench.run(&["history", "adopt", "--data", "f"]).expect(0);
    assert_eq!(seen("f")["count"].as_u64(), Some(1));
}

/// Two processes on one database: each has its own directory with the same keys, both write and serve.
#[test]
fn two_directories_share_a_database() {
    let Some(database) = database("two_directories") else { return };
    let bench = database.bench();
    database.init(&bench).expect(0);
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
    database.psql(&database.string(), "UPDATE logs SET size = 1 WHERE id = 1");
    for data in ["d", "e"] {
        bench.run(&["export", "--data", data, "--format", "stix"]).expect(6).says(&["rolled back"]);
    }
}

/// Nothing of the connection string is told, whatever is wrong with it.
#[test]
fn what_is_wrong_is_told_without_the_string() {
    let Some(database) = database("what_is_wrong") else { return };
    let bench = database.bench();
    let string = database.string();
    let wrong = |string: &str, code: i32, words: &[&str]| {
        fs::write(bench.path("connection"), string).unwrap();
        let ran = database.init(&bench).expect(code).says(words);
        assert!(!format!("{}{}", ran.out, ran.err).contains("horse"), "{}", ran.err);
        assert!(!bench.path("d").exists(), "nothing half made stays");
    };
    wrong("password=correct horse", 2, &["connection", "not a connection string"]);
    wrong(&format!("{string} sslmode=prefer"), 2, &["sslmode"]);
    wrong(&string.replace("user=", "user=nobody_"), 4, &["refuses this node"]);
    wrong("host=/nowhere user=x password=horse", 5, &["cannot be reached", "/nowhere"]);
    fs::set_permissions(bench.path("connection"), fs::Permissions::from_mode(0o644)).unwrap();
    wrong(&string, 6, &["chmod 600"]);
    fs::set_permissions(bench.path("connection"), fs::Permissions::from_mode(0o600)).unwrap();
    database.psql(&string, "CREATE TABLE customers (id BIGINT)");
    wrong(&string, 2, &["not polder's"]);
    database.psql(&string, "DROP TABLE customers");
    fs::write(bench.path("connection"), &string).unwrap();
    database.init(&bench).expect(0);
    database.psql(&string, "UPDATE polder_format SET format = 99");
    bench.run(&["export", "--data", "d", "--format", "stix"]).expect(6).says(&["newer polder", "format 99"]);
}
