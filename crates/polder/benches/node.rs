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

mod common;

use std::fs;
use std::path::Path;
use std::time::Instant;

use common::{
    ATTACK_OBJECTS, attack, children_cpu, collection, cpu, polder, read_all, resident, serve, timed,
};

const OBJECTS: f64 = ATTACK_OBJECTS as f64;

fn main() {
    let Some(data) = attack() else { return };
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
