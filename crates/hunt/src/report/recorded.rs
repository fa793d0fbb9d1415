// SPDX-License-Identifier: Apache-2.0
//! The register of files as facts for a report, for one that is made of earlier hunts.

use super::summary::{FileFacts, FileState};
use crate::event::Unread;
use crate::history::{File, FileState as Stage};

/// The files of the register, by path. Those that were named and not yet read are among them, as not read.
pub fn recorded_files(files: Vec<File>) -> Vec<FileFacts> {
    let mut all: Vec<FileFacts> = files.into_iter().map(facts).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn facts(file: File) -> FileFacts {
    let (state, unread) = (state(&file), unread(&file));
    FileFacts {
        path: file.place().to_owned(),
        bytes: file.size,
        sha256: file.sha256,
        lines: file.lines,
        unread,
        times: file.times,
        first: file.first,
        last: file.last,
        kind: file.source,
        kinds: file.kinds,
        format: None,
        by_record: false,
        state,
    }
}

fn state(file: &File) -> FileState {
    let or = |text: &str| if file.fault.is_empty() { text.to_owned() } else { file.fault.clone() };
    match file.state {
        Stage::Running => FileState::NotRead("its hunt is under way, or was stopped".to_owned()),
        Stage::Failed => FileState::NotRead(or("it could not be recorded")),
        Stage::Done => FileState::Whole,
        // All of it was read, and of some lines nobody could say what they are.
        Stage::Partial if file.fault.is_empty() && file.unread_lines > 0 => FileState::Whole,
        Stage::Partial if file.lines == file.unread_lines => {
            FileState::NotRead(or("nothing of it could be read"))
        }
        Stage::Partial => FileState::Damaged(or("not all of it could be read")),
        Stage::Again => FileState::Damaged(
            "what the history kept of it is damaged, not the file; hunt in it again".to_owned(),
        ),
    }
}

/// Lines that could not be read, by reason; those of which the register tells none, as such.
fn unread(file: &File) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = file
        .unread
        .split(',')
        .filter_map(|part| {
            let (reason, lines) = part.rsplit_once('=')?;
            let words =
                Unread::from_name(reason).map_or_else(|| reason.to_owned(), |reason| reason.to_string());
            Some((words, lines.parse().ok()?))
        })
        .collect();
    let told: u64 = all.iter().map(|(_, lines)| lines).sum();
    if file.unread_lines > told {
        all.push(("could not be read".to_owned(), file.unread_lines - told));
    }
    all
}
