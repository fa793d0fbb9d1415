// SPDX-License-Identifier: Apache-2.0
//! Checkpoints, entries, proofs, tiles, root statements.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use ledger::checkpoint::{Checkpoint, Origin};
use ledger::entry::{Commitments, ENTRY_BYTES_MAX, Salts, audience_bytes, entry_bytes, subject_bytes};
use ledger::merkle::{
    Hash, TREE_SIZE_MAX, consistency_proof, inclusion_proof, leaf_hash, root_of, verify_consistency,
    verify_inclusion,
};
use ledger::proof::Proof;
use ledger::recall::{REASON_BYTES_MAX, RECALL_ENTRIES_MAX, Recall};
use ledger::root::chain::STATEMENTS_MAX;
use ledger::root::said::{SAID_BYTES_MAX, Said};
use ledger::root::{NAME_BYTES_MAX, Root, STATEMENT_BYTES_MAX};
use ledger::signed::{Drafts, SIGNED_DRAFTS_MAX};
use ledger::tile::{Appender, Prover, TileId};
use model::head::{Audience, Head};
use model::id::{MemberId, is_stix_id};
use model::kind::Kind;
use model::limits::BODY_BYTES_MAX;
use model::marking::Marking;
use model::time::Timestamp;
use serde_json::Value;
use trust::composite::PrivateKey;
use trust::log_key::LogPublicKeys;
use trust::member::fingerprint;

use crate::{broken, must, number};

/// The key of the member whose statements and proofs the corpora hold.
static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::from_bytes(&[7; 64]));

pub(crate) fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(checkpoint) = Checkpoint::parse(text) else { return };
    assert_eq!(checkpoint.print(), text, "a checkpoint has one spelling");
    assert!(checkpoint.size <= TREE_SIZE_MAX);
}

