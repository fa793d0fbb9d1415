// SPDX-License-Identifier: Apache-2.0
//! Pages: objects, manifest entries, versions (TAXII 2.1 sections 5.3 to 5.8).

use std::collections::{BTreeMap, HashSet};

use ledger::sql::{EngineError, Flow, Read, Value};
use model::id::SubjectKey;
use model::marking::Marking;
use model::stix::runs::{self, Run};
use model::time::Timestamp;

use super::choose::choose;
use super::gate::Rows;
use super::walk::{Held, Place, Stand, newest_served, placed, served};
use super::{Collection, Permitted, QueryError, spans};
use crate::cursor::{self, Bound, CursorError};
use crate::filter::{Filters, Spec, Versions, Wish};
use crate::limits::{PAGE_BYTES_MAX, PAGE_PIECE_BYTES};

/// Who asks, and about which collection.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What the gate releases to the reader.
    pub permitted: &'a Permitted,
    /// The collection, as [`super::collection`] opened it.
    pub collection: &'a Collection,
    /// Id of the credential, to which cursors are bound.
    pub credential: &'a str,
    /// Key of the node's cursors.
    pub cursor_key: &'a [u8; 32],
}

/// A page of objects, byte for byte as they were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsPage {
    /// The bodies joined by commas, in pieces: the inside of a JSON array.
    pub pieces: Vec<Vec<u8>>,
    /// Number of objects.
    pub count: usize,
    /// Their markings: what an object's bytes say may be less than what holds for it.
    pub runs: Vec<Run>,
    /// The cursor; there exactly if a further object is served behind this page.
    pub next: Option<String>,
    /// When the first object was added.
    pub added_first: Timestamp,
    /// When the last object was added.
    pub added_last: Timestamp,
}

/// An entry of a manifest (section 5.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Id of the object.
    pub id: String,
    /// When it was added.
    pub added: Timestamp,
    /// Its version.
    pub version: Timestamp,
    /// Its STIX version.
    pub spec: Spec,
}

/// A page of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPage {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The cursor; there exactly if a further entry is served behind this page.
    pub next: Option<String>,
    /// When the first object was added.
    pub added_first: Timestamp,
    /// When the last object was added.
    pub added_last: Timestamp,
}

/// A page of an object's versions (section 5.8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionsPage {
    /// The versions in the order in which they were added.
    pub versions: Vec<Timestamp>,
    /// The cursor; there exactly if a further version is served behind this page.
    pub next: Option<String>,
    /// When the first version was added.
    pub added_first: Timestamp,
    /// When the last version was added.
    pub added_last: Timestamp,
}

/// A page of a collection's objects.
pub fn objects(read: &mut dyn Read, question: &Question<'_>, wish: &Wish) -> Result<ObjectsPage, QueryError> {
    Desk::open(question).objects(read, wish)
}

/// The versions of one object that the wish selects; [`QueryError::NotFound`] if none of it is visible.
pub fn object(
    read: &mut dyn Read,
    question: &Question<'_>,
    id: &str,
    wish: &Wish,
) -> Result<ObjectsPage, QueryError> {
    let desk = Desk::open(question);
    desk.visible(read, id)?;
    // One object knows no other ids and no types to match (section 5.6).
    let filters = Filters { ids: Some([id.to_owned()].into()), types: None, ..wish.filters.clone() };
    desk.objects(read, &Wish { filters, ..wish.clone() })
}

/// A page of a collection's manifest.
pub fn manifest(
    read: &mut dyn Read,
    question: &Question<'_>,
    wish: &Wish,
) -> Result<ManifestPage, QueryError> {
    let desk = Desk::open(question);
    let (stands, more) = desk.stands(read, wish)?;
    let envelopes = envelopes(read, &stands)?;
    let entries = stands.iter().zip(envelopes).map(|(stand, (added, id))| Entry {
        id,
        added,
        version: Timestamp::from_micros(stand.version),
        spec: stand.spec,
    });
    let entries = entries.collect();
    let seqs: Vec<i64> = stands.iter().map(|stand| stand.seq).collect();
    let (added_first, added_last) = desk.dates(read, wish, &seqs)?;
    Ok(ManifestPage { entries, next: desk.next(wish, &seqs, more), added_first, added_last })
}

