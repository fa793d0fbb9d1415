// SPDX-License-Identifier: Apache-2.0
//! Communities, what a client asks of a page, cursors, tokens.

use std::cell::RefCell;

use exchange::cursor::{self, Bound};
use exchange::filter::{Fields, Filters, Spec, Versions, Wish};
use exchange::limits::{
    COMMUNITY_MEMBERS_MAX, ENVELOPE_OBJECTS_MAX, FILTER_VALUE_BYTES_MAX, FILTER_VALUES_MAX,
    MESSAGE_BYTES_MAX, NAME_BYTES_MAX, PAGE_OBJECTS_MAX,
};
use exchange::post::{Envelope, Posted, Sender};
use exchange::standard::client::ClientOf;
use exchange::standard::community::{Community, id_of_subject, subject};
use exchange::standard::terms::{Acceptance, Conditions};
use exchange::token::{self, ID_BYTES, LOCAL_TABLES, Order, Rights, SECRET_BYTES};
use exchange::view::CollectionView;
use ledger::append::Outcome;
use ledger::definitions::DefinitionView;
use ledger::entry::Salts;
use model::head::Audience;
use model::id::{CommunityId, MemberId, is_stix_id};
use model::limits::ID_BYTES_MAX;
use model::marking::{Marking, Tlp};
use model::stix::{Definitions, Object};
use model::time::Timestamp;
use policy::Reader;
use store::{Schema, Store};

use crate::{Dribble, broken, must, number};

pub(crate) fn community(data: &[u8]) {
    if let Some(id) = std::str::from_utf8(data).ok().and_then(id_of_subject) {
        assert_eq!(subject(id).as_bytes(), data, "a community's subject has one spelling");
    }
    let Ok(community) = Community::parse(data) else { return };
    assert!((1..=NAME_BYTES_MAX).contains(&community.name.len()) && community.terms.fit());
    assert!(community.members.len() <= COMMUNITY_MEMBERS_MAX && community.id.0.get_version_num() == 4);
    assert_eq!(id_of_subject(&subject(community.id)), Some(community.id));
    let printed = must(community.print().ok(), "what was read can be printed");
    let again = must(Community::parse(&printed).ok(), "what was printed can be read");
    assert_eq!(again.print().as_ref(), Ok(&printed), "printing is stable");
    assert_eq!(
        (&again.name, &again.members, &again.terms),
        (&community.name, &community.members, &community.terms)
    );
    assert!(community.other.keys().eq(again.other.keys()), "unknown properties survive");
}

pub(crate) fn acceptance(data: &[u8]) {
    if let Some(conditions) =
        serde_json::from_slice(data).ok().and_then(|value| Conditions::from_json(&value))
    {
        assert_eq!(
            Conditions::from_json(&conditions.to_json()),
            Some(conditions),
            "what was printed can be read"
        );
    }
    let Some(acceptance) = Acceptance::parse(data) else { return };
    assert!(acceptance.fits() && is_stix_id(&acceptance.subject()));
    let printed = acceptance.print();
    assert_eq!(Acceptance::parse(&printed), Some(acceptance), "what was printed can be read");
}

pub(crate) fn client(data: &[u8]) {
    let Some(client) = ClientOf::parse(data) else { return };
    assert!(client.client != client.of && is_stix_id(&client.subject()));
    assert_eq!(ClientOf::parse(&client.print()), Some(client), "what was printed can be read");
}

pub(crate) fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pairs: Vec<(&str, &str)> =
        text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    for fields in [Fields::Collection, Fields::Object, Fields::Versions] {
        let asked = Wish::parse(pairs.iter().copied(), fields);
        let backwards = Wish::parse(pairs.iter().rev().copied(), fields);
        assert_eq!(asked.is_ok(), backwards.is_ok(), "the order of parameters carries nothing");
        let Ok(wish) = asked else { continue };
        assert_eq!(Ok(&wish), backwards.as_ref(), "the order of parameters carries nothing");
        check_limits(&wish);
        let printed = print(&wish);
        let again = Wish::parse(printed.iter().map(|(name, value)| (name.as_str(), value.as_str())), fields);
        assert_eq!(again.as_ref(), Ok(&wish), "{printed:?}");
    }
}

fn check_limits(wish: &Wish) {
    assert!((1..=PAGE_OBJECTS_MAX).contains(&wish.limit));
    let filters = &wish.filters;
    for values in [&filters.ids, &filters.types].into_iter().flatten() {
        assert!((1..=FILTER_VALUES_MAX).contains(&values.len()));
        assert!(values.iter().all(|value| (1..=FILTER_VALUE_BYTES_MAX).contains(&value.len())));
    }
    if let Versions::These { times, .. } = &filters.versions {
        assert!(times.len() <= FILTER_VALUES_MAX);
    }
}

/// The parameters that ask for the same.
fn print(wish: &Wish) -> Vec<(String, String)> {
    let mut pairs = vec![("limit".to_owned(), wish.limit.to_string())];
    let mut push =
        |name: &str, value: Option<String>| pairs.extend(value.map(|value| (name.to_owned(), value)));
    let filters = &wish.filters;
    push("added_after", wish.added_after.map(|time| time.to_string()));
    push("next", wish.next.clone());
    let joined = |values: &std::collections::BTreeSet<String>| {
        values.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    };
    push("match[id]", filters.ids.as_ref().map(joined));
    push("match[type]", filters.types.as_ref().map(joined));
    push(
        "match[spec_version]",
        filters.specs.as_ref().map(|specs| {
            let names: Vec<&str> = specs.iter().map(|spec: &Spec| spec.name()).collect();
            // Only versions that nothing has were asked for.
            if names.is_empty() { "0".to_owned() } else { names.join(",") }
        }),
    );
    match &filters.versions {
        Versions::All => push("match[version]", Some("all".to_owned())),
        Versions::These { first, last, times } => {
            let words = [(*first, "first"), (*last, "last")];
            let words = words.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word.to_owned());
            let values: Vec<String> = words.chain(times.iter().map(Timestamp::to_string)).collect();
            push("match[version]", (*filters != Filters::default()).then(|| values.join(",")));
        }
    }
    pairs
}

