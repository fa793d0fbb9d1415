// SPDX-License-Identifier: Apache-2.0
//! What the measurements share: the program as processes, a client, CPU and memory of a process, data.

#![allow(dead_code, reason = "each measurement uses its part")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use sha2::{Digest, Sha256};

/// Objects of ATT&CK enterprise v18.1.
pub const ATTACK_OBJECTS: usize = 24_771;
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_polder");
/// Of Linux, in which `/proc/PID/stat` counts.
const TICKS_PER_SECOND: f64 = 100.0;

/// ATT&CK's file, if it is there.
pub fn attack() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/attack/enterprise-attack-18.1.json.zst");
    if !data.is_file() {
        println!("no ../shared/data beside the checkout: nothing to measure");
        return None;
    }
    Some(data)
}

/// ATT&CK's JSON with the UUID of every id changed by a mask that belongs to `copy`: what referred to an
/// object of the copy refers to it still. Version and variant of each UUID stay.
pub fn fresh_copy(json: &[u8], copy: u32) -> Vec<u8> {
    const UUID_CHARS: usize = 36;
    let mask: [u8; 32] = Sha256::digest(copy.to_be_bytes()).into();
    let mut out = json.to_vec();
    let mut at = 0;
    while let Some(found) = memchr::memmem::find(&out[at..], b"--") {
        let from = at + found + 2;
        at = from;
        let Some(text) = out.get_mut(from..from + UUID_CHARS) else { break };
        let is_uuid = text.iter().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => *c == b'-',
            _ => matches!(c, b'0'..=b'9' | b'a'..=b'f'),
        });
        if is_uuid {
            for (i, c) in text.iter_mut().enumerate().filter(|(i, _)| ![8, 13, 14, 18, 19, 23].contains(i)) {
                let digit = (*c as char).to_digit(16).expect("a digit") ^ u32::from(mask[i % 32] >> 4);
                *c = char::from_digit(digit, 16).expect("a digit") as u8;
            }
            at = from + UUID_CHARS;
        }
    }
    out
}

/// The value that `share` of the sorted values do not exceed.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

pub fn polder(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn timed(args: &[&str]) -> f64 {
    let started = Instant::now();
    polder(args);
    started.elapsed().as_secs_f64()
}

pub fn serve(node: &str) -> (Child, String) {
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

pub fn get(address: &str, path: &str, token: &str) -> Vec<u8> {
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

pub fn collection(address: &str, token: &str) -> String {
    let body = get(address, "/taxii2/root/collections/", token);
    let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    value["collections"][0]["id"].as_str().expect("a collection").to_owned()
}

pub fn read_all(address: &str, token: &str, id: &str, limit: usize) -> usize {
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

pub fn cpu(pid: u32) -> f64 {
    stat(&format!("/proc/{pid}/stat"), [14, 15])
}

pub fn children_cpu() -> f64 {
    stat("/proc/self/stat", [16, 17])
}

pub fn resident(pid: u32) -> f64 {
    memory(pid, "VmRSS")
}

fn memory(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find(|l| l.starts_with(name)).expect("a size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}

/// Most memory that the process ever had, MiB.
pub fn peak(pid: u32) -> f64 {
    memory(pid, "VmHWM")
}
