// SPDX-License-Identifier: Apache-2.0
//! What a history should come to, by the words of `docs/markings.md` and `docs/record.md`: everything in
//! plain lists, without an index, a cursor or a table, and without asking the code that is tested.

use std::collections::{BTreeMap, BTreeSet};

use ledger::entry::Salts;
use ledger::recall::Act;
use model::head::Audience;
use model::id::MemberId;
use model::marking::{Marking, Tlp};

use crate::scene::{self, Sort};

/// A record of a STIX object.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Place in the node's order.
    pub seq: i64,
    /// When it arrived; known once it was looked up.
    pub time: i64,
    /// Whose record it is.
    pub author: u8,
    /// Which object.
    pub object: u8,
    /// Version in microseconds.
    pub version: i64,
    /// The bytes.
    pub body: Vec<u8>,
    /// Whether this version revokes the object.
    pub revoked: bool,
    /// For whom it is now.
    pub audience: Audience,
    /// For whom it was at first.
    pub first: Audience,
    /// The marking that holds now.
    pub marking: Marking,
    /// Salts of its entry.
    pub salts: Salts,
    /// Whether it was withdrawn.
    pub erased: bool,
}

/// What one draft of a submission asks for.
#[derive(Clone, Debug)]
pub enum Intent {
    /// A member accepts terms.
    Accept { document: Document, community: u8, member: u8, text: u8 },
    /// Who is whose client.
    Client { document: Document, of: u8, client: u8, ended: bool },
    /// A community as it is from now on.
    Community { document: Document, community: u8, members: BTreeSet<u8>, text: u8 },
    /// An object.
    Object { author: u8, object: u8, version: u8, to: Audience, marking: Marking, widens: bool, salts: Salts },
    /// A recall of all records of an object.
    Recall { document: Document, author: u8, object: u8, act: Act },
}

/// Subject and version of a document: the same one twice is known.
pub type Document = (String, i64);

/// What becomes of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A record of its own.
    Added,
    /// It is there.
    Known,
    /// It is there, and as strict now.
    Narrowed,
    /// Its author has withdrawn it.
    Withdrawn,
    /// A recall asks for recipients who were none.
    NotWithin,
    /// It refers to what its recipients were not told of.
    RefersFurther,
}

/// A community.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// Its members.
    pub members: BTreeSet<u8>,
    /// Its terms: so many letters; none ask for nothing.
    pub text: u8,
}

/// A token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whose it is.
    pub member: u8,
    /// Whether it is jo's alone.
    pub person: bool,
    /// Highest label that it is given.
    pub ceiling: Tlp,
    /// Whether it was revoked.
    pub revoked: bool,
    /// The least that it read each community as: stranger 0, client 1, member 2.
    pub noted: BTreeMap<u8, u8>,
}

/// Who reads.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// His organisation.
    pub member: u8,
    /// Whether jo reads, not a service.
    pub person: bool,
    /// Highest label.
    pub ceiling: Option<Tlp>,
    /// Communities of which the organisation is a member that accepted the terms.
    pub member_of: BTreeSet<u8>,
    /// Communities whose terms it has not accepted.
    pub unaccepted: BTreeSet<u8>,
    /// Communities of those whose client it is.
    pub client_in: BTreeSet<u8>,
    /// Whose client it is.
    pub client_of: BTreeSet<u8>,
}

/// The way by which something would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A file or a proof, which can be handed on: nobody's own.
    File,
    /// TAXII.
    Taxii,
}

/// A collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Of a community.
    Community(u8),
    /// The reader's own organisation's.
    Own,
}

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Records of STIX objects in their order.
    pub kept: Vec<Kept>,
    /// Records of all kinds.
    pub size: i64,
    /// Documents that are held.
    pub documents: BTreeSet<Document>,
    /// Communities.
    pub rings: BTreeMap<u8, Ring>,
    /// Who accepted which terms of which community.
    pub accepted: BTreeSet<(u8, u8, u8)>,
    /// Whose client is who.
    pub clients: BTreeSet<(u8, u8)>,
    /// Authors and the objects that they withdrew.
    pub withdrawn: BTreeSet<(u8, u8)>,
    /// Object versions that were narrowed or withdrawn: they may come to light anew.
    pub disturbed: BTreeSet<(u8, i64)>,
    /// Tokens in the order of their making.
    pub tokens: Vec<Token>,
}

