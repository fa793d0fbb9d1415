// SPDX-License-Identifier: Apache-2.0
//! A member whose key is its own, hosted on this store's node: nobody speaks for it.

use ledger::append::{Outcome, Refused};
use ledger::audience::Heads;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::hosted::{self, Hosted, Hosting};
use ledger::recall::{Act, EntryPlace, Recall};
use ledger::record;
use ledger::root::Root;
use ledger::signed::AuthorSignature;
use ledger::sql::{EngineError, Value};
use ledger::verify::verify;
use model::head::Audience;
use model::id::MemberId;
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use store::{Store, Writer};
use trust::composite::PrivateKey;
use trust::member::fingerprint;

use crate::sample::*;

const ADDRESS: &str = r#"{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}"#;
const OBSERVED: &str = r#"{"type":"observed-data","spec_version":"2.1","id":"observed-data--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1,"object_refs":["ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"]}"#;
/// The clock of the writer.
const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn firm_key() -> PrivateKey {
    PrivateKey::from_bytes(&[3; 64])
}

fn firm() -> MemberId {
    MemberId(fingerprint(firm_key().public_key()))
}

fn document(kind: Kind, author: MemberId, version: i64, body: Vec<u8>) -> Draft {
    let subject = Subject::document(hosted::subject_id(firm()), Timestamp::from_micros(version));
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    Draft::new(kind, subject, body, author, Audience::Organisation(author), Marking::tlp(Tlp::Clear), salts)
}

fn root() -> Draft {
    let root = Root {
        member: firm(),
        name: "Dijk BV".to_owned(),
        country: "NL".to_owned(),
        sector: "energy".to_owned(),
        created: Timestamp::from_micros(1_000),
        root_key: firm_key().public_key().clone(),
        origin: signer().origin,
        log_keys: key().public_key().clone(),
        recovery: Some([5; 32]),
    };
    document(Kind::MEMBER_ROOT, firm(), 1_000, root.sign(&firm_key(), [0; 32]))
}

fn known(store: &Store) -> Hosted {
    store.read(|read| hosted::of(read, OWN, firm())).unwrap().unwrap()
}

fn plain(json: &str, tlp: Tlp) -> Draft {
    draft(json, firm(), community(1), Marking::tlp(tlp))
}

/// As the author's client and the door make it.
fn signed(hosted: &Hosted, draft: Draft, at: i64) -> Draft {
    let (log, at) = (signer().origin, Timestamp::from_micros(at));
    let signature = AuthorSignature::make(&firm_key(), &draft, &log, at, [0; 32]);
    hosted.admit(draft, signature, &log, &log, NOW).unwrap()
}

fn one(writer: &Writer, draft: Draft) -> Outcome {
    submit(writer, vec![draft]).remove(0)
}

fn faults(store: &Store) -> Vec<String> {
    store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap().faults
}

pub fn hosted_members_sign_themselves(store: &Store) {
    let writer = writer(store, None);
    assert_eq!(added(&submit(&writer, vec![green(&indicator(1, 0, "the host's own")), root()])), 2);
    let firm_now = known(store);
    let json = indicator(2, 0, "a");
    assert_eq!(one(&writer, plain(&json, Tlp::Green)), Outcome::Refused(Refused::Unsigned));
    let good = signed(&firm_now, plain(&json, Tlp::Green), 2_000);
    assert!(matches!(one(&writer, good.clone()), Outcome::Added { seq: 3, index: 2 }));
    assert_eq!(one(&writer, good.clone()), Outcome::Known);
    // The host signs with a key that is not the author's: no door makes a draft of it.
    let log = signer().origin;
    let forged = AuthorSignature::make(&PrivateKey::from_bytes(&[4; 64]), &good, &log, NOW, [0; 32]);
    assert!(firm_now.admit(plain(&json, Tlp::Clear), forged, &log, &log, NOW).is_err());
    let entry = store.read(|read| record::at(read, 3)).unwrap().unwrap().entry;
    let entry = String::from_utf8(entry).unwrap();
    assert!(entry.ends_with("\"v\":2}") && entry.contains("\"sig\":\""), "{entry}");
    narrower_than_signed(store, &writer, &firm_now);
    as_the_host_knows_it(store, &writer, &good);
    erased_and_changed(store, &writer);
}