/// A page of the versions of one object; [`QueryError::NotFound`] if none of it is visible.
pub fn versions(
    read: &mut dyn Read,
    question: &Question<'_>,
    id: &str,
    wish: &Wish,
) -> Result<VersionsPage, QueryError> {
    let desk = Desk::open(question);
    let visible = desk.visible(read, id)?;
    let filters = Filters {
        ids: Some([id.to_owned()].into()),
        types: None,
        versions: Versions::All,
        ..wish.filters.clone()
    };
    let wish = Wish { filters, ..wish.clone() };
    let chosen: HashSet<i64> = choose(&visible, &wish.filters).into_iter().collect();
    let mut first_of: BTreeMap<i64, i64> = BTreeMap::new();
    for held in visible.iter().filter(|held| chosen.contains(&held.seq)) {
        // A version that is there in two STIX versions is one version.
        let first = first_of.entry(held.version).or_insert(held.seq);
        *first = held.seq.min(*first);
    }
    let start = desk.start(read, &wish)?;
    let mut listed: Vec<(i64, i64)> = first_of.into_iter().map(|(version, seq)| (seq, version)).collect();
    listed.retain(|(seq, _)| *seq > start);
    listed.sort_unstable();
    let more = listed.len() > wish.limit;
    listed.truncate(wish.limit);
    let seqs: Vec<i64> = listed.iter().map(|(seq, _)| *seq).collect();
    let (added_first, added_last) = desk.dates(read, &wish, &seqs)?;
    let versions = listed.into_iter().map(|(_, version)| Timestamp::from_micros(version)).collect();
    Ok(VersionsPage { versions, next: desk.next(&wish, &seqs, more), added_first, added_last })
}

/// One collection as it lies before one reader.
struct Desk<'a> {
    question: &'a Question<'a>,
    uuid: String,
    permitted: &'a Rows,
}

