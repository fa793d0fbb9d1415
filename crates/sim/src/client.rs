// SPDX-License-Identifier: Apache-2.0
//! TAXII clients that follow a cursor, each page held against the model.

use std::collections::{BTreeMap, BTreeSet};

use exchange::filter::{Filters, Versions, Wish};
use exchange::query::{self, Collection, ManifestPage, ObjectsPage, Permitted, QueryError, Question};
use exchange::standing;
use exchange::token::{self, Credential};
use exchange::view::collection_uuid;
use ledger::sql::Read;
use model::head::Audience;
use model::marking::Marking;
use model::time::Timestamp;

use crate::broken::{Ran, holds, same};
use crate::model::{Kept, Model, Place, Reader, Token};
use crate::node::Node;
use crate::scene;

/// Key of the node's cursors.
const CURSOR_KEY: [u8; 32] = [9; 32];
/// Key of the node's tokens.
pub const TOKEN_KEY: [u8; 32] = [8; 32];

/// Which versions a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `match[version]=all`
    All,
    /// `match[version]=first`
    First,
    /// `match[version]=first,last`
    FirstLast,
    /// Nothing said, so the newest.
    Last,
    /// One version by its time.
    This,
}

/// Every sort of it.
pub const WANTED: [Wanted; 5] = [Wanted::All, Wanted::First, Wanted::FirstLast, Wanted::Last, Wanted::This];

impl Wanted {
    fn versions(self) -> Versions {
        let these = |first, last, times| Versions::These { first, last, times };
        match self {
            Wanted::All => Versions::All,
            Wanted::First => these(true, false, BTreeSet::new()),
            Wanted::FirstLast => these(true, true, BTreeSet::new()),
            Wanted::Last => Versions::last(),
            Wanted::This => these(false, false, [scene::version(0, 1)].into()),
        }
    }

    /// What is served of an object's visible versions.
    fn takes(self, version: i64, oldest: i64, newest: i64) -> bool {
        match self {
            Wanted::All => true,
            Wanted::First => version == oldest,
            Wanted::FirstLast => version == oldest || version == newest,
            Wanted::Last => version == newest,
            Wanted::This => version == scene::version(0, 1).micros(),
        }
    }
}

/// What is served of what is visible, in order: of each version the earliest record.
pub fn served<'m>(visible: &[&'m Kept], wanted: Wanted) -> Vec<&'m Kept> {
    let mut taken = BTreeSet::new();
    let mut served = Vec::new();
    for kept in visible {
        let versions = visible.iter().filter(|k| k.object == kept.object).map(|k| k.version);
        let (oldest, newest) = (versions.clone().min(), versions.max());
        let wants = oldest.zip(newest).is_some_and(|(old, new)| wanted.takes(kept.version, old, new));
        if wants && taken.insert((kept.object, kept.version)) {
            served.push(*kept);
        }
    }
    served
}

/// A client: who it is, what it follows, how far it is.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its token, by number.
    pub token: usize,
    /// Its collection.
    pub place: Place,
    wanted: Wanted,
    text: String,
    next: Option<String>,
    added_after: Option<Timestamp>,
    /// `seq` of the last record of the page before, while there is a `next`.
    passed: i64,
    /// Versions that it was sent, and how often.
    seen: BTreeMap<(u8, i64), usize>,
}

/// What a client got.
enum Got {
    Page(Box<(ObjectsPage, ManifestPage)>),
    NotThere,
    Terms,
}

impl Client {
    /// Starts at zero. `text` is the token's.
    pub fn new(token: usize, place: Place, wanted: Wanted, text: &str) -> Client {
        Client {
            token,
            place,
            wanted,
            text: text.to_owned(),
            next: None,
            added_after: None,
            passed: 0,
            seen: BTreeMap::new(),
        }
    }

    fn told(&self, model: &Model) -> String {
        let Token { member, person, ceiling, .. } = &model.tokens[self.token];
        let who = if *person { "jo" } else { "a service" };
        format!(
            "token {} ({who} of member {member}, up to {ceiling}) in {:?}, versions {:?}",
            self.token, self.place, self.wanted
        )
    }

