// SPDX-License-Identifier: Apache-2.0
//! Inputs as logs: archives, event logs, Parquet, UTF-16, JSON in one piece.
//!
//! Golden files: `NAME.in` is a file, `NAME.out` the logs in it and their lines. `POLDER_GOLDEN=write` writes
//! them anew. The binary ones were made by hand: event logs after [MS-EVEN6], archives and Parquet with
//! Python's `zipfile` and `pyarrow`.

use std::fmt::Write as _;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use hunt::event::{Format, Reader};
use hunt::limits::{
    ARCHIVE_MEMBERS_MAX, BLOCK_BYTES, CELL_BYTES_MAX, JSON_PREFIX_BYTES_MAX, LINE_BYTES_MAX, SPOOL_BYTES_MAX,
};
use hunt::reader::{Block, Input, LogSource, ReadFacts, Source, read_logs};
use hunt::time::Clock;
use sha2::Digest as _;
use zip::write::SimpleFileOptions;

/// A log's name, its text, and what was read.
type Log = (String, Vec<u8>, ReadFacts);

fn drain(name: &str, mut source: LogSource<'_>, logs: &mut Vec<Log>) {
    let (mut text, mut buffer) = (Vec::new(), Vec::new());
    while let Some(block) = source.next_block(buffer) {
        assert!(block.bytes.len() <= 2 * BLOCK_BYTES + LINE_BYTES_MAX);
        text.extend_from_slice(&block.bytes);
        buffer = block.bytes;
    }
    logs.push((name.to_owned(), text, source.finish()));
}

/// All logs of an input, and the facts of an archive.
fn read(input: Input<'_>) -> (Vec<Log>, Option<ReadFacts>) {
    let mut logs = Vec::new();
    let archive = read_logs(input, "in", &mut |name, source| drain(name, source, &mut logs));
    (logs, archive)
}

fn from_file(bytes: &[u8]) -> (Vec<Log>, Option<ReadFacts>) {
    read(Input::File(Box::new(Cursor::new(bytes.to_vec()))))
}

fn from_stream(bytes: &[u8]) -> (Vec<Log>, Option<ReadFacts>) {
    /// Hands out few bytes at a time, as pipes may.
    struct Dribble<'a>(&'a [u8]);
    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(777);
            self.0.read(&mut buffer[..count])
        }
    }
    read(Input::Stream(&mut Dribble(bytes)))
}

fn codes(facts: &ReadFacts) -> Vec<&str> {
    facts.diagnostics.iter().map(|d| d.code).collect()
}

fn shown(logs: &[Log], archive: &Option<ReadFacts>) -> String {
    let mut out = String::new();
    let tell = |out: &mut String, name: &str, facts: &ReadFacts| {
        let made = facts.made_from.map_or("text", Format::name);
        writeln!(
            out,
            "{name}: {made}, {} lines, {} unread, {}",
            facts.lines,
            facts.unread_lines,
            if facts.whole { "whole" } else { "not whole" }
        )
        .unwrap();
        for diagnostic in &facts.diagnostics {
            writeln!(out, "{diagnostic}").unwrap();
        }
    };
    for (name, text, facts) in logs {
        tell(&mut out, name, facts);
        for line in String::from_utf8_lossy(text).lines() {
            writeln!(out, "| {line}").unwrap();
        }
    }
    if let Some(archive) = archive {
        tell(&mut out, "archive", archive);
    }
    out
}

#[test]
fn each_golden_input_comes_to_the_logs_that_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reader");
    let paths: Vec<_> = super::files::below(&folder);
    let inputs: Vec<_> = paths.iter().filter(|path| path.extension().is_some_and(|e| e == "in")).collect();
    assert!(inputs.len() >= 38, "{} golden inputs", inputs.len());
    for path in inputs {
        let bytes = std::fs::read(path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (logs, archive) = from_file(&bytes);
        let out = shown(&logs, &archive);
        let (logs_too, archive_too) = from_stream(&bytes);
        assert_eq!(shown(&logs_too, &archive_too), out, "{name}: from a pipe it is the same");
        let hashed = |(_, _, facts): &Log| facts.sha256;
        assert_eq!(
            logs.iter().map(hashed).collect::<Vec<_>>(),
            logs_too.iter().map(hashed).collect::<Vec<_>>()
        );
        let whole = archive.as_ref().or(logs.first().map(|(_, _, facts)| facts)).unwrap();
        assert_eq!(whole.sha256, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&bytes)), "{name}");
        assert_eq!(whole.bytes, bytes.len() as u64, "{name}");
        let expected = path.with_extension("out");
        if std::env::var_os("POLDER_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&expected, &out).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(out, expected, "{name}");
    }
}

