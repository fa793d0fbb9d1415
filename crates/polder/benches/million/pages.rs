// SPDX-License-Identifier: Apache-2.0
//! Pages of 1,000 at any depth of one community's collection: 2,000 distinct heads, objects scattered over
//! them at random, one object in ten in three versions, and readers who may see all or little of it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use exchange::filter::{Fields, Wish};
use exchange::query::{self, Gate, Question};
use exchange::view::{CollectionView, collection_uuid};
use ledger::append::{Circumstances, Signer};
use ledger::checkpoint::Origin;
use ledger::draft::Draft;
use ledger::entry::Salts;
use ledger::sql::{EngineError, Flow, Read, Value};
use model::head::Audience;
use model::id::{CommunityId, MemberId};
use model::marking::{Marking, Pap, Tlp};
use model::stix::{Item, Object, Splitter};
use model::time::Timestamp;
use policy::Reader;
use store::{Pending, Schema, Store, Writer};
use trust::log_key::LogKey;

use crate::Plan;
use crate::common::{fresh_copy, percentile};

/// Distinct heads in the collection: authors by PAP by label.
const HEADS: u64 = 2_000;
const AUTHORS: u64 = 500;
/// Heads that a reader of this ceiling may see: 0.1 %, 1 %, 10 % and all.
const READERS: [(&str, Tlp, u64); 4] = [
    ("0.1 %", Tlp::Clear, 2),
    ("1 %", Tlp::Green, 20),
    ("10 %", Tlp::Amber, 200),
    ("100 %", Tlp::AmberStrict, HEADS),
];
/// One object in so many comes in three versions.
const VERSIONED: u64 = 10;
const BATCH: usize = 5_000;
const IMPORT_NICE: i32 = 10;

pub fn run(plan: &Plan) {
    let path = plan.dir.join("shared.db");
    let fresh = !path.is_file();
    let store = if fresh {
        Store::create(&path, schema()).expect("a new database")
    } else {
        Store::open(&path, schema()).expect("the database of an earlier run")
    };
    let mut source = Source { json: &plan.json, random: 1 };
    if fresh {
        let started = Instant::now();
        let writer = writer(&store);
        let added: usize =
            (0..plan.copies).map(|copy| source.write(&writer, copy, &AtomicBool::new(false))).sum();
        let rate = added as f64 / started.elapsed().as_secs_f64();
        println!("{added} records over {HEADS} heads: {rate:.0} a second, parsed and hashed by one thread");
    }
    println!("ms a page of 1,000 at a random depth, gate and collection asked for each");
    table(plan, &store, "at rest");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (writer, started, mut added) = (writer(&store), Instant::now(), 0);
            // As the thread that parses does in `polder import` while the directory is served.
            rustix::process::nice(IMPORT_NICE).expect("a thread may stand back");
            // Beyond the copies of all earlier runs.
            let first = 1_000 + Timestamp::micros(now()) as u32 % 1_000_000_000;
            for copy in first.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                added += Source { json: &plan.json, random: u64::from(copy) }.write(&writer, copy, &stop);
            }
            println!(
                "the import beside it: {:.0} records a second",
                added as f64 / started.elapsed().as_secs_f64()
            );
        });
        table(plan, &store, "while an import runs");
        stop.store(true, Ordering::Relaxed);
    });
    let wal = fs::metadata(plan.dir.join("shared.db-wal")).map_or(0, |m| m.len());
    println!("WAL afterwards: {:.0} MB", wal as f64 / 1e6);
}

fn schema() -> Schema {
    let mut local = exchange::token::LOCAL_TABLES.to_vec();
    local.extend_from_slice(hunt::history::TABLES);
    let views: Vec<Box<dyn ledger::view::View>> = vec![
        Box::new(ledger::definitions::DefinitionView),
        Box::new(CollectionView),
        Box::new(hunt::view::IndicatorView),
    ];
    Schema { views, local }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(since.as_micros() as i64)
}

fn writer(store: &Store) -> Writer {
    let origin = Origin { member: [7; 32], log: 1 };
    let signer = Signer {
        origin,
        key: LogKey::from_bytes(&[7; 64]).expect("64 bytes are a key"),
        tombstone_key: [7; 32],
    };
    store.writer(signer, None, || Circumstances { now: now(), randomness: [1; 32] }).expect("a writer")
}

fn audience() -> Audience {
    Audience::Community(CommunityId(uuid::Builder::from_random_bytes([5; 16]).into_uuid()))
}

fn member(n: u64) -> MemberId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    MemberId(id)
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

struct Source<'p> {
    json: &'p [u8],
    random: u64,
}

