// SPDX-License-Identifier: Apache-2.0
//! Running the program in a directory of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_polder");

/// A directory that goes with the test, and a node in it.
pub struct Bench {
    pub dir: tempfile::TempDir,
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

    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
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
    /// Without a node.
    pub fn bare() -> Bench {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    /// With a node in `d`.
    pub fn new() -> Bench {
        let bench = Bench::bare();
        bench.init("d");
        bench
    }

    /// Makes a node; answers its member id.
    pub fn init(&self, data: &str) -> String {
        let ran = self.run(&[
            "init",
            "--data",
            data,
            "--name",
            "Zuiderlicht",
            "--country",
            "NL",
            "--sector",
            "semiconductors",
            "--json",
        ]);
        ran.expect(0).json()[0]["member"].as_str().unwrap().to_owned()
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
    pub fn exported(&self, data: &str) -> std::collections::BTreeMap<String, String> {
        let bundle = self.run(&["export", "--data", data, "--format", "stix"]).expect(0);
        let bundle: Value = serde_json::from_str(&bundle.out).unwrap();
        let objects = bundle["objects"].as_array().cloned().unwrap_or_default();
        let mut all = std::collections::BTreeMap::new();
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
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Accept: application/taxii+json;version=2.1\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}")))
    }

    /// Posts an envelope: status and document of the answer.
    pub fn post(&self, path: &str, token: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Accept: application/taxii+json;version=2.1\r\nContent-Type: application/taxii+json;version=2.1\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}")))
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
