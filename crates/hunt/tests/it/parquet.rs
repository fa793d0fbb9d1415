// SPDX-License-Identifier: Apache-2.0
//! Parquet with lists, maps and structs in them: files by the library's own writer, levels written out.

use std::sync::Arc;

use hunt::limits::{LINE_BYTES_MAX, PARQUET_PAGE_BYTES_MAX, PARQUET_ROW_VALUES_MAX};
use hunt::reader::{Input, ReadFacts, read_logs};
use parquet::basic::{Compression, Encoding};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Values with their definition and repetition levels.
enum Column {
    Int(Vec<i32>, Vec<i16>, Vec<i16>),
    Long(Vec<i64>, Vec<i16>, Vec<i16>),
    Text(Vec<&'static str>, Vec<i16>, Vec<i16>),
}
use Column::{Int, Long, Text};

fn levels(levels: &[i16]) -> Option<&[i16]> {
    Some(levels).filter(|levels| !levels.is_empty())
}

fn file_with(schema: &str, groups: &[Vec<Column>], properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {schema} }}")).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for column in columns {
            let mut to = group.next_column().unwrap().unwrap();
            match (to.untyped(), column) {
                (ColumnWriter::Int32ColumnWriter(to), Int(values, def, rep)) => {
                    to.write_batch(values, levels(def), levels(rep)).unwrap();
                }
                (ColumnWriter::Int64ColumnWriter(to), Long(values, def, rep)) => {
                    to.write_batch(values, levels(def), levels(rep)).unwrap();
                }
                (ColumnWriter::ByteArrayColumnWriter(to), Text(values, def, rep)) => {
                    let values: Vec<ByteArray> = values.iter().map(|text| (*text).into()).collect();
                    to.write_batch(&values, levels(def), levels(rep)).unwrap();
                }
                _ => panic!("the column has another type"),
            }
            to.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn file(schema: &str, columns: Vec<Column>) -> Vec<u8> {
    file_with(schema, &[columns], WriterProperties::builder().build())
}

fn read(bytes: &[u8]) -> (Vec<String>, ReadFacts) {
    let mut result = None;
    read_logs(Input::Stream(&mut &bytes[..]), "log", &mut |_, mut source| {
        let mut text = Vec::new();
        while let Some(block) = source.next_block(Vec::new()) {
            text.extend_from_slice(&block.bytes);
        }
        let lines = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
        result = Some((lines, source.finish()));
    });
    result.unwrap()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let (lines, facts) = read(bytes);
    assert!(facts.whole && facts.diagnostics.is_empty(), "{:?}", facts.diagnostics);
    lines
}

const TAGS: &str = "required int32 n; optional group tags (LIST) { repeated group list { optional binary element (UTF8); } } optional binary z (UTF8);";

fn tags() -> Vec<Column> {
    vec![
        Int(vec![1, 2, 3, 4], vec![], vec![]),
        // ["a", null, "b"], [], none, ["c"]
        Text(vec!["a", "b", "c"], vec![3, 2, 3, 1, 0, 3], vec![0, 1, 1, 0, 0, 0]),
        Text(vec!["x", "y"], vec![1, 0, 0, 1], vec![]),
    ]
}

#[test]
fn lists_are_arrays_with_none_and_nothing_in_them() {
    let expected = [
        r#"{"n":1,"tags":["a",null,"b"],"z":"x"}"#,
        r#"{"n":2,"tags":[]}"#,
        r#"{"n":3}"#,
        r#"{"n":4,"tags":["c"],"z":"y"}"#,
    ];
    assert_eq!(lines(&file(TAGS, tags())), expected);
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in
            [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())]
        {
            let properties = || {
                let properties = WriterProperties::builder().set_writer_version(version);
                properties
                    .set_compression(compression)
                    .set_data_page_row_count_limit(1)
                    .set_write_batch_size(1)
            };
            let twice = [expected, expected].concat();
            let bytes = file_with(TAGS, &[tags(), tags()], properties().build());
            assert_eq!(lines(&bytes), twice, "{version:?} {compression}");
            let shared = properties().set_dictionary_enabled(false).set_encoding(Encoding::PLAIN).build();
            assert_eq!(lines(&file_with(TAGS, &[tags(), tags()], shared)), twice);
        }
    }
}

