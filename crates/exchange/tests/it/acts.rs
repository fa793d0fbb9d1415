// SPDX-License-Identifier: Apache-2.0
//! Acts of authors, through the ledger's own admission, case by case. (Random histories of them are the
//! simulator's.)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use exchange::command;
use exchange::filter::{Filters, Versions, Wish};
use exchange::query::{self, Permitted, QueryError, Question};
use exchange::standing;
use exchange::token::{Credential, LOCAL_TABLES, Rights, reader};
use exchange::view::{CollectionView, collection_uuid};
use ledger::append::{Circumstances, Outcome, Refused, Signer};
use ledger::checkpoint::Origin;
use ledger::definitions::DefinitionView;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::recall::{Act, EntryPlace, Recall, places};
use ledger::sql::{EngineError, Flow, Table};
use model::head::{Audience, Head, Person};
use model::id::{CommunityId, MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use policy::{Exit, Reader, may_open, release};
use store::{Schema, Store, Writer};
use trust::log_key::LogKey;

use crate::node::{CURSOR_KEY, START, community, member};

/// Author of an object: one for each, as STIX 3.6 asks.
fn author(object: u8) -> MemberId {
    member(1 + object % 2)
}

fn id(object: u8) -> String {
    format!("tool--{object:08x}-0000-4000-8000-000000000000")
}

fn body(object: u8, version: u8) -> Vec<u8> {
    format!(
        r#"{{"type":"tool","spec_version":"2.1","id":"{}","created":"2024-01-01T00:00:00Z","modified":"2024-01-0{}T00:00:00Z","name":"secret-{object}-{version}-word"}}"#,
        id(object),
        version + 1
    )
    .into_bytes()
}

fn person(n: u8) -> Person {
    Person::new(member(n), "jo").unwrap()
}

/// A node with two communities.
struct World {
    store: Store,
    writer: Writer,
    clock: Arc<AtomicI64>,
}

const OWN_KEY: [u8; 64] = [5; 64];

impl World {
    fn new(store: Store) -> World {
        let signer = Signer {
            origin: Origin { member: member(1).0, log: 1 },
            key: LogKey::from_bytes(&OWN_KEY).unwrap(),
            tombstone_key: [4; 32],
        };
        let clock = Arc::new(AtomicI64::new(START));
        let ticking = Arc::clone(&clock);
        let now = move || Circumstances {
            now: Timestamp::from_micros(ticking.fetch_add(1_000_000, Ordering::SeqCst)),
            randomness: [0; 32],
        };
        let writer = store.writer(signer, None, now).unwrap();
        let world = World { store, writer, clock };
        for n in 1..3 {
            let made = command::new_community(community(n), "ring", [member(1)].into(), "").unwrap();
            world.document(made, member(1));
        }
        world
    }

    fn schema() -> Schema {
        let views: Vec<Box<dyn ledger::view::View>> =
            vec![Box::new(DefinitionView), Box::new(CollectionView)];
        Schema { views, local: LOCAL_TABLES.to_vec() }
    }

    fn document(&self, made: command::Draft, author: MemberId) -> Outcome {
        let version = Timestamp::from_micros(self.clock.load(Ordering::SeqCst));
        let subject = Subject::document(made.subject, version);
        let marking = Marking::tlp(Tlp::AmberStrict);
        self.submit(vec![Draft::new(made.kind, subject, made.body, author, made.audience, marking, salts())])
            [0]
    }

    fn submit(&self, drafts: Vec<Draft>) -> Vec<Outcome> {
        self.writer.submit(drafts).wait().unwrap()
    }

    fn community(&self, n: u8) -> Vec<u8> {
        self.store.read(|read| query::community_document(read, community(n))).unwrap().unwrap()
    }

    fn add(&self, object: u8, version: u8, to: &Audience, marking: Marking, widens: bool) -> Outcome {
        let bytes = body(object, version);
        let parsed = Object::parse(&bytes, "test", &mut Vec::new()).unwrap();
        let draft = Draft::stix(parsed, bytes, author(object), to.clone(), marking, salts());
        self.submit(vec![Draft { widens, ..draft }])[0]
    }

    fn recall(&self, object: u8, act: Act) {
        let (author, key) = (author(object), SubjectKey::of(&id(object)));
        let (place, _) = self.store.read(|read| places(read, author, key)).unwrap()[0];
        let recall = Recall { act, entries: vec![place], reason: String::new() };
        let n = self.clock.fetch_add(1, Ordering::SeqCst);
        let subject = Subject::document(format!("x-polder-recall--{n:08x}-{n:x}"), Timestamp::from_micros(n));
        let (own, marking) = (Audience::Organisation(author), Marking::tlp(Tlp::AmberStrict));
        let drafts = vec![Draft::new(Kind::RECALL, subject, recall.print(), author, own, marking, salts())];
        let outcome = self.submit(drafts)[0];
        assert!(matches!(outcome, Outcome::Added { .. }), "{outcome:?}");
    }

    fn join(&self, community: u8, n: u8) {
        let made = command::with_member(&self.community(community), member(n)).unwrap();
        self.document(made, member(1));
    }

    fn reader(&self, credential: &Credential) -> Reader {
        self.store.read(|read| reader(read, credential)).unwrap()
    }
}

fn salts() -> Salts {
    Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] }
}