/// What a batch does to records that are held.
#[derive(Default)]
struct Batch {
    added: Vec<(usize, Kept)>,
    /// Records that an import narrows.
    came_stricter: Vec<(usize, Marking)>,
    withdraw: BTreeSet<usize>,
    narrow: Vec<(usize, Marking, Option<Audience>)>,
    withdrawn: BTreeSet<(u8, u8)>,
}

impl Model {
    /// What becomes of a batch; it is carried out.
    pub fn submit(&mut self, intents: &[Intent]) -> Vec<Verdict> {
        let mut batch = Batch::default();
        let mut verdicts = vec![Verdict::Known; intents.len()];
        // Recalls first, then addresses, then what may refer to them.
        let rank = |intent: &Intent| match intent {
            Intent::Recall { .. } => 0,
            Intent::Object { object, .. } if scene::sort(*object) == Sort::Address => 1,
            _ => 2,
        };
        for round in 0..3 {
            for (nth, intent) in intents.iter().enumerate().filter(|(_, intent)| rank(intent) == round) {
                verdicts[nth] = match intent {
                    Intent::Object { .. } => self.object(intent, nth, intents, &mut batch),
                    _ => self.document(intent, &mut batch),
                };
            }
        }
        self.narrow_all(&mut batch);
        for (nth, verdict) in verdicts.iter().enumerate().filter(|(_, v)| **v == Verdict::Added) {
            debug_assert_eq!(*verdict, Verdict::Added, "only what was added has a place");
            self.size += 1;
            if let Some((_, kept)) = batch.added.iter().find(|(of, _)| *of == nth) {
                self.kept.push(Kept { seq: self.size, ..kept.clone() });
            }
        }
        verdicts
    }

    fn live(&self) -> impl Iterator<Item = (usize, &Kept)> {
        self.kept.iter().enumerate().filter(|(_, kept)| !kept.erased)
    }

    fn document(&mut self, intent: &Intent, batch: &mut Batch) -> Verdict {
        let (Intent::Accept { document, .. }
        | Intent::Client { document, .. }
        | Intent::Community { document, .. }
        | Intent::Recall { document, .. }) = intent
        else {
            return Verdict::Known;
        };
        if self.documents.contains(document) {
            return Verdict::Known;
        }
        match intent {
            Intent::Accept { community, member, text, .. } => {
                self.accepted.insert((*community, *member, *text));
            }
            Intent::Client { of, client, ended: false, .. } => {
                self.clients.insert((*of, *client));
            }
            Intent::Client { of, client, .. } => {
                self.clients.remove(&(*of, *client));
            }
            Intent::Community { community, members, text, .. } => {
                self.rings.insert(*community, Ring { members: members.clone(), text: *text });
            }
            Intent::Recall { author, object, act, .. } => {
                let verdict = self.recall(*author, *object, act, batch);
                if verdict != Verdict::Added {
                    return verdict;
                }
            }
            Intent::Object { .. } => {}
        }
        self.documents.insert(document.clone());
        Verdict::Added
    }

    fn recall(&self, author: u8, object: u8, act: &Act, batch: &mut Batch) -> Verdict {
        let own = Audience::Organisation(scene::member(author));
        let of: Vec<(usize, &Kept)> =
            self.live().filter(|(_, k)| (k.author, k.object) == (author, object)).collect();
        match act {
            Act::Withdraw => {
                batch.withdraw.extend(of.iter().map(|(at, _)| *at));
                batch.withdrawn.insert((author, object));
            }
            // No deed of a history takes an object out of a collection.
            Act::Remove { .. } => {}
            Act::Narrow { marking, audience } => {
                let within = |to: &Audience, held: &Kept| {
                    // RED for organisations goes to none of their people: to name some is no narrowing.
                    let named = |audience: &Audience| matches!(audience, Audience::Persons(_));
                    let shows = held.marking.label() == Tlp::Red && named(to) && !named(&held.audience);
                    *to == own || is_within(to, &held.audience) && !shows
                };
                if audience.as_ref().is_some_and(|to| of.iter().any(|(_, k)| !within(to, k))) {
                    return Verdict::NotWithin;
                }
                batch.narrow.extend(of.iter().map(|(at, _)| (*at, *marking, audience.clone())));
            }
        }
        Verdict::Added
    }

