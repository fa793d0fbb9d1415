// SPDX-License-Identifier: Apache-2.0
//! The file of a run, as others see it. `tests/golden/history-1` was written by the first program with runs, and
//! is never edited: every later one reads it.

use std::path::PathBuf;

use hunt::event::SourceKind;
use hunt::history::{Flags, MemoryFolder, Month, OpenRun, Row, RunFacts, RunHead, RunWriter, Sources, Tally};
use model::observable::{Observable, ObservableKind};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/history-1")
}

const HEAD: &str = "2019-02";

/// The rows of the golden run: addresses and names for documentation (RFC 5737, RFC 3849, RFC 2606).
fn rows() -> Vec<Row> {
    let row = |text: &str, (first, last): (u32, u32), count, flags, sources| {
        let observable = Observable::guess(text).unwrap();
        let (_, mut tally) = Tally::once(Some(first), flags);
        tally.merge(&Tally::once(Some(last), Flags::default()).1);
        tally.count = count;
        Row { kind: observable.kind(), value: observable.canonical().to_vec(), tally, sources }
    };
    // 2019-02-03T00:00:00Z, and 2019-02-28T23:59:59Z.
    let (third, last) = (1_549_152_000, 1_551_398_399);
    let mut between = row("203.0.113.7", (third, last), 12, Flags::OUTBOUND, Sources::Few(vec![1, 2, 40]));
    between.tally.days |= 1 << 9;
    vec![
        row("192.0.2.1", (third, third), 1, Flags::default(), Sources::one(1)),
        between,
        row("2001:db8::7", (third, last), 3, Flags::OUTBOUND.with(Flags::DENIED), Sources::Many),
        row("example.org", (last, last), 2, Flags::ANSWERED, Sources::one(2)),
        row("vpn.example.org", (third + 1, last - 1), u64::MAX, Flags::default(), Sources::one(2)),
        row(&"0a".repeat(32), (third, last), 2, Flags::default(), Sources::one(3)),
    ]
}

fn write() -> (MemoryFolder, RunFacts) {
    let folder = MemoryFolder::default();
    let head = RunHead { month: Month::parse(HEAD).unwrap(), source: SourceKind::Proxy };
    let mut writer = RunWriter::new(&folder, head, true).unwrap();
    rows().iter().for_each(|row| writer.push(row).unwrap());
    let facts = writer.finish().unwrap();
    (folder, facts)
}

/// What the database kept of the golden run.
fn golden_facts() -> RunFacts {
    let told: serde_json::Value =
        serde_json::from_slice(&std::fs::read(golden().join("facts.json")).unwrap()).unwrap();
    let number = |name: &str| told[name].as_u64().unwrap();
    let checks = told["checks"].as_str().unwrap();
    RunFacts {
        name: told["name"].as_str().unwrap().to_owned(),
        head: RunHead { month: Month::parse(HEAD).unwrap(), source: SourceKind::Proxy },
        kinds: [ObservableKind::Ip, ObservableKind::Domain, ObservableKind::Sha256].into_iter().collect(),
        rows: number("rows"),
        bytes: number("bytes"),
        checks: model::id::hex_decode(checks).unwrap(),
        filter: (number("filter_at"), number("filter_bytes")),
    }
}