impl<'a> Desk<'a> {
    fn open(question: &'a Question<'a>) -> Desk<'a> {
        let permitted = question.permitted.of(&question.collection.audience);
        Desk { question, uuid: question.collection.uuid.to_string(), permitted }
    }

    /// `None` for a collection into which nothing was ever put.
    fn place(&self) -> Option<Place<'_>> {
        let collection = self.question.collection.row?;
        Some(Place { collection, permitted: self.permitted, way: self.question.permitted.way })
    }

    fn bound<'b>(&'b self, filters: &'b Filters) -> Bound<'b> {
        Bound { collection: &self.uuid, credential: self.question.credential, filters }
    }

    fn visible(&self, read: &mut dyn Read, id: &str) -> Result<Vec<Held>, QueryError> {
        let Some(place) = self.place() else { return Err(QueryError::NotFound) };
        let visible = placed(read, place, SubjectKey::of(id))?;
        if visible.is_empty() { Err(QueryError::NotFound) } else { Ok(visible) }
    }

    /// The page goes on behind this place: the later of cursor and `added_after`, both exclusive.
    fn start(&self, read: &mut dyn Read, wish: &Wish) -> Result<i64, QueryError> {
        let position = match &wish.next {
            Some(text) => self.position(read, text, &wish.filters)?,
            None => 0,
        };
        let after = match wish.added_after {
            Some(time) => last_until(read, time)?,
            None => 0,
        };
        Ok(position.max(after))
    }

    /// The position of a cursor. One behind the newest record is of a history that the node has no more:
    /// its database was restored, and other records will take those numbers.
    fn position(&self, read: &mut dyn Read, text: &str, filters: &Filters) -> Result<i64, QueryError> {
        let position = cursor::parse(self.question.cursor_key, text, &self.bound(filters))?;
        match newest_until(read, i64::MAX)? {
            Some((newest, _)) if position <= newest => Ok(position),
            _ => Err(CursorError.into()),
        }
    }

    /// The placements of a page, and whether a further one is served behind it.
    fn stands(&self, read: &mut dyn Read, wish: &Wish) -> Result<(Vec<Stand>, bool), QueryError> {
        let start = self.start(read, wish)?;
        let Some(place) = self.place() else { return Ok((Vec::new(), false)) };
        let mut stands = served(read, place, &wish.filters, start, wish.limit + 1)?;
        let more = stands.len() > wish.limit;
        stands.truncate(wish.limit);
        Ok((stands, more))
    }

    fn objects(&self, read: &mut dyn Read, wish: &Wish) -> Result<ObjectsPage, QueryError> {
        let (mut stands, mut more) = self.stands(read, wish)?;
        let mut pieces = Pieces::default();
        bodies(read, &stands, &mut |body| pieces.push(body))?;
        // The page was full before the last of them: there is a further one.
        more |= pieces.count < stands.len();
        stands.truncate(pieces.count);
        let seqs: Vec<i64> = stands.iter().map(|stand| stand.seq).collect();
        let (added_first, added_last) = self.dates(read, wish, &seqs)?;
        Ok(ObjectsPage {
            count: pieces.count,
            pieces: pieces.done,
            runs: self.runs(&stands),
            next: self.next(wish, &seqs, more),
            added_first,
            added_last,
        })
    }

    fn runs(&self, stands: &[Stand]) -> Vec<Run> {
        // Only permitted placements come here; what were not would restrict most.
        let unknown = Marking { unknown: true, ..Marking::NONE };
        runs::collect(stands.iter().map(|s| self.permitted.get(&s.audience).copied().unwrap_or(unknown)))
    }

    fn next(&self, wish: &Wish, seqs: &[i64], more: bool) -> Option<String> {
        let last = seqs.last().filter(|_| more)?;
        Some(cursor::print(self.question.cursor_key, *last, &self.bound(&wish.filters)))
    }

    /// When the first and the last of a page were added (section 3.4). The specification is silent about
    /// an empty page: how far the client said that it is, else the newest that this reader is served, else
    /// [`Collection::created`]. Never a time that tells of hidden activity or moves a client back: behind a
    /// cursor a page is empty when what stood there was withdrawn meanwhile.
    fn dates(
        &self,
        read: &mut dyn Read,
        wish: &Wish,
        seqs: &[i64],
    ) -> Result<(Timestamp, Timestamp), QueryError> {
        if let (Some(first), Some(last)) = (seqs.first(), seqs.last()) {
            return Ok((time_of(read, *first)?, time_of(read, *last)?));
        }
        let reached = match &wish.next {
            Some(text) => {
                let position = self.position(read, text, &wish.filters)?;
                wish.added_after.max(Some(time_of(read, position)?))
            }
            None => wish.added_after,
        };
        let newest = match (reached, self.place()) {
            (None, Some(place)) => newest_served(read, place)?,
            _ => None,
        };
        let time = match (reached, newest) {
            (Some(after), _) => after,
            (None, Some(seq)) => time_of(read, seq)?,
            (None, None) => self.question.collection.created,
        };
        Ok((time, time))
    }
}

/// Bodies joined by commas, up to the limit of a page.
#[derive(Default)]
struct Pieces {
    done: Vec<Vec<u8>>,
    count: usize,
    bytes: usize,
}

impl Pieces {
    /// Takes a body; false if the page is full without it.
    fn push(&mut self, body: &[u8]) -> bool {
        if self.count > 0 && self.bytes + 1 + body.len() > PAGE_BYTES_MAX {
            return false;
        }
        let fits = |piece: &Vec<u8>| piece.len() + 1 + body.len() <= piece.capacity();
        if !self.done.last().is_some_and(fits) {
            self.done.push(Vec::with_capacity(PAGE_PIECE_BYTES.max(body.len() + 1)));
        }
        if let Some(piece) = self.done.last_mut() {
            if self.count > 0 {
                piece.push(b',');
                self.bytes += 1;
            }
            piece.extend_from_slice(body);
        }
        self.count += 1;
        self.bytes += body.len();
        true
    }
}

/// Hands over the body of each placement's record, in the order of the placements, until `take` has
/// enough.
fn bodies(
    read: &mut dyn Read,
    stands: &[Stand],
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), EngineError> {
    const RANGE: &str = "SELECT seq, body FROM bodies WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq";
    let records: Vec<i64> = stands.iter().map(|stand| stand.record).collect();
    let mut enough = false;
    for chunk in spans(&records) {
        let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { continue };
        let mut wanted = chunk.iter().peekable();
        read.query(RANGE, &[Value::Int(*first), Value::Int(*last)], &mut |row| {
            let seq = row.int(0)?;
            if wanted.next_if(|wanted| **wanted == seq).is_some() {
                enough = !take(row.blob(1)?);
            }
            Ok(if enough { Flow::Stop } else { Flow::Continue })
        })?;
        if enough {
            return Ok(());
        }
        if let Some(missing) = wanted.next() {
            return Err(EngineError::shape(format!(
                "bodies has no row {missing}, but a placement points to it"
            )));
        }
    }
    Ok(())
}