    fn object(&self, intent: &Intent, nth: usize, intents: &[Intent], batch: &mut Batch) -> Verdict {
        let Intent::Object { author, object, version, to, marking, widens, salts } = intent else {
            return Verdict::Known;
        };
        let key = (*author, *object);
        if self.withdrawn.contains(&key) || batch.withdrawn.contains(&key) {
            return Verdict::Withdrawn;
        }
        let micros = scene::version(*object, *version).micros();
        let same =
            |k: &Kept| (k.author, k.object, k.version) == (*author, *object, micros) && k.audience == *to;
        // What came stricter earlier in this batch counts already.
        let by_now = |at: usize, marking: Marking| {
            let came = batch.came_stricter.iter().filter(|(of, _)| *of == at);
            came.fold(marking, |marking, (_, by)| marking.as_strict_as(*by))
        };
        let mut told: Vec<Marking> =
            self.live().filter(|(_, k)| same(k)).map(|(at, k)| by_now(at, k.marking)).collect();
        told.extend(batch.added.iter().filter(|(_, k)| same(k)).map(|(_, k)| k.marking));
        if told.iter().any(|held| held.is_looser_than(*marking)) {
            let stricter: Vec<usize> = self
                .live()
                .filter(|(at, k)| same(k) && by_now(*at, k.marking).is_looser_than(*marking))
                .map(|(at, _)| at)
                .collect();
            batch.came_stricter.extend(stricter.iter().map(|at| (*at, *marking)));
            batch.narrow.extend(stricter.into_iter().map(|at| (at, *marking, None)));
            for (_, kept) in
                batch.added.iter_mut().filter(|(_, k)| same(k) && k.marking.is_looser_than(*marking))
            {
                kept.marking = kept.marking.as_strict_as(*marking);
            }
            self.follow_at_once(*author, *object, *marking, intents, batch);
            return Verdict::Narrowed;
        }
        let widens = *widens && told.iter().all(|held| marking.is_looser_than(*held));
        if !told.is_empty() && !widens {
            return Verdict::Known;
        }
        let Some(marking) = self.with_references(*author, *object, to, *marking, intents, batch) else {
            return Verdict::RefersFurther;
        };
        if told.iter().any(|held| !marking.is_looser_than(*held)) {
            // What it refers to keeps it as strict as it is: nobody more would see it.
            return Verdict::Known;
        }
        let kept = Kept {
            seq: 0,
            time: 0,
            author: *author,
            object: *object,
            version: micros,
            body: scene::body(*object, *version),
            revoked: *version == scene::REVOKED,
            audience: to.clone(),
            first: to.clone(),
            marking,
            salts: *salts,
            erased: false,
        };
        batch.added.push((nth, kept));
        self.follow_at_once(*author, *object, marking, intents, batch);
        Verdict::Added
    }

    /// An address came, or came stricter: what refers to it already follows.
    fn follow_at_once(
        &self,
        author: u8,
        object: u8,
        marking: Marking,
        intents: &[Intent],
        batch: &mut Batch,
    ) {
        if scene::sort(object) != Sort::Address {
            return;
        }
        let of = |k: &Kept| (k.author, k.object) == (author, object);
        let live = self.live().filter(|(_, k)| of(k)).map(|(_, k)| (k.marking, k.audience.clone()));
        let added = batch.added.iter().filter(|(_, k)| of(k)).map(|(_, k)| (k.marking, k.audience.clone()));
        let coming = intents.iter().filter_map(|intent| match intent {
            Intent::Object { author: by, object: o, marking, to, .. } if (*by, *o) == (author, object) => {
                Some((*marking, to.clone()))
            }
            _ => None,
        });
        let told: Vec<(Marking, Audience)> = live.chain(added).chain(coming).collect();
        batch.narrow.extend(self.referrers(author, object, &[marking], &told));
    }

    /// What refers to an address is as strict as the author's strictest record of it, and goes to nobody whom
    /// he did not tell of it.
    fn with_references(
        &self,
        author: u8,
        object: u8,
        to: &Audience,
        marking: Marking,
        intents: &[Intent],
        batch: &Batch,
    ) -> Option<Marking> {
        let Some(address) = scene::refers_to(object) else { return Some(marking) };
        let of = |k: &Kept| (k.author, k.object) == (author, address);
        let mut held: Vec<(Marking, Audience)> =
            self.live().filter(|(_, k)| of(k)).map(|(_, k)| (k.marking, k.audience.clone())).collect();
        let added = batch.added.iter().filter(|(_, k)| of(k));
        held.extend(added.map(|(_, k)| (k.marking, k.audience.clone())));
        let coming = intents.iter().filter_map(|intent| match intent {
            Intent::Object { author: by, object, marking, .. } if (*by, *object) == (author, address) => {
                Some(*marking)
            }
            _ => None,
        });
        let said: Vec<Marking> = held.iter().map(|(marking, _)| *marking).chain(coming).collect();
        let told = held.iter().any(|(marking, audience)| audience == to || marking.label() == Tlp::Clear);
        (said.is_empty() || told).then(|| said.into_iter().fold(marking, Marking::as_strict_as))
    }

