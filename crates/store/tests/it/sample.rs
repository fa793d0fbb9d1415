// SPDX-License-Identifier: Apache-2.0
//! Small STIX objects and stores for the tests.

use ledger::append::{Circumstances, Outcome, Signer};
use ledger::checkpoint::Origin;
use ledger::definitions::DefinitionView;
use ledger::draft::Draft;
use ledger::entry::Salts;
use model::head::Audience;
use model::id::{CommunityId, MemberId};
use model::marking::{Marking, Tlp};
use model::stix::Object;
use model::time::Timestamp;
use store::published::SideFile;
use store::{Schema, Store, Writer};
use trust::composite::PrivateKey;

pub const OWN: MemberId = MemberId([7; 32]);
pub const PARTNER: MemberId = MemberId([8; 32]);

pub fn key() -> PrivateKey {
    PrivateKey::from_bytes(&[5; 64])
}

pub fn signer() -> Signer {
    Signer { origin: Origin { member: OWN.0, log: 1 }, key: key(), tombstone_key: [6; 32] }
}

pub fn schema() -> Schema {
    Schema { views: vec![Box::new(DefinitionView)], local: Vec::new() }
}

pub fn writer(store: &Store, side_file: Option<SideFile>) -> Writer {
    writer_at(store, side_file, || 1_700_000_000_000_000)
}

/// With a clock of one's own, in microseconds.
pub fn writer_at(
    store: &Store,
    side_file: Option<SideFile>,
    mut clock: impl FnMut() -> i64 + Send + 'static,
) -> Writer {
    store
        .writer(signer(), side_file, move || Circumstances {
            now: Timestamp::from_micros(clock()),
            randomness: [0; 32],
        })
        .unwrap()
}

pub fn own() -> Audience {
    Audience::Organisation(OWN)
}

pub fn community(n: u128) -> Audience {
    Audience::Community(CommunityId(uuid(n)))
}

pub fn uuid(n: u128) -> model_uuid::Uuid {
    model_uuid::Uuid::from_u128(n << 64 | 0x4000_8000_0000_0000_0000)
}

pub use model::uuid as model_uuid;

/// An indicator: `n` is its identity, `minute` its version, `note` its content.
pub fn indicator(n: u32, minute: u32, note: &str) -> String {
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-{n:012x}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T{:02}:{:02}:00.000Z","pattern":"[ipv4-addr:value = '203.0.113.{}']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","name":"{note}"}}"#,
        minute / 60,
        minute % 60,
        n % 250,
    )
}

pub fn draft(json: &str, author: MemberId, audience: Audience, marking: Marking) -> Draft {
    let mut diagnostics = Vec::new();
    let object =
        Object::parse(json.as_bytes(), "test", &mut diagnostics).unwrap_or_else(|| panic!("{diagnostics:?}"));
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    Draft::stix(object, json.as_bytes().to_vec(), author, audience, marking, salts)
}

pub fn green(json: &str) -> Draft {
    draft(json, OWN, own(), Marking::tlp(Tlp::Green))
}

pub fn submit(writer: &Writer, drafts: Vec<Draft>) -> Vec<Outcome> {
    writer.submit(drafts).wait().unwrap()
}

pub fn added(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|o| matches!(o, Outcome::Added { .. })).count()
}
