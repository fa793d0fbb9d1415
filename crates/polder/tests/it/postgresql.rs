// SPDX-License-Identifier: Apache-2.0
//! The program on a PostgreSQL database. `POLDER_TEST_POSTGRES` names the server; without it these tests are
//! skipped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::engine::{Database, OwnServer, psql, write_private};
use crate::hunting::{hunt_while, node_that_hunts, tells_what_was_found_without_the_database};
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
        // A table says how fast it was.
        &["hunt", &logs, "--data", "d", "--format", "csv"][..],
        &["hunt", "access.log", "--data", "d", "--format", "csv"],
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

/// Each directory has runs of its own, and says that others have more; one that was copied with its runs is not
/// taken for the other.
#[test]
fn directories_on_one_database_have_histories_of_their_own() {
    let Some(server) = server("directories_on_one_database_have_histories_of_their_own") else { return };
    let bench = Bench::on(&server);
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
    bench.write("list.txt", "8.8.8.8\n");
    bench.run(&["hunt", "--data", "e", "--indicators", "list.txt", "b.log"]).expect(0);
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
    // What is forgotten in one is not in the other, and the receipt says so.
    let args = ["forget", "--data", "e", "8.8.8.8", "--purpose", "request", "--findings", "--json"];
    let told = bench.run(&args).expect(0).says(&["1 run in other directories"]).json().remove(0);
    let of = |name: &str| told[name].as_u64();
    assert_eq!([of("count"), of("findings_erased"), of("runs_elsewhere")], [Some(1); 3]);
    assert_eq!(seen("f")["count"].as_u64(), Some(1));
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

// --- faults of the server ---

/// Collections, and the objects of each, by the face; or the status that is no 200.
fn served(serving: &Serving, token: &str) -> Result<usize, (u16, serde_json::Value)> {
    let path = "/taxii2/root/collections/";
    let ask = |path: &str| match serving.ask(path, token) {
        (200, document) => Ok(document),
        refused => Err(refused),
    };
    let mut objects = 0;
    for collection in ask(path)?["collections"].as_array().unwrap() {
        let page = ask(&format!("{path}{}/objects/?limit=9999", collection["id"].as_str().unwrap()))?;
        objects += page["objects"].as_array().map_or(0, Vec::len);
    }
    Ok(objects)
}

/// The node of a bench under another role, which is no superuser: its limits hold.
fn as_role(bench: &Bench, role: &str) {
    bench.database("d", |database| {
        database.run(&format!(
            "CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
        ));
        write_private(&bench.path("d/postgres"), &format!("{} user={role}", database.string()));
    });
}

fn drop_role(bench: &Bench, role: &str) {
    bench.database("d", |database| database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")));
}

/// Killed in the middle of an import: it ends and says so; when the server is back the same command goes on,
/// and what was acknowledged is there.
#[test]
fn a_server_that_is_killed_under_an_import() {
    let Some(given) = server("a_server_that_is_killed_under_an_import") else { return };
    let mut own = OwnServer::start(&given);
    let bench = Bench::on(&own.engine());
    let files: Vec<String> = (0..40).map(|n| format!("{n}.json")).collect();
    for (n, file) in files.iter().enumerate() {
        let first = n as u64 * 1_000;
        bench.write(file, bundle(&(first..first + 100).map(|n| tool(n, "")).collect::<Vec<_>>()));
    }
    let mut args = vec!["import", "--data", "d", "--json"];
    args.extend(files.iter().map(String::as_str));
    let (mut expected, mut killed) = (1, 0);
    for _ in 0..3 {
        let mut child = bench.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        // The second line that tells of something new.
        let mut added = 0;
        while added < 2
            && let Some(line) = out.next()
        {
            let report: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            added += u64::from(report["added"] == 100);
        }
        own.kill();
        let acknowledged =
            added + out.map(|line| u64::from(line.unwrap().contains("\"added\":100"))).sum::<u64>();
        let ran = Ran::of(child.wait_with_output().unwrap());
        expected += acknowledged * 100;
        if ran.code != 0 {
            killed += 1;
            let told =
                ran.err.contains("cannot be reached") || ran.err.contains("was lost while it committed");
            assert!(ran.code == 5 && told && ran.err.contains("run the same command again"), "{}", ran.err);
        }
        bench.run(&args).expect(5).says(&["cannot be reached"]);
        own.run();
        // A batch whose answer was lost is wholly there or wholly absent.
        let held = bench.verified("d");
        assert!(held == expected || held == expected + 100, "{held} of {expected}");
        expected = held;
    }
    assert!(killed > 0, "each import had ended before the server was killed");
    let reports = bench.run(&args).expect(0).json();
    let count = |name: &str| reports.iter().map(|report| report[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((count("known"), count("known") + count("added")), (expected - 1, 4_000));
    assert_eq!(bench.verified("d"), 4_001);
}

/// Killed under a `serve` that waits: it says 503 meanwhile, and goes on by itself.
#[test]
fn a_server_that_is_killed_under_an_idle_serve() {
    let Some(given) = server("a_server_that_is_killed_under_an_idle_serve") else { return };
    let mut own = OwnServer::start(&given);
    let bench = Bench::on(&own.engine());
    let token = bench.token("d", "t", &["--write"]);
    let serving = bench.serve("d");
    let collections = serving.get("/taxii2/root/collections/", &token);
    let path = format!(
        "/taxii2/root/collections/{}/objects/",
        collections["collections"][0]["id"].as_str().unwrap()
    );
    let envelope = |n: u64| format!("{{\"objects\":[{}]}}", marked(n, "green"));
    for round in 0..2 {
        assert_eq!(serving.post(&path, &token, &envelope(round)).0, 202);
        assert_eq!(served(&serving, &token), Ok(usize::try_from(round).unwrap() + 1));
        own.kill();
        let (status, told) = served(&serving, &token).unwrap_err();
        assert_eq!(status, 503, "{told}");
        let (status, told) = serving.post(&path, &token, &envelope(100 + round));
        assert_eq!(status, 503, "{told}");
        own.run();
    }
    assert_eq!(serving.post(&path, &token, &envelope(9)).0, 202);
    assert_eq!(served(&serving, &token), Ok(3));
    drop(serving);
    assert_eq!(bench.verified("d"), 4);
}

/// No connection is left: commands say so, a server answers 503, and both go on when there is one.
#[test]
fn a_server_out_of_connections() {
    let Some(given) = server("a_server_out_of_connections") else { return };
    let bench = Bench::on(&given);
    bench.write("a.json", bundle(&[marked(1, "green")]));
    let token = bench.token("d", "t", &[]);
    let role = format!("{}_few", bench.database("d", |database| database.name().to_owned()));
    as_role(&bench, &role);
    let serving = bench.serve("d");
    assert_eq!(served(&serving, &token), Ok(0));
    let limit = |limit: i32| {
        bench.database("d", |database| {
            // In two transactions: the server connects again as long as it does not see the limit.
            database.run(&format!("ALTER ROLE {role} CONNECTION LIMIT {limit}"));
            database.run(&format!(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '{role}'"
            ))
        });
    };
    limit(0);
    let import = || bench.run(&["import", "--data", "d", "a.json"]);
    import().expect(6).says(&["no connection to spare", "too many connections for role"]);
    bench.run(&["doctor", "--data", "d"]).expect(6).says(&["FAULT  database", "no connection to spare"]);
    assert_eq!(served(&serving, &token).unwrap_err().0, 503);
    // One is enough to read, not to write beside.
    drop(serving);
    limit(1);
    bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0);
    import().expect(6).says(&["no connection to spare"]);
    limit(-1);
    import().expect(0).says(&["added 1"]);
    assert_eq!(bench.verified("d"), 2);
    drop_role(&bench, &role);
}

/// What reads goes on; what writes says why it cannot.
fn reads_and_does_not_write(bench: &Bench, data: &str, tokens: &[&str; 2]) {
    bench.write("new.json", bundle(&[marked(99, "green")]));
    assert!(bench.exported(data).contains_key(&tool_id(1)));
    bench.verified(data);
    bench.run(&["explain", "--data", data, &tool_id(1), "--for", &"0".repeat(64)]).expect(1);
    bench.run(&["doctor", "--data", data]).finds_nothing();
    for args in [
        &["import", "--data", data, "new.json"][..],
        &["recall", "--data", data, &tool_id(1), "--withdraw"],
        &["community", "new", "--data", data, "--name", "x"],
        &["token", "new", "--data", data, "--name", "x"],
        &["token", "revoke", "--data", data, "--name", "t"],
        &["rebuild", "--data", data],
        &["key", "rotate", "log", "--data", data],
        // What is handed out is noted, so that the log can be held to it.
        &["ledger", "prove", "--data", data, &tool_id(1)],
    ] {
        bench.run(args).expect(6).says(&["takes no writing", "connect to the primary"]);
    }
    let serving = bench.serve(data);
    let [reader, writer] = tokens;
    assert_eq!(served(&serving, reader), Ok(1));
    let collections = serving.get("/taxii2/root/collections/", writer);
    let id = collections["collections"][0]["id"].as_str().unwrap();
    let path = format!("/taxii2/root/collections/{id}/objects/");
    let (status, told) = serving.post(&path, writer, &format!("{{\"objects\":[{}]}}", marked(98, "green")));
    assert_eq!(status, 500, "{told}");
    assert_eq!(served(&serving, reader), Ok(1), "it goes on");
}

#[test]
fn a_read_only_database_is_read() {
    let Some(given) = server("a_read_only_database_is_read") else { return };
    let bench = Bench::on(&given);
    bench.write("a.json", bundle(&[marked(1, "green")]));
    bench.import("a.json", &[], 0);
    let tokens = [bench.token("d", "t", &[]), bench.token("d", "w", &["--write"])];
    let Engine::Postgresql(administrator) = &given else { return };
    let set = |value: &str| {
        let name = bench.database("d", |database| database.name().to_owned());
        psql(administrator, &format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"));
    };
    set("on");
    reads_and_does_not_write(&bench, "d", &[&tokens[0], &tokens[1]]);
    set("off");
    bench.import("new.json", &[], 0);
    assert_eq!(bench.verified("d"), 3);
}

/// A standby that follows: another directory with the same keys reads there.
#[test]
fn a_standby_is_read() {
    let Some(given) = server("a_standby_is_read") else { return };
    let primary = OwnServer::start(&given);
    let bench = Bench::on(&primary.engine());
    bench.write("a.json", bundle(&[marked(1, "green")]));
    bench.import("a.json", &[], 0);
    let tokens = [bench.token("d", "t", &[]), bench.token("d", "w", &["--write"])];
    let standby = OwnServer::follow(&given, &primary);
    let copied = Command::new("cp").args(["-a", "d", "e"]).current_dir(bench.dir.path()).status().unwrap();
    assert!(copied.success());
    let name = bench.database("d", |database| database.name().to_owned());
    write_private(&bench.path("e/postgres"), &format!("{} dbname={name}", standby.string()));
    reads_and_does_not_write(&bench, "e", &[&tokens[0], &tokens[1]]);
    // It follows.
    bench.write("b.json", bundle(&[marked(2, "green")]));
    bench.import("b.json", &[], 0);
    let followed = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        bench.exported("e").contains_key(&tool_id(2))
    });
    assert!(followed, "the standby did not follow");
}

/// The server's disk is full at each statement that writes: nothing of the batch is there, and it works on.
#[test]
fn a_server_whose_disk_is_full_at_every_write() {
    let Some(given) = server("a_server_whose_disk_is_full_at_every_write") else { return };
    let bench = Bench::on(&given);
    bench.import(examples().join("bundle.json").to_str().unwrap(), &[], 0);
    let run = |sql: &str| bench.database("d", |database| database.run(sql));
    run("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$");
    let (mut refused, mut held) = (Vec::new(), bench.verified("d"));
    for (nth, table) in run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").lines().enumerate()
    {
        // An indicator and what refers to an address write to most tables.
        let first = 1_000 * nth as u64;
        let seen = format!("\"x_seen_ref\":\"ipv4-addr--00000000-0000-5000-8000-{first:012x}\",");
        bench.write("a.json", bundle(&(first..first + 20).map(|n| tool(n, &seen)).collect::<Vec<_>>()));
        run(&format!(
            "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION full_disk()"
        ));
        let ran = bench.run(&["import", "--data", "d", "a.json", "--tlp", "green"]);
        run(&format!("DROP TRIGGER full_disk ON {table}"));
        if ran.code != 0 {
            ran.expect(6).says(&["free some space", "nothing was half written"]);
            assert_eq!(bench.verified("d"), held, "{table}");
            bench.import("a.json", &["--tlp", "green"], 0);
            refused.push(table.to_owned());
        }
        held += 20;
        assert_eq!(bench.verified("d"), held, "{table}");
    }
    for table in
        ["bodies", "checkpoints", "logs", "placed", "placements", "records", "refs", "subjects", "tiles"]
    {
        assert!(refused.iter().any(|refused| refused == table), "{table} is not among {refused:?}");
    }
    bench.run(&["doctor", "--data", "d"]).finds_nothing();
}

/// The records are on the server, but the side file is on a disk that is full: nothing is let out, and the
/// command says so.
#[test]
fn a_side_file_without_room_beside_a_server() {
    let Some(given) = server("a_side_file_without_room_beside_a_server") else { return };
    let bench = Bench::on(&given);
    for n in 0..2u64 {
        bench.write("a.json", bundle(&(n * 20..n * 20 + 20).map(|n| marked(n, "green")).collect::<Vec<_>>()));
        let script = format!("ulimit -f 0; exec {PROGRAM} import --data d --json a.json");
        let output =
            Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
        Ran::of(output).expect(6).says(&["published", "Make room", "was appended is kept"]);
        bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  side-file", "it is older"]);
        assert_eq!(bench.import("a.json", &[], 0)["known"].as_u64(), Some(20));
        assert_eq!(bench.verified("d"), 1 + (n + 1) * 20);
        bench.run(&["doctor", "--data", "d"]).finds_nothing();
    }
}

/// A page of the server's files that is not what it was: an error that says what to do or the right answer,
/// never another.
#[test]
fn a_corrupt_page_of_a_server_is_never_silent() {
    let Some(given) = server("a_corrupt_page_of_a_server_is_never_silent") else { return };
    let mut own = OwnServer::start(&given);
    let bench = Bench::on(&own.engine());
    bench.write("a.json", bundle(&(0..50).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let content = |out: &str| out.split_once("x_polder_markings").map(|(_, content)| content.to_owned());
    let export = || bench.run(&["export", "--data", "d", "--format", "stix"]);
    let right = content(&export().expect(0).out).unwrap();
    for relation in
        ["audiences", "bodies", "checkpoints", "logs", "records", "records_pkey", "subjects", "tiles"]
    {
        let path = bench.database("d", |database| {
            database.run(&format!("CHECKPOINT; SELECT pg_relation_filepath('{relation}')"))
        });
        own.stop();
        let path = own.data().join(path);
        let sound = fs::read(&path).unwrap();
        let mut harmed = sound.clone();
        harmed.iter_mut().take(8_192).for_each(|byte| *byte = 0xA5);
        fs::write(&path, harmed).unwrap();
        own.run();
        let (export, verify) = (export(), bench.run(&["ledger", "verify", "--data", "d"]));
        let doctor = bench.run(&["doctor", "--data", "d"]);
        for ran in [&export, &verify] {
            let told =
                ran.err.contains("the database is damaged") && ran.err.contains("restore the newest backup");
            assert!(
                ran.code == 0 || (ran.code == 6 && told),
                "{relation}: {} {} {}",
                ran.code,
                ran.out,
                ran.err
            );
        }
        assert!(export.code != 0 || content(&export.out).as_ref() == Some(&right), "{relation}");
        assert!(export.code != 0 || verify.code != 0, "{relation} was not missed");
        assert!(
            [1, 6].contains(&doctor.code) && doctor.out.contains("is damaged"),
            "{relation}: {}",
            doctor.out
        );
        own.stop();
        fs::write(&path, sound).unwrap();
        own.run();
    }
    assert_eq!(bench.verified("d"), 51);
}

/// What is listed by a text is in the order of its bytes, as on a file, whatever the locale of the database.
#[test]
fn order_is_by_bytes_whatever_the_locale() {
    let Some(given) = server("order_is_by_bytes_whatever_the_locale") else { return };
    let (bench, file) = (Bench::on(&given), Bench::new());
    let names = ["b", "B", "a", "_", "é", "Z", "z", "aa", "A-b", "ab", "Ab", "10", "9"];
    let in_locale = bench.database("d", |database| {
        database.run("SELECT string_agg(n, ' ' ORDER BY n) FROM unnest(ARRAY['b', 'B', 'a', '_', 'Z']) n")
    });
    assert_eq!(in_locale, "_ a b B Z", "the database sorts by another order than bytes");
    let others = "SELECT format('%s.%s', c.relname, a.attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.atttypid = 'text'::regtype
        AND a.attcollation <> '\"C\"'::regcollation";
    assert_eq!(bench.database("d", |database| database.run(others)), "", "columns that follow the locale");
    for bench in [&bench, &file] {
        fs::create_dir(bench.path("logs")).unwrap();
        for name in names {
            // The same bytes under another name are counted once.
            bench.write(&format!("logs/{name}.log"), format!("{name}: from 203.0.113.7\n"));
        }
        bench.write("list.txt", "203.0.113.7\n");
        bench.import("list.txt", &["--format", "text"], 0);
        bench.run(&["hunt", "--data", "d", "logs"]).expect(0);
    }
    let listed = |bench: &Bench| -> Vec<String> {
        let found = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
        let file = |finding: &serde_json::Value| {
            finding["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        };
        found.iter().map(file).collect()
    };
    let told = listed(&bench);
    assert_eq!(told, listed(&file));
    let mut by_bytes: Vec<String> = names.iter().map(|name| format!("{name}.log")).collect();
    by_bytes.sort();
    assert_eq!(told, by_bytes);
}

/// A database of format 9 is brought forward: the register of files then knows zones, and lost nothing.
#[test]
fn a_database_of_format_9_is_brought_forward() {
    let Some(given) = server("a_database_of_format_9_is_brought_forward") else { return };
    let bench = Bench::on(&given);
    bench.write("a.log", "2024-07-01 12:00:00 to 198.51.100.7\n");
    bench.run(&["hunt", "--no-packs", "--data", "d", "a.log", "--tz", "+02:00"]).expect(1);
    bench.database("d", |database| {
        database.run(
            "ALTER TABLE hunt_files DROP COLUMN zone, DROP COLUMN kinds; DROP TABLE hunt_forgotten; DROP INDEX hunt_files_head;
             DROP TABLE hunt_detections; DROP TABLE hunt_sought;
             ALTER TABLE hunt_files DROP COLUMN content_sha256, DROP COLUMN content_size, DROP COLUMN packed_path;
             ALTER TABLE hunt_files DROP COLUMN times_asked, DROP COLUMN times_untimed, DROP COLUMN times_set_apart;
             ALTER TABLE hunt_outbox DROP COLUMN objects, DROP COLUMN bare_subject, DROP COLUMN bare;
             ALTER TABLE hunt_findings DROP COLUMN clipped, DROP COLUMN host, DROP COLUMN account,
                 DROP COLUMN source, DROP COLUMN kept, DROP COLUMN owed;
             UPDATE polder_format SET format = 9",
        )
    });
    bench.write("b.log", "2024-07-01 12:00:00 to 198.51.100.8\n");
    bench.run(&["hunt", "--no-packs", "--data", "d", "b.log", "--tz", "+02:00"]).expect(1);
    bench.write("list.txt", "198.51.100.7\n198.51.100.8\n");
    bench.import("list.txt", &["--format", "text"], 0);
    let found = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
    let time = |value: &str| found.iter().find(|one| one["value"] == value).unwrap()["time"].clone();
    assert_eq!(time("198.51.100.7"), "2024-07-01T12:00:00.000000Z", "nobody wrote its zone down");
    assert_eq!(time("198.51.100.8"), "2024-07-01T10:00:00.000000Z");
}

/// A hunt whose server went away was given up, and what it had found was told to nobody.
#[test]
fn a_server_that_is_killed_under_a_hunt_keeps_no_finding_from_being_told() {
    let Some(given) = server("a_server_that_is_killed_under_a_hunt_keeps_no_finding_from_being_told") else {
        return;
    };
    let mut own = OwnServer::start(&given);
    let bench = node_that_hunts(&own.engine());
    for form in ["json", "table", "stix"] {
        let ran = hunt_while(&bench, form, || own.kill());
        tells_what_was_found_without_the_database(&ran, form, 5, "the hunt goes on");
        let report = bench.run(&["finding", "report", "--data", "d"]).expect(5);
        assert!(report.out.is_empty() && !report.err.is_empty(), "{} {}", report.out, report.err);
        own.run();
    }
    assert_eq!(hunt_while(&bench, "json", || {}).expect(3).findings().len(), 2);
    let report = bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(3);
    assert_eq!(report.findings().len(), 2);
}