#[test]
fn the_events_of_an_event_log_are_those_of_its_json() {
    let test = "the_events_of_an_event_log_are_those_of_its_json";
    let Some(folder) = super::event::regression(test) else { return };
    let mut compared = 0;
    for path in
        super::files::below(&folder).iter().filter(|path| path.extension().is_some_and(|e| e == "evtx"))
    {
        let bytes = std::fs::read(path).unwrap();
        let (logs, _) = from_file(&bytes);
        let (_, text, facts) = &logs[0];
        assert!(facts.whole && facts.unread_lines == 0, "{}: {:?}", path.display(), facts.diagnostics);
        assert_eq!(facts.made_from, Some(Format::Evtx));
        let mut reader = Reader::new(text, "x", Clock::default()).made_from(Format::Evtx);
        let block = Block { bytes: text.clone(), offset: 0, first_line: 1 };
        let mut events = Vec::new();
        reader.block(&block).events(&block, &mut |_, read| events.extend(read.unwrap()));
        assert_eq!(events.len() as u64, facts.lines, "{}", path.display());
        let Ok(json) = std::fs::read(path.with_extension("json")) else { continue };
        let values = serde_json::Deserializer::from_slice(&json).into_iter::<serde_json::Value>();
        for (value, event) in values.zip(&events) {
            let line = serde_json::to_vec(&value.unwrap()).unwrap();
            let other = super::event::read(&line, "x", Clock::default());
            let other = other[0].as_ref().unwrap().as_ref().unwrap();
            assert_eq!((event.class.source, event.class.kind), (other.class.source, other.class.kind));
            assert_eq!(event.class.format, Format::Evtx);
            assert_eq!(event.time, other.time, "{}", path.display());
            for name in ["EventID", "Channel", "Provider_Name", "Computer"] {
                assert_eq!(event.text(name), other.text(name), "{} {name}", path.display());
            }
            compared += 1;
        }
    }
    assert!(compared >= 110, "{compared} events were compared");
}

// --- limits ---

#[test]
fn a_line_of_a_gigabyte_does_not_stay_in_memory() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(usize::try_from(self.0).unwrap_or(usize::MAX));
            buffer[..count].fill(b'x');
            if self.0 > 0 && self.0 == count as u64 {
                buffer[count - 1] = b'\n';
            }
            self.0 -= count as u64;
            Ok(count)
        }
    }
    let gigabyte = 1024 * 1024 * 1024;
    let mut reader = Read::chain(&b"first\n"[..], Endless(gigabyte)).chain(&b"last\n"[..]);
    let (logs, _) = read(Input::Stream(&mut reader));
    let (_, text, facts) = &logs[0];
    assert_eq!(text, b"first\nlast\n");
    assert_eq!((facts.lines, facts.unread_lines, codes(facts)), (3, 1, vec!["line-too-long"]));
    // The same within an array: the element is passed on while it is read.
    let mut reader =
        Read::chain(&b"[{\"a\":1},{\"a\":\""[..], Endless(gigabyte / 4)).chain(&b"\"},{\"a\":2}]"[..]);
    let (logs, _) = read(Input::Stream(&mut reader));
    let (_, text, facts) = &logs[0];
    assert_eq!((text.as_slice(), facts.unread_lines), (b"{\"a\":1}\n{\"a\":2}\n".as_slice(), 1));
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_zip_bomb_is_stopped() {
    // Zeros pack 1,030 to 1 at best: a member over the ratio.
    let zeros = vec![b'0'; 300 * 1024 * 1024];
    let bomb = zip_of(&[("before.log", b"a line\n"), ("bomb.log", &zeros), ("after.log", b"a line\n")]);
    let (logs, archive) = from_file(&bomb);
    let archive = archive.unwrap();
    let stopped = logs.iter().find(|(name, ..)| name == "in!bomb.log").unwrap();
    assert_eq!((codes(&stopped.2).last(), stopped.2.whole), (Some(&"archive-bomb"), false));
    assert!(archive.unpacked_bytes < zeros.len() as u64, "{}", archive.unpacked_bytes);
    assert_eq!(logs[0].1, b"a line\n");
}