    /// What becomes of what refers to an address: it is as strict as the address, and goes home from whom its
    /// author has not told of the address.
    fn referrers(
        &self,
        author: u8,
        address: u8,
        markings: &[Marking],
        told: &[(Marking, Audience)],
    ) -> Vec<(usize, Marking, Option<Audience>)> {
        let own = Audience::Organisation(scene::member(author));
        let mut all = Vec::new();
        for (at, k) in self.live() {
            if k.author != author || scene::refers_to(k.object) != Some(address) {
                continue;
            }
            let heard = told.iter().any(|(m, to)| *to == k.audience || m.label() == Tlp::Clear);
            let home = (k.audience != own && !heard).then(|| own.clone());
            all.extend(markings.iter().map(|marking| (at, *marking, home.clone())));
        }
        all
    }

    fn narrow_all(&mut self, batch: &mut Batch) {
        let mut open = std::mem::take(&mut batch.narrow);
        // What refers to a narrowed address follows it.
        let changed = open.iter().map(|(at, ..)| *at).chain(batch.withdraw.iter().copied());
        let addresses: BTreeSet<(u8, u8)> = changed
            .map(|at| (self.kept[at].author, self.kept[at].object))
            .filter(|(_, object)| scene::sort(*object) == Sort::Address)
            .collect();
        for (author, object) in addresses {
            let (mut told, mut markings) = (Vec::new(), Vec::new());
            for (at, k) in self.live().filter(|(_, k)| (k.author, k.object) == (author, object)) {
                let mut now = (k.marking, k.audience.clone());
                for (_, marking, audience) in open.iter().filter(|(of, ..)| *of == at) {
                    now = (now.0.as_strict_as(*marking), audience.clone().unwrap_or(now.1));
                }
                markings.push(now.0);
                if !batch.withdraw.contains(&at) {
                    told.push(now);
                }
            }
            open.extend(self.referrers(author, object, &markings, &told));
        }
        for (at, marking, audience) in open {
            let kept = &mut self.kept[at];
            let before = (kept.marking, kept.audience.clone());
            kept.marking = kept.marking.as_strict_as(marking);
            if let Some(audience) = audience {
                kept.audience = audience;
            }
            if before != (kept.marking, kept.audience.clone()) {
                self.disturbed.insert((kept.object, kept.version));
            }
        }
        for at in &batch.withdraw {
            self.kept[*at].erased = true;
            self.disturbed.insert((self.kept[*at].object, self.kept[*at].version));
        }
        self.withdrawn.extend(batch.withdrawn.iter().copied());
    }

    /// Markings and audiences under which an author holds an object.
    pub fn told(&self, author: u8, object: u8) -> BTreeMap<Audience, Marking> {
        let mut all: BTreeMap<Audience, Marking> = BTreeMap::new();
        for (_, k) in self.live().filter(|(_, k)| (k.author, k.object) == (author, object)) {
            let marking = all.entry(k.audience.clone()).or_insert(k.marking);
            *marking = marking.as_strict_as(k.marking);
        }
        all
    }

    // --- who reads ---

    fn has_accepted(&self, community: u8, member: u8) -> bool {
        let ring = &self.rings[&community];
        // Member 1 leads both: he accepts his own terms by writing them.
        ring.text == 0 || member == 1 || self.accepted.contains(&(community, member, ring.text))
    }

    /// Who stands behind a token now.
    pub fn reader(&self, token: &Token) -> Reader {
        let member = token.member;
        let mut reader = Reader {
            member,
            person: token.person,
            ceiling: Some(token.ceiling),
            client_of: self.clients.iter().filter(|(_, c)| *c == member).map(|(of, _)| *of).collect(),
            ..Reader::default()
        };
        for (n, ring) in &self.rings {
            let accepted = |m: u8| ring.members.contains(&m) && self.has_accepted(*n, m);
            if accepted(member) {
                reader.member_of.insert(*n);
            } else if ring.members.contains(&member) {
                reader.unaccepted.insert(*n);
            } else if reader.client_of.iter().any(|of| accepted(*of)) {
                reader.client_in.insert(*n);
            }
        }
        // A token never rises.
        for (n, noted) in &token.noted {
            if *noted < 2 && reader.member_of.remove(n) {
                reader.client_in.insert(*n);
            }
            if *noted < 1 {
                reader.client_in.remove(n);
            }
        }
        reader
    }

