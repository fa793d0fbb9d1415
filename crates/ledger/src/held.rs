// SPDX-License-Identifier: Apache-2.0
//! What is held of the subjects that a batch names, and what it adds to them.

use std::collections::HashMap;

use model::head::Audience;
use model::id::{MemberId, SubjectKey};
use model::jcs::same_content;
use model::marking::Marking;
use model::time::Timestamp;
use policy::Known;

use crate::audience::Heads;
use crate::draft::Draft;
use crate::record;
use crate::sql::{EngineError, Flow, Read, Value};

/// Versions of one subject from which on they are looked up instead of looked through.
const VERSIONS_FEW_MAX: usize = 16;
/// Subjects that one statement asks for.
const SUBJECTS_PER_LOOKUP: usize = 32;

/// A version of a subject that is held or comes earlier in the batch.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) author: MemberId,
    pub(crate) audience: Audience,
    pub(crate) marking: Marking,
    pub(crate) version: Timestamp,
    pub(crate) revoked: bool,
    pub(crate) content: Content,
}

/// Where the body of a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Draft(usize),
    Stored(i64),
}

/// What one author has of a subject.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    versions: u64,
    revoked_at: Option<Timestamp>,
}

/// All versions of one subject. An object may have thousands, and a batch thousands of one object.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    all: Vec<Held>,
    shares: Vec<(MemberId, Share)>,
    places: HashMap<(MemberId, Timestamp), Vec<usize>>,
}

impl Versions {
    pub(crate) fn push(&mut self, held: Held) {
        let nth = self.shares.iter().position(|(author, _)| *author == held.author);
        let nth = nth.unwrap_or_else(|| {
            self.shares.push((held.author, Share::default()));
            self.shares.len() - 1
        });
        if let Some((_, share)) = self.shares.get_mut(nth) {
            share.versions += 1;
            if held.revoked {
                share.revoked_at = share.revoked_at.max(Some(held.version));
            }
        }
        if !self.places.is_empty() {
            self.places.entry((held.author, held.version)).or_default().push(self.all.len());
        }
        self.all.push(held);
        if self.places.is_empty() && self.all.len() > VERSIONS_FEW_MAX {
            for (nth, held) in self.all.iter().enumerate() {
                self.places.entry((held.author, held.version)).or_default().push(nth);
            }
        }
    }

    /// Those of one author.
    pub(crate) fn of(&self, author: MemberId) -> impl Iterator<Item = &Held> {
        self.all.iter().filter(move |held| held.author == author)
    }

    /// Numbers of an author's records.
    pub(crate) fn numbers_of(&self, author: MemberId) -> impl Iterator<Item = usize> {
        self.all.iter().enumerate().filter(move |(_, held)| held.author == author).map(|(nth, _)| nth)
    }

    /// Numbers of an author's records of one version.
    pub(crate) fn at(&self, author: MemberId, version: Timestamp) -> Vec<usize> {
        if !self.places.is_empty() {
            return self.places.get(&(author, version)).cloned().unwrap_or_default();
        }
        let same = |held: &Held| held.author == author && held.version == version;
        self.all.iter().enumerate().filter(|(_, held)| same(held)).map(|(nth, _)| nth).collect()
    }

    pub(crate) fn get(&self, nth: usize) -> Option<&Held> {
        self.all.get(nth)
    }

    pub(crate) fn get_mut(&mut self, nth: usize) -> Option<&mut Held> {
        self.all.get_mut(nth)
    }

    /// What the author of a draft holds of its subject.
    pub(crate) fn known(
        &self,
        read: &mut dyn Read,
        drafts: &[Draft],
        draft: &Draft,
    ) -> Result<Known, EngineError> {
        let share = self.shares.iter().find(|(author, _)| *author == draft.author).map(|(_, share)| *share);
        let share = share.unwrap_or_default();
        let mut known = Known { versions: share.versions, revoked_at: share.revoked_at, ..Known::default() };
        for held in self.at(draft.author, draft.subject.version).into_iter().filter_map(|nth| self.get(nth)) {
            if known.same_version == Some(false) {
                break;
            }
            known.same_version = Some(match held.content {
                Content::Draft(nth) => drafts.get(nth).is_some_and(|d| same_content(&d.body, &draft.body)),
                Content::Stored(seq) => record::holds(read, seq, &draft.body)?,
            });
        }
        Ok(known)
    }
}

/// Versions of every subject and observable that the batch names, read in key order.
pub(crate) fn held_versions(
    read: &mut dyn Read,
    heads: &Heads,
    drafts: &[Draft],
) -> Result<HashMap<SubjectKey, Versions>, EngineError> {
    let mut any = false;
    read.query("SELECT seq FROM records LIMIT 1", &[], &mut |_| {
        any = true;
        Ok(Flow::Stop)
    })?;
    let mut held: HashMap<SubjectKey, Versions> = HashMap::with_capacity(drafts.len());
    if !any {
        return Ok(held);
    }
    let mut keys: Vec<SubjectKey> =
        drafts.iter().flat_map(|d| d.observable_refs.iter().copied().chain([d.subject.key])).collect();
    keys.sort_unstable();
    keys.dedup();
    for some in keys.chunks(SUBJECTS_PER_LOOKUP) {
        let mut args = [Value::Null; SUBJECTS_PER_LOOKUP];
        // A short chunk repeats its last subject: the statement has a fixed number of places.
        let padded = some.iter().chain(some.last().into_iter().cycle());
        for (arg, key) in args.iter_mut().zip(padded) {
            *arg = Value::Blob(&key.0);
        }
        let sql = "SELECT subject, version, seq, audience, revoked FROM subjects WHERE subject IN (?1, ?2, ?3, ?4, \
                   ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, \
                   ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32)";
        read.query(sql, &args, &mut |row| {
            let key = row.blob(0)?.try_into().map(SubjectKey);
            let key = key.map_err(|_| EngineError::shape("subjects.subject"))?;
            let head = heads.of(row.int(3)?)?;
            held.entry(key).or_default().push(Held {
                author: head.author,
                audience: head.audience.clone(),
                marking: head.marking,
                version: Timestamp::from_micros(row.int(1)?),
                revoked: row.int(4)? != 0,
                content: Content::Stored(row.int(2)?),
            });
            Ok(Flow::Continue)
        })?;
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(author: u8, version: i64, revoked: bool) -> Held {
        Held {
            author: MemberId([author; 32]),
            audience: Audience::Organisation(MemberId([author; 32])),
            marking: Marking::NONE,
            version: Timestamp::from_micros(version),
            revoked,
            content: Content::Stored(version),
        }
    }

    /// The index begins somewhere, and nothing is lost there.
    #[test]
    fn few_and_many_versions_are_found_alike() {
        let mut versions = Versions::default();
        for n in 0..100 {
            versions.push(held((n % 2) as u8, n / 4, false));
            for author in 0..2 {
                for version in 0..26 {
                    let looked_up = versions.at(MemberId([author; 32]), Timestamp::from_micros(version));
                    let looked_through = versions.all.iter().enumerate().filter(|(_, h)| {
                        h.author.0[0] == author && h.version == Timestamp::from_micros(version)
                    });
                    assert_eq!(looked_up, looked_through.map(|(nth, _)| nth).collect::<Vec<_>>());
                }
            }
        }
        assert_eq!(versions.shares.iter().map(|(_, s)| s.versions).collect::<Vec<_>>(), [50, 50]);
    }
}