/// What refers to an observable is as strict as it, and its entry still says what was signed.
fn narrower_than_signed(store: &Store, writer: &Writer, hosted: &Hosted) {
    let drafts = [(OBSERVED, Tlp::Green), (ADDRESS, Tlp::Amber)];
    let drafts = drafts.map(|(json, tlp)| signed(hosted, plain(json, tlp), 2_000));
    assert_eq!(added(&submit(writer, drafts.to_vec())), 2);
    let labels = store.read(|read| {
        let (heads, row) = (Heads::load(read)?, record::at(read, 4)?.unwrap());
        let label = |row| heads.of(row).map(|head| head.marking.label());
        Ok::<_, EngineError>((label(row.committed_row)?, label(row.audience_row)?, row.entry))
    });
    let (committed, effective, entry) = labels.unwrap();
    assert_eq!((committed, effective), (Tlp::Green, Tlp::Amber));
    assert!(String::from_utf8(entry).unwrap().contains("TLP:GREEN"));
    assert_eq!(one(writer, drafts[0].clone()), Outcome::Known);
    assert_eq!(faults(store), Vec::<String>::new());
}

/// What was looked at before the batch must still hold in it.
fn as_the_host_knows_it(store: &Store, writer: &Writer, good: &Draft) {
    let before = known(store);
    let late = signed(&before, plain(&indicator(5, 0, "a"), Tlp::Green), 3_000);
    let hosting =
        |ended, version| document(Kind::HOSTING, OWN, version, Hosting { member: firm(), ended }.print());
    assert_eq!(added(&submit(writer, vec![hosting(true, 5_000)])), 1);
    assert_eq!(one(writer, late.clone()), Outcome::Refused(Refused::NotHosted));
    assert_eq!(one(writer, good.clone()), Outcome::Refused(Refused::NotHosted));
    assert!(known(store).ended);
    assert_eq!(added(&submit(writer, vec![hosting(false, 6_000)])), 1);
    assert_eq!(one(writer, late), Outcome::Refused(Refused::KeysChanged));
    // Another member's word on it is nothing.
    let stranger = document(Kind::HOSTING, PARTNER, 7_000, Hosting { member: firm(), ended: true }.print());
    assert_eq!(added(&submit(writer, vec![stranger])), 1);
    assert!(!known(store).ended);
}

/// The signature outlives the body; what is changed of it shows.
fn erased_and_changed(store: &Store, writer: &Writer) {
    let entries = vec![EntryPlace { origin: signer().origin, index: 2 }];
    let recall = Recall { act: Act::Withdraw, entries, reason: String::new() };
    let at = 8_000;
    let subject = "x-polder-recall--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f".to_owned();
    let subject = Subject::document(subject, Timestamp::from_micros(at));
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    let (body, marking) = (recall.print(), Marking::tlp(Tlp::Green));
    let recall = Draft::new(Kind::RECALL, subject, body, firm(), community(1), marking, salts);
    assert_eq!(one(writer, recall.clone()), Outcome::Refused(Refused::Unsigned));
    assert!(matches!(one(writer, signed(&known(store), recall, at)), Outcome::Added { .. }));
    assert!(store.read(|read| record::at(read, 3)).unwrap().unwrap().body.is_none());
    assert_eq!(faults(store), Vec::<String>::new());
    let harm = |sql: &'static str, args: &[Value<'_>]| {
        store.local(|tx| tx.execute(sql, args)).map_err(|e: EngineError| e).unwrap()
    };
    harm("UPDATE signatures SET signed = signed + 1 WHERE seq = 4", &[]);
    assert!(faults(store)[0].contains("record 4: its author's signature fails"), "{:?}", faults(store));
    harm("UPDATE signatures SET signed = signed - 1, widens = 1 WHERE seq = 4", &[]);
    assert_eq!(faults(store).len(), 1);
    harm("UPDATE signatures SET widens = 0, signature = ?1 WHERE seq = 4", &[Value::Blob(&[7; 3373])]);
    assert_eq!(faults(store).len(), 2, "the entry names another, {:?}", faults(store));
    harm("DELETE FROM signatures WHERE seq = 3", &[]);
    assert!(faults(store)[0].contains("record 3"), "of an erased record too: {:?}", faults(store));
}