#[test]
fn the_same_bytes_in_many_members_are_a_bomb_too() {
    // Each member is within its ratio; all of them together unpack to more than the archive may.
    let zeros = vec![b'0'; 64 * 1024 * 1024];
    let one = zip_of(&[("a", &zeros)]);
    let directory = one.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = one.len() - 22;
    let entry = &one[directory..end];
    let count = 40_u16;
    let mut bomb = one[..directory].to_vec();
    (0..count).for_each(|_| bomb.extend_from_slice(entry));
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&count.to_le_bytes());
    tail[10..12].copy_from_slice(&count.to_le_bytes());
    tail[12..16].copy_from_slice(&(entry.len() as u32 * u32::from(count)).to_le_bytes());
    bomb.extend_from_slice(&tail);
    let (_, archive) = from_file(&bomb);
    let archive = archive.unwrap();
    assert!(archive.unpacked_bytes < 400 * 1024 * 1024, "{}", archive.unpacked_bytes);
}

#[test]
fn an_archive_of_too_many_members_is_told() {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for nth in 0..ARCHIVE_MEMBERS_MAX + 1 {
        archive.start_file(nth.to_string(), options).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    let (logs, archive) = from_file(&bytes);
    let archive = archive.unwrap();
    assert_eq!(
        (logs.len(), codes(&archive), archive.whole),
        (ARCHIVE_MEMBERS_MAX, vec!["archive-too-large"], false)
    );
}

#[test]
fn what_is_too_large_for_memory_is_asked_for_as_a_file() {
    for (head, code) in [(b"PK\x03\x04", "not-seekable"), (b"PAR1", "not-seekable")] {
        let mut reader = Read::chain(&head[..], std::io::repeat(0).take(SPOOL_BYTES_MAX));
        let (logs, archive) = read(Input::Stream(&mut reader));
        let facts = archive.as_ref().unwrap_or_else(|| &logs[0].2);
        assert_eq!((codes(facts), facts.whole), (vec![code], false));
    }
    let mut reader = Read::chain(&b"PAR1"[..], std::io::repeat(0).take(SPOOL_BYTES_MAX - 4));
    let (logs, _) = read(Input::Stream(&mut reader));
    assert_eq!(codes(&logs[0].2), ["parquet-damaged"], "at the limit it is read");
}

#[test]
fn records_are_looked_for_in_an_object_as_far_as_its_limit() {
    let object =
        |filler: usize| format!("{{\n\"x\":\"{}\",\"value\":[{{\"a\":1}},{{\"a\":2}}]}}", "y".repeat(filler));
    let lines = |text: String| from_file(text.as_bytes()).0[0].2.lines;
    let overhead = "{\"x\":\"\",\"value\":[".len();
    assert_eq!(lines(object(JSON_PREFIX_BYTES_MAX - overhead)), 2);
    assert_eq!(lines(object(JSON_PREFIX_BYTES_MAX - overhead + 8)), 1, "it is one line");
}

#[test]
fn a_quoted_value_holds_line_ends_as_far_as_its_limit() {
    let table = |filler: usize| format!("a,b\n1,2\n3,\"{}\nx\"\n4,5\n", "y".repeat(filler));
    let lines = |text: String| from_file(text.as_bytes()).0[0].2.lines;
    assert_eq!(lines(table(10)), 4);
    // The quotes, the line end and the x count.
    assert_eq!(lines(table(CELL_BYTES_MAX - 4)), 4);
    assert_eq!(lines(table(CELL_BYTES_MAX - 3)), 5, "a quote that was left open ends no lines");
}

#[test]
fn a_wrapped_event_log_is_read_in_the_order_of_its_records() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reader/evtx_wrapped.in");
    let (logs, _) = from_file(&std::fs::read(path).unwrap());
    let text = String::from_utf8(logs[0].1.clone()).unwrap();
    let order: Vec<usize> = (6..10).map(|id| text.find(&format!("alice{id}")).unwrap()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn a_source_alone_says_that_an_archive_is_one() {
    let mut source = Source::new(Cursor::new(zip_of(&[("a", b"x\n")])), "in");
    assert!(source.next_block(Vec::new()).is_none());
    assert_eq!(codes(&source.finish()), ["format-not-supported"]);
}

proptest::proptest! {
    /// Whatever stands behind a magic number, all bytes pass and nothing panics; a file and a pipe say the same.
    #[test]
    fn any_bytes_are_told_alike(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600), magic in 0..10_usize) {
        let tar = tar_of(&[("a", b"x")]);
        let head: &[u8] = [b"".as_slice(), b"ElfFile\0", b"\xFF\xFE", b"\xFE\xFF", b"[", b"{\n", b"{\"value\":[", b"PK\x03\x04", b"[{\"a\":", &tar[..tar.len() - 1024]][magic];
        let input = [head, &bytes].concat();
        let (logs, archive) = from_file(&input);
        let (logs_too, archive_too) = from_stream(&input);
        proptest::prop_assert_eq!(shown(&logs, &archive), shown(&logs_too, &archive_too));
    }
}

/// Of two members of one name only the last was read.
#[test]
fn members_of_one_name_are_all_read() {
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        // The writer refuses a name twice: they are made the same afterwards.
        for (name, text) in [
            ("a-1.log", "one"),
            ("b.log", "b"),
            ("a-2.log", "two"),
            ("a-3.log", "three"),
            ("a-1.log#2", "own"),
        ] {
            archive.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
            writeln!(archive, "{}", format!("{text} ").repeat(50)).unwrap();
        }
        let mut bytes = archive.finish().unwrap().into_inner();
        for name in [b"a-2.log", b"a-3.log"] {
            while let Some(at) = bytes.windows(7).position(|window| window == name) {
                bytes[at..at + 7].copy_from_slice(b"a-1.log");
            }
        }
        for bytes in [bytes.clone(), [b"PK\x03\x04 something before", &bytes[..]].concat()] {
            let (logs, archive) = from_file(&bytes);
            let archive = archive.unwrap();
            let read: Vec<_> = logs
                .iter()
                .map(|(name, text, facts)| {
                    assert!(facts.whole, "{:?}", facts.diagnostics);
                    (name.as_str(), std::str::from_utf8(text).unwrap().split(' ').next().unwrap())
                })
                .collect();
            let expected = [
                ("in!a-1.log", "one"),
                ("in!b.log", "b"),
                ("in!a-1.log#3", "two"),
                ("in!a-1.log#4", "three"),
                ("in!a-1.log#2", "own"),
            ];
            assert_eq!(read, expected, "{method}");
            let codes: Vec<&str> = archive.diagnostics.iter().map(|told| told.code).collect();
            assert_eq!((codes, archive.whole), (vec!["archive-names-twice"], true));
        }
        // What is damaged in one that the library does not keep is told, too.
        let at = bytes.windows(7).position(|window| window == b"a-1.log").unwrap() + 12;
        bytes[at] ^= 0x20;
        let (logs, _) = from_file(&bytes);
        let (name, _, facts) = &logs[0];
        assert_eq!((name.as_str(), facts.whole), ("in!a-1.log", false), "{method}");
        assert!(logs[1..].iter().all(|(_, _, facts)| facts.whole));
    }
}

