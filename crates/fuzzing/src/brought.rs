// SPDX-License-Identifier: Apache-2.0
//! What is brought besides logs and indicators: warning lists, observed data, lists of processes and of hashes, files
//! of places; and syslog as it comes over the network.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::net::IpAddr;

use hunt::confirm::warning::{WarningLists, read_warning_list};
use hunt::detector::leak::{HashKind, PasswordHash, SortedHashes, count_in_range, read_hashes};
use hunt::detector::{PlaceFiles, Places};
use hunt::edge::{check_log, check_processes};
use hunt::framing::{Framer, Lines};
use hunt::limits::{
    EVIDENCE_LINES_MAX, FILE_DIAGNOSTICS_MAX, FINDING_TEXT_BYTES_MAX, OBSERVED_DATA_MAX,
    SYSLOG_LENGTH_DIGITS_MAX, SYSLOG_MESSAGE_BYTES_MAX, WARNING_LIST_ENTRIES_MAX,
};
use hunt::pattern::{Matcher, NamedObservation, Pattern, read_observed};
use model::observable::Observable;
use serde_json::{Value, json};

use crate::model::{MESSAGE_BYTES_MAX, check_diagnostics};
use crate::{broken, must};

// --- warning lists ---

/// A list holds its own entries, and reads the same when another program has written it anew.
pub(crate) fn warning_list(data: &[u8]) {
    let (list, diagnostics) = read_warning_list(data, "list");
    check_diagnostics(&diagnostics);
    let Some(list) = list else {
        return assert_eq!(diagnostics.len(), 1, "what is refused has one reason");
    };
    let value: Value = must(serde_json::from_slice(data).ok(), "what is taken is JSON");
    let entries = must(value.get("list").and_then(Value::as_array), "it has entries");
    assert!(list.entries <= entries.len() && entries.len() <= WARNING_LIST_ENTRIES_MAX);
    let printed = must(serde_json::to_vec(&value).ok(), "JSON is printed");
    let (again, said) = read_warning_list(&printed, "list");
    let again = must(again, "what is printed reads the same");
    assert_eq!((&again.title, again.version, &again.kinds), (&list.title, list.version, &list.kinds));
    assert_eq!((again.entries, &said), (list.entries, &diagnostics));
    let kind = value.get("type").and_then(Value::as_str).unwrap_or("string");
    let lists = WarningLists::new(vec![again]);
    for text in entries.iter().filter_map(Value::as_str).take(100) {
        let Some(observable) = Observable::guess(text) else { continue };
        let held = list.holds(&observable);
        assert_eq!(lists.holds("list", &observable), held, "what is printed holds the same");
        assert!(lists.warns(&observable).is_none() || held && !list.kinds.is_empty());
        // Of the other types an entry is no value, or is not held in every spelling.
        if kind == "cidr" && (observable.address().is_some() || observable.network().is_some()) {
            assert!(held, "{text:?} is not in its own list");
        }
    }
}

// --- observed data ---

/// Observed data reads the same when it is written as STIX 2.0, and patterns can be matched against it.
pub(crate) fn observed(data: &[u8]) {
    let read = match read_observed(data) {
        Ok(read) => read,
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", message.len());
            return assert!(!message.contains(char::is_control), "it could move a cursor: {message:?}");
        }
    };
    assert!(read.len() <= OBSERVED_DATA_MAX);
    let written: Vec<Value> = read.iter().map(written).collect();
    let written = must(serde_json::to_vec(&written).ok(), "JSON is printed");
    assert_eq!(read_observed(&written).as_ref(), Ok(&read), "what is written reads the same");
    let observations: Vec<_> = read.into_iter().map(|(_, seen)| seen).take(50).collect();
    assert!(observations.iter().all(|seen| seen.first <= seen.last && seen.number > 0));
    for text in [
        "[domain-name:value LIKE '%.example' OR url:value MATCHES '^http']",
        "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e'] FOLLOWEDBY [ipv4-addr:value ISSUBSET '192.0.2.0/24']",
        "[network-traffic:dst_ref.value = '192.0.2.7' AND network-traffic:dst_port > 80] REPEATS 2 TIMES WITHIN 60 SECONDS",
        "[process:image_ref.parent_directory_ref.path = '/tmp' OR file:size < 7 OR artifact:payload_bin = b'AA==']",
        "[email-message:body_multipart[*].body_raw_ref.name IN ('a', 'b')]",
    ] {
        let pattern = must(Pattern::parse(text).ok(), "it is a pattern");
        let matcher = must(Matcher::new(&pattern).ok(), "it means something");
        let Ok(Some(matched)) = matcher.matched(&observations) else { continue };
        assert!(matched.is_sorted() && matched.iter().all(|nth| *nth < observations.len()));
    }
}

