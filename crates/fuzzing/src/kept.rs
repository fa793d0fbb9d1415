// SPDX-License-Identifier: Apache-2.0
//! What a node keeps for itself and reads again: runs of the history, and hunts that were stopped.
//!
//! Both are guarded by sums. The targets put them right, so that what lies behind is reached.

use std::sync::{Arc, LazyLock};

use hunt::detector::{Detectors, Options};
use hunt::event::{Event, LogSource, SourceKind};
use hunt::history::{Kinds, MemoryFolder, Month, OpenRun, Row, RunFacts, RunHead, RunWriter};
use hunt::pattern::{PatternIndicator, PatternRun, PatternSet};
use hunt::rule::{Engine, Options as RuleOptions, Rules, read_rules};
use hunt::unfinished::Unfinished;
use hunt::waiting::Waiting;
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::must;

// --- runs ---

/// Bytes that have one sum, as docs/history.md says.
const CHECK_BYTES: usize = 16 * 1024;
/// Rows that are read of one run: a column that is packed may hold far more than it weighs.
const ROWS_MAX: usize = 5_000;

/// A run of the history: what is read of it, in order, makes a run of which the same is read, by all ways.
pub(crate) fn history_run(data: &[u8]) {
    let folder = MemoryFolder::default();
    folder.put("run", data.to_vec());
    let sum = |part: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(part);
        crc.sum().to_le_bytes()
    };
    let facts = RunFacts {
        name: "run".to_owned(),
        head: RunHead { month: Month::NONE, source: SourceKind::Proxy },
        kinds: Kinds::default(),
        rows: 0,
        bytes: data.len() as u64,
        checks: data.chunks(CHECK_BYTES).flat_map(sum).collect(),
        filter: (0, 0),
    };
    let Ok(opened) = OpenRun::open(&folder, &facts) else { return };
    let (read, whole) = rows(&opened);
    let ordered = read.is_sorted_by(|a, b| (a.kind.code(), &a.value) < (b.kind.code(), &b.value));
    if let Some(row) = read.first() {
        // It may lie about where its values are; what it answers is then no row, or that it is damaged.
        let _ = opened.row(row.kind, &row.value);
    }
    if !whole || !ordered {
        return;
    }
    let head = opened.head();
    let mut writer = must(RunWriter::new(&folder, head, true).ok(), "memory can be written");
    for row in &read {
        must(writer.push(row).ok(), "what was read can be written");
    }
    let facts = must(writer.finish().ok(), "memory can be written");
    assert_eq!(facts.rows, read.len() as u64);
    let again = must(OpenRun::open(&folder, &facts).ok(), "what is written can be read");
    assert_eq!(again.head(), head);
    assert_eq!(rows(&again), (read.clone(), true), "what is written reads the same");
    for row in read.iter().step_by(read.len() / 20 + 1) {
        let found = again.row(row.kind, &row.value).ok().flatten();
        assert_eq!(found.as_ref(), Some(row), "each value is found");
    }
}

/// The rows, and whether that is all.
fn rows(run: &Arc<OpenRun>) -> (Vec<Row>, bool) {
    let (mut rows, mut read) = (run.rows(), Vec::new());
    while read.len() < ROWS_MAX {
        match rows.next_row() {
            Ok(Some(row)) => read.push(row),
            Ok(None) => return (read, true),
            Err(_) => return (read, false),
        }
    }
    (read, false)
}

// --- hunts that were stopped ---

/// What an unfinished hunt begins with.
const HUNT_MAGIC: &[u8] = b"PLDRHU04";
/// What findings that wait begin with.
const WAITING_MAGIC: &[u8] = b"PLDRWF01";
/// What a checkpoint of the detectors begins with.
const DETECTORS_MAGIC: &[u8] = b"pdetect\0\x01";
/// Bytes of a checkpoint of the rules before what was counted: magic and fingerprint.
const RULES_HEAD_BYTES: usize = 8 + 32;

/// Rules whose counting is kept: of each sort of correlation one.
static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let text = "title: login\nname: login\nlogsource: {product: test}\ndetection: {s: {e: login}, condition: s}\n---\n\
        title: change\nname: change\nlogsource: {product: test}\ndetection: {s: {e: change}, condition: s}\n---\n\
        title: Many\nname: many\ncorrelation: {type: event_count, rules: [login], group-by: [ip], timespan: 10m, condition: {gte: 3}}\n---\n\
        title: Users\nname: users\ncorrelation: {type: value_count, rules: [login], group-by: [ip], timespan: 10m, condition: {gte: 3, field: user}}\n---\n\
        title: Order\ncorrelation: {type: temporal_ordered, rules: [login, change], group-by: [user], timespan: 5m}\n---\n\
        title: Both\ncorrelation: {type: temporal, rules: [login, change], group-by: [user], timespan: 5m}\n---\n\
        title: Chain\ncorrelation: {type: temporal_ordered, rules: [users, change], group-by: [ip], timespan: 1h, generate: true}\n---\n\
        title: Median\ncorrelation: {type: value_median, rules: [login], group-by: [ip], timespan: 10m, condition: {gt: 5, field: n}}\n";
    Arc::new(Rules::new(read_rules(text.as_bytes(), "rules").rules).0)
});

