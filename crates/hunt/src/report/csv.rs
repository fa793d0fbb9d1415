// SPDX-License-Identifier: Apache-2.0
//! CSV by RFC 4180: findings and detections, a row each, for a spreadsheet.

use std::io::{self, Write};

use model::time::Timestamp;

use super::advice::advice;
use super::summary::{Hit, Summary};
use super::words::{kind_name, visible};
use crate::detection::Detection;

/// The columns, in their order.
pub const COLUMNS: [&str; 18] = [
    "what",
    "level",
    "time",
    "last",
    "host",
    "account",
    "address",
    "source",
    "kind",
    "value",
    "indicator",
    "name",
    "author",
    "marking",
    "count",
    "file",
    "line",
    "text",
];
/// The column after them.
const LAST_COLUMN: &str = "advice";

/// Writes findings and detections as CSV under a line of names. Lines end in CRLF.
///
/// A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula:
/// such a cell gets an apostrophe before it. What cannot be seen is written as an escape, `\u{202e}`.
pub fn csv(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
    writer.write_record(COLUMNS.iter().chain([&LAST_COLUMN]))?;
    for hit in &summary.hits {
        writer.write_record(finding(summary, hit).iter().map(|cell| safe(cell)))?;
    }
    for detection in &summary.detections {
        writer.write_record(row(summary, detection).iter().map(|cell| safe(cell)))?;
    }
    writer.flush()
}

/// What a spreadsheet takes for a formula begins with one of these.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// A cell that no spreadsheet takes for a formula. Where the list separator is a semicolon one splits the line at those
/// inside of a cell, too: what follows one is looked at like the beginning.
pub fn safe(cell: &str) -> String {
    let cell = visible(cell);
    let mut safe = String::with_capacity(cell.len() + 1);
    if cell.trim_start().starts_with(FORMULA) {
        safe.push('\'');
    }
    let mut begins = false;
    for c in cell.chars() {
        if begins && FORMULA.contains(&c) {
            safe.push('\'');
        }
        // A quotation mark that opens a cell is no part of it.
        begins = c == ';' || begins && (c.is_whitespace() || c == '"');
        safe.push(c);
    }
    safe
}

fn finding(summary: &Summary, hit: &Hit) -> [String; 19] {
    let Hit { finding, host, account, source, .. } = hit;
    let facts = summary.facts(&finding.indicator);
    [
        "finding".to_owned(),
        String::new(),
        told(finding.time),
        told(finding.time),
        host.clone().unwrap_or_default(),
        account.clone().unwrap_or_default(),
        String::new(),
        kind_name(*source).to_owned(),
        finding.kind.name().to_owned(),
        finding.value.clone(),
        finding.indicator.clone(),
        facts.name,
        facts.author,
        facts.marking.to_string(),
        "1".to_owned(),
        finding.file.clone(),
        finding.line.to_string(),
        finding.text.clone(),
        advice(finding.kind).to_owned(),
    ]
}

fn row(summary: &Summary, detection: &Detection) -> [String; 19] {
    let about = |kind: &str| super::group::about(detection, kind).collect::<Vec<_>>().join(" ");
    let first = detection.evidence.first();
    [
        "detection".to_owned(),
        detection.level.name().to_owned(),
        told(detection.first),
        told(detection.last),
        about("host"),
        about("account"),
        about("address"),
        kind_name(detection.source).to_owned(),
        super::lines::means_name(detection.means).to_owned(),
        detection.title.clone(),
        detection.id.clone(),
        detection.threshold.clone(),
        detection.credit.clone(),
        summary.marking_of(detection).to_string(),
        detection.count.to_string(),
        first.map(|line| line.file.clone()).unwrap_or_default(),
        first.map(|line| line.place.line.to_string()).unwrap_or_default(),
        first.map(|line| line.text.clone()).unwrap_or_default(),
        detection.advice.clone(),
    ]
}

fn told(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
