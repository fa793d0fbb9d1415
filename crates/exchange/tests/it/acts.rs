// SPDX-License-Identifier: Apache-2.0
//! Laws 1, 2, 4 and 6 over random histories of communities, markings, readers and acts, through the ledger's
//! own admission: what each exit shows is compared with a model that knows every record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use exchange::command;
use exchange::export;
use exchange::filter::{Filters, Versions, Wish};
use exchange::query::{self, Permitted, QueryError, Question};
use exchange::standard::client::ClientOf;
use exchange::standard::community::Community;
use exchange::standard::terms::Terms;
use exchange::standing;
use exchange::token::{Credential, LOCAL_TABLES, Rights, reader};
use exchange::view::{CollectionView, collection_uuid};
use ledger::append::{Circumstances, Outcome, Refused, Signer};
use ledger::checkpoint::Origin;
use ledger::definitions::DefinitionView;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::recall::{Act, EntryPlace, Recall, places};
use ledger::record::{self, Stored};
use ledger::sql::{EngineError, Flow, Table};
use ledger::verify::verify;
use model::head::{Audience, Head, Person};
use model::id::{CommunityId, MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use policy::{Exit, Reader, Refusal, may_open, release};
use proptest::prelude::*;
use proptest::sample::select;
use store::{Schema, Store, Writer};
use trust::log_key::LogKey;

use crate::model_of_pages::expected;
use crate::node::{CURSOR_KEY, Item, Kept, START, community, member};

/// What happens in a history.
#[derive(Clone, Debug)]
enum Deed {
    Add {
        object: u8,
        version: u8,
        audience: u8,
        tlp: Option<Tlp>,
    },
    Widen {
        object: u8,
        version: u8,
        audience: u8,
        tlp: Tlp,
    },
    Narrow {
        object: u8,
        tlp: Tlp,
        own_only: bool,
    },
    Withdraw {
        object: u8,
    },
    Join {
        community: u8,
        member: u8,
    },
    Leave {
        community: u8,
        member: u8,
    },
    NewTerms {
        community: u8,
        text: u8,
    },
    Accept {
        community: u8,
        member: u8,
    },
    Client {
        of: u8,
        client: u8,
        ended: bool,
    },
    /// Every client of the history reads a page or two.
    Poll {
        pages: u8,
    },
}

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

fn audience(n: u8, author: MemberId) -> Audience {
    match n % 6 {
        0 => Audience::Community(community(1)),
        1 => Audience::Community(community(2)),
        2 => Audience::Organisation(author),
        3 => Audience::Organisation(member(3)),
        4 => Audience::Members([member(2), member(3), member(4)].into()),
        _ => Audience::Persons([person(3), person(4)].into()),
    }
}

fn person(n: u8) -> Person {
    Person::new(member(n), "jo").unwrap()
}

/// The node and what a model knows of it.
pub struct World {
    store: Store,
    writer: Writer,
    /// All STIX records with the head that holds now.
    kept: Vec<Kept>,
    /// For whom each was at first, by `seq`.
    first: BTreeMap<i64, Audience>,
    clock: Arc<AtomicI64>,
    withdrawn: BTreeSet<(MemberId, String)>,
    /// Versions that were taken away from somebody, and so may be shown anew.
    narrowed: BTreeSet<(String, i64)>,
}

const OWN_KEY: [u8; 64] = [5; 64];

impl World {
    pub fn new(store: Store) -> World {
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
        let world = World {
            store,
            writer,
            kept: Vec::new(),
            first: BTreeMap::new(),
            clock,
            withdrawn: BTreeSet::new(),
            narrowed: BTreeSet::new(),
        };
        for n in 1..3 {
            let made = command::new_community(community(n), "ring", [member(1)].into(), "").unwrap();
            world.document(made, member(1));
        }
        world
    }

    pub fn schema() -> Schema {
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

    fn community(&self, n: u8) -> (Vec<u8>, Community) {
        let body = self.store.read(|read| query::community_document(read, community(n))).unwrap().unwrap();
        let parsed = Community::parse(&body).unwrap();
        (body, parsed)
    }

    fn add(&mut self, object: u8, version: u8, to: &Audience, marking: Marking, widens: bool) -> Outcome {
        let bytes = body(object, version);
        let parsed = Object::parse(&bytes, "test", &mut Vec::new()).unwrap();
        let draft = Draft::stix(parsed, bytes.clone(), author(object), to.clone(), marking, salts());
        let outcome = self.submit(vec![Draft { widens, ..draft }])[0];
        let key = (author(object), id(object));
        let same = |k: &&mut Kept| {
            k.item.id == id(object) && !k.erased && k.item.audience == *to && k.item.body == bytes
        };
        match outcome {
            Outcome::Added { seq, .. } => {
                assert!(!self.withdrawn.contains(&key), "what was withdrawn is not taken again");
                let stored = self.stored(seq);
                assert_eq!(stored.body.as_deref(), Some(bytes.as_slice()));
                let item = Item {
                    author: author(object),
                    audience: to.clone(),
                    marking,
                    kind: Kind::STIX_21,
                    id: id(object),
                    version: stored.version.micros(),
                    body: bytes,
                };
                self.first.insert(seq, to.clone());
                self.kept.push(Kept { seq, time: stored.time.micros(), item, erased: false });
            }
            Outcome::Narrowed => {
                for kept in self.kept.iter_mut().filter(same) {
                    kept.item.marking = kept.item.marking.as_strict_as(marking);
                    self.narrowed.insert((kept.item.id.clone(), kept.item.version));
                }
            }
            Outcome::Known => {
                let held: Vec<&mut Kept> = self.kept.iter_mut().filter(same).collect();
                assert!(!held.is_empty(), "only what is held is known");
                assert!(held.iter().all(|k| !k.item.marking.is_looser_than(marking)), "none is looser");
            }
            Outcome::Refused(Refused::Gate(Refusal::Withdrawn)) => assert!(self.withdrawn.contains(&key)),
            Outcome::Refused(other) => panic!("{other:?}"),
        }
        outcome
    }

    fn stored(&self, seq: i64) -> Stored {
        self.store.read(|read| record::at(read, seq)).unwrap().unwrap()
    }

    fn recall(&mut self, object: u8, act: Act) -> Option<Outcome> {
        let (author, key) = (author(object), SubjectKey::of(&id(object)));
        let entries: Vec<EntryPlace> = self
            .store
            .read(|read| places(read, author, key))
            .unwrap()
            .into_iter()
            .map(|(place, _)| place)
            .collect();
        if entries.is_empty() {
            return None;
        }
        let recall = Recall { act: act.clone(), entries: entries[..1].to_vec(), reason: String::new() };
        let n = self.clock.fetch_add(1, Ordering::SeqCst);
        let subject = Subject::document(format!("x-polder-recall--{n:08x}-{n:x}"), Timestamp::from_micros(n));
        let outcome = self.submit(vec![Draft::new(
            Kind::RECALL,
            subject,
            recall.print(),
            author,
            Audience::Organisation(author),
            Marking::tlp(Tlp::AmberStrict),
            salts(),
        )])[0];
        assert!(matches!(outcome, Outcome::Added { .. }), "{outcome:?}");
        for kept in self.kept.iter_mut().filter(|k| k.item.id == id(object) && !k.erased) {
            match &act {
                Act::Remove { .. } => unreachable!("only a steward removes"),
                Act::Withdraw => {
                    kept.erased = true;
                    self.withdrawn.insert((author, id(object)));
                }
                Act::Narrow { marking, audience } => {
                    kept.item.marking = kept.item.marking.as_strict_as(*marking);
                    if let Some(audience) = audience {
                        kept.item.audience = audience.clone();
                    }
                    self.narrowed.insert((kept.item.id.clone(), kept.item.version));
                }
            }
        }
        Some(outcome)
    }

    fn act(&mut self, deed: &Deed, clients: &mut [Client]) -> Result<(), TestCaseError> {
        match deed {
            Deed::Add { object, version, audience: to, tlp } => {
                let marking = tlp.map_or(Marking::NONE, Marking::tlp);
                self.add(*object, *version, &audience(*to, author(*object)), marking, false);
            }
            Deed::Widen { object, version, audience: to, tlp } => {
                self.add(*object, *version, &audience(*to, author(*object)), Marking::tlp(*tlp), true);
            }
            Deed::Narrow { object, tlp, own_only } => {
                let audience = own_only.then(|| Audience::Organisation(author(*object)));
                self.recall(*object, Act::Narrow { marking: Marking::tlp(*tlp), audience });
            }
            Deed::Withdraw { object } => {
                self.recall(*object, Act::Withdraw);
            }
            Deed::Join { community, member: n } => {
                if let Ok(made) = command::with_member(&self.community(*community).0, member(*n)) {
                    self.document(made, member(1));
                }
            }
            Deed::Leave { community, member: n } => {
                if let Ok(made) = command::without_member(&self.community(*community).0, member(*n)) {
                    self.document(made, member(1));
                }
            }
            Deed::NewTerms { community, text } => {
                let terms = Terms::new(&"t".repeat(usize::from(*text)));
                if let Ok(made) = command::with_terms(&self.community(*community).0, terms) {
                    self.document(made, member(1));
                }
            }
            Deed::Accept { community, member: n } => {
                let made = command::acceptance(&self.community(*community).0, member(*n), "").unwrap();
                self.document(made, member(*n));
            }
            Deed::Client { of, client, ended } if of != client => {
                let made = ClientOf { client: member(*client), of: member(*of), ended: *ended };
                self.document(command::client(made), member(*of));
            }
            Deed::Client { .. } => {}
            Deed::Poll { pages } => {
                for client in clients {
                    for _ in 0..*pages {
                        client.poll(self)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What the gate releases, by the model.
    fn visible(&self, reader: &Reader, of: &Audience) -> Vec<&Kept> {
        let released = |k: &&Kept| release(&k.item.head(), reader, Exit::Taxii).is_ok();
        let stands = |audience: &Audience| exchange::view::collections_of(audience).contains(of);
        let here = |k: &&Kept| stands(&k.item.audience) && stands(&self.first[&k.seq]);
        self.kept.iter().filter(|k| !k.erased).filter(here).filter(released).collect()
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

    /// Reads one page; answers whether there is more. Every page is what the model allows and nothing else.
    fn poll(&mut self, world: &World) -> Result<bool, TestCaseError> {
        let reader = world.reader(&self.credential);
        let visible = world.visible(&reader, &self.audience);
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
            Ok(page) => page,
            Err(QueryError::NotFound) => {
                prop_assert!(!may_open(&self.audience, &reader, !visible.is_empty()) || visible.is_empty());
                return Ok(false);
            }
            Err(QueryError::TermsNotAccepted) => {
                let Audience::Community(id) = &self.audience else { panic!("only communities have terms") };
                prop_assert!(reader.unaccepted.contains(id));
                return Ok(false);
            }
            Err(other) => panic!("{other}"),
        };
        if let Some((community, least)) = note {
            let credential = &self.credential.id;
            world.store.local(|tx| standing::note(tx, credential, community, least)).unwrap();
        }
        for entry in &page.entries {
            let version = entry.version.micros();
            prop_assert!(
                visible.iter().any(|k| k.item.id == entry.id && k.item.version == version),
                "law 1: {} {} to {:?}",
                entry.id,
                entry.version,
                reader
            );
            *self.seen.entry((entry.id.clone(), version)).or_default() += 1;
        }
        let more = page.next.is_some();
        match page.next {
            Some(next) => self.wish.next = Some(next),
            None => {
                self.wish.next = None;
                if page.added_last != Timestamp::EPOCH {
                    self.wish.added_after = Some(page.added_last);
                }
            }
        }
        Ok(more)
    }
}

fn clients() -> Vec<Client> {
    let mut all = Vec::new();
    for n in 1..=4 {
        for (kind, person) in [("s", None), ("p", Some("jo".to_owned()))] {
            let ceiling =
                if person.is_some() { Tlp::Red } else { [Tlp::AmberStrict, Tlp::Green][n as usize % 2] };
            for (nth, of) in [0, 1]
                .map(|c| audience(c, member(n)))
                .into_iter()
                .chain([Audience::Organisation(member(n))])
                .enumerate()
            {
                for (word, versions) in [("l", Versions::last()), ("a", Versions::All)] {
                    let name = format!("{kind}{n}{nth}{word}");
                    let credential = Credential {
                        id: name.clone(),
                        name,
                        member: member(n),
                        ceiling,
                        person: person.clone(),
                        rights: Rights::READ,
                    };
                    all.push(Client::new(n, credential, of.clone(), versions));
                }
            }
        }
    }
    all
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let object = 0u8..5;
    let tlp = || select(Tlp::ALL.to_vec());
    let (ring, who) = (1u8..3, 1u8..5);
    prop::collection::vec(
        prop_oneof![
            8 => (object.clone(), 0u8..3, 0u8..6, prop::option::weighted(0.9, tlp()))
                .prop_map(|(object, version, audience, tlp)| Deed::Add { object, version, audience, tlp }),
            3 => (object.clone(), 0u8..3, 0u8..6, tlp())
                .prop_map(|(object, version, audience, tlp)| Deed::Widen { object, version, audience, tlp }),
            2 => (object.clone(), tlp(), any::<bool>())
                .prop_map(|(object, tlp, own_only)| Deed::Narrow { object, tlp, own_only }),
            1 => object.prop_map(|object| Deed::Withdraw { object }),
            2 => (ring.clone(), who.clone()).prop_map(|(community, member)| Deed::Join { community, member }),
            1 => (ring.clone(), who.clone()).prop_map(|(community, member)| Deed::Leave { community, member }),
            1 => (ring.clone(), 0u8..3).prop_map(|(community, text)| Deed::NewTerms { community, text }),
            2 => (ring, who.clone()).prop_map(|(community, member)| Deed::Accept { community, member }),
            1 => (who.clone(), who, any::<bool>())
                .prop_map(|(of, client, ended)| Deed::Client { of, client, ended }),
            5 => (1u8..4).prop_map(|pages| Deed::Poll { pages }),
        ],
        1..50,
    )
}

/// Every exit against the model: pages of objects, lists of collections, exports, proofs.
fn check_exits(world: &World) -> Result<(), TestCaseError> {
    for client in clients() {
        let reader = world.reader(&client.credential);
        let visible = world.visible(&reader, &client.audience);
        let uuid = collection_uuid(&client.audience).to_string();
        world
            .store
            .read(|read| {
                let permitted = Permitted::ask(read, &reader)?;
                let listed = query::collections(read, &permitted)?;
                let Ok(collection) = query::collection(read, &permitted, &uuid) else {
                    assert!(listed.iter().all(|c| c.uuid.to_string() != uuid), "not there, not listed");
                    return Ok::<(), QueryError>(());
                };
                assert!(listed.iter().any(|c| c.uuid.to_string() == uuid), "there and listed");
                let question = Question {
                    permitted: &permitted,
                    collection: &collection,
                    credential: "x",
                    cursor_key: &CURSOR_KEY,
                };
                let wish = Wish { filters: client.wish.filters.clone(), limit: 1_000, ..Wish::default() };
                let page = query::objects(read, &question, &wish)?;
                let modelled = expected(&visible, &wish.filters);
                let bodies: Vec<&[u8]> = modelled.iter().map(|k| k.item.body.as_slice()).collect();
                assert_eq!(page.pieces.concat(), bodies.join(&b","[..]), "{reader:?} {:?}", client.audience);
                assert_eq!((page.count, page.next), (bodies.len(), None));
                Ok(())
            })
            .unwrap();
        let exported = world.store.read(|read| export::select(read, &reader)).unwrap();
        for one in exported {
            let kept = world.kept.iter().find(|k| k.seq == one.seq).unwrap();
            prop_assert!(!kept.erased && release(&kept.item.head(), &reader, Exit::Export).is_ok());
        }
    }
    Ok(())
}

/// Law 6 on this node: nothing of what was withdrawn is left, and it does not come again.
fn check_withdrawn(world: &World) -> Result<(), TestCaseError> {
    for kept in &world.kept {
        let stored = world.stored(kept.seq);
        prop_assert_eq!(stored.body.is_none(), kept.erased);
        prop_assert_eq!(stored.salts.is_none(), kept.erased);
        prop_assert_eq!(stored.id.is_empty(), kept.erased);
    }
    for (by, id) in &world.withdrawn {
        let held = world.store.read(|read| places(read, *by, SubjectKey::of(id))).unwrap();
        prop_assert!(held.is_empty());
    }
    Ok(())
}

/// Rows of every view, as text.
pub fn dump(store: &Store) -> Vec<String> {
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

fn run_history(store: Store, deeds: &[Deed]) -> Result<(), TestCaseError> {
    let mut world = World::new(store);
    let mut clients = clients();
    for deed in deeds {
        world.act(deed, &mut clients)?;
    }
    check_exits(&world)?;
    check_withdrawn(&world)?;
    // Law 4: whoever follows his cursor to the end has seen each newest visible version once.
    for client in &mut clients {
        while client.poll(&world)? {}
        client.poll(&world)?;
        let reader = world.reader(&client.credential);
        let open = may_open(&client.audience, &reader, true);
        for kept in expected(&world.visible(&reader, &client.audience), &client.wish.filters) {
            let key = (kept.item.id.clone(), kept.item.version);
            // What comes to light again because a newer version was narrowed is not sent again (docs/markings.md).
            let was_passed = world.narrowed.iter().any(|(id, version)| *id == key.0 && *version > key.1);
            let told = client.seen.contains_key(&key) || was_passed;
            prop_assert!(!open || told, "missed {key:?} {:?}", client.credential);
        }
        for (key, times) in &client.seen {
            prop_assert!(*times == 1 || world.narrowed.contains(key), "{key:?} came {times} times");
        }
    }
    // Law 2, and the log still verifies, with what was narrowed and erased.
    let before = dump(&world.store);
    world.store.rebuild_all(&mut |_| Flow::Continue).unwrap();
    prop_assert_eq!(dump(&world.store), before);
    let (origin, key) = (Origin { member: member(1).0, log: 1 }, LogKey::from_bytes(&OWN_KEY).unwrap());
    let report = world.store.read(|read| verify(read, &origin, key.public_key())).unwrap();
    prop_assert_eq!(report.faults, Vec::<String>::new());
    prop_assert_eq!(report.erased, world.kept.iter().filter(|k| k.erased).count() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_over_any_history(deeds in deeds()) {
        run_history(Store::memory(World::schema()).unwrap(), &deeds)?;
    }
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
    while client.poll(world).unwrap() {}
    client.seen.len()
}

/// A repeated import must not undo a narrowing; sharing does.
#[test]
fn narrowing_sticks_until_its_author_shares_again() {
    let mut world = world();
    let ring = Audience::Community(community(1));
    world.act(&Deed::Join { community: 1, member: 3 }, &mut []).unwrap();
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
    let mut world = world();
    let ring = Audience::Community(community(1));
    world.act(&Deed::Join { community: 1, member: 3 }, &mut []).unwrap();
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
    while client.poll(&world).unwrap() {}
    client.poll(&world).unwrap();
    assert_eq!(client.seen.len(), 1, "what is unmarked stays with its author");
    let widened = world.add(2, 0, &ring, Marking::tlp(Tlp::Green), true);
    assert!(matches!(widened, Outcome::Added { .. }), "{widened:?}");
    while client.poll(&world).unwrap() {}
    assert_eq!(client.seen.len(), 2);
}

/// Whoever has polled as a stranger stays one with that token: what is behind its cursor would be lost.
#[test]
fn a_token_never_grows() {
    let mut world = world();
    let ring = Audience::Community(community(1));
    world.add(2, 0, &ring, Marking::tlp(Tlp::Green), false);
    world.add(4, 0, &ring, Marking::tlp(Tlp::Clear), false);
    assert_eq!(sees(&world, 3, &ring), 1, "a stranger sees what is CLEAR");
    world.act(&Deed::Join { community: 1, member: 3 }, &mut []).unwrap();
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
    while client.poll(&world).unwrap() {}
    assert_eq!(client.seen.len(), 2, "a new token starts at zero");
}

/// Nobody recalls what is another's, or what is no object.
#[test]
fn only_an_author_recalls() {
    let mut world = world();
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
    let mut world = world();
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
    let reader = Reader::service(one, Tlp::AmberStrict);
    assert_eq!(world.visible(&reader, &Audience::Organisation(one)).len(), 1);
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
