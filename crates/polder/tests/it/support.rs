// SPDX-License-Identifier: Apache-2.0
//! Running the program in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use store::Location;
use store::postgresql::Address;

pub use crate::engine::Engine;
pub(crate) use crate::engine::on_both_engines;
use crate::engine::{Database, write_private};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_polder");

/// A directory that goes with the test, with the nodes in it and, on a server, their databases.
pub struct Bench {
    pub dir: tempfile::TempDir,
    engine: Engine,
    /// By the data directory of the node.
    databases: Mutex<BTreeMap<String, Database>>,
}

/// What a database held at some time.
pub enum Kept {
    Database(Database),
    Files(Vec<(PathBuf, Option<Vec<u8>>)>),
}

/// Files below a directory that hold these bytes.
fn files_holding(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_holding(&path, needle));
        } else if fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// What a run of the program gave.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// One JSON object for each line.
    pub fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The findings among the lines of `hunt --json`.
    pub fn findings(&self) -> Vec<Value> {
        self.json().into_iter().filter(|line| line["type"] == "finding").collect()
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// `doctor` found nothing: but of this machine's disk, and that the server of the tests does not wait for it.
    #[track_caller]
    pub fn finds_nothing(self) -> Ran {
        let outside = |line: &str| line.contains("disk") || line.contains("fsync is off");
        let well = self.out.lines().all(|line| !line.starts_with("FAULT") || outside(line));
        assert!(well && [0, 1].contains(&self.code), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// A message has what, where and what to do: it names these words.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Ran {
        for word in words {
            let told = self.err.contains(word) || self.out.contains(word);
            assert!(told, "`{word}` is not said\nout: {}\nerr: {}", self.out, self.err);
        }
        self
    }
}

impl Bench {
    /// Without a node; those that are made keep their records in a file.
    pub fn bare() -> Bench {
        Bench::bare_on(&Engine::File)
    }

    /// With a node in `d`, on a file.
    pub fn new() -> Bench {
        Bench::on(&Engine::File)
    }

    /// Without a node.
    pub fn bare_on(engine: &Engine) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        Bench { dir, engine: engine.clone(), databases: Mutex::default() }
    }

    /// With a node in `d`.
    pub fn on(engine: &Engine) -> Bench {
        let bench = Bench::bare_on(engine);
        bench.init("d");
        bench
    }

    /// Makes a node; answers its member id.
    pub fn init(&self, data: &str) -> String {
        let args = self.init_args(data);
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        args.push("--json");
        self.run(&args).expect(0).json()[0]["member"].as_str().unwrap().to_owned()
    }

    /// The command that makes a node: on a server in a database that is made here.
    pub fn init_args(&self, data: &str) -> Vec<String> {
        let words = ["--name", "Zuiderlicht", "--country", "NL", "--sector", "semiconductors"];
        let mut args: Vec<String> =
            ["init", "--data", data].iter().chain(&words).map(|&w| w.into()).collect();
        if let Engine::Postgresql(server) = &self.engine {
            let database = Database::make(server);
            write_private(&self.path("connection"), &database.string());
            self.databases.lock().unwrap().insert(data.to_owned(), database);
            args.extend(["--postgres", "connection"].map(String::from));
        }
        args
    }

    pub fn is_on_server(&self) -> bool {
        self.engine.is_server()
    }

    /// Where the node in a directory keeps its records.
    pub fn location(&self, data: &str) -> Location {
        match fs::read_to_string(self.path(&format!("{data}/postgres"))) {
            Ok(string) => Address::parse(&string).unwrap().into(),
            Err(_) => Location::File(self.path(&format!("{data}/polder.db"))),
        }
    }

    /// Works on the database of a node on a server.
    pub fn database<T>(&self, data: &str, work: impl FnOnce(&Database) -> T) -> T {
        work(&self.databases.lock().unwrap()[data])
    }

    /// What a node holds now, to be put back later.
    pub fn keep(&self, data: &str) -> Kept {
        if self.is_on_server() {
            return Kept::Database(self.database(data, Database::copied));
        }
        let file = |suffix: &str| self.path(&format!("{data}/polder.db{suffix}"));
        Kept::Files(["", "-wal", "-shm"].map(|suffix| (file(suffix), fs::read(file(suffix)).ok())).to_vec())
    }

    /// The database as it was, and everything beside it as it is.
    pub fn roll_back(&self, data: &str, kept: Kept) {
        match kept {
            Kept::Database(copy) => self.database(data, |database| database.put_back(copy)),
            Kept::Files(files) => files.into_iter().for_each(|(file, bytes)| match bytes {
                Some(bytes) => fs::write(file, bytes).unwrap(),
                None => drop(fs::remove_file(file)),
            }),
        }
    }

    /// Where these bytes lie: files of the directory, and the rows of a database on a server.
    pub fn holding(&self, data: &str, needle: &[u8]) -> Vec<String> {
        let mut found = files_holding(&self.path(data), needle);
        if self.is_on_server() {
            let dump = self.database(data, Database::dump);
            let (text, hex) = (std::str::from_utf8(needle).ok(), model::id::hex(needle));
            let holds = |line: &&str| line.contains(&hex) || text.is_some_and(|text| line.contains(text));
            found.extend(dump.lines().find(holds).map(|line| line.chars().take(80).collect()));
        }
        found
    }

    /// Makes a token; `more` says for whom and for what.
    pub fn token(&self, data: &str, name: &str, more: &[&str]) -> String {
        let args = [&["token", "new", "--data", data, "--name", name, "--json"], more].concat();
        self.run(&args).expect(0).json()[0]["token"].as_str().unwrap().to_owned()
    }

    /// Makes a community of the node in `d`.
    pub fn community(&self, name: &str) -> String {
        let made = self.run(&["community", "new", "--data", "d", "--name", name, "--json"]).expect(0).json();
        made[0]["community"].as_str().unwrap().to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(self.dir.path()).env_remove("POLDER_DATA").stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// `import` of one file into `d`, with `--json`; answers its report.
    pub fn import(&self, file: &str, more: &[&str], code: i32) -> Value {
        let mut args = vec!["import", "--data", "d", file, "--json"];
        args.extend(more);
        let report = self.run(&args).expect(code).json().remove(0);
        let count = |name: &str| report[name].as_u64().unwrap();
        assert_eq!(count("read"), count("added") + count("known") + count("refused"), "{report}");
        report
    }

    /// Member of the node in `d`, by the side file's first line.
    pub fn member(&self) -> model::id::MemberId {
        let published = fs::read_to_string(self.path("d/published")).unwrap();
        let member = published.split('/').nth(1).unwrap();
        model::id::MemberId::parse(member).unwrap()
    }

    /// Effective marking of every exported object by id.
    pub fn exported(&self, data: &str) -> BTreeMap<String, String> {
        let bundle = self.run(&["export", "--data", data, "--format", "stix"]).expect(0);
        let bundle: Value = serde_json::from_str(&bundle.out).unwrap();
        let objects = bundle["objects"].as_array().cloned().unwrap_or_default();
        let mut all = BTreeMap::new();
        for run in bundle["x_polder_markings"].as_array().into_iter().flatten() {
            for nth in run["first"].as_u64().unwrap()..=run["last"].as_u64().unwrap() {
                let id = objects[nth as usize]["id"].as_str().unwrap();
                all.insert(id.to_owned(), run["marking"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(all.len(), objects.len(), "every object is in one run");
        all
    }

    /// The log verifies; answers its size.
    pub fn verified(&self, data: &str) -> u64 {
        self.run(&["ledger", "verify", "--data", data, "--json"]).expect(0).json()[0]["size"]
            .as_u64()
            .unwrap()
    }
}

/// A running `serve`, which ends with the test.
pub struct Serving {
    child: Child,
    // Kept open: what the server says must have somewhere to go.
    _stderr: BufReader<ChildStderr>,
    pub address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bench {
    /// Starts `serve` on a port of its own.
    pub fn serve(&self, data: &str) -> Serving {
        let mut child = self
            .command(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--http"])
            .env("POLDER_LOG", "off")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address =
            address.unwrap_or_else(|| panic!("it does not say where it listens: {line}")).to_owned();
        Serving { child, _stderr: stderr, address }
    }
}

impl Serving {
    /// Status and document of an answer.
    pub fn ask(&self, path: &str, token: &str) -> (u16, Value) {
        self.send("GET", path, token, b"")
    }

    /// Posts an envelope: status and document of the answer.
    pub fn post(&self, path: &str, token: &str, body: &str) -> (u16, Value) {
        self.send("POST", path, token, body.as_bytes())
    }

    /// Status and document of the answer to a request; null where it has none.
    pub fn send(&self, method: &str, path: &str, token: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let kind = "application/taxii+json;version=2.1";
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: {kind}\r\n\
             Connection: close\r\n",
            self.address
        );
        if method != "GET" {
            head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(body)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        let document = (!body.is_empty()).then(|| serde_json::from_str(body));
        (status, document.map_or(Value::Null, |read| read.unwrap_or_else(|e| panic!("{e}: {answer}"))))
    }

    /// The document at a path.
    #[track_caller]
    pub fn get(&self, path: &str, token: &str) -> Value {
        let (status, document) = self.ask(path, token);
        assert_eq!(status, 200, "{path}: {document}");
        document
    }
}

/// The folder of shared data beside the checkout, where there is one. A test that needs it and finds none
/// says so (`CONTRIBUTING.md`).
pub fn shared(test: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if path.is_dir() {
        return Some(path);
    }
    skipped(test, "no folder ../shared beside the checkout");
    None
}

/// A test that cannot run here says so.
pub fn skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED: {test}: {reason}\n");
    match std::env::var_os("POLDER_SKIPS") {
        Some(file) => {
            fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(file)
                .unwrap()
                .write_all(line.as_bytes())
                .unwrap();
        }
        None => print!("{line}"),
    }
}

/// The examples of the project.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// A TLP 2.0 marking definition by its short name.
pub fn tlp(name: &str) -> &'static str {
    match name {
        "clear" => "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
        "green" => "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        "amber" => "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        "amber+strict" => "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
        "red" => "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
        other => panic!("no label {other}"),
    }
}

pub fn tool_id(n: u64) -> String {
    format!("tool--00000000-0000-4000-8000-{n:012x}")
}

/// A STIX tool; `extra` are more properties, each with a comma behind it.
pub fn tool(n: u64, extra: &str) -> String {
    format!(
        r#"{{"type":"tool","spec_version":"2.1","id":"{}",{extra}"created":"2024-01-01T00:00:00.000Z","modified":"2024-01-02T00:00:00.000Z","name":"tool {n}"}}"#,
        tool_id(n)
    )
}

pub fn marked(n: u64, label: &str) -> String {
    tool(n, &format!(r#""object_marking_refs":["{}"],"#, tlp(label)))
}

pub fn bundle(objects: &[String]) -> String {
    format!(
        r#"{{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[{}]}}"#,
        objects.join(",\n")
    )
}
