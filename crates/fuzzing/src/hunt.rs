// SPDX-License-Identifier: Apache-2.0
//! Lists of indicators, patterns, logs, the scan.

use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;

use hunt::command::sights;
use hunt::event::{Event, LogSource};
use hunt::finding::Finding;
use hunt::indicator::{Indicator, Mode, Reading, read_csv, read_list};
use hunt::limits::{
    BLOCK_BYTES, FINDING_TEXT_BYTES_MAX, LINE_BYTES_MAX, PATTERN_VALUES_MAX, RULE_NAME_BYTES_MAX,
    TIME_SEARCH_BYTES,
};
use hunt::pattern::{Matcher, Pattern};
use hunt::reader::{Packing, ReadFacts, Source, recognise};
use hunt::rule::{Engine, Options as RuleOptions, Rules, read_rules};
use hunt::run::{Options, hunt_input};
use hunt::scan::{IndicatorSet, Scanner, reference};
use hunt::standard::{
    Compiled, IndicatorAuthor, compile, guessable_indicator_id, indicator_object, read_bundle, read_indicator,
};
use hunt::time::line_time;
use hunt::unpack::Unpacked;
use model::limits::DIAGNOSTICS_MAX;
use model::stix::Object;
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::model::{check_diagnostics, check_observable};
use crate::{Dribble, broken, must};

const AUTHOR: &str = "identity--5f2c0f3e-8f4b-4c1d-9a55-0c1d2e3f4a5b";
const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

// --- lists ---

pub(crate) fn indicator_list(data: &[u8]) {
    let reading = read_list(data, "list");
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    assert!(reading.entries <= lines && reading.indicators.len() as u64 == reading.taken);
    check_reading(&reading, lines);
}

pub(crate) fn indicator_csv(data: &[u8]) {
    let reading = read_csv(data, "list");
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    assert!(reading.entries <= lines && reading.indicators.len() as u64 == reading.taken);
    check_reading(&reading, lines);
}

pub(crate) fn bundle(data: &[u8]) {
    let reading = read_bundle(data, "list");
    assert!(reading.entries <= data.len() as u64 + 1);
    check_reading(&reading, u64::MAX);
}

fn check_reading(reading: &Reading, lines: u64) {
    assert_eq!(reading.entries, reading.taken + reading.refused, "every entry is told");
    assert!(reading.diagnostics.len() <= DIAGNOSTICS_MAX);
    assert!(reading.refused == 0 || !reading.diagnostics.is_empty(), "a refusal has a reason");
    check_diagnostics(&reading.diagnostics);
    for diagnostic in &reading.diagnostics {
        if let Some(line) = diagnostic.place.strip_prefix("list line ") {
            assert!(line.parse().is_ok_and(|line: u64| (1..=lines).contains(&line)), "{}", diagnostic.place);
        }
    }
    for indicator in reading.indicators.iter().take(200) {
        check_indicator(indicator);
    }
}

/// An indicator becomes a STIX object that says the same.
fn check_indicator(indicator: &Indicator) {
    check_observable(&indicator.observable);
    let id = guessable_indicator_id(&indicator.observable, indicator.mode);
    let object = indicator_object(indicator, &id, &IndicatorAuthor { identity: AUTHOR, now: NOW });
    let mut diagnostics = Vec::new();
    let parsed = Object::parse(&object, "here", &mut diagnostics);
    assert!(parsed.is_some() && diagnostics.is_empty(), "{diagnostics:?}");
    let (read, diagnostics) = read_indicator(&object);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let [again] = read.as_slice() else { broken(&format!("{read:?} of one indicator")) };
    assert_eq!((&again.observable, again.mode), (&indicator.observable, indicator.mode));
}

pub(crate) fn pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lost = match compile(text) {
        Ok(Compiled { wanted, rest, bad }) => {
            assert!(wanted.len() <= PATTERN_VALUES_MAX && wanted.len() <= text.len());
            for (observable, mode) in wanted.iter().take(100) {
                check_observable(observable);
                let name = String::new();
                let indicator = Indicator {
                    id: name.clone(),
                    observable: observable.clone(),
                    mode: *mode,
                    name,
                    valid_from: None,
                    valid_until: None,
                };
                if !is_too_wide(&indicator) {
                    check_indicator(&indicator);
                }
            }
            if let Some(rest) = rest {
                assert_eq!(
                    Pattern::parse(&rest.to_string()).as_ref(),
                    Ok(&rest),
                    "what is printed reads the same"
                );
                let _ = Matcher::new(&rest);
            }
            bad
        }
        Err(error) => vec![error],
    };
    for error in lost {
        let message = error.to_string();
        assert!(message.len() <= crate::model::MESSAGE_BYTES_MAX, "a message of {} bytes", message.len());
    }
}