/// Patterns that wait for more than one event.
static PATTERNS: LazyLock<PatternSet> = LazyLock::new(|| {
    let patterns = [
        "[ipv4-addr:value = '192.0.2.7'] FOLLOWEDBY [domain-name:value = 'a.example']",
        "[domain-name:value = 'b.example'] REPEATS 3 TIMES WITHIN 600 SECONDS",
        "[url:value = 'http://c.example/'] AND [user-account:user_id = 'someone']",
    ];
    let parsed = patterns
        .iter()
        .enumerate()
        .filter_map(|(nth, text)| PatternIndicator::parse(&format!("indicator--{nth}"), "", text).ok());
    PatternSet::build(parsed.collect())
});

/// A hunt that was stopped. The first byte says which part of it the rest is, without its sum: `h` the whole, `d` the
/// detectors, `p` the patterns, `r` the rules, `w` findings that wait to be stored. What is taken is written as what reads the same, and the hunt goes on
/// from there.
pub(crate) fn unfinished(data: &[u8]) {
    let Some((part, body)) = data.split_first() else { return };
    match part {
        b'h' => whole(body),
        b'd' => detectors(body),
        b'p' => patterns(body),
        b'r' => rules(body),
        b'w' => waiting(body),
        _ => {}
    }
}

fn whole(body: &[u8]) {
    let mut bytes = [HUNT_MAGIC, body].concat();
    let sum: [u8; 32] = Sha256::digest(&bytes).into();
    bytes.extend_from_slice(&sum);
    let Ok(read) = Unfinished::from_bytes(&bytes) else { return };
    let written = |hunt: &Unfinished<'_>| {
        let mut bytes = Vec::new();
        must(hunt.write_to(&mut bytes).ok(), "memory takes all");
        bytes
    };
    let again = written(&read);
    let read_again = must(Unfinished::from_bytes(&again).ok(), "what is written can be read");
    assert_eq!(written(&read_again), again, "what is written reads the same");
    let _ = (read.summary.period(), read.summary.label(), read.summary.is_partial(), read.summary.rate());
}

fn waiting(body: &[u8]) {
    let sum: [u8; 32] = Sha256::digest(body).into();
    let Ok(read) = Waiting::from_bytes(&[WAITING_MAGIC, &sum, body].concat()) else { return };
    let written = read.to_bytes();
    assert_eq!(Waiting::from_bytes(&written), Ok(read), "what is written reads the same");
}

fn detectors(body: &[u8]) {
    let mut bytes = [DETECTORS_MAGIC, body].concat();
    let sum = fnv(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    let Ok(mut read) = Detectors::restore(Options::default(), &bytes) else { return };
    let written = |detectors: &Detectors| {
        let mut bytes = Vec::new();
        must(detectors.checkpoint(&mut bytes).ok(), "memory takes all");
        bytes
    };
    let bytes = written(&read);
    let again = must(Detectors::restore(Options::default(), &bytes).ok(), "what is written can be read");
    assert_eq!(written(&again), bytes, "what is written reads the same");
    read.finish(&mut |_| {});
}

/// The sum of a checkpoint of the detectors: FNV-1a, mixed.
fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash ^= hash >> 32;
    hash.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

fn patterns(body: &[u8]) {
    let Ok((read, new)) = PatternRun::restore(&PATTERNS, body) else { return };
    assert!(new <= PATTERNS.len() as u64);
    let written = read.checkpoint();
    let (again, none) = must(PatternRun::restore(&PATTERNS, &written).ok(), "what is written can be read");
    assert_eq!((again.checkpoint(), none), (written, 0), "what is written reads the same");
    let (found, _) = read.finish();
    assert!(found.iter().all(|detection| detection.count >= 1 && detection.first <= detection.last));
}

fn rules(body: &[u8]) {
    let options = RuleOptions::archive(Timestamp::from_micros(1_700_000_000_000_000));
    let mut engine = Engine::new(Arc::clone(&RULES), options.clone());
    let head = engine.checkpoint();
    let head = must(head.get(..RULES_HEAD_BYTES), "it has a head");
    if engine.restore(&[head, body].concat()).is_err() {
        return;
    }
    let written = engine.checkpoint();
    let mut again = Engine::new(Arc::clone(&RULES), options);
    assert_eq!(again.restore(&written), Ok(()), "what is written can be read");
    assert_eq!(again.checkpoint(), written, "what is written reads the same");
    // It goes on: events come in, and the end.
    for second in 0..3 {
        let time = Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
        let mut event = Event { time: Some(time), ..Event::default() };
        event.class.source = LogSource::new("test", "", "");
        for (name, value) in [("e", "login"), ("ip", "192.0.2.7"), ("user", "someone")] {
            event.fields.insert(name.to_owned(), value.into());
        }
        engine.observe(&event, b"a line", "log", &mut |_| {});
    }
    engine.finish(&mut |_| {});
}