fn written((id, seen): &NamedObservation) -> Value {
    json!({
        "type": "observed-data", "id": id, "first_observed": seen.first.to_string(),
        "last_observed": seen.last.to_string(), "number_observed": seen.number, "objects": seen.objects,
    })
}

// --- edge devices ---

/// Lists of processes, and logs of a device: each trace names a line, which is one by itself.
pub(crate) fn processes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    let (found, said) = check_processes(data, "ps");
    check_diagnostics(&said);
    assert!(said.len() <= 1 && found.len() < lines.len().max(1));
    let mut before = 0;
    for trace in &found {
        let [evidence] = trace.evidence.as_slice() else { broken("one line shows a process") };
        assert!(evidence.place.line > before && evidence.text.len() <= FINDING_TEXT_BYTES_MAX);
        before = evidence.place.line;
        let line = lines.get(usize::try_from(before).map_or(0, |line| line - 1));
        let line = must(line, "the line is there");
        assert!(line.starts_with(&evidence.text), "the line is quoted");
    }
    if let Some(trace) = check_log(data, "log") {
        assert!(trace.count >= 1 && trace.evidence.len() <= EVIDENCE_LINES_MAX);
        assert!(trace.first <= trace.last);
        for evidence in &trace.evidence {
            let line = usize::try_from(evidence.place.offset).ok().and_then(|at| data.get(at..));
            let line = must(line, "the line is there").split(|byte| *byte == b'\n').next();
            assert!(check_log(line.unwrap_or_default(), "log").is_some_and(|one| one.count == 1));
        }
    }
}

// --- leaked passwords ---

/// Accounts with hashes: a line means the same by itself, nothing of it is shown, and what is found of a hash in a file
/// of leaked ones stands there.
pub(crate) fn account_hashes(data: &[u8]) {
    let (accounts, said) = read_hashes(data, "list");
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    assert!(accounts.len() <= lines.len() && said.len() <= FILE_DIAGNOSTICS_MAX);
    check_diagnostics(&said);
    let messages: BTreeSet<&str> = said.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert!(messages.len() <= 1, "a message quotes nothing of the list");
    let mut sorted = SortedHashes::open(Cursor::new(data)).ok().flatten();
    let mut line = 0;
    for account in &accounts {
        assert!(account.line > line && !account.user.is_empty());
        line = account.line;
        let text = must(lines.get(usize::try_from(line).map_or(0, |line| line - 1)), "the line is there");
        let (alone, _) = read_hashes(text, "line");
        let [alone] = alone.as_slice() else { broken("a line is an account") };
        assert!(alone.user == account.user && alone.hash == account.hash);
        found(data, sorted.as_mut(), &account.hash);
    }
    // The same bytes as a file of leaked hashes: each of its lines is asked for.
    for text in lines.iter().take(200) {
        for digits in [HashKind::Nt.digits(), HashKind::Sha1.digits()] {
            let hash = text.get(..digits).and_then(|hash| std::str::from_utf8(hash).ok());
            if let Some(hash) = hash.and_then(PasswordHash::parse) {
                assert_eq!(hash.kind().digits(), digits);
                found(data, sorted.as_mut(), &hash);
            }
        }
    }
}

fn found(data: &[u8], sorted: Option<&mut SortedHashes<Cursor<&[u8]>>>, hash: &PasswordHash) {
    let in_range = count_in_range(data, hash);
    assert!(in_range != Some(0), "padding is no leak");
    let Some(sorted) = sorted else { return };
    let count = must(sorted.count(hash).ok(), "memory can be read");
    if sorted.kind() != hash.kind() {
        return assert_eq!(count, None);
    }
    // A range is the same lines without their first digits.
    let told = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let (prefix, rest) = line.split_at_checked(hash.prefix().len())?;
        prefix.eq_ignore_ascii_case(hash.prefix().as_bytes()).then(|| count_in_range(rest, hash)).flatten()
    });
    let told: BTreeSet<u64> = told.collect();
    assert!(count.is_none_or(|count| told.contains(&count)), "what is found stands there");
}