    /// Reads one page; answers whether there is more.
    pub fn poll(&mut self, node: &Node, model: &mut Model, limit: usize) -> Ran<bool> {
        let credential = node.store().read(|read| token::authenticate(read, &TOKEN_KEY, &self.text))?;
        let revoked = model.tokens[self.token].revoked;
        same(
            1,
            || format!("a revoked token is nobody's: {}", self.told(model)),
            &!revoked,
            &credential.is_some(),
        )?;
        let Some(credential) = credential else { return Ok(false) };
        let reader = model.reader(&model.tokens[self.token]);
        let got = self.ask(node, &credential, &reader, limit)?;
        let page = match (got, model.opens(&reader, self.place)) {
            (Got::Page(page), Some(true)) => page,
            (Got::NotThere, None) | (Got::Terms, Some(false)) => return Ok(false),
            (got, expected) => {
                let got = match got {
                    Got::Page(_) => Some(true),
                    Got::NotThere => None,
                    Got::Terms => Some(false),
                };
                let what =
                    format!("whether the collection opens, or asks for its terms: {}", self.told(model));
                return same(1, || what, &expected, &got).map(|()| false);
            }
        };
        if let Place::Community(n) = self.place {
            let standing = Model::standing(&reader, n);
            let noted = model.tokens[self.token].noted.entry(n).or_insert(standing);
            *noted = standing.min(*noted);
        }
        self.hold(model, &reader, &page, limit)
    }

    fn wish(&self, limit: usize) -> Wish {
        let filters = Filters { versions: self.wanted.versions(), ..Filters::default() };
        Wish { filters, limit, next: self.next.clone(), added_after: self.added_after }
    }

    fn ask(&self, node: &Node, credential: &Credential, reader: &Reader, limit: usize) -> Ran<Got> {
        let audience = audience(self.place, reader);
        let mut note = None;
        let got = node.store().read(|read| {
            let reader = token::reader(read, credential)?;
            let permitted = Permitted::ask(read, &reader)?;
            let (collection, listed) = find(read, &permitted, &audience)?;
            let Ok(collection) = collection else {
                return Ok(if listed { Got::Terms } else { Got::NotThere });
            };
            note = standing::to_note(read, &credential.id, &audience, collection.standing)?;
            let (permitted, collection) = (&permitted, &collection);
            let question =
                Question { permitted, collection, credential: &credential.id, cursor_key: &CURSOR_KEY };
            let wish = self.wish(limit);
            let pages = (query::objects(read, &question, &wish)?, query::manifest(read, &question, &wish)?);
            Ok::<_, QueryError>(Got::Page(Box::new(pages)))
        })?;
        // Before the page goes out, as the server does it.
        if let Some((community, least)) = note {
            node.store().local(|tx| standing::note(tx, &credential.id, community, least))?;
        }
        Ok(got)
    }

    /// The page is what the model says, to the byte, and so are its dates, markings and whether there is more.
    fn hold(
        &mut self,
        model: &Model,
        reader: &Reader,
        page: &(ObjectsPage, ManifestPage),
        limit: usize,
    ) -> Ran<bool> {
        let (objects, manifest) = page;
        let visible = model.visible(reader, self.place);
        let all = served(&visible, self.wanted);
        let after = self.added_after.map_or(i64::MIN, Timestamp::micros);
        let behind = |k: &&&Kept| k.seq > self.passed && k.time > after;
        let left: Vec<&Kept> = all.iter().filter(behind).copied().collect();
        let now = &left[..left.len().min(limit)];
        let bodies: Vec<&[u8]> = now.iter().map(|k| k.body.as_slice()).collect();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        same(
            1,
            || format!("a page of objects: {}", self.told(model)),
            &text(bodies.join(&b","[..])),
            &text(objects.pieces.concat()),
        )?;
        let expected: Vec<_> = now.iter().map(|k| (scene::id(k.object), k.version, k.time)).collect();
        let listed = manifest.entries.iter().map(|e| (e.id.clone(), e.version.micros(), e.added.micros()));
        same(1, || format!("a page of the manifest: {}", self.told(model)), &expected, &listed.collect())?;
        let more = left.len() > now.len();
        let told = (objects.next.is_some(), manifest.next.is_some(), objects.count);
        same(1, || format!("`more` and the count: {}", self.told(model)), &(more, more, now.len()), &told)?;
        let markings = objects.runs.iter().flat_map(|run| vec![run.marking; run.last + 1 - run.first]);
        let expected: Vec<Marking> = now.iter().map(|k| k.marking).collect();
        same(
            1,
            || format!("the markings that travel: {}", self.told(model)),
            &expected,
            &markings.collect(),
        )?;
        self.hold_dates(model, &visible, now, (objects.added_first, objects.added_last))?;
        self.go_on(model, &visible, now, objects)?;
        Ok(more)
    }