/// A TAXII client that follows a collection, as the server serves it.
struct Client {
    credential: Credential,
    audience: Audience,
    wish: Wish,
    /// Every object version that it was ever sent, and how often.
    seen: BTreeMap<(String, i64), usize>,
}

impl Client {
    fn new(n: u8, credential: Credential, audience: Audience, versions: Versions) -> Client {
        let filters = Filters { versions, ..Filters::default() };
        let wish = Wish { filters, limit: usize::from(1 + n % 3), ..Wish::default() };
        Client { credential, audience, wish, seen: BTreeMap::new() }
    }

    /// Reads one page; answers whether there is more.
    fn poll(&mut self, world: &World) -> bool {
        let reader = world.reader(&self.credential);
        let uuid = collection_uuid(&self.audience).to_string();
        let mut note = None;
        let page = world.store.read(|read| {
            let permitted = Permitted::ask(read, &reader)?;
            let collection = query::collection(read, &permitted, &uuid)?;
            note = standing::to_note(read, &self.credential.id, &self.audience, collection.standing)?;
            let question = Question {
                permitted: &permitted,
                collection: &collection,
                credential: &self.credential.id,
                cursor_key: &CURSOR_KEY,
            };
            query::manifest(read, &question, &self.wish)
        });
        let page = match page {
            Err(QueryError::NotFound) => return false,
            page => page.unwrap(),
        };
        if let Some((community, least)) = note {
            let credential = &self.credential.id;
            world.store.local(|tx| standing::note(tx, credential, community, least)).unwrap();
        }
        for entry in page.entries {
            *self.seen.entry((entry.id, entry.version.micros())).or_default() += 1;
        }
        let more = page.next.is_some();
        self.wish.next = page.next;
        if !more && page.added_last != Timestamp::EPOCH {
            self.wish.added_after = Some(page.added_last);
        }
        more
    }
}

/// Rows of every view, as text.
fn dump(store: &Store) -> Vec<String> {
    let mut rows = Vec::new();
    for table in store.views().iter().flat_map(|view| view.tables()) {
        let mut sorted = table_rows(store, table);
        sorted.sort_unstable();
        rows.extend(sorted);
    }
    rows
}