/// What is not hunted for does not come back from its object.
fn is_too_wide(indicator: &Indicator) -> bool {
    let observable = &indicator.observable;
    let list = match (observable.network(), indicator.mode) {
        (Some(_), _) | (_, Mode::WithSubdomains) => observable.display(),
        _ => return false,
    };
    read_list(list.as_bytes(), "list").taken == 0
}

// --- logs ---

/// Blocks that are read of one input: an archive may hold far more than it weighs.
const BLOCKS_MAX: usize = 4;

/// Offset, number of the first line, and bytes.
type Lines = (u64, u64, Vec<u8>);

/// The first blocks, what was read, and whether that is all.
fn blocks(data: &[u8], step: usize) -> (Vec<Lines>, ReadFacts, bool) {
    let mut source = Source::new(Dribble { data, step }, "log");
    let (mut blocks, mut buffer) = (Vec::new(), Vec::new());
    while let Some(block) = source.next_block(std::mem::take(&mut buffer)) {
        assert!(!block.bytes.is_empty() && block.bytes.len() <= BLOCK_BYTES + LINE_BYTES_MAX + 1);
        blocks.push((block.offset, block.first_line, block.bytes));
        if blocks.len() == BLOCKS_MAX {
            return (blocks, source.finish(), false);
        }
    }
    (blocks, source.finish(), true)
}

pub(crate) fn log_reader(data: &[u8]) {
    let (read, facts, ended) = blocks(data, usize::MAX);
    let (again, other, _) = blocks(data, 3);
    assert_eq!(read, again, "how the bytes arrive carries nothing");
    check_diagnostics(&facts.diagnostics);
    assert_eq!((facts.bytes, facts.lines, facts.whole), (other.bytes, other.lines, other.whole));
    assert_eq!(facts.bytes, data.len() as u64);
    assert_eq!(facts.sha256, <[u8; 32]>::from(Sha256::digest(data)));
    let harmless = |code| matches!(code, "line-too-long" | "evtx-record-damaged");
    assert_eq!(facts.whole || !ended, facts.diagnostics.iter().all(|d| harmless(d.code)) || !ended);
    if !ended {
        return;
    }
    let (mut offset, mut line) = (0, 1);
    for (at, first, bytes) in &read {
        assert!(*at >= offset && *first >= line, "blocks come in order");
        offset = at + bytes.len() as u64;
        line = first + bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    assert!(facts.unread_lines <= facts.lines && offset <= facts.unpacked_bytes);
    let content: Vec<u8> = read.iter().flat_map(|(_, _, bytes)| bytes).copied().collect();
    match recognise(data) {
        // What becomes lines first has targets of its own.
        _ if is_converted(unpacked(recognise(data).0, data).as_deref().unwrap_or(data)) => {}
        (Packing::Plain, None) if facts.unread_lines == 0 => {
            // Line ends in the values of a table become spaces, and nothing else changes.
            let same = |(is, was): (&u8, &u8)| is == was || *is == b' ' && matches!(was, b'\n' | b'\r');
            assert!(content.len() == data.len() && content.iter().zip(data).all(same));
            let data = &content;
            assert_eq!(facts.lines, data.split_inclusive(|byte| *byte == b'\n').count() as u64);
        }
        (Packing::Plain, Some(_)) => assert!(content.is_empty() && !facts.whole),
        (packing, _) if facts.whole && facts.unread_lines == 0 => {
            let whole = must(unpacked(packing, data), "another program unpacks it");
            let same = |(is, was): (&u8, &u8)| is == was || *is == b' ' && matches!(was, b'\n' | b'\r');
            assert!(content.len() == whole.len() && content.iter().zip(&whole).all(same));
        }
        _ => {}
    }
}

/// Whether an unpacked log is made into lines before it is read.
fn is_converted(content: &[u8]) -> bool {
    let text = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content).trim_ascii_start();
    let magic = [b"ElfFile\0".as_slice(), b"PAR1", b"\xFF\xFE", b"\xFE\xFF"];
    magic.iter().any(|magic| content.starts_with(magic))
        || matches!(text.first(), Some(b'{' | b'[' | b'"' | b'#'))
}