    /// As what a reader stands before a community.
    pub fn standing(reader: &Reader, community: u8) -> u8 {
        match () {
            () if reader.member_of.contains(&community) => 2,
            () if reader.client_in.contains(&community) => 1,
            () => 0,
        }
    }

    /// The records of a collection that a reader may see.
    pub fn visible(&self, reader: &Reader, place: Place) -> Vec<&Kept> {
        let of = match place {
            Place::Community(n) => Audience::Community(scene::community(n)),
            Place::Own => Audience::Organisation(scene::member(reader.member)),
        };
        self.live()
            .map(|(_, kept)| kept)
            .filter(|k| stands_in(&k.audience, &of) && stands_in(&k.first, &of))
            .filter(|k| may_see(k, reader, Exit::Taxii))
            .collect()
    }

    /// Whether a reader finds a collection: `None` if it is not there for him, `Some(false)` if he has to
    /// accept its terms first.
    pub fn opens(&self, reader: &Reader, place: Place) -> Option<bool> {
        let Place::Community(n) = place else { return Some(true) };
        if reader.unaccepted.contains(&n) {
            return Some(false);
        }
        let inside = reader.member_of.contains(&n) || reader.client_in.contains(&n);
        (inside || !self.visible(reader, place).is_empty()).then_some(true)
    }
}

/// The gate, in the order of `docs/markings.md`.
pub fn may_see(kept: &Kept, reader: &Reader, exit: Exit) -> bool {
    let label = kept.marking.tlp.unwrap_or(Tlp::AmberStrict);
    let own = kept.author == reader.member;
    let jo = reader.person && exit == Exit::Taxii;
    let named =
        jo && matches!(&kept.audience, Audience::Persons(all) if all.contains(&scene::person(reader.member)));
    if label == Tlp::Red && !(named || own && jo) {
        return false;
    }
    if Some(label) > reader.ceiling {
        return false;
    }
    if own {
        return true;
    }
    if kept.marking.unknown || kept.marking.tlp.is_none() {
        return false;
    }
    let is = |id: &MemberId, of: u8| *id == scene::member(of);
    let clients = label <= Tlp::Amber;
    match &kept.audience {
        Audience::Community(id) => {
            let among = |all: &BTreeSet<u8>| all.iter().any(|n| scene::community(*n) == *id);
            !among(&reader.unaccepted)
                && (label == Tlp::Clear || among(&reader.member_of) || clients && among(&reader.client_in))
        }
        _ if label == Tlp::Clear => true,
        Audience::Organisation(id) => {
            is(id, reader.member) || clients && reader.client_of.iter().any(|of| is(id, *of))
        }
        Audience::Members(ids) => {
            ids.contains(&scene::member(reader.member))
                || clients && reader.client_of.iter().any(|of| ids.contains(&scene::member(*of)))
        }
        Audience::Persons(_) => named,
    }
}

fn organisations(audience: &Audience) -> Option<BTreeSet<MemberId>> {
    match audience {
        Audience::Community(_) => None,
        Audience::Members(ids) => Some(ids.clone()),
        Audience::Organisation(id) => Some([*id].into()),
        Audience::Persons(persons) => Some(persons.iter().map(|person| person.member).collect()),
    }
}

/// Whether what is for `audience` stands in the collection of `of`.
fn stands_in(audience: &Audience, of: &Audience) -> bool {
    match (organisations(audience), of) {
        (Some(all), Audience::Organisation(id)) => all.contains(id),
        _ => audience == of,
    }
}

/// Whether all of the one are among the other.
fn is_within(few: &Audience, many: &Audience) -> bool {
    match (few, many) {
        (Audience::Persons(few), Audience::Persons(many)) => few.is_subset(many),
        (_, Audience::Persons(_)) => false,
        _ if few == many => true,
        _ => match (organisations(few), organisations(many)) {
            (Some(few), Some(many)) => few.is_subset(&many),
            _ => false,
        },
    }
}
