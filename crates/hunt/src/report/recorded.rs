// SPDX-License-Identifier: Apache-2.0
//! The register of files as facts for a report, for one that is made of earlier hunts.

use ledger::sql::{EngineError, Flow, Read};
use model::time::Timestamp;

use super::summary::{FileFacts, FileState};
use crate::event::{Format, SourceKind};

/// The files of the register, by path. Those that were named and not yet read are among them, as not read.
pub fn recorded_files(read: &mut dyn Read) -> Result<Vec<FileFacts>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT path, sha256, size, state, lines, unread_lines, first_time, last_time FROM hunt_files ORDER BY path, id",
        &[],
        &mut |row| {
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let unread = count(row.int(5)?);
            all.push(FileFacts {
                path: row.text(0)?.to_owned(),
                sha256: row.blob(1)?.try_into().ok(),
                bytes: count(row.int(2)?),
                state: match row.int(3)? {
                    1 => FileState::Whole,
                    2 => FileState::Damaged("not read to its end, or not whole".to_owned()),
                    _ => FileState::NotRead("the hunt has not come to its end".to_owned()),
                },
                lines: count(row.int(4)?),
                unread: if unread > 0 { vec![("could not be read".to_owned(), unread)] } else { Vec::new() },
                first: row.int_opt(6)?.map(Timestamp::from_micros),
                last: row.int_opt(7)?.map(Timestamp::from_micros),
                kind: SourceKind::Unknown,
                format: Format::Text,
            });
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}
