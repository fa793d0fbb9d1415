// SPDX-License-Identifier: Apache-2.0
//! Law 3: what was acknowledged survives `kill -9`; a batch is wholly there or wholly absent.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::*;

on_both_engines! {
    what_was_acknowledged_survives_kill_9,
}

/// Kills at a moment that was acknowledged; fewer on a server, which is slower to let in.
const ACKNOWLEDGED_KILLS: u64 = 50;
const ACKNOWLEDGED_KILLS_ON_SERVER: u64 = 20;
/// Kills in the middle of a batch.
const MIDWAY_KILLS: u64 = 50;

/// Not for secrets: only to kill at other moments each time. The seed is fixed, the moments are the machine's.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn what_was_acknowledged_survives_kill_9(engine: &Engine) {
    let bench = Bench::on(engine);
    let kills = if engine.is_server() { ACKNOWLEDGED_KILLS_ON_SERVER } else { ACKNOWLEDGED_KILLS };
    let mut dice = Dice(1);
    let mut acknowledged = 0u64;
    for round in 0..kills {
        let names: Vec<String> = (0..8).map(|n| format!("r{round}-{n}.json")).collect();
        for (n, name) in names.iter().enumerate() {
            bench.write(
                name,
                bundle(&(0..5).map(|k| tool(round * 1_000 + n as u64 * 10 + k, "")).collect::<Vec<_>>()),
            );
        }
        let mut args = vec!["import", "--data", "d", "--json"];
        args.extend(names.iter().map(String::as_str));
        let mut child = bench.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let wanted = 1 + dice.below(8);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(wanted as usize).count() as u64;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(lines, wanted, "every file is acknowledged by a line");
        acknowledged += lines * 5;
        // Sent again: the acknowledged are known, of the others a batch is there or not.
        let again = bench.run(&args).expect(0).json();
        for (n, report) in again.iter().enumerate() {
            let (known, added) = (report["known"].as_u64().unwrap(), report["added"].as_u64().unwrap());
            assert_eq!(known + added, 5);
            assert!(known == 5 || known == 0, "a batch is wholly there or wholly absent: {report}");
            assert!(n as u64 >= wanted || known == 5, "acknowledged and lost: {report}");
        }
    }
    assert_eq!(bench.verified("d"), 1 + kills * 8 * 5);
    assert!(acknowledged >= kills * 5);
}

/// Only kills that came while the batch was on its way to the disk are counted: SQLite writes it to the
/// write-ahead log as it commits. On a server the store's tests end the session in mid-batch.
#[test]
fn a_batch_that_is_killed_midway_is_whole_or_absent() {
    const OBJECTS: u64 = 1_000;
    let bench = Bench::new();
    let mut dice = Dice(2);
    let (mut killed, mut absent, mut expected, mut round) = (0, 0, 1, 0u64);
    let wal = bench.path("d/polder.db-wal");
    let wal_bytes = || std::fs::metadata(&wal).map_or(0, |facts| facts.len());
    while killed < MIDWAY_KILLS {
        round += 1;
        assert!(round < 1_000, "the program ends before it can be killed: {killed} of {round}");
        let objects: Vec<String> = (0..OBJECTS)
            .map(|k| tool(round * 10_000 + k, r#""description":"a few bytes more to write","#))
            .collect();
        bench.write("batch.json", bundle(&objects));
        let args = ["import", "--data", "d", "--json", "batch.json"];
        let mut seen = wal_bytes();
        let mut child = bench.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let midway = loop {
            let now = wal_bytes();
            if now > seen {
                break true;
            }
            seen = now;
            if child.try_wait().unwrap().is_some() {
                break false;
            }
            sleep(Duration::from_micros(20));
        };
        // At the first page, or some way into the commit.
        sleep(Duration::from_micros(dice.below(4) * 400));
        let alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        let report: Value = bench.run(&args).expect(0).json().remove(0);
        let known = report["known"].as_u64().unwrap();
        assert!(known == 0 || known == OBJECTS, "half a batch: {report}");
        assert_eq!(known + report["added"].as_u64().unwrap(), OBJECTS);
        if midway && alive {
            killed += 1;
            absent += u64::from(known == 0);
        }
        expected += OBJECTS;
    }
    assert_eq!(bench.verified("d"), expected);
    assert!(absent > 0, "no kill came before a commit was complete");
}