/// A pipe is opened as files are, and does not go back: its first eight bytes were lost, and what it packs was not unpacked.
#[test]
fn a_pipe_under_the_name_of_a_file_is_read_from_its_first_byte() {
    struct Pipe(Cursor<Vec<u8>>);
    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl std::io::Seek for Pipe {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Err(std::io::ErrorKind::NotSeekable.into())
        }
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"one\ntwo\n").unwrap();
    let packed = packed.finish().unwrap();
    let zip = zip_of(&[("a.log", b"one\ntwo\n".as_slice())]);
    for bytes in [b"one\ntwo\n".to_vec(), packed, zip] {
        let (logs, _) = read(Input::File(Box::new(Pipe(Cursor::new(bytes)))));
        let [(_, text, facts)] = logs.as_slice() else { panic!("{}", logs.len()) };
        assert_eq!((text.as_slice(), facts.whole), (b"one\ntwo\n".as_slice(), true));
    }
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gz_of(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// It was read as one text: the first line of each file had a header before its time.
#[test]
fn each_file_in_a_tar_archive_is_a_log() {
    let long = format!("{}/a.log", "folder".repeat(30));
    let packed = gz_of(b"three\n");
    let mut builder =
        tar::Builder::new(tar_of(&[("one.log", b"one\n"), (&long, b"two\n"), ("three.gz", &packed)]));
    // The end is two blocks of zeros: what is added comes before them.
    let mut bytes = std::mem::take(builder.get_mut());
    bytes.truncate(bytes.len() - 1024);
    let mut rest = tar::Builder::new(bytes);
    rest.append_pax_extensions([("path", b"by-pax.log".as_slice())]).unwrap();
    for (name, content) in [("x", b"four\n".as_slice()), ("one.log", b"five\n")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        rest.append_data(&mut header, name, content).unwrap();
    }
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    rest.append_link(&mut link, "link.log", "/etc/passwd").unwrap();
    let mut folder = tar::Header::new_ustar();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_size(0);
    rest.append_data(&mut folder, "folder", std::io::empty()).unwrap();
    let bytes = rest.into_inner().unwrap();
    let wanted = [
        ("in!one.log", "one\n"),
        (&format!("in!{long}"), "two\n"),
        ("in!three.gz", "three\n"),
        ("in!by-pax.log", "four\n"),
        ("in!one.log#2", "five\n"),
    ];
    for bytes in [bytes.clone(), gz_of(&bytes), zstd::encode_all(&bytes[..], 1).unwrap()] {
        for (logs, archive) in [from_file(&bytes), from_stream(&bytes)] {
            let read: Vec<(&str, &str)> = logs
                .iter()
                .map(|(name, text, _)| (name.as_str(), std::str::from_utf8(text).unwrap()))
                .collect();
            assert_eq!(read, wanted);
            let archive = archive.unwrap();
            assert_eq!((archive.whole, codes(&archive), archive.bytes), (true, vec![], bytes.len() as u64));
            assert_eq!(archive.sha256, <[u8; 32]>::from(sha2::Sha256::digest(&bytes)));
        }
    }
}

#[test]
fn a_tar_archive_that_is_cut_short_is_told() {
    let bytes = tar_of(&[("one.log", b"one\n"), ("two.log", "two\n".repeat(1_000).as_bytes())]);
    for bytes in [bytes[..2_000].to_vec(), gz_of(&bytes)[..100].to_vec()] {
        let (logs, archive) = from_file(&bytes);
        assert_eq!(logs[0].1, b"one\n");
        let archive = archive.unwrap();
        let is_told = |facts: &ReadFacts| !facts.whole && !facts.diagnostics.is_empty();
        assert!(is_told(&archive), "{archive:?}");
        assert!(logs.get(1).is_none_or(|(_, _, facts)| is_told(facts)), "a member that was cut is not whole");
    }
}

/// What is of a type that is not known is a file, and what stands behind the end may be another archive.
#[test]
fn nothing_in_a_tar_archive_is_passed_over_in_silence() {
    let mut header = tar::Header::new_ustar();
    header.set_path("odd.log").unwrap();
    header.set_entry_type(tar::EntryType::new(b'Z'));
    header.set_size(4);
    header.set_cksum();
    let odd = [&header.as_bytes()[..], b"odd\n", &[0; 508], &[0; 1024]].concat();
    let names = [("a.log", b"one\n".as_slice()), ("a.log#2", b"own\n"), ("a.log", b"two\n")];
    let bytes = [odd, tar_of(&names), tar_of(&[("b.log", b"b\n")])].concat();
    let (logs, archive) = from_file(&bytes);
    let read: Vec<(&str, &[u8])> =
        logs.iter().map(|(name, text, _)| (name.as_str(), text.as_slice())).collect();
    let wanted: [(&str, &[u8]); 5] = [
        ("in!odd.log", b"odd\n"),
        ("in!a.log", b"one\n"),
        ("in!a.log#2", b"own\n"),
        ("in!a.log#3", b"two\n"),
        ("in!b.log", b"b\n"),
    ];
    assert_eq!(read, wanted);
    assert!(archive.unwrap().whole);
    let (_, archive) = from_file(&[&bytes, b"no archive".repeat(100).as_slice()].concat());
    assert!(!archive.unwrap().whole, "what stands there is none");
}

/// A line of text may say so at that place, too.
#[test]
fn a_text_is_no_tar_archive() {
    let text = format!("{}ustar  and more\n{}", "x".repeat(257), "y\n".repeat(300));
    let (logs, archive) = from_file(text.as_bytes());
    assert!(archive.is_none());
    assert_eq!(logs[0].1, text.as_bytes());
}

/// The library takes a long name into memory, whatever its length.
#[test]
fn a_name_without_end_in_a_tar_archive_takes_no_room() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(4 << 30);
    header.set_path("././@LongLink").unwrap();
    header.set_cksum();
    let endless = Read::chain(&header.as_bytes()[..], std::io::repeat(b'a').take(64 << 20));
    let (logs, archive) = read(Input::Stream(&mut Read::chain(endless, &b""[..])));
    assert!(logs.is_empty());
    assert_eq!(codes(&archive.unwrap()), ["archive-damaged"]);
}