/// Lines: marking, audience, kind, time, id; the rest is a body.
pub(crate) fn entry(data: &[u8]) {
    let mut lines = data.splitn(6, |byte| *byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let marking = Marking::parse(line()).unwrap_or(Marking::NONE);
    let author = MemberId([3; 32]);
    let audience = Audience::parse(line()).unwrap_or(Audience::Organisation(author));
    let kind = Kind::from_name(line()).unwrap_or(Kind::STIX_21);
    let time = Timestamp::parse(line()).unwrap_or(Timestamp::EPOCH);
    let subject = subject_bytes(line(), time);
    let body = lines.next().unwrap_or_default();
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    assert_eq!(Salts::from_bytes(&salts.to_bytes()), Some(salts));
    if let Some(salts) = Salts::from_bytes(data) {
        assert_eq!(salts.to_bytes().as_slice(), data);
    }
    let commitments = Commitments::new(&salts, &subject, body, &audience_bytes(&audience));
    let head = Head { author, kind, marking, audience };
    let entry = entry_bytes(&head, &commitments, time);
    assert!(entry.len() <= ENTRY_BYTES_MAX, "an entry of {} bytes", entry.len());
    assert_eq!(model::jcs::canonical(&entry).as_ref(), Some(&entry), "an entry is canonical JSON");
}

pub(crate) fn proof(data: &[u8]) {
    let Ok(proof) = Proof::parse(data) else { return };
    let printed = proof.print();
    let again = must(Proof::parse(printed.as_bytes()).ok(), "what was printed can be read");
    assert_eq!(again, proof);
    if let Ok(proved) = proof.check() {
        assert!(proof.index < proved.checkpoint.size && proved.checkpoint.origin == proved.root.origin);
        assert_eq!(proved.root.member, proof.envelope.head.author);
        // All proofs that hold are of one member: nobody else's key was at hand.
        assert_eq!(proved.root.root_key, *KEY.public_key(), "a forged proof");
        check_root(&proved.root);
    }
}

fn check_root(root: &Root) {
    assert_eq!(fingerprint(&root.root_key), root.member.0);
    for text in [&root.name, &root.country, &root.sector] {
        assert!((1..=NAME_BYTES_MAX).contains(&text.len()), "{} bytes of text", text.len());
        assert!(!text.contains(char::is_control), "it could move a cursor: {text:?}");
    }
}

pub(crate) fn root(data: &[u8]) {
    let Ok(root) = Root::verify(data) else { return };
    assert!(data.len() <= STATEMENT_BYTES_MAX);
    assert_eq!(root.root_key, *KEY.public_key(), "a forged statement");
    check_root(&root);
    let canonical = must(model::jcs::canonical(data), "what is taken is JSON");
    assert!(Root::verify(&canonical).is_ok(), "how the JSON is spelled carries nothing");
}

/// A statement that its member signed, whatever it says: a member may be hostile too.
pub(crate) fn root_signed(data: &[u8]) {
    let Ok(Value::Object(said)) = serde_json::from_slice::<Value>(data) else { return };
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or("x").to_owned();
    let member = fingerprint(KEY.public_key());
    let log = said.get("log").and_then(Value::as_u64).and_then(|log| u32::try_from(log).ok()).unwrap_or(1);
    let micros = said.get("created").and_then(Value::as_i64).unwrap_or(0);
    let root = Root {
        member: MemberId(member),
        name: text("name"),
        country: text("country"),
        sector: text("sector"),
        created: Timestamp::from_micros(micros),
        root_key: KEY.public_key().clone(),
        origin: Origin { member, log },
        log_keys: must(LogPublicKeys::composite_alone(KEY.public_key().as_bytes()).ok(), "a key is one"),
        recovery: None,
    };
    let body = root.sign(&KEY, [0; 32]);
    if let Ok(read) = Root::verify(&body) {
        check_root(&read);
        assert_eq!((&read.name, &read.country, &read.sector), (&root.name, &root.country, &root.sector));
        assert_eq!((read.origin, read.created), (root.origin, root.created));
    }
}

/// What a hosted member signed of the objects of a file.
pub(crate) fn drafts(data: &[u8]) {
    let Ok(drafts) = Drafts::parse(data) else { return };
    assert!(drafts.drafts.len() <= SIGNED_DRAFTS_MAX && data.len() <= BODY_BYTES_MAX);
    for draft in &drafts.drafts {
        assert!(draft.kind.is_stix() || draft.kind == Kind::RECALL, "a kind that nobody signs");
        assert_eq!(draft.id.is_some(), draft.kind == Kind::RECALL);
        assert!(draft.id.as_ref().is_none_or(|id| is_stix_id(id)));
    }
    let printed = drafts.print().to_string();
    assert_eq!(Drafts::parse(printed.as_bytes()), Ok(drafts), "what was printed can be read");
}

/// The file in which a member says who it is.
pub(crate) fn statements(data: &[u8]) {
    let Ok(said) = Said::parse(data) else { return };
    assert!(data.len() <= SAID_BYTES_MAX && said.statements.len() <= STATEMENTS_MAX);
    assert_eq!(Said::parse(said.print().as_bytes()).as_ref(), Ok(&said), "what was printed can be read");
    if let Ok(identity) = said.verify() {
        assert_eq!(identity.root.root_key, *KEY.public_key(), "a forged statement");
        check_root(&identity.root);
    }
}

pub(crate) fn recall(data: &[u8]) {
    let Ok(recall) = Recall::parse(data) else { return };
    assert!((1..=RECALL_ENTRIES_MAX).contains(&recall.entries.len()));
    assert!(recall.reason.len() <= REASON_BYTES_MAX && !recall.reason.contains(char::is_control));
    let printed = recall.print();
    assert_eq!(Recall::parse(&printed), Ok(recall), "what was printed can be read");
}

/// A small tree, a proof from it, and changes to the proof.
pub(crate) fn merkle_proof(data: &[u8]) {
    let mut rest = data;
    let numbers = [number(&mut rest), number(&mut rest), number(&mut rest)];
    let [size, index, old] = numbers;
    let chunks: Vec<Hash> = rest.as_chunks::<32>().0.to_vec();
    let any = chunks.first().copied().unwrap_or([0; 32]);
    // Any numbers and hashes at all: nothing but an answer.
    assert!(verify_inclusion(&any, index, size, &chunks, &[0xEE; 32]).is_err(), "a forged proof");
    let forged = verify_consistency(old, &[0xEE; 32], size, &any, &chunks).is_ok();
    assert!(!forged || old == size || old == 0, "a forged proof");

    let leaves: Vec<Hash> = (0..size % 70).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let (size, root) = (leaves.len() as u64, root_of(&leaves));
    let old = old % (size + 1);
    let mut path = Vec::new();
    if let Ok(proof) = inclusion_proof(&leaves, index % size.max(1)) {
        let index = index % size;
        let leaf = must(leaves.get(index as usize).copied(), "the leaf is there");
        assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
        path = changed(&proof, rest);
        let holds = verify_inclusion(&leaf, index, size, &path, &root).is_ok();
        assert_eq!(holds, path == proof, "only the one proof holds");
    }
    let proof = must(consistency_proof(&leaves, old).ok(), "an older tree begins the newer");
    let old_root = root_of(leaves.get(..old as usize).unwrap_or_default());
    assert_eq!(verify_consistency(old, &old_root, size, &root, &proof), Ok(()));
    let other = changed(&proof, rest);
    let holds = verify_consistency(old, &old_root, size, &root, &other).is_ok();
    assert_eq!(holds, other == proof, "only the one proof holds");
    assert!(path.len() <= proof.len() + 64);
}

/// The proof with one hash taken out, doubled, or with a bit changed.
fn changed(proof: &[Hash], how: &[u8]) -> Vec<Hash> {
    let mut proof = proof.to_vec();
    let [what, at, bit, ..] = *how else { return proof };
    let at = usize::from(at) % (proof.len() + 1);
    match (what % 4, proof.get_mut(at)) {
        (0, Some(hash)) => hash[usize::from(bit >> 3)] ^= 1 << (bit & 7),
        (1, Some(_)) => drop(proof.remove(at)),
        (2, _) => proof.insert(at, [bit; 32]),
        _ => {}
    }
    proof
}

/// Tiles of any bytes, and a tree that is appended to in two steps.
pub(crate) fn tiles(data: &[u8]) {
    let mut rest = data;
    let [size, index, old] = [number(&mut rest), number(&mut rest), number(&mut rest)];
    let mut asked = 0;
    let mut hostile = |id: TileId| -> Result<Option<Vec<u8>>, Infallible> {
        asked += 1;
        let skip = (usize::from(id.level) * 7 + (id.index % 5) as usize).min(rest.len());
        let bytes = rest.get(skip..).unwrap_or_default();
        Ok(match bytes.first() {
            None | Some(0) => None,
            Some(1) => Some(bytes.to_vec()),
            Some(width) => Some(bytes.iter().copied().cycle().take(usize::from(*width) * 64).collect()),
        })
    };
    let mut prover = Prover::new(&mut hostile);
    let _ = prover.root(size);
    let _ = prover.inclusion_proof(index, size);
    let _ = prover.consistency_proof(old, size);
    let _ = Appender::load(&mut hostile, size);
    assert!(asked <= 256, "{asked} tiles were read for one tree");

    honest(size % 600, index, old);
}

fn honest(size: u64, index: u64, old: u64) {
    let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let (first, second) = leaves.split_at((old % (size + 1)) as usize);
    let (mut appender, mut kept) = (Appender::new(), HashMap::new());
    for part in [first, second] {
        assert!(appender.append(part).is_ok());
        for tile in appender.take_tiles() {
            kept.insert(tile.id, tile.bytes);
        }
    }
    let root = root_of(&leaves);
    assert_eq!(appender.root(), root);
    let mut reader = |id: TileId| -> Result<Option<Vec<u8>>, Infallible> { Ok(kept.get(&id).cloned()) };
    let loaded = Appender::load(&mut reader, size);
    assert!(loaded.is_ok_and(|loaded| loaded.root() == root), "the edge can be loaded again");
    let mut prover = Prover::new(&mut reader);
    assert_eq!(prover.root(size).ok(), Some(root));
    if let Some(leaf) = leaves.get((index % size.max(1)) as usize) {
        let Ok(proof) = prover.inclusion_proof(index % size, size) else { broken("a proof from tiles") };
        assert_eq!(verify_inclusion(leaf, index % size, size, &proof, &root), Ok(()));
    }
}
