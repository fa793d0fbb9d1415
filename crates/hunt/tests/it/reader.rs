// SPDX-License-Identifier: Apache-2.0
//! Unpacking and cutting into lines.

use std::io::{Cursor, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use hunt::limits::{BLOCK_BYTES, LINE_BYTES_MAX, UNPACK_BYTES_MAX};
use hunt::reader::{Packing, ReadFacts, Source};

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Blocks as `(offset, first line, bytes)`, put together where they touch, and the facts.
fn read(bytes: &[u8]) -> (Vec<(u64, u64, Vec<u8>)>, ReadFacts) {
    read_from(Cursor::new(bytes))
}

fn read_from(reader: impl Read) -> (Vec<(u64, u64, Vec<u8>)>, ReadFacts) {
    let mut source = Source::new(reader, "log");
    let mut parts: Vec<(u64, u64, Vec<u8>)> = Vec::new();
    let mut buffer = Vec::new();
    while let Some(block) = source.next_block(buffer) {
        assert!(block.bytes.len() <= 2 * BLOCK_BYTES + LINE_BYTES_MAX);
        match parts.last_mut() {
            Some((offset, _, bytes)) if *offset + bytes.len() as u64 == block.offset => {
                assert_eq!(bytes.last(), Some(&b'\n'), "blocks end with whole lines");
                bytes.extend_from_slice(&block.bytes);
            }
            _ => parts.push((block.offset, block.first_line, block.bytes.clone())),
        }
        buffer = block.bytes;
    }
    (parts, source.finish())
}

fn codes(facts: &ReadFacts) -> Vec<&str> {
    facts.diagnostics.iter().map(|d| d.code).collect()
}

fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| format!("line {n} 203.0.113.{}\n", n % 256).into_bytes()).collect()
}

#[test]
fn the_content_decides_how_a_log_is_packed() {
    let log = lines(150_000);
    for (bytes, packing) in
        [(log.clone(), Packing::Plain), (gz(&log), Packing::Gzip), (zst(&log), Packing::Zstd)]
    {
        let (parts, facts) = read(&bytes);
        assert_eq!(parts, [(0, 1, log.clone())], "{packing:?}");
        assert_eq!(
            (facts.packing, facts.lines, facts.unread_lines, facts.whole),
            (packing, 150_000, 0, true)
        );
        assert_eq!((facts.bytes, facts.unpacked_bytes), (bytes.len() as u64, log.len() as u64));
        assert_eq!(facts.sha256, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
        assert_eq!(codes(&facts), [""; 0]);
    }
}

#[test]
fn archives_of_several_members_are_read_to_the_end() {
    for pack in [gz, zst] {
        let (parts, facts) = read(&[pack(b"a\nb"), pack(b"c\n"), pack(b""), pack(b"d")].concat());
        assert_eq!(parts, [(0, 1, b"a\nbc\nd".to_vec())]);
        assert_eq!((facts.lines, facts.whole), (3, true));
    }
}

#[test]
fn a_truncated_archive_gives_what_it_holds() {
    let log = lines(100_000);
    for pack in [gz, zst] {
        let packed = pack(&log);
        let (parts, facts) = read(&packed[..packed.len() / 2]);
        assert!(log.starts_with(&parts[0].2) && parts[0].2.len() > 1000);
        assert_eq!(codes(&facts), ["archive-damaged"]);
        assert!(!facts.whole);
    }
}

#[test]
fn a_damaged_archive_gives_what_comes_before() {
    let log = lines(100_000);
    let mut packed = [gz(&log), gz(b"more\n")].concat();
    let second = gz(&log).len();
    packed[second] = 0;
    let (parts, facts) = read(&packed);
    assert_eq!(parts[0].2, log);
    assert_eq!((codes(&facts), facts.bytes), (vec!["archive-damaged"], packed.len() as u64));
    let (parts, facts) = read(b"\x1F\x8B\x08garbage");
    assert_eq!((parts.len(), codes(&facts)), (0, vec!["archive-damaged"]));
}

#[test]
fn an_archive_bomb_is_stopped() {
    // Zeros pack 1,000 to 1 with gzip at best, far better with zstd.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let chunk = [b"\n".as_slice(), &[b'0'; 65_535]].concat();
    for _ in 0..UNPACK_BYTES_MAX / 65_536 + 64 {
        encoder.write_all(&chunk).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let (mut blocks, mut source) = (0, Source::new(Cursor::new(&bomb), "bomb"));
    let mut buffer = Vec::new();
    while let Some(block) = source.next_block(buffer) {
        blocks += block.bytes.len() as u64;
        buffer = block.bytes;
    }
    let facts = source.finish();
    assert_eq!((codes(&facts), facts.whole), (vec!["archive-bomb"], false));
    assert!(blocks <= UNPACK_BYTES_MAX + 2 * BLOCK_BYTES as u64);
}

#[test]
fn a_line_at_the_limit_is_read_and_one_over_it_is_not() {
    let at = [vec![b'a'; LINE_BYTES_MAX], b"\nend\n".to_vec()].concat();
    let (parts, facts) = read(&at);
    assert_eq!((parts.len(), facts.lines, facts.unread_lines), (1, 2, 0));
    for over in [LINE_BYTES_MAX + 1, LINE_BYTES_MAX * 3, BLOCK_BYTES * 5 + 7] {
        let log = [
            b"first\n".to_vec(),
            vec![b'a'; over],
            b"\nlast\n".to_vec(),
            vec![b'b'; over],
            b"\nend".to_vec(),
        ]
        .concat();
        for bytes in [log.clone(), gz(&log)] {
            let (parts, facts) = read(&bytes);
            let (a, b) = (6 + over as u64 + 1, 6 + over as u64 + 1 + 5 + over as u64 + 1);
            assert_eq!(
                parts,
                [(0, 1, b"first\n".to_vec()), (a, 3, b"last\n".to_vec()), (b, 5, b"end".to_vec())]
            );
            assert_eq!((facts.lines, facts.unread_lines), (5, 2));
            assert_eq!(codes(&facts), ["line-too-long"; 2]);
            assert_eq!(facts.diagnostics[0].place, "log line 2");
        }
    }
    let (parts, facts) = read(&vec![b'a'; LINE_BYTES_MAX + 1]);
    assert_eq!((parts.len(), facts.lines, facts.unread_lines), (0, 1, 1));
}

#[test]
fn formats_that_are_not_read_are_named() {
    for head in [b"PK\x03\x04rest".as_slice(), b"PK\x05\x06", b"7z\xBC\xAF\x27\x1C", b"BZh9", b"\xFD7zXZ\0"] {
        let (parts, facts) = read(head);
        assert_eq!((parts.len(), codes(&facts), facts.whole), (0, vec!["format-not-supported"], false));
        assert_eq!(facts.bytes, head.len() as u64);
    }
}

#[test]
fn an_empty_log_is_whole() {
    let (parts, facts) = read(b"");
    assert_eq!((parts.len(), facts.lines, facts.whole), (0, 0, true));
}

#[test]
fn a_failing_reader_gives_what_came_before() {
    struct Fails(usize);
    impl Read for Fails {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the disk is gone"));
            }
            let count = buffer.len().min(self.0).min(1_000);
            buffer[..count].fill(b'\n');
            self.0 -= count;
            Ok(count)
        }
    }
    let (parts, facts) = read_from(Fails(3_000_000));
    assert_eq!(parts[0].2.len(), 3_000_000);
    assert!(codes(&facts).contains(&"read-failed") && !facts.whole);
    let (parts, facts) = read_from(Fails(0));
    assert_eq!((parts.len(), facts.whole), (0, false));
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_not_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2_000), magic in 0..4_usize) {
        let head: &[u8] = [b"".as_slice(), b"\x1F\x8B\x08\0", b"\x28\xB5\x2F\xFD", b"\x50\x2A\x4D\x18"][magic];
        let (_, facts) = read(&[head, &bytes].concat());
        proptest::prop_assert_eq!(facts.bytes as usize, head.len() + bytes.len());
    }
}