    fn hold_dates(
        &self,
        model: &Model,
        visible: &[&Kept],
        now: &[&Kept],
        dates: (Timestamp, Timestamp),
    ) -> Ran<()> {
        let dates = (dates.0.micros(), dates.1.micros());
        let what = || format!("the dates of a page: {}", self.told(model));
        if let (Some(first), Some(last)) = (now.first(), now.last()) {
            return same(1, what, &(first.time, last.time), &dates);
        }
        // Of an empty page they tell what the client said, or the newest that it could be served.
        let newest = served(visible, Wanted::All).last().map(|k| k.time);
        match (self.added_after, newest, &self.next) {
            (Some(after), _, None) => same(1, what, &(after.micros(), after.micros()), &dates),
            (None, Some(newest), None) => same(1, what, &(newest, newest), &dates),
            // The birth of the collection, or the cursor's own place.
            _ => same(1, what, &dates.0, &dates.1),
        }
    }

    /// Counts what came, and goes on as `taxii2-client` does: by `next` while there is one, then by the date.
    fn go_on(&mut self, model: &Model, visible: &[&Kept], now: &[&Kept], page: &ObjectsPage) -> Ran<()> {
        for kept in now {
            let key = (kept.object, kept.version);
            let times = self.seen.entry(key).or_default();
            *times += 1;
            let (times, may) = (*times, model.disturbed.contains(&key));
            let what = || format!("{} {} came {times} times: {}", scene::id(key.0), key.1, self.told(model));
            holds(4, what, times == 1 || may)?;
        }
        match (&page.next, now.last()) {
            (Some(next), Some(last)) => {
                self.next = Some(next.clone());
                self.passed = last.seq;
            }
            _ => {
                self.next = None;
                if page.added_last != Timestamp::EPOCH {
                    self.added_after = Some(page.added_last);
                }
                self.passed = 0;
                self.has_seen(model, visible)?;
            }
        }
        Ok(())
    }

    /// Law 4: a client that is at the end has been sent all that is served to it.
    fn has_seen(&self, model: &Model, visible: &[&Kept]) -> Ran<()> {
        if !matches!(self.wanted, Wanted::All | Wanted::Last) {
            return Ok(());
        }
        for kept in served(visible, self.wanted) {
            let key = (kept.object, kept.version);
            // What comes to light again because a newer version was narrowed or withdrawn is not sent again
            // to those who have passed it (docs/markings.md).
            let behind = self.wanted == Wanted::Last
                && model.disturbed.iter().any(|(object, version)| *object == key.0 && *version > key.1);
            let what = || format!("{} {} never came: {}", scene::id(key.0), key.1, self.told(model));
            holds(4, what, behind || self.seen.contains_key(&key))?;
        }
        Ok(())
    }
}

/// The audience whose collection it is.
fn audience(place: Place, reader: &Reader) -> Audience {
    match place {
        Place::Community(n) => Audience::Community(scene::community(n)),
        Place::Own => Audience::Organisation(scene::member(reader.member)),
    }
}

/// The collection; where there is none, whether it asks for its terms. What is there is listed.
fn find(
    read: &mut dyn Read,
    permitted: &Permitted,
    audience: &Audience,
) -> Result<(Result<Collection, QueryError>, bool), QueryError> {
    let uuid = collection_uuid(audience);
    let listed = query::collections(read, permitted)?.iter().any(|c| c.uuid == uuid);
    match query::collection(read, permitted, &uuid.to_string()) {
        Ok(collection) if listed => Ok((Ok(collection), true)),
        Err(QueryError::NotFound) if !listed => Ok((Err(QueryError::NotFound), false)),
        Err(QueryError::TermsNotAccepted) if !listed => Ok((Err(QueryError::TermsNotAccepted), true)),
        Ok(_) | Err(QueryError::NotFound | QueryError::TermsNotAccepted) => {
            let place = format!("the list of collections does not agree about {uuid}");
            Err(QueryError::Engine(ledger::sql::EngineError::shape(place)))
        }
        Err(other) => Err(other),
    }
}