fn table_rows(store: &Store, table: &'static Table) -> Vec<String> {
    let sql = format!("SELECT {} FROM {}", table.columns.join(", "), table.name);
    let mut rows = Vec::new();
    store
        .read(|read| {
            // Statements are static by their type; a test may leak a few.
            read.query(Box::leak(sql.into_boxed_str()), &[], &mut |row| {
                let cells =
                    (0..table.columns.len()).map(|n| match (row.int_opt(n), row.text_opt(n), row.blob(n)) {
                        (Ok(int), ..) => format!("{int:?}"),
                        (_, Ok(text), _) => format!("{text:?}"),
                        (_, _, blob) => format!("{blob:?}"),
                    });
                rows.push(format!("{} {}", table.name, cells.collect::<Vec<_>>().join("|")));
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    rows
}

fn world() -> World {
    World::new(Store::memory(World::schema()).unwrap())
}

fn sees(world: &World, n: u8, audience: &Audience) -> usize {
    let credential = Credential {
        id: format!("t{n}"),
        name: "t".into(),
        member: member(n),
        ceiling: Tlp::AmberStrict,
        person: None,
        rights: Rights::READ,
    };
    let mut client = Client::new(8, credential, audience.clone(), Versions::last());
    while client.poll(world) {}
    client.seen.len()
}

/// A repeated import must not undo a narrowing; sharing does.
#[test]
fn narrowing_sticks_until_its_author_shares_again() {
    let world = world();
    let ring = Audience::Community(community(1));
    world.join(1, 3);
    let green = Marking::tlp(Tlp::Green);
    world.add(2, 0, &ring, green, false);
    assert_eq!(sees(&world, 3, &ring), 1);
    let own = Some(Audience::Organisation(member(1)));
    world.recall(2, Act::Narrow { marking: Marking::tlp(Tlp::AmberStrict), audience: own });
    assert_eq!(sees(&world, 3, &ring), 0);
    let again = world.add(2, 0, &Audience::Organisation(member(1)), green, false);
    assert_eq!(again, Outcome::Known);
    assert_eq!(sees(&world, 3, &ring), 0);
    let shared = world.add(2, 0, &ring, green, true);
    assert!(matches!(shared, Outcome::Added { .. }));
    assert_eq!(sees(&world, 3, &ring), 1);
}

/// What more may see gets a place of its own at the end: whoever has passed the first one finds it.
#[test]
fn widening_is_dated_anew() {
    let world = world();
    let ring = Audience::Community(community(1));
    world.join(1, 3);
    world.add(2, 0, &ring, Marking::NONE, false);
    world.add(4, 0, &ring, Marking::tlp(Tlp::Green), false);
    let credential = Credential {
        id: "t".into(),
        name: "t".into(),
        member: member(3),
        ceiling: Tlp::AmberStrict,
        rights: Rights::READ,
        person: None,
    };
    let mut client = Client::new(8, credential, ring.clone(), Versions::last());
    while client.poll(&world) {}
    client.poll(&world);
    assert_eq!(client.seen.len(), 1, "what is unmarked stays with its author");
    let widened = world.add(2, 0, &ring, Marking::tlp(Tlp::Green), true);
    assert!(matches!(widened, Outcome::Added { .. }), "{widened:?}");
    while client.poll(&world) {}
    assert_eq!(client.seen.len(), 2);
}

/// Whoever has polled as a stranger stays one with that token: what is behind its cursor would be lost.
#[test]
fn a_token_never_grows() {
    let world = world();
    let ring = Audience::Community(community(1));
    world.add(2, 0, &ring, Marking::tlp(Tlp::Green), false);
    world.add(4, 0, &ring, Marking::tlp(Tlp::Clear), false);
    assert_eq!(sees(&world, 3, &ring), 1, "a stranger sees what is CLEAR");
    world.join(1, 3);
    assert_eq!(sees(&world, 3, &ring), 1, "and with this token no more than that");
    let fresh = Credential {
        id: "fresh".into(),
        name: "t".into(),
        member: member(3),
        ceiling: Tlp::AmberStrict,
        person: None,
        rights: Rights::READ,
    };
    let mut client = Client::new(8, fresh, ring, Versions::last());
    while client.poll(&world) {}
    assert_eq!(client.seen.len(), 2, "a new token starts at zero");
}

/// Nobody recalls what is another's, or what is no object.
#[test]
fn only_an_author_recalls() {
    let world = world();
    world.add(1, 0, &Audience::Community(community(1)), Marking::tlp(Tlp::Green), false);
    let origin = Origin { member: member(1).0, log: 1 };
    let size = world.store.read(|read| ledger::tree::size(read, 1)).unwrap();
    let submit = |index: u64, by: MemberId| {
        let place = EntryPlace { origin, index };
        let recall = Recall { act: Act::Withdraw, entries: vec![place], reason: String::new() };
        let subject = Subject::document(format!("x-polder-recall--{index}"), Timestamp::from_micros(1));
        let own = Audience::Organisation(by);
        let body = recall.print();
        world.submit(vec![Draft::new(Kind::RECALL, subject, body, by, own, Marking::NONE, salts())])[0]
    };
    use ledger::recall::RecallError::{NoSuchEntry, NotOwn};
    assert_eq!(submit(size - 1, member(1)), Outcome::Refused(Refused::Recall(NotOwn)), "another's object");
    assert_eq!(submit(0, member(1)), Outcome::Refused(Refused::Recall(NotOwn)), "a community");
    assert_eq!(submit(size, member(2)), Outcome::Refused(Refused::Recall(NoSuchEntry)), "nothing there");
    assert!(matches!(submit(size - 1, member(2)), Outcome::Added { .. }));
}

/// A record may name a thousand members: it stands in the collection of each.
#[test]
fn a_thousand_members_are_named() {
    let world = world();
    let names = |count: u16| -> BTreeSet<MemberId> {
        (0..count)
            .map(|n| MemberId(std::array::from_fn(|i| if i < 2 { n.to_be_bytes()[i] } else { 9 })))
            .collect()
    };
    assert_eq!(Audience::of_members(names(1_001)), None);
    let all = Audience::of_members(names(1_000)).unwrap();
    world.add(0, 0, &all, Marking::tlp(Tlp::Amber), false);
    let mut placements = 0;
    world
        .store
        .read(|read| {
            read.query("SELECT count(*) FROM placements", &[], &mut |row| {
                placements = row.int(0)?;
                Ok(ledger::sql::Flow::Stop)
            })
        })
        .map_err(|e: ledger::sql::EngineError| e)
        .unwrap();
    assert_eq!(placements, 1_000);
    let one = *names(1_000).last().unwrap();
    let credential = Credential {
        id: "t".into(),
        name: "t".into(),
        member: one,
        ceiling: Tlp::AmberStrict,
        person: None,
        rights: Rights::READ,
    };
    let mut client = Client::new(8, credential, Audience::Organisation(one), Versions::last());
    assert!(!client.poll(&world));
    assert_eq!(client.seen.len(), 1);
    world.recall(0, Act::Withdraw);
    let before = dump(&world.store);
    world.store.rebuild_all(&mut |_| Flow::Continue).unwrap();
    assert_eq!(dump(&world.store), before);
    assert!(!before.iter().any(|row| row.starts_with("placements")));
}

#[test]
fn heads_are_what_the_gate_decides_by() {
    // A head that names persons is released to them alone, and never through a file.
    let head = Head {
        author: member(1),
        kind: Kind::STIX_21,
        marking: Marking::tlp(Tlp::Red),
        audience: Audience::Persons([person(3)].into()),
    };
    let jo = Reader { person: Some("jo".into()), ..Reader::service(member(3), Tlp::Red) };
    assert!(release(&head, &jo, Exit::Taxii).is_ok());
    assert!(release(&head, &jo, Exit::Export).is_err());
    let other = Reader { person: Some("al".into()), ..jo.clone() };
    assert!(release(&head, &other, Exit::Taxii).is_err());
    let community = CommunityId(model::uuid::Uuid::from_u128(1));
    assert!(!may_open(&head.audience, &Reader { communities: [community].into(), ..jo }, true));
}
