// SPDX-License-Identifier: Apache-2.0
//! Exceptions that were made after a rule detected something, asked of the lines that are kept of it.

use super::engine::ONE_EVENT;
use super::exception::Exception;
use super::sources::facets;
use super::view::View;
use crate::detection::{Detection, Evidence, Means};
use crate::event::{Format, Reader};
use crate::reader::Block;
use crate::time::Clock;

/// What stands at the end of a line that is not kept whole.
const CUT: char = '…';

/// Whether exceptions cover a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered<'e> {
    /// All that it rests on, this one among them.
    By(&'e Exception),
    /// Not, or not all of it.
    No,
    /// The lines that are kept do not tell: there were more, one of them is cut, or its form was told by a header.
    Unknown,
}

/// What the exceptions that hold say of a detection, by the lines that are kept of it. What a hunt comes to that reads the
/// log again is more exact: it has all lines, whole.
pub fn covered<'e>(detection: &Detection, exceptions: &'e [Exception]) -> Covered<'e> {
    let about: Vec<&Exception> =
        exceptions.iter().filter(|exception| exception.is_about(&detection.id)).collect();
    if detection.means != Means::Rule || about.is_empty() {
        return Covered::No;
    }
    if let Some(all) = about.iter().find(|exception| exception.conditions.is_empty()) {
        return Covered::By(all);
    }
    let lines: Vec<Covered<'_>> = detection.evidence.iter().map(|line| of_line(line, &about)).collect();
    let is_no = |line: &&Covered<'_>| **line == Covered::No;
    let not = lines.iter().filter(is_no).count();
    let is_all = u64::try_from(lines.len()).is_ok_and(|lines| lines == detection.count);
    match lines.iter().find(|line| !is_no(line)) {
        None => Covered::No,
        // Of a correlation the others may be too few to be told.
        Some(_) if not > 0 && detection.threshold == ONE_EVENT => Covered::No,
        Some(_) if not > 0 || !is_all || lines.contains(&Covered::Unknown) => Covered::Unknown,
        Some(by) => *by,
    }
}

fn of_line<'e>(line: &Evidence, about: &[&'e Exception]) -> Covered<'e> {
    let text = line.text.as_bytes();
    // By the form that the line tells by itself: its header is not kept.
    let mut reader = Reader::of_listener(text, Clock::default());
    let block = Block { bytes: text.to_vec(), offset: line.place.offset, first_line: line.place.line };
    let Ok(Some(event)) = reader.block(&block).parse(text, line.place) else { return Covered::Unknown };
    let view = View { event: &event, line: text, names: facets(&event).names };
    match about.iter().find(|exception| exception.covers(&view)) {
        Some(by) => Covered::By(by),
        // A line of columns whose names stood in a header looks like text.
        None if line.text.ends_with(CUT) || event.class.format == Format::Text => Covered::Unknown,
        None => Covered::No,
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::*;
    use crate::detection::Level;
    use crate::event::{Place, SourceKind};

    const RULE: &str = "2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e10";

    fn detection(lines: &[&str], count: u64, threshold: &str) -> Detection {
        let evidence = |text: &&str| Evidence {
            file: "a.log".to_owned(),
            place: Place { line: 7, offset: 700 },
            time: None,
            text: (*text).to_owned(),
        };
        Detection {
            means: Means::Rule,
            id: RULE.to_owned(),
            title: String::new(),
            level: Level::High,
            techniques: Vec::new(),
            credit: String::new(),
            source: SourceKind::Unknown,
            about: Vec::new(),
            first: None,
            last: None,
            count,
            evidence: lines.iter().map(evidence).collect(),
            threshold: threshold.to_owned(),
            baseline: String::new(),
            disproof: String::new(),
            advice: String::new(),
        }
    }

    fn except(rule: &str, conditions: &[&str]) -> Exception {
        let conditions: Vec<String> = conditions.iter().map(|one| (*one).to_owned()).collect();
        let until = Timestamp::from_micros(1);
        Exception::new(rule, &conditions, "our backup", until, "me", Timestamp::EPOCH).unwrap()
    }

    #[test]
    fn what_is_kept_of_a_detection_says_whether_an_exception_covers_it() {
        let (ann, bob) = (r#"{"User":"CORP\\ann","Image":"x"}"#, r#"{"User":"CORP\\bob","Image":"x"}"#);
        let of_ann = [except(RULE, &["User=CORP\\an*"])];
        let judge = |lines: &[&str], count, threshold, exceptions| match covered(
            &detection(lines, count, threshold),
            exceptions,
        ) {
            Covered::By(exception) => exception.reason.clone(),
            Covered::No => "no".to_owned(),
            Covered::Unknown => "unknown".to_owned(),
        };
        let other = [except("another", &["User=CORP\\an*"])];
        let (whole, all) = ([except(RULE, &[])], [except("*", &["Image=x"])]);
        let cut = format!("{}…", &bob[..20]);
        for (lines, count, threshold, exceptions, wanted) in [
            (&[ann, ann][..], 2, ONE_EVENT, &of_ann[..], "our backup"),
            (&[ann, bob], 2, ONE_EVENT, &of_ann, "no"),
            (&[bob], 1, ONE_EVENT, &of_ann, "no"),
            (&[bob], 1, ONE_EVENT, &all, "our backup"),
            (&[ann], 1, ONE_EVENT, &other, "no"),
            (&[ann], 1, ONE_EVENT, &[], "no"),
            // Of more lines than are kept, of a line that is cut, and of columns without their header nobody knows.
            (&[ann, ann], 21, ONE_EVENT, &of_ann, "unknown"),
            (&[ann, cut.as_str()], 2, ONE_EVENT, &of_ann, "unknown"),
            (&["2026-03-01 10:00:00 CORP\\ann x"], 1, ONE_EVENT, &of_ann, "unknown"),
            (&[], 0, ONE_EVENT, &whole, "our backup"),
            // Of what a correlation counts some may be left, and be enough.
            (&[ann, bob], 2, "2 in 10 minutes", &of_ann, "unknown"),
            (&[ann, ann], 2, "2 in 10 minutes", &of_ann, "our backup"),
        ] {
            assert_eq!(judge(lines, count, threshold, exceptions), wanted, "{lines:?} {threshold}");
        }
    }
}