/// Time of each placement and id of each record.
fn envelopes(read: &mut dyn Read, stands: &[Stand]) -> Result<Vec<(Timestamp, String)>, EngineError> {
    let seqs: Vec<i64> = stands.iter().map(|stand| stand.seq).collect();
    let mut times = Vec::with_capacity(seqs.len());
    for chunk in spans(&seqs) {
        let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { continue };
        let mut wanted = chunk.iter().peekable();
        let sql = "SELECT seq, time FROM records WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq";
        read.query(sql, &[Value::Int(*first), Value::Int(*last)], &mut |row| {
            let seq = row.int(0)?;
            if wanted.next_if(|wanted| **wanted == seq).is_some() {
                times.push(Timestamp::from_micros(row.int(1)?));
            }
            Ok(Flow::Continue)
        })?;
    }
    if times.len() != stands.len() {
        return Err(EngineError::shape("records misses a row that a placement points to"));
    }
    let mut all = Vec::with_capacity(stands.len());
    for (stand, time) in stands.iter().zip(times) {
        let id = match stand.subject.id() {
            Some(id) => id,
            None => id_of(read, stand.record)?,
        };
        all.push((time, id));
    }
    Ok(all)
}

fn id_of(read: &mut dyn Read, record: i64) -> Result<String, EngineError> {
    let mut id = None;
    read.query("SELECT id FROM records WHERE seq = ?1", &[Value::Int(record)], &mut |row| {
        id = row.text_opt(0)?.map(str::to_owned);
        Ok(Flow::Stop)
    })?;
    id.ok_or_else(|| EngineError::shape(format!("records.id of {record}")))
}

fn time_of(read: &mut dyn Read, seq: i64) -> Result<Timestamp, EngineError> {
    let mut time = None;
    read.query("SELECT time FROM records WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
        time = Some(Timestamp::from_micros(row.int(0)?));
        Ok(Flow::Stop)
    })?;
    time.ok_or_else(|| EngineError::shape(format!("records has no row {seq}, but a placement points to it")))
}

/// The last `seq` whose time is `time` or earlier; 0 if there is none. Times increase strictly with
/// `seq`, so a handful of probes finds it and no index on times is needed.
fn last_until(read: &mut dyn Read, time: Timestamp) -> Result<i64, EngineError> {
    // All of 1 ..= low are early enough, all behind high are too late.
    let (mut low, mut high) = (0, newest_until(read, i64::MAX)?.map_or(0, |(seq, _)| seq));
    while low < high {
        let middle = low + (high - low + 1) / 2;
        match newest_until(read, middle)? {
            Some((seq, at)) if seq > low && at > time => high = seq - 1,
            _ => low = middle,
        }
    }
    Ok(low)
}

fn newest_until(read: &mut dyn Read, seq: i64) -> Result<Option<(i64, Timestamp)>, EngineError> {
    let mut found = None;
    let sql = "SELECT seq, time FROM records WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1";
    read.query(sql, &[Value::Int(seq)], &mut |row| {
        found = Some((row.int(0)?, Timestamp::from_micros(row.int(1)?)));
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_joined_and_a_full_page_says_so() {
        let mut pieces = Pieces::default();
        assert!(pieces.push(b"{}"));
        assert!(pieces.push(b"[]"));
        assert_eq!(pieces.done.concat(), b"{},[]");
        let mut pieces = Pieces::default();
        let half = vec![b' '; PAGE_BYTES_MAX / 2];
        assert!(pieces.push(&half[..half.len() - 1]));
        assert!(pieces.push(&half), "exactly full, with the comma");
        assert!(!pieces.push(b""));
        assert_eq!((pieces.count, pieces.bytes), (2, PAGE_BYTES_MAX));
        let mut pieces = Pieces::default();
        assert!(pieces.push(&vec![b' '; PAGE_BYTES_MAX + 1]), "one object always goes");
        assert!(!pieces.push(b"{}"));
    }
}
