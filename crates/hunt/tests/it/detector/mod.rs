// SPDX-License-Identifier: Apache-2.0
//! The detectors: on what the generator makes, and on single stories.

mod data;
mod doors;
mod gate;
mod laws;
mod mapping;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hunt::detection::Detection;
use hunt::detector::{Detectors, Options, PlaceFiles};
use hunt::event::Reader;
use hunt::reader::Block;
use hunt::time::Clock;
use loggen::{Family, Firm, Line};

/// Options with the generator's places.
pub fn options(places: Vec<u8>) -> Options {
    let mut files = PlaceFiles::default();
    files.add("places.mmdb", places).unwrap();
    Options { places: Some(Arc::new(files)), ..Options::default() }
}

/// Lets detectors see a log as the readers read it.
pub fn observe_log(detectors: &mut Detectors, log: &[u8], name: &str, found: &mut Vec<Detection>) {
    let mut reader = Reader::new(log, name, Clock::default());
    let block = Block { bytes: log.to_vec(), offset: 0, first_line: 1 };
    let lines = reader.block(&block);
    lines.events(&block, &mut |line, read| {
        let event =
            read.unwrap_or_else(|unread| panic!("{name}: {unread:?}: {}", String::from_utf8_lossy(line)));
        let Some(event) = event else { return };
        assert!(event.time.is_some(), "{name}: no time in {}", String::from_utf8_lossy(line));
        if Detectors::needs(&event.class) {
            detectors.observe(&event, &String::from_utf8_lossy(line), name, &mut |d| found.push(d));
        }
    });
}

/// A day's lines as the files that they would stand in.
pub fn logs(lines: &[Line], date: &str) -> Vec<(String, Vec<u8>)> {
    let mut logs = Vec::new();
    for (family, name, ending) in Family::ALL {
        let mut text = family.header().to_owned();
        let before = text.len();
        for line in lines.iter().filter(|line| line.family == family) {
            text.push_str(&line.text);
            text.push('\n');
        }
        if text.len() > before {
            logs.push((format!("{name}-{date}.{ending}"), text.into_bytes()));
        }
    }
    logs
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    pub events: u64,
    /// Making the lines.
    pub made: Duration,
    /// Reading them into events, and the detectors' taking them in.
    pub read: Duration,
    /// Reading them alone.
    pub read_alone: Duration,
    /// Judging.
    pub judged: Duration,
}

/// All logs of a firm, day by day; on request they are read a second time for reading's own share of the time.
pub fn watch(firm: &Firm, options: Options, measure: bool) -> (Vec<Detection>, Took) {
    let mut detectors = Detectors::new(options);
    let mut found = Vec::new();
    let mut took = Took::default();
    for day in firm.days() {
        let begun = Instant::now();
        let lines = firm.day(day);
        took.events += lines.len() as u64;
        let files = logs(&lines, &firm.date(day));
        took.made += begun.elapsed();
        let begun = Instant::now();
        for (name, log) in &files {
            observe_log(&mut detectors, log, name, &mut found);
        }
        took.read += begun.elapsed();
        let begun = Instant::now();
        for (name, log) in files.iter().filter(|_| measure) {
            let mut reader = Reader::new(log, name, Clock::default());
            let block = Block { bytes: log.to_vec(), offset: 0, first_line: 1 };
            reader.block(&block).events(&block, &mut |line, read| {
                std::hint::black_box((String::from_utf8_lossy(line), read.is_ok()));
            });
        }
        took.read_alone += begun.elapsed();
    }
    let begun = Instant::now();
    detectors.finish(&mut |detection| found.push(detection));
    took.judged = begun.elapsed();
    assert_eq!((detectors.counts().late, detectors.counts().dropped), (0, 0));
    (found, took)
}