#[test]
fn lists_of_lists_of_structs_and_maps() {
    let nested = "optional group a (LIST) { repeated group list { optional group element (LIST) { \
        repeated group list { required int32 element; } } } }";
    // [[1, 2], [], null, [3]], none, []
    let column = Int(vec![1, 2, 3], vec![4, 4, 3, 2, 4, 0, 1], vec![0, 2, 1, 1, 1, 0, 0]);
    assert_eq!(lines(&file(nested, vec![column])), [r#"{"a":[[1,2],[],null,[3]]}"#, "{}", r#"{"a":[]}"#]);

    let structs = "required group a (LIST) { repeated group list { optional group element { \
        optional binary name (UTF8); repeated int32 ports; } } }";
    // [{name: "x", ports: [1, 2]}, null, {ports: []}], []
    let names = Text(vec!["x"], vec![3, 1, 2, 0], vec![0, 1, 1, 0]);
    let ports = Int(vec![1, 2], vec![3, 3, 1, 2, 0], vec![0, 2, 1, 1, 0]);
    let expected = [r#"{"a":[{"name":"x","ports":[1,2]},null,{"ports":[]}]}"#, r#"{"a":[]}"#];
    assert_eq!(lines(&file(structs, vec![names, ports])), expected);

    let map = "optional group m (MAP) { repeated group key_value { required int64 key; \
        optional group value (LIST) { repeated group list { optional binary element (UTF8); } } } }";
    // {7: ["a"], 8: null}, {}, none
    let keys = Long(vec![7, 8], vec![2, 2, 1, 0], vec![0, 1, 0, 0]);
    let values = Text(vec!["a"], vec![5, 2, 1, 0], vec![0, 1, 0, 0]);
    assert_eq!(lines(&file(map, vec![keys, values])), [r#"{"m":{"7":["a"],"8":null}}"#, r#"{"m":{}}"#, "{}"]);

    let old = "repeated int32 bare; optional group two (LIST) { repeated int32 element; } \
        optional group three (LIST) { repeated group array { required int32 x; } }";
    let column = || Int(vec![1, 2], vec![1, 1], vec![0, 1]);
    let two = || Int(vec![1, 2], vec![2, 2], vec![0, 1]);
    let expected = [r#"{"bare":[1,2],"two":[1,2],"three":[{"x":1},{"x":2}]}"#];
    assert_eq!(lines(&file(old, vec![column(), two(), two()])), expected);
}

#[test]
fn a_row_of_too_many_values_is_told_before_it_is_made() {
    let rows = |count: usize| {
        let levels = [vec![0], vec![1; count - 1]].concat();
        let column = Int(vec![7; count], vec![1; count], levels);
        let one = || Int(vec![7], vec![1], vec![0]);
        file_with("repeated int32 a;", &[vec![one()], vec![column], vec![one()]], WriterProperties::default())
    };
    let (read_lines, facts) = read(&rows(PARQUET_ROW_VALUES_MAX));
    // As a line it is one byte longer than lines may be.
    assert_eq!((read_lines.len(), facts.lines, facts.unread_lines), (2, 3, 1));
    assert_eq!(lines(&rows(LINE_BYTES_MAX / 2 - 4)).len(), 3);
    let (read_lines, facts) = read(&rows(PARQUET_ROW_VALUES_MAX + 1));
    assert_eq!((read_lines, facts.whole), (vec![r#"{"a":[7]}"#.to_owned()], false));
    let message = &facts.diagnostics[0].message;
    assert!(message.contains("more than 524288 values in a list"), "{message}");
}

/// A page's header may claim any size, and the library would make room for it.
#[test]
fn a_page_that_claims_more_than_the_limit_is_not_made() {
    let rows = vec![Long(vec![1; 20], vec![], vec![])];
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let mut bytes = file_with("required int64 n;", &[rows], properties.build());
    assert_eq!(lines(&bytes).len(), 20);
    // Right behind the magic: the type 0, 160 bytes in zigzag, and the same of what is in the file.
    assert_eq!(bytes[4..12], [0x15, 0, 0x15, 0xC0, 2, 0x15, 0xC0, 2]);
    let mut size = PARQUET_PAGE_BYTES_MAX * 2 + 2;
    let mut claimed = Vec::new();
    while size >= 0x80 {
        claimed.push(size as u8 | 0x80);
        size >>= 7;
    }
    claimed.push(size as u8);
    bytes.splice(7..9, claimed);
    let (lines, facts) = read(&bytes);
    assert!(lines.is_empty() && !facts.whole);
    let message = &facts.diagnostics[0].message;
    assert!(message.contains("a page of 268435457 bytes is larger than 268435456"), "{message}");
}

#[test]
fn lists_whose_columns_disagree_end_the_reading_and_nothing_else() {
    let structs = "repeated group a { required int32 x; required int32 y; }";
    let both = |rep: Vec<i16>| {
        let count = rep.len();
        let column = |rep| Int(vec![1; count], vec![1; count], rep);
        file(structs, vec![column(vec![0, 1, 0, 1]), column(rep)])
    };
    assert_eq!(lines(&both(vec![0, 1, 0, 1])).len(), 2);
    let (lines, facts) = read(&both(vec![0, 1, 1, 0]));
    assert!(
        lines.is_empty() && facts.diagnostics[0].message.contains("do not agree"),
        "{:?}",
        facts.diagnostics
    );
}
