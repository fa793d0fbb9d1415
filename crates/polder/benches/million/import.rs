// SPDX-License-Identifier: Apache-2.0
//! Import by the program, verification of the whole log, and the server's memory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Plan;
use crate::common::{
    ATTACK_OBJECTS, PROGRAM, children_cpu, collection, cpu, fresh_copy, get, peak, percentile, polder,
    resident, serve, timed,
};

/// Objects at the end whose rate is told by itself.
const LAST: usize = 100_000;
/// Clients that read at the same time when memory is measured.
const CLIENTS: usize = 4;

pub fn run(plan: &Plan) {
    let dir = plan.dir.join("imported");
    let _ = fs::remove_dir_all(&dir);
    let node = dir.to_str().expect("a path in UTF-8");
    let files = files(plan);
    polder(&["init", "--data", node, "--name", "Bench", "--country", "NL", "--sector", "x"]);
    let (before, started) = (children_cpu(), Instant::now());
    let ends = import(node, &files, started);
    let (wall, used) = (started.elapsed().as_secs_f64(), children_cpu() - before);
    let objects = ATTACK_OBJECTS * files.len();
    let rate = |count: usize, seconds: f64| count as f64 / seconds;
    println!(
        "import of {objects}: {:.0} objects/s, {:.0} per CPU second",
        rate(objects, wall),
        rate(objects, used)
    );
    let last = LAST.div_ceil(ATTACK_OBJECTS).min(ends.len() - 1);
    let seconds = ends[ends.len() - 1] - ends[ends.len() - 1 - last];
    println!("last {} objects: {:.0} objects/s", last * ATTACK_OBJECTS, rate(last * ATTACK_OBJECTS, seconds));
    let bytes = fs::metadata(dir.join("polder.db")).expect("a database").len();
    println!("database {:.2} GB, {:.0} bytes an object", bytes as f64 / 1e9, bytes as f64 / objects as f64);
    for _ in 0..3 {
        let before = children_cpu();
        let seconds = timed(&["ledger", "verify", "--data", node]);
        println!(
            "ledger verify: {:.0} records/s, {:.0} per CPU second",
            rate(objects, seconds),
            rate(objects, children_cpu() - before)
        );
    }
    memory(node, plan.pages);
    if !plan.keep {
        fs::remove_dir_all(&dir).expect("the node can be removed");
    }
}

/// One compressed file for each copy; they stay when the directory is kept.
fn files(plan: &Plan) -> Vec<String> {
    let copies = 0..plan.copies;
    copies
        .map(|copy| {
            let path = plan.dir.join(format!("copy-{copy}.json.zst"));
            if !path.is_file() {
                let text = fresh_copy(&plan.json, copy);
                fs::write(&path, zstd::encode_all(text.as_slice(), 1).expect("zstd")).expect("room");
            }
            path.to_str().expect("a path in UTF-8").to_owned()
        })
        .collect()
}

/// One process imports all files; answers when each was done.
fn import(node: &str, files: &[String], started: Instant) -> Vec<f64> {
    let mut child = Command::new(PROGRAM)
        .args(["import", "--data", node, "--tlp", "clear"])
        .args(files)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the import starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut used = vec![0.0];
    let mut memory = 0.0;
    let ends: Vec<f64> = lines
        .map(|line| {
            let line = line.expect("text");
            let end = started.elapsed().as_secs_f64();
            assert!(line.contains(&format!("added {ATTACK_OBJECTS},")), "{line}");
            used.push(cpu(child.id()));
            memory = peak(child.id());
            end
        })
        .collect();
    println!("most memory of the import: {memory:.0} MiB");
    let rates: Vec<String> = used
        .windows(2)
        .map(|two| format!("{:.1}", ATTACK_OBJECTS as f64 / (two[1] - two[0]) / 1e3))
        .collect();
    println!("thousand objects per CPU second, file by file: {}", rates.join(" "));
    assert!(child.wait().expect("it ends").success());
    let rates: Vec<String> = std::iter::once(&0.0)
        .chain(&ends)
        .zip(&ends)
        .map(|(from, to)| format!("{:.1}", ATTACK_OBJECTS as f64 / (to - from) / 1e3))
        .collect();
    println!("thousand objects/s, file by file: {}", rates.join(" "));
    ends
}

/// Serves the node and reads pages of it with several clients.
fn memory(node: &str, pages: usize) {
    let token = polder(&["token", "new", "--data", node, "--name", &format!("bench-{}", std::process::id())]);
    let (mut server, address) = serve(node);
    let token = token.trim();
    let id = collection(&address, token);
    println!("serve at rest: {:.1} MiB resident", resident(server.id()));
    let (before, started) = (cpu(server.id()), Instant::now());
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (address, id) = (&address, &id);
                scope.spawn(move || {
                    let mut next = String::new();
                    let mut times = Vec::new();
                    for _ in 0..pages {
                        let asked = Instant::now();
                        let path = format!("/taxii2/root/collections/{id}/objects/?limit=1000{next}");
                        let text = String::from_utf8(get(address, &path, token)).expect("UTF-8");
                        times.push(asked.elapsed().as_secs_f64() * 1e3);
                        let cursor = text.split("\"next\"").nth(1).and_then(|rest| rest.split('"').nth(1));
                        next = cursor.map(|cursor| format!("&next={cursor}")).unwrap_or_default();
                    }
                    times
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let (wall, used) = (started.elapsed().as_secs_f64(), cpu(server.id()) - before);
    times.sort_by(f64::total_cmp);
    println!(
        "serve, {CLIENTS} clients, {} pages of 1,000: {:.1} MiB resident, peak {:.1} MiB; {:.2} ms of CPU and \
         {:.2} ms of wall time a page; a client waits p50 {:.1} ms, p99 {:.1} ms",
        times.len(),
        resident(server.id()),
        peak(server.id()),
        used * 1e3 / times.len() as f64,
        wall * 1e3 / times.len() as f64,
        percentile(&times, 0.5),
        percentile(&times, 0.99),
    );
    server.kill().expect("the server can be stopped");
    server.wait().expect("the server ends");
}
