// SPDX-License-Identifier: Apache-2.0
//! `polder doctor`: what is wrong with a node, and what to do.

use ledger::verify;
use serde_json::json;

use crate::cli::Doctor;
use crate::failure::{Exit, Failure};
use crate::node::{LOG_KEY, NODE_SECRET, Node, ROOT_KEY, now};
use crate::out::say;
use model::time::Timestamp;

/// Free room below which a node should not write.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// Clocks may differ by this much before it is told, in microseconds.
const CLOCK_SKEW_MAX_US: i64 = 5 * 60 * 1_000_000;

struct Check {
    name: &'static str,
    fault: Option<String>,
    told: String,
}

/// Runs the command.
pub fn run(args: &Doctor) -> Result<Exit, Failure> {
    // A node that does not open has told why by itself.
    let node = Node::open(&args.data)?;
    let checks = [database(&node)?, log(&node)?, views(&node)?, keys(&node), disk(&node), clock(&node)?];
    let well = checks.iter().all(|check| check.fault.is_none());
    for check in &checks {
        if args.json {
            let fault = check.fault.as_deref();
            say!(
                "{}",
                json!({ "check": check.name, "ok": fault.is_none(), "told": check.told, "fault": fault })
            );
        } else {
            match &check.fault {
                None => say!("ok     {:<9} {}", check.name, check.told),
                Some(fault) => say!("FAULT  {:<9} {fault}", check.name),
            }
        }
    }
    Ok(if well { Exit::Done } else { Exit::NotFound })
}

fn check(name: &'static str, fault: Option<String>, told: impl Into<String>) -> Check {
    Check { name, fault, told: told.into() }
}

fn database(node: &Node) -> Result<Check, Failure> {
    let faults = node.store.integrity()?;
    let count = faults.len();
    let fault = faults.first().map(|first| match node.on_server {
        true => format!("{count} faults of the server, first: {first}; tell who runs it"),
        false => format!(
            "{count} faults in the file, first: {first}; restore the newest backup, or export what can be read"
        ),
    });
    let told = if node.on_server { "the server keeps its word" } else { "pages and indexes are sound" };
    Ok(check("database", fault, told))
}

fn log(node: &Node) -> Result<Check, Failure> {
    let report = node.store.read(|read| verify::verify(read, &node.root.origin, &node.root.log_key))?;
    let fault = report.faults.first().map(|first| {
        format!("the log does not verify: {first}; restore the newest backup that does, keep this copy as evidence")
    });
    Ok(check("log", fault, format!("{} records, size {}, signed", report.records, report.size)))
}

fn views(node: &Node) -> Result<Check, Failure> {
    let missing = node.store.missing_tables()?;
    let fault = (!missing.is_empty()).then(|| {
        format!("{} missing; start any polder command once more, it makes them anew", missing.join(", "))
    });
    let names: Vec<&str> = node.store.views().iter().map(|view| view.name()).collect();
    Ok(check("views", fault, names.join(", ")))
}

fn keys(node: &Node) -> Check {
    let faults = [node.dir.read_key::<64>(LOG_KEY).err(), node.dir.read_key::<32>(NODE_SECRET).err()];
    let fault = faults.into_iter().flatten().next().map(|failure| failure.message);
    let root = if node.dir.key_path(ROOT_KEY).exists() {
        "root key is in the data directory; keep it offline"
    } else {
        "root key is kept elsewhere"
    };
    check("keys", fault, root)
}

fn disk(node: &Node) -> Check {
    match rustix::fs::statvfs(node.dir.root()) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let fault = (free < FREE_BYTES_MIN).then(|| {
                format!("{} MiB free; free some space before the next import", free / (1024 * 1024))
            });
            check("disk", fault, format!("{} MiB free", free / (1024 * 1024)))
        }
        Err(error) => check("disk", Some(format!("cannot tell the free space: {error}")), ""),
    }
}

/// A clock that went back makes times of arrival run on by microseconds.
fn clock(node: &Node) -> Result<Check, Failure> {
    let mut last = None;
    node.store
        .read(|read| {
            read.query("SELECT time FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
                last = Some(Timestamp::from_micros(row.int(0)?));
                Ok(ledger::sql::Flow::Stop)
            })
        })
        .map_err(|e: ledger::sql::EngineError| e)?;
    let now = now();
    let fault = last.filter(|last| last.micros() > now.micros() + CLOCK_SKEW_MAX_US).map(|last| {
        format!("the newest record is of {last}, the clock says {now}: it went back; set it, records keep their order")
    });
    Ok(check("clock", fault, now.to_string()))
}