/// What the libraries alone make of an archive.
fn unpacked(packing: Packing, data: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let result = match packing {
        Packing::Gzip => flate2::read::MultiGzDecoder::new(data).read_to_end(&mut content),
        Packing::Plain => return Some(data.to_vec()),
        Packing::Zstd => zstd::stream::read::Decoder::new(data).ok()?.read_to_end(&mut content),
    };
    result.ok().map(|_| content)
}

pub(crate) fn unpack(data: &[u8]) {
    const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;
    let read = |buffered: BufReader<Cursor<&[u8]>>| {
        let mut content = Vec::new();
        let mut unpacked = Unpacked::new(buffered).ok()?;
        let whole = (&mut unpacked).take(READ_BYTES_MAX).read_to_end(&mut content).is_ok();
        Some((content, whole))
    };
    let foreign = recognise(data).1.is_some();
    let Some((content, whole)) = read(BufReader::new(Cursor::new(data))) else {
        return assert!(foreign, "only what is foreign is refused");
    };
    assert!(!foreign);
    // Enough for the first bytes of every format.
    let again = read(BufReader::with_capacity(16, Cursor::new(data)));
    // How much comes before a fault depends on the buffer.
    assert!(again.is_some_and(|(again, too)| too == whole && (!whole || again == content)));
    if whole && (content.len() as u64) < READ_BYTES_MAX {
        assert_eq!(Some(content), unpacked(recognise(data).0, data));
    }
}

pub(crate) fn log_time(data: &[u8]) {
    let Some(time) = line_time(data) else { return };
    let printed = time.to_string();
    assert_eq!(Timestamp::parse(&printed), Ok(time), "{printed:?} is no time");
    assert_eq!(
        line_time(data.get(..TIME_SEARCH_BYTES).unwrap_or(data)),
        Some(time),
        "the rest carries nothing"
    );
}

// --- the scan ---

/// A list, an empty line, a log.
fn list_and_log(data: &[u8]) -> (Vec<Indicator>, &[u8]) {
    let cut = data.windows(2).position(|pair| pair == b"\n\n");
    let (list, log) = data.split_at(cut.unwrap_or(0));
    (read_list(list, "list").indicators, log.strip_prefix(b"\n\n").unwrap_or(log))
}

pub(crate) fn scan(data: &[u8]) {
    let (indicators, log) = list_and_log(data);
    let log = log.get(..8 * 1024).unwrap_or(log);
    let set = IndicatorSet::build(indicators);
    let (mut hits, mut seeing) = (Vec::new(), Vec::new());
    Scanner::new(&set).scan_block(log, 1_000, 7, &mut |hit| hits.push(hit));
    assert_eq!(hits, reference::scan(set.indicators(), log, 1_000, 7), "law 7");
    let mut seen = 0usize;
    Scanner::new(&set).scan_block_seeing(log, 1_000, 7, &mut |hit| seeing.push(hit), &mut |token| {
        assert!(token.line_start <= log.len() && !token.token.is_empty());
        seen += 1;
    });
    assert!(hits == seeing && seen <= log.len(), "who looks on changes nothing");
    for hit in &hits {
        let (from, end) = (hit.offset - 1_000, 1_000 + log.len() as u64);
        assert!(hit.line_start <= hit.offset && hit.offset + hit.len as u64 <= end && from < end);
    }
}