#[test]
fn a_run_of_format_1_is_read_for_ever() {
    if std::env::var_os("POLDER_WRITE_GOLDEN_HISTORY").is_some() {
        let (folder, facts) = write();
        std::fs::create_dir_all(golden()).unwrap();
        std::fs::write(golden().join("run.parquet"), folder.bytes(&facts.name).unwrap()).unwrap();
        let told = serde_json::json!({
            "name": facts.name, "rows": facts.rows, "bytes": facts.bytes, "checks": model::id::hex(&facts.checks),
            "filter_at": facts.filter.0, "filter_bytes": facts.filter.1,
        });
        std::fs::write(golden().join("facts.json"), format!("{told:#}\n")).unwrap();
    }
    let facts = golden_facts();
    let folder = MemoryFolder::default();
    folder.put(&facts.name, std::fs::read(golden().join("run.parquet")).unwrap());
    let run = OpenRun::open(&folder, &facts).unwrap();
    let (mut read, expected) = (run.rows(), rows());
    for row in &expected {
        assert_eq!(read.next_row().unwrap().as_ref(), Some(row));
        assert_eq!(run.row(row.kind, &row.value).unwrap().as_ref(), Some(row));
        let may = OpenRun::may_hold(&folder, &facts, row.kind, &row.value, &row.value).unwrap();
        assert_eq!(may, hunt::history::Match::Maybe, "its filter is read too");
    }
    assert_eq!(read.next_row().unwrap(), None);
    assert_eq!(facts.rows, expected.len() as u64);
}

/// The same rows make the same bytes, and so the same name.
#[test]
fn the_same_rows_make_the_same_run() {
    let ((_, one), (_, other)) = (write(), write());
    assert_eq!(one, other);
    assert!(one.name.len() == 32 + ".parquet".len());
}

#[test]
fn a_page_holds_8192_rows_and_a_row_group_122880() {
    use parquet_reader::*;
    let folder = MemoryFolder::default();
    let head = RunHead { month: Month::parse(HEAD).unwrap(), source: SourceKind::Dns };
    let mut writer = RunWriter::new(&folder, head, false).unwrap();
    for n in 0..hunt::history::GROUP_ROWS as u32 + 1 {
        let (_, tally) = Tally::once(Some(1_549_152_000 + n), Flags::default());
        let value = format!("org.example.{n:08}").into_bytes();
        writer.push(&Row { kind: ObservableKind::Domain, value, tally, sources: Sources::one(1) }).unwrap();
    }
    let facts = writer.finish().unwrap();
    let bytes = folder.bytes(&facts.name).unwrap();
    assert!(bytes.len() < 15 * facts.rows as usize, "{} bytes for {} rows", bytes.len(), facts.rows);
    assert_eq!(page_rows(bytes), [[8_192; 15].to_vec(), vec![1]]);
}

/// With the library alone, as another program reads it.
mod parquet_reader {
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};

    /// Rows of the pages of each row group, by the index of the values.
    pub fn page_rows(run: Vec<u8>) -> Vec<Vec<i64>> {
        let run = bytes::Bytes::from(run);
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        let meta = reader.parse_and_finish(&run).unwrap();
        let groups = meta.row_groups().iter().enumerate();
        groups
            .map(|(nth, group)| {
                let index = meta.page_index_for_row_group(nth);
                let mut starts: Vec<i64> = index
                    .offset_index(1)
                    .unwrap()
                    .page_locations()
                    .iter()
                    .map(|page| page.first_row_index)
                    .collect();
                starts.push(group.num_rows());
                starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
            })
            .collect()
    }
}

/// A length below zero in a run's metadata ended the program: the library takes it for impossible.
#[test]
fn a_run_that_contradicts_itself_is_damaged_and_ends_nothing() {
    let (folder, facts) = write();
    let whole = folder.bytes(&facts.name).unwrap();
    let sum = |part: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(part);
        crc.sum().to_le_bytes()
    };
    let (mut read, mut damaged) = (0, 0);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let checks = bytes.chunks(16 * 1024).flat_map(sum).collect();
        folder.put("made", bytes);
        let facts = RunFacts { name: "made".to_owned(), checks, ..facts.clone() };
        let all = OpenRun::open(&folder, &facts).and_then(|run| {
            let mut rows = run.rows();
            while rows.next_row()?.is_some() {}
            Ok(())
        });
        if all.is_ok() { read += 1 } else { damaged += 1 }
    }
    assert!(read > 0 && damaged > 100, "{read} {damaged}");
}
