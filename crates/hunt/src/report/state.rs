// SPDX-License-Identifier: Apache-2.0
//! What a summary has come to, as bytes: for a hunt that goes on later.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;

use super::summary::{Day, FileFacts, FileState, Hit, Summary};
use crate::detection::{ABOUT, Detection, Evidence, Level, Means};
use crate::event::{Format, Place, SourceKind, SourceKinds};
use crate::finding::Finding;
use crate::state::{Bytes, Damaged, Out, State, state};
use crate::time::TimesTold;

state!(Place { line, offset });
state!(Evidence { file, place, time, text });
state!(FileFacts {
    path,
    bytes,
    sha256,
    lines,
    unread,
    times,
    first,
    last,
    kind,
    kinds,
    format,
    by_record,
    state
});
state!(TimesTold { asked, untimed, set_apart });
state!(Finding { file, line, offset, time, kind, value, indicator, indicator_index, text, lossy, clipped });
state!(Detection {
    means,
    id,
    title,
    level,
    techniques,
    credit,
    source,
    about,
    first,
    last,
    count,
    evidence,
    threshold,
    baseline,
    disproof,
    advice,
});

/// Without whether it is known, and what its log was named: that is looked up when its log is recorded.
impl State for Hit {
    fn write(&self, out: &mut Out<'_>) {
        let Hit { finding, host, account, source, kept, known: _, was: _ } = self;
        finding.write(out);
        host.write(out);
        account.write(out);
        source.write(out);
        kept.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Hit, Damaged> {
        Ok(Hit {
            finding: State::read(bytes)?,
            host: State::read(bytes)?,
            account: State::read(bytes)?,
            source: State::read(bytes)?,
            kept: State::read(bytes)?,
            known: None,
            was: None,
        })
    }
}

/// A word of a list; what is not in it was written by another program.
fn known<T>(found: Option<T>) -> Result<T, Damaged> {
    found.ok_or(Damaged)
}

impl State for &'static str {
    fn write(&self, out: &mut Out<'_>) {
        (*self).to_owned().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<&'static str, Damaged> {
        let word = String::read(bytes)?;
        known(ABOUT.iter().find(|known| **known == word).copied())
    }
}

impl State for Level {
    fn write(&self, out: &mut Out<'_>) {
        self.name().to_owned().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Level, Damaged> {
        known(Level::from_name(&String::read(bytes)?))
    }
}

impl State for Format {
    fn write(&self, out: &mut Out<'_>) {
        self.name().to_owned().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Format, Damaged> {
        let name = String::read(bytes)?;
        known(Format::ALL.iter().find(|(_, known)| *known == name).map(|(format, _)| *format))
    }
}

impl State for SourceKinds {
    fn write(&self, out: &mut Out<'_>) {
        self.bits().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<SourceKinds, Damaged> {
        let bits = i64::read(bytes)?;
        known(Some(SourceKinds::from_bits(bits)).filter(|kinds| kinds.bits() == bits))
    }
}

impl State for Means {
    fn write(&self, out: &mut Out<'_>) {
        let code: u8 = match self {
            Means::Detector => 0,
            Means::Pattern => 1,
            Means::Rule => 2,
        };
        code.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Means, Damaged> {
        match u8::read(bytes)? {
            0 => Ok(Means::Detector),
            1 => Ok(Means::Pattern),
            2 => Ok(Means::Rule),
            _ => Err(Damaged),
        }
    }
}

impl State for FileState {
    fn write(&self, out: &mut Out<'_>) {
        let (code, why): (u8, &str) = match self {
            FileState::Whole => (0, ""),
            FileState::Damaged(why) => (1, why),
            FileState::NotRead(why) => (2, why),
        };
        code.write(out);
        why.to_owned().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<FileState, Damaged> {
        match (u8::read(bytes)?, String::read(bytes)?) {
            (0, _) => Ok(FileState::Whole),
            (1, why) => Ok(FileState::Damaged(why)),
            (2, why) => Ok(FileState::NotRead(why)),
            _ => Err(Damaged),
        }
    }
}

/// What of a summary came of the logs. All else is filled in anew by whoever goes on.
type Found = (
    (Vec<Hit>, Vec<Option<bool>>, u64),
    (Vec<Detection>, u64),
    (Vec<FileFacts>, u64, BTreeMap<String, u64>),
    (BTreeMap<SourceKind, BTreeSet<Day>>, Copies, Vec<(String, String)>, Timestamp),
);

/// Logs that are copies, with what they are copies of.
type Copies = Vec<(String, String)>;

impl State for Summary {
    fn write(&self, out: &mut Out<'_>) {
        self.hits.write(out);
        self.hits.iter().map(|hit| hit.known).collect::<Vec<_>>().write(out);
        self.more_hits.write(out);
        self.detections.write(out);
        self.more_detections.write(out);
        self.files.write(out);
        self.bytes.write(out);
        self.left_out.write(out);
        self.days.write(out);
        self.copies.write(out);
        let names = self.indicators.iter().map(|(id, facts)| (id.clone(), facts.name.clone()));
        names.collect::<Vec<_>>().write(out);
        self.made.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Summary, Damaged> {
        let (hits, detections, (files, read, left_out), (days, copies, names, made)): Found =
            State::read(bytes)?;
        let mut summary = Summary::new(made);
        let (hits, known, more_hits) = hits;
        if hits.len() != known.len() {
            return Err(Damaged);
        }
        let of_hunt = hits.into_iter().zip(known).map(|(hit, known)| Hit { known, ..hit });
        (summary.hits, summary.more_hits) = (of_hunt.collect(), more_hits);
        (summary.detections, summary.more_detections) = detections;
        (summary.files, summary.bytes, summary.left_out, summary.days) = (files, read, left_out, days);
        summary.copies = copies;
        for (id, name) in names {
            summary.indicators.entry(id).or_default().name = name;
        }
        Ok(summary)
    }
}