pub(crate) fn cursor(data: &[u8]) {
    const KEY: [u8; 32] = [7; 32];
    let mut rest = data;
    let position = number(&mut rest).cast_signed();
    let filters = Filters::default();
    let bound = Bound { collection: "c", credential: "r", filters: &filters };
    let printed = cursor::print(&KEY, position, &bound);
    assert_eq!(cursor::parse(&KEY, &printed, &bound), Ok(position));
    for given in [data, rest] {
        let Ok(text) = std::str::from_utf8(given) else { continue };
        if let Ok(position) = cursor::parse(&KEY, text, &bound) {
            assert_eq!(cursor::print(&KEY, position, &bound), text, "a cursor has one spelling");
        }
        assert!(cursor::parse(&KEY, text, &Bound { credential: "s", ..bound }).is_err(), "of another reader");
    }
}

/// An envelope that another member posts to a community.
pub(crate) fn envelope(data: &[u8]) {
    let author = MemberId([2; 32]);
    let reader = Reader::service(author, Tlp::AmberStrict);
    let audience = Audience::Community(CommunityId(model::uuid::Uuid::from_u128(7)));
    let sender =
        Sender { reader: &reader, own: MemberId([1; 32]), audience: &audience, now: Timestamp::EPOCH };
    let mut salts = || Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    EMPTY.with_borrow_mut(|kept| {
        let store = kept.get_or_insert_with(empty_store);
        let posted = store.read(|read| {
            let step = 1 + data.len() / 20;
            let Ok(envelope) = Envelope::survey(read, author, Dribble { data, step }) else {
                return Ok(None);
            };
            envelope.take(read, sender, data, &mut salts).map(Some)
        });
        let posted: Result<_, ledger::sql::EngineError> = posted;
        match posted {
            Ok(Some(posted)) => check_posted(posted, author),
            Ok(None) => {}
            Err(error) => broken(&format!("{error}")),
        }
    });
}

fn check_posted(posted: Posted, author: MemberId) {
    let drafts = posted.drafts.len() as u64;
    assert!(drafts <= ENVELOPE_OBJECTS_MAX);
    for draft in &posted.drafts {
        assert!(draft.author == author && draft.kind.is_stix());
        let object = must(Object::parse(&draft.body, "here", &mut Vec::new()), "a draft holds an object");
        assert_eq!((&object.id, object.version), (&draft.subject.id, draft.subject.version));
        let said = object.marking(&Definitions::default());
        // A definition beside it tells what this reader does not know.
        let said = Marking { unknown: false, ..said };
        assert_eq!(draft.marking.strictest(said), draft.marking, "what comes in is as strict as it says");
    }
    let status = posted.status((0..drafts).map(|_| Outcome::Known), [1; 16], Timestamp::EPOCH);
    assert_eq!(status.success_count, drafts, "what was taken and known is there");
    for detail in status.successes.iter().chain(&status.failures) {
        assert!(detail.id.len() <= ID_BYTES_MAX);
        // Each note is cut, and there are few of one object.
        assert!(detail.message.as_ref().is_none_or(|said| said.len() <= 16 * (MESSAGE_BYTES_MAX + 3)));
    }
    assert!(status.failures.iter().all(|failed| failed.message.is_some()), "a failure has a reason");
}

thread_local! {
    static EMPTY: RefCell<Option<Store>> = const { RefCell::new(None) };
}

fn empty_store() -> Store {
    let views: Vec<Box<dyn ledger::view::View>> = vec![Box::new(DefinitionView), Box::new(CollectionView)];
    match Store::memory(Schema { views, local: LOCAL_TABLES.to_vec() }) {
        Ok(store) => store,
        Err(error) => broken(&format!("{error}")),
    }
}

thread_local! {
    static TOKENS: RefCell<Option<(Store, String)>> = const { RefCell::new(None) };
}

const TOKEN_KEY: [u8; 32] = [9; 32];

pub(crate) fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    TOKENS.with_borrow_mut(|kept| {
        let (store, issued) = kept.get_or_insert_with(store_with_token);
        let answer = store.read(|read| token::authenticate(read, &TOKEN_KEY, text));
        match answer {
            Ok(Some(credential)) => {
                assert_eq!((text, credential.name.as_str()), (issued.as_str(), "fuzzed"), "a forged token");
            }
            Ok(None) => assert_ne!(text, issued, "the token that was issued"),
            Err(error) => broken(&format!("{error}")),
        }
    });
}

/// A store with one working token: the one that `corpus/token/issued` shows.
fn store_with_token() -> (Store, String) {
    let Ok(store) = Store::memory(Schema { views: Vec::new(), local: LOCAL_TABLES.to_vec() }) else {
        broken("a store in memory opens")
    };
    let own = MemberId([1; 32]);
    let order = Order { name: "fuzzed", member: own, own, ceiling: None, person: None, rights: Rights::READ };
    let issued = store
        .local(|tx| token::issue(tx, &TOKEN_KEY, &order, [3; ID_BYTES], [5; SECRET_BYTES], Timestamp::EPOCH));
    let Ok(issued) = issued else { broken("a token can be issued") };
    (store, issued)
}