pub(crate) fn findings(data: &[u8]) {
    let (mut indicators, log) = list_and_log(data);
    for (nth, indicator) in indicators.iter_mut().enumerate() {
        // As if they had been imported.
        indicator.id = format!("indicator--5f2c0f3e-8f4b-4c1d-9a55-{nth:012x}");
    }
    let set = IndicatorSet::build(indicators);
    let mut found: Vec<Finding> = Vec::new();
    let options = Options { history: true, threads: 1 };
    let hunted = hunt_input(&mut &*log, "log", &set, &options, &mut |finding| found.push(finding));
    assert_eq!(hunted.report.findings, found.len() as u64);
    check_diagnostics(&hunted.report.diagnostics);
    for (observable, _) in must(hunted.left.observed.sorted().ok(), "what is in memory can be sorted") {
        check_observable(&observable);
    }
    for finding in &found {
        assert!((1..=hunted.report.lines).contains(&finding.line));
        // A byte that is no UTF-8 is shown by a character of three.
        assert!(finding.text.len() <= 3 * FINDING_TEXT_BYTES_MAX);
    }
    let uuid = model::uuid::Uuid::from_u128(0x5f2c_0f3e_8f4b_4c1d_9a55_0c1d_2e3f_4a5b);
    for sight in sights(&found, NOW).iter().take(50) {
        let counted = must(u64::try_from(found.len()).ok(), "findings can be counted");
        assert!((1..=counted).contains(&sight.count) && sight.first <= sight.last);
        for object in hunt::standard::sighting_objects(&sight.facts(Some(AUTHOR), &[], NOW, [uuid, uuid])) {
            let mut diagnostics = Vec::new();
            let parsed = Object::parse(&object, "here", &mut diagnostics);
            assert!(parsed.is_some() && diagnostics.is_empty(), "{diagnostics:?}");
        }
    }
}

// --- rules ---

/// Rules of any text: each document is taken or refused with a diagnostic; what was taken runs over an event made
/// of the same bytes, and the fast answer is the slow one.
pub(crate) fn rules(data: &[u8]) {
    let loading = read_rules(data, "rules");
    let errors =
        loading.diagnostics.iter().filter(|d| d.severity == model::diagnostic::Severity::Error).count();
    assert_eq!(errors as u64, loading.refused, "each refused document has its reason");
    for diagnostic in &loading.diagnostics {
        assert!(
            diagnostic.message.len() < 2_000 && !diagnostic.to_string().contains('\n'),
            "a message is short"
        );
    }
    for rule in &loading.rules {
        assert!(!rule.header.id.is_empty() && rule.header.id.len() <= RULE_NAME_BYTES_MAX);
        let again = read_rules(rule.text.as_bytes(), "again");
        assert!(again.refused == 0 && again.rules.len() == 1, "the text that is kept reads the same");
        assert_eq!(must(again.rules.first(), "the rule").header, rule.header);
    }
    let (set, _) = Rules::new(loading.rules);
    let set = Arc::new(set);
    let options = RuleOptions { gather: false, ..RuleOptions::archive(NOW) };
    let mut engine = Engine::new(Arc::clone(&set), options);
    let line = String::from_utf8_lossy(data.get(..512).unwrap_or(data));
    for source in [("windows", "process_creation", ""), ("test", "", ""), ("zeek", "", "http")] {
        let mut event = Event { time: Some(NOW), ..Event::default() };
        event.class.source = LogSource::new(source.0, source.1, source.2);
        for (nth, word) in line.split_whitespace().enumerate() {
            let usual = ["Image", "f", "uri"].into_iter().cycle().nth(nth % 3).unwrap_or("f");
            let (name, value) = word.split_once(':').unwrap_or((usual, word));
            event.fields.insert(name.trim_matches(['"', '\'', '{']).to_owned(), value.into());
        }
        let mut told = Vec::new();
        engine.observe(&event, data, "log", &mut |detection| {
            // Correlations are told by the way; the slow answer has single rules alone.
            if detection.threshold == "one event" {
                told.push(detection.id);
            }
        });
        let mut asked = set.ask_all(&event, data);
        told.sort();
        asked.sort();
        assert_eq!(told, asked, "the prefilter loses nothing");
    }
    let state = engine.checkpoint();
    let mut other = Engine::new(set, RuleOptions::archive(NOW));
    assert_eq!(other.restore(&state), Ok(()), "a checkpoint is read back");
    assert_eq!(other.checkpoint(), state);
    // Any bytes are a checkpoint that is refused, or one that prints the same.
    if other.restore(data).is_ok() {
        let state = other.checkpoint();
        assert_eq!(other.restore(&state), Ok(()));
    }
    engine.finish(&mut |_| {});
}
