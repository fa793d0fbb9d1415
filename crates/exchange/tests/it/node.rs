// SPDX-License-Identifier: Apache-2.0
//! A node for tests: records go in as a test says, past the ledger's admission.

use exchange::filter::{Fields, Wish};
use exchange::query::{self, Collection, Permitted, QueryError, Question, Way};
use exchange::token::LOCAL_TABLES;
use exchange::view::CollectionView;
use ledger::audience::Heads;
use ledger::definitions::DefinitionView;
use ledger::schema::{BODIES, RECORDS};
use ledger::sql::{EngineError, Read, Tx, Value};
use ledger::view::{Body, Record, View};
use model::head::{Audience, Head};
use model::id::{CommunityId, MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use policy::Reader;
use store::{Schema, Store};
use uuid::Uuid;

pub const CURSOR_KEY: [u8; 32] = [9; 32];
/// 2026-01-01T00:00:00Z
pub const START: i64 = 1_767_225_600_000_000;

pub fn member(n: u8) -> MemberId {
    MemberId([n; 32])
}

pub fn community(n: u8) -> CommunityId {
    CommunityId(uuid::Builder::from_random_bytes([n; 16]).into_uuid())
}

pub fn to_community(n: u8) -> Audience {
    Audience::Community(community(n))
}

pub fn id(kind: &str, n: u8) -> String {
    format!("{kind}--{}", Uuid::from_bytes([n; 16]))
}

/// One record as a test gives it.
#[derive(Clone, Debug)]
pub struct Item {
    pub author: MemberId,
    pub audience: Audience,
    pub marking: Marking,
    pub kind: Kind,
    pub id: String,
    pub version: i64,
    pub body: Vec<u8>,
}

impl Item {
    pub fn new(author: u8, audience: Audience, marking: Marking, id: &str, version: i64) -> Item {
        let body = format!("{{\"id\":\"{id}\",\"v\":{version},\"by\":{author},\"n\":1.0}}").into_bytes();
        Item { author: member(author), audience, marking, kind: Kind::STIX_21, id: id.into(), version, body }
    }

    pub fn spec_20(self) -> Item {
        Item { kind: Kind::STIX_20, ..self }
    }

    pub fn body(self, body: &[u8]) -> Item {
        Item { body: body.to_vec(), ..self }
    }

    pub fn head(&self) -> Head {
        Head { author: self.author, kind: self.kind, marking: self.marking, audience: self.audience.clone() }
    }
}

pub fn tlp(tlp: Tlp) -> Marking {
    Marking::tlp(tlp)
}

/// A record as the node keeps it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub seq: i64,
    pub time: i64,
    pub item: Item,
    pub erased: bool,
}

pub struct Node {
    pub store: Store,
    pub kept: Vec<Kept>,
    /// How pages are found.
    pub way: Way,
    clock: i64,
}

impl Node {
    pub fn new() -> Node {
        let views: Vec<Box<dyn View>> = vec![Box::new(DefinitionView), Box::new(CollectionView)];
        let schema = Schema { views, local: LOCAL_TABLES.to_vec() };
        Node { store: Store::memory(schema).unwrap(), kept: Vec::new(), way: Way::default(), clock: START }
    }

    /// Appends a batch; answers the first `seq`.
    pub fn append(&mut self, items: &[Item]) -> i64 {
        let first = self.kept.len() as i64 + 1;
        let mut batch = Vec::new();
        for (nth, item) in items.iter().enumerate() {
            let seq = first + nth as i64;
            // Some stand close together, some far apart.
            self.clock += if seq % 3 == 0 { 1 } else { 1_700_000 };
            batch.push(Kept { seq, time: self.clock, item: item.clone(), erased: false });
        }
        self.store.local(|tx| write(tx, &batch)).unwrap();
        self.kept.extend(batch);
        first
    }

    /// Time goes by without a record.
    pub fn wait(&mut self) {
        self.clock += 1_000_000_000;
    }

    /// Erases the body of a record, as a withdrawal does.
    pub fn erase(&mut self, seq: i64) {
        let kept = self.kept.iter_mut().find(|kept| kept.seq == seq).unwrap();
        kept.erased = true;
        let kept = kept.clone();
        self.store
            .local(|tx| {
                tx.execute("DELETE FROM bodies WHERE seq = ?1", &[Value::Int(seq)])?;
                apply(tx, &[kept])
            })
            .unwrap();
    }