// --- places ---

/// Files of places: whatever they say, it is a place of the earth, and faults are told once.
pub(crate) fn places(data: &[u8]) {
    let mut files = PlaceFiles::default();
    files.hosting(&[64_500]);
    files.mobile(&[64_501]);
    if let Err(error) = files.add("file", data.to_vec()) {
        let message = error.to_string();
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", message.len());
        return assert!(!message.contains(char::is_control), "it could move a cursor: {message:?}");
    }
    let ends = data.iter().copied().chain([0; 16]);
    let v6: [u8; 16] = std::array::from_fn(|at| ends.clone().nth(at).unwrap_or(0));
    let known =
        ["192.0.2.1", "198.51.100.7", "203.0.113.255", "0.0.0.0", "255.255.255.255", "::1", "2001:db8::1"];
    let known = known.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    for address in known.chain([IpAddr::from(v6)]) {
        let found = files.find(address);
        assert_eq!(found, files.find(address), "it is the same when it is asked again");
        let Some(found) = found else { continue };
        assert!(found.country.is_some() || found.asn.is_some() || found.at.is_some());
        assert!(found.country.is_none_or(|code| code.len() == 2), "a country's code has two letters");
        if let Some((north, east)) = found.at {
            assert!((-90.0..=90.0).contains(&north) && (-180.0..=180.0).contains(&east), "{north} {east}");
        }
        assert!(found.radius_km.is_finite() && found.radius_km >= 0.0);
    }
    let faults = files.take_faults();
    assert!(faults.len() <= 1 && files.take_faults().is_empty(), "a fault is told once");
    check_diagnostics(&faults);
}

// --- syslog ---

fn framed(pieces: &[&[u8]]) -> Lines {
    let (mut framer, mut lines) = (Framer::default(), Lines::default());
    pieces.iter().for_each(|piece| framer.feed(piece, &mut lines));
    framer.end(&mut lines);
    lines
}

/// Syslog as a stream and as a datagram: lines are clean and bounded, however the bytes arrive, and a line that is
/// sent on comes in as it is.
pub(crate) fn framing(data: &[u8]) {
    let whole = framed(&[data]);
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(framed(&bytes), whole, "how the bytes arrive carries nothing");
    let (one, other) = data.split_at(data.len() / 3);
    assert_eq!(framed(&[one, other]), whole);
    let mut datagram = Lines::default();
    datagram.datagram(data);
    assert!(datagram.count <= 1, "a datagram is one message");
    for lines in [&whole, &datagram] {
        let ends = lines.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert!(ends == lines.count && lines.cut <= lines.count);
        assert!(lines.bytes.is_empty() || lines.bytes.ends_with(b"\n"));
        assert!(lines.bytes.iter().all(|byte| !matches!(byte, 0..=8 | 11..=31 | 127)), "a line is clean");
    }
    let mut sent = Vec::new();
    let mut expected = Vec::new();
    for line in whole.bytes.split_inclusive(|byte| *byte == b'\n') {
        // A control character is four octets as text.
        assert!(line.len() <= 4 * SYSLOG_MESSAGE_BYTES_MAX + 1);
        let message = line.strip_suffix(b"\n").unwrap_or(line);
        assert!(!message.is_empty(), "an empty message is none");
        let length = message.len().to_string();
        if message.len() <= SYSLOG_MESSAGE_BYTES_MAX && length.len() <= SYSLOG_LENGTH_DIGITS_MAX {
            sent.extend_from_slice(format!("{length} ").as_bytes());
            sent.extend_from_slice(message);
            expected.extend_from_slice(line);
            let mut alone = Lines::default();
            alone.datagram(message);
            assert_eq!(alone.bytes, line, "a line is its own datagram");
        }
    }
    assert_eq!(framed(&[&sent]).bytes, expected, "what is sent on comes in as it is");
}
