// SPDX-License-Identifier: Apache-2.0
//! Import, TAXII read and memory of a node, on ATT&CK from `../shared/data`:
//! `cargo bench -p polder --bench node [-- ROUNDS]`.
//!
//! Each round makes a fresh node, imports the bundle, serves it, reads it whole in pages of 1,000 and of 100.
//! Wall times are of whole processes; the server's own time is its user and system time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on stops"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const OBJECTS: f64 = 24_771.0;
const PROGRAM: &str = env!("CARGO_BIN_EXE_polder");
/// Of Linux, in which `/proc/PID/stat` counts.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/attack/enterprise-attack-18.1.json.zst");
    if !data.is_file() {
        println!("no ../shared/data beside the checkout: nothing to measure");
        return;
    }
    let rounds = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(5);
    let mut columns: [Vec<f64>; 7] = Default::default();
    for round in 0..rounds {
        let figures = one_round(&data);
        println!("round {round}: {figures:.0?}");
        columns.iter_mut().zip(figures).for_each(|(column, figure)| column.push(figure));
    }
    let names = [
        "import, objects/s (wall)",
        "import, objects/s (CPU)",
        "import again, all known, objects/s (wall)",
        "verify, records/s (wall)",
        "read, pages of 1,000, objects/s (server CPU)",
        "read, pages of 1,000, objects/s (wall)",
        "serve after reading, RSS MiB",
    ];
    for (name, column) in names.iter().zip(&mut columns) {
        column.sort_by(f64::total_cmp);
        let (low, high) = (column[0], column[column.len() - 1]);
        println!("{name:<48} median {:>9.0}   min {low:>9.0}   max {high:>9.0}", column[column.len() / 2]);
    }
}

fn one_round(data: &Path) -> [f64; 7] {
    let dir = std::env::temp_dir().join(format!("polder-bench-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let node = dir.to_str().expect("a path in UTF-8");
    let data = data.to_str().expect("a path in UTF-8");
    polder(&["init", "--data", node, "--name", "Bench", "--country", "NL", "--sector", "x"]);
    let cpu_before = children_cpu();
    let import = timed(&["import", "--data", node, data, "--tlp", "clear"]);
    let import_cpu = children_cpu() - cpu_before;
    let again = timed(&["import", "--data", node, data, "--tlp", "clear"]);
    let verify = timed(&["ledger", "verify", "--data", node]);
    let token = polder(&["token", "new", "--data", node, "--name", "bench"]);
    let (mut server, address) = serve(node);
    let token = token.trim();
    let id = collection(&address, token);
    read_all(&address, token, &id, 1_000);
    let (before, started) = (cpu(server.id()), Instant::now());
    let count = read_all(&address, token, &id, 1_000);
    let (wall, used) = (started.elapsed().as_secs_f64(), cpu(server.id()) - before);
    assert_eq!(count, OBJECTS as usize);
    assert_eq!(read_all(&address, token, &id, 100), OBJECTS as usize);
    let memory = resident(server.id());
    server.kill().expect("the server can be stopped");
    server.wait().expect("the server ends");
    fs::remove_dir_all(&dir).expect("the node can be removed");
    [
        OBJECTS / import,
        OBJECTS / import_cpu,
        OBJECTS / again,
        OBJECTS / verify,
        OBJECTS / used,
        OBJECTS / wall,
        memory,
    ]
}

fn polder(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn timed(args: &[&str]) -> f64 {
    let started = Instant::now();
    polder(args);
    started.elapsed().as_secs_f64()
}

fn serve(node: &str) -> (Child, String) {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--data", node, "--listen", "127.0.0.1:0", "--http"])
        .env("POLDER_LOG", "off")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it says where it listens");
    let address =
        line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    (child, address)
}

fn get(address: &str, path: &str, token: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the server answers");
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Accept: application/taxii+json;version=2.1\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the request goes out");
    let mut answer = Vec::with_capacity(2 << 20);
    stream.read_to_end(&mut answer).expect("the answer comes");
    assert!(
        answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer[..200.min(answer.len())])
    );
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    answer.split_off(body)
}

fn collection(address: &str, token: &str) -> String {
    let body = get(address, "/taxii2/root/collections/", token);
    let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    value["collections"][0]["id"].as_str().expect("a collection").to_owned()
}

fn read_all(address: &str, token: &str, id: &str, limit: usize) -> usize {
    let (mut next, mut count) = (String::new(), 0);
    loop {
        let body =
            get(address, &format!("/taxii2/root/collections/{id}/objects/?limit={limit}{next}"), token);
        // Only what the client needs to go on: parsing is not what is measured.
        let text = String::from_utf8(body).expect("UTF-8");
        count += text.matches("\"spec_version\"").count();
        let cursor = text.split("\"next\"").nth(1).and_then(|rest| rest.split('"').nth(1));
        match cursor {
            Some(cursor) => next = format!("&next={cursor}"),
            None => return count,
        }
    }
}

fn stat(path: &str, fields: [usize; 2]) -> f64 {
    let text = fs::read_to_string(path).expect("Linux");
    let rest = text.rsplit(") ").next().expect("fields");
    let field = |n: usize| rest.split(' ').nth(n - 3).and_then(|f| f.parse::<f64>().ok()).expect("a number");
    (field(fields[0]) + field(fields[1])) / TICKS_PER_SECOND
}

fn cpu(pid: u32) -> f64 {
    stat(&format!("/proc/{pid}/stat"), [14, 15])
}

fn children_cpu() -> f64 {
    stat("/proc/self/stat", [16, 17])
}

fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find(|l| l.starts_with("VmRSS")).expect("a size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}