impl Source<'_> {
    /// Appends one copy; answers how many records it made.
    fn write(&mut self, writer: &Writer, copy: u32, stop: &AtomicBool) -> usize {
        let text = fresh_copy(self.json, copy);
        let mut splitter = Splitter::new(text.as_slice());
        let (mut batch, mut later, mut added) = (Vec::new(), Vec::new(), 0);
        let mut waiting: Option<Pending> = None;
        let mut hand_over = |batch: &mut Vec<Draft>| {
            added += batch.len();
            let pending = writer.submit(std::mem::take(batch));
            if let Some(pending) = waiting.replace(pending) {
                pending.wait().expect("it is written");
            }
        };
        while let Some(item) = splitter.next_item().expect("memory") {
            let Item::Object(body) = item else { continue };
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if next(&mut self.random).is_multiple_of(VERSIONED) {
                later.extend((1..3).map(|n| newer(&body, n)));
            }
            batch.push(self.draft(body));
            if batch.len() == BATCH {
                hand_over(&mut batch);
            }
        }
        batch.extend(later.into_iter().map(|body| self.draft(body)));
        hand_over(&mut batch);
        if let Some(pending) = waiting {
            pending.wait().expect("it is written");
        }
        added
    }

    fn draft(&mut self, body: Vec<u8>) -> Draft {
        let object = Object::parse(&body, "", &mut Vec::new()).expect("ATT&CK is STIX");
        let head = next(&mut self.random) % HEADS;
        let label = READERS.iter().find(|(_, _, heads)| head < *heads).expect("one of them").1;
        let pap = [None, Some(Pap::Green), Some(Pap::Amber), Some(Pap::Red)][(head / AUTHORS) as usize];
        let marking = Marking { pap, ..Marking::tlp(label) };
        let salts: Vec<u8> = (0..6).flat_map(|_| next(&mut self.random).to_be_bytes()).collect();
        let salts = Salts::from_bytes(&salts).expect("48 bytes");
        Draft::stix(object, body, member(head % AUTHORS), audience(), marking, salts)
    }
}

/// The object as it was changed in the year 2030 + n.
fn newer(body: &[u8], n: u8) -> Vec<u8> {
    let mut body = body.to_vec();
    if let Some(at) = memchr::memmem::find(&body, b"\"modified\": \"2") {
        let year = at + b"\"modified\": \"".len();
        body[year..year + 4].copy_from_slice(format!("203{n}").as_bytes());
    }
    body
}

const WISHES: [&[(&str, &str)]; 7] = [
    &[],
    &[("match[type]", "relationship")],
    &[("match[type]", "attack-pattern")],
    &[("match[type]", "campaign")],
    &[("match[type]", "malware,tool,campaign")],
    &[("match[version]", "all")],
    &[("match[version]", "2019-07-18T17:52:28.429Z")],
];

fn table(plan: &Plan, store: &Store, when: &str) {
    let gate = Gate::default();
    println!("{when:<22}{:>8}{:>44}{:>9}{:>9}{:>9}{:>9}", "reader", "wish", "p50", "p99", "max", "objects");
    for (share, ceiling, _) in READERS {
        for pairs in WISHES {
            let mut reader = Reader::service(member(9_999), ceiling);
            reader.communities.extend([CommunityId(uuid::Builder::from_random_bytes([5; 16]).into_uuid())]);
            let wish = Wish::parse(pairs.iter().copied(), Fields::Collection).expect("a wish");
            let (mut times, objects) = measure(plan, store, &gate, &reader, &wish);
            times.sort_by(f64::total_cmp);
            let told = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<String>();
            println!(
                "{:<22}{share:>8}{told:>44}{:>9.2}{:>9.2}{:>9.2}{objects:>9}",
                "",
                percentile(&times, 0.5),
                percentile(&times, 0.99),
                times[times.len() - 1],
            );
        }
    }
}

fn measure(plan: &Plan, store: &Store, gate: &Gate, reader: &Reader, wish: &Wish) -> (Vec<f64>, usize) {
    let mut random = 42;
    let mut objects = 0;
    let times = (0..plan.pages)
        .map(|_| {
            let depth = next(&mut random);
            let added_after = store.read(|read| time_at(read, depth)).expect("a record");
            let wish = Wish { added_after: Some(added_after), ..wish.clone() };
            let started = Instant::now();
            let page = store.read(|read| {
                let permitted = gate.ask(read, reader)?;
                let uuid = collection_uuid(&audience()).to_string();
                let collection = query::collection(read, &permitted, &uuid)?;
                let question = Question {
                    permitted: &permitted,
                    collection: &collection,
                    credential: "bench",
                    cursor_key: &[3; 32],
                };
                query::objects(read, &question, &wish)
            });
            let seconds = started.elapsed().as_secs_f64();
            objects += page.expect("a page").count;
            seconds * 1e3
        })
        .collect();
    (times, objects / plan.pages)
}

/// When a record at a random place was added.
fn time_at(read: &mut dyn Read, depth: u64) -> Result<Timestamp, EngineError> {
    let (mut last, mut time) = (0, 0);
    read.query("SELECT seq FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
        last = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    let seq = 1 + (depth % last.max(1) as u64) as i64;
    read.query("SELECT time FROM records WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
        time = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    Ok(Timestamp::from_micros(time))
}