    pub fn read<T>(&self, work: impl FnOnce(&mut dyn Read) -> T) -> T {
        self.store.read(|read| Ok::<T, EngineError>(work(read))).unwrap()
    }

    pub fn time(&self, seq: i64) -> Timestamp {
        Timestamp::from_micros(self.kept[seq as usize - 1].time)
    }

    pub fn permitted(&self, reader: &Reader) -> Permitted {
        self.read(|read| Permitted::ask(read, reader)).unwrap().by(self.way)
    }

    pub fn collection(&self, reader: &Reader, audience: &Audience) -> Result<Collection, QueryError> {
        let uuid = exchange::view::collection_uuid(audience).to_string();
        let permitted = self.permitted(reader);
        self.read(|read| query::collection(read, &permitted, &uuid))
    }

    /// Asks a question about the collection of `audience`.
    pub fn ask<T>(
        &self,
        reader: &Reader,
        audience: &Audience,
        work: impl FnOnce(&mut dyn Read, &Question<'_>) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let permitted = self.permitted(reader);
        let collection = self.collection(reader, audience)?;
        let credential = format!("{}/{}", reader.member, reader.ceiling);
        let question = Question {
            permitted: &permitted,
            collection: &collection,
            credential: &credential,
            cursor_key: &CURSOR_KEY,
        };
        self.read(|read| work(read, &question))
    }
}

pub fn reader(n: u8, ceiling: Tlp, communities: &[u8]) -> Reader {
    let communities = communities.iter().map(|n| community(*n)).collect();
    Reader { communities, ..Reader::service(member(n), ceiling) }
}

pub fn wish(pairs: &[(&str, &str)]) -> Wish {
    Wish::parse(pairs.iter().copied(), Fields::Collection).unwrap()
}

fn write(tx: &mut dyn Tx, batch: &[Kept]) -> Result<(), EngineError> {
    let mut heads = Heads::load(tx.as_read())?;
    for kept in batch {
        heads.row(tx, &kept.item.head())?;
    }
    tx.insert_many(&RECORDS, &mut |push| {
        for kept in batch {
            let key = SubjectKey::of(&kept.item.id);
            let row = row_of(&heads, &kept.item);
            push(&[
                Value::Int(kept.seq),
                Value::Int(1),
                Value::Int(kept.seq - 1),
                Value::Int(kept.time),
                Value::Int(row),
                Value::Blob(&key.0),
                Value::text_or_null(key.id().is_none().then_some(kept.item.id.as_str())),
                Value::Int(kept.item.version),
                Value::Blob(b"no salts"),
                Value::Blob(b""),
                Value::Null,
            ])?;
        }
        Ok(())
    })?;
    tx.insert_many(&BODIES, &mut |push| {
        batch.iter().try_for_each(|kept| push(&[Value::Int(kept.seq), Value::Blob(&kept.item.body)]))
    })?;
    apply(tx, batch)?;
    // The store's own writer goes on from here: the views have everything.
    tx.execute("UPDATE views SET cursor = (SELECT coalesce(max(seq), 0) FROM records)", &[]).map(|_| ())
}

fn row_of(heads: &Heads, item: &Item) -> i64 {
    (1..).find(|row| *heads.of(*row).unwrap() == item.head()).unwrap()
}

/// Hands records to the view, as the ledger does.
pub fn apply(tx: &mut dyn Tx, batch: &[Kept]) -> Result<(), EngineError> {
    let all = Heads::load(tx.as_read())?;
    let heads: Vec<Head> = batch.iter().map(|kept| kept.item.head()).collect();
    let records: Vec<Record<'_>> = batch
        .iter()
        .zip(&heads)
        .map(|(kept, head)| Record {
            seq: kept.seq,
            time: Timestamp::from_micros(kept.time),
            audience_row: row_of(&all, &kept.item),
            head,
            committed: head,
            subject: SubjectKey::of(&kept.item.id),
            id: &kept.item.id,
            version: Timestamp::from_micros(kept.item.version),
            body: if kept.erased { Body::Erased } else { Body::Present(&kept.item.body) },
        })
        .collect();
    CollectionView.apply(tx, &records)
}