/// Reads pieces of odd sizes, is interrupted now and then, and fails at a place if told so.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
    fails: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.piece = self.piece % 90_001 + 7_919;
        if self.piece.is_multiple_of(5) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        if self.rest.is_empty() && std::mem::take(&mut self.fails) {
            return Err(std::io::Error::other("the share is gone"));
        }
        let most = self.piece.min(buffer.len());
        self.rest.read(&mut buffer[..most])
    }
}

/// Log lines that no packer makes small, so that what is hashed is many buffers long.
fn unlike_lines(count: u64) -> Vec<u8> {
    let line = |n: u64| {
        format!("{:016x}\n", (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)).into_bytes()
    };
    (0..count).flat_map(line).collect()
}

#[test]
fn every_byte_of_the_file_is_hashed_once_however_it_is_read() {
    let log = unlike_lines(400_000);
    let of = |bytes: &[u8]| <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(bytes));
    for packed in [gz(&log), zst(&log), log.clone()] {
        assert!(packed.len() > 2 * 1024 * 1024, "{} bytes are too few for this test", packed.len());
        for fails in [false, true] {
            let (parts, facts) = read_from(Pieces { rest: &packed, piece: 1, fails });
            assert_eq!(facts.bytes, packed.len() as u64);
            assert_eq!(facts.sha256, of(&packed));
            assert_eq!(facts.whole, !fails, "{:?}", facts.diagnostics);
            let read: Vec<u8> = parts.into_iter().flat_map(|(.., bytes)| bytes).collect();
            assert!(read == log, "{} of {} bytes", read.len(), log.len());
        }
        // Damage in the middle ends the unpacking; the rest is hashed all the same.
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 256 * 1024].fill(0xFF);
        let (_, facts) = read_from(Pieces { rest: &damaged, piece: 1, fails: false });
        assert_eq!((facts.bytes, facts.sha256), (damaged.len() as u64, of(&damaged)));
        assert_eq!(facts.whole, facts.packing == Packing::Plain);
    }
}
